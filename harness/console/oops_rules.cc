#include "harness/console/oops_rules.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <memory>

#include "harness/base/re2.h"

namespace ktrial::console {
namespace {

using enum Kind;

// WARN(): "CPU: 1 PID: 2 at FILE:LINE f+0x..", since 6.19 "FILE:LINE at f+0x.., CPU#1: comm/2",
// perhaps with the condition, "[CONDITION] FILE:LINE at f+0x.."; long ago "at FILE:LINE f()".
#define WARN_AT R"(WARNING: (?:\[.*\] )?(?:CPU: \d+ PID: \d+ )?(?:at )?(?:\S*/)??)"
#define WARN_FUNCTION R"(:\d+(?: at)?(?: ([^\s+]+(?:\+0x\S+)?))?)"

// The first match wins: special cases stand before general ones.
constexpr Rule kRules[] = {
    // Lockups and stalls
    {R"((?:NMI )?watchdog: BUG: soft lockup)", soft_lockup, "BUG: soft lockup", Pick::stall},
    {R"(BUG: soft lockup)", soft_lockup, "BUG: soft lockup", Pick::stall},
    {R"((?:(?:NMI )?watchdog: )?(?:CPU\d+: )?Watchdog detected hard LOCKUP on cpu)", hard_lockup,
     "BUG: hard lockup", Pick::stall},
    {R"(watchdog: CPU \d+ (?:self-detected hard|detected hard|Hard) LOCKUP)", hard_lockup,
     "BUG: hard lockup", Pick::stall},
    {R"((?:rcu: )?INFO: \S+ (?:self-)?detected (?:expedited )?stalls?(?: on|\?|,))", rcu_stall,
     "INFO: rcu detected stall", Pick::stall},
    {R"(BUG: workqueue lockup)", workqueue_lockup, "BUG: workqueue lockup"},
    {R"(csd: (?:Detected|Re-detected|Continued) non-responsive CSD lock)", csd_lockup,
     "csd: non-responsive CSD lock"},
    // A comm may be anything: of one with a newline the line has only the end.
    {R"((?:INFO: task )?.{0,64}:\d+ blocked(?: in I/O wait)? for more than \d+ seconds)", hung_task,
     "INFO: task hung", Pick::hung},
    {R"(INFO: task .+ can't die for more than \d+ seconds)", hung_task, "INFO: task can't die",
     Pick::hung},

    // Sanitizers
    {R"(BUG: KASAN: (?:double-free|invalid-free)\b)", kasan, "KASAN: invalid-free", Pick::stack},
    {R"(BUG: KASAN: ([a-z-]+) on address)", kasan, R"(KASAN: \1)", Pick::stack},
    {R"(BUG: KASAN: ([a-z-]+)(?: in (\S+))?)", kasan, R"(KASAN: \1)", Pick::stack, 2},
    {R"(BUG: KFENCE: ((?:out-of-bounds|use-after-free|invalid) (?:read|write|free|rw)|invalid free|memory corruption) in (\S+))",
     kfence, R"(KFENCE: \1)", Pick::stack, 2},
    {R"(BUG: KFENCE: ([a-z -]+?)(?: in(?: (\S+))?)?$)", kfence, R"(KFENCE: \1)", Pick::stack, 2},
    {R"(BUG: KMSAN: ([a-z-]+)(?: in (\S+))?)", kmsan, R"(KMSAN: \1)", Pick::head, 2},
    {R"(BUG: KCSAN: ([a-z :-]+?) in (\S+)(?: / (\S+))?)", kcsan, R"(KCSAN: \1)", Pick::head, 2},
    {R"(UBSAN: Undefined behaviour in)", ubsan, "UBSAN: undefined-behaviour", Pick::stack},
    {R"(UBSAN: ([a-z-]+) in)", ubsan, R"(UBSAN: \1)", Pick::stack},

    // Locks
    {R"((?:\[ )?(?:INFO|WARNING): \S+-safe -> \S+-unsafe lock order)", lockdep, "possible deadlock",
     Pick::stack},
    {R"((?:\[ )?(?:INFO|WARNING): (possible (?:circular|recursive) locking(?: dependency)?(?: detected)?|possible irq lock inversion dependency detected))",
     lockdep, "possible deadlock", Pick::lock},
    {R"((?:\[ )?(?:INFO|WARNING): inconsistent lock state)", lockdep, "inconsistent lock state",
     Pick::lock},
    {R"((?:\[ )?(INFO|WARNING): suspicious RCU usage)", suspicious_rcu,
     R"(\1: suspicious RCU usage)", Pick::stack},
    {R"((?:\[ )?(BUG|WARNING): .+ still has locks held)", held_lock, R"(\1: still has locks held)",
     Pick::lock},
    {R"((?:\[ )?(BUG|WARNING): (bad unlock balance|held lock freed|lock held when returning to user space|bad contention|chain_key collision|lock held at task exit time))",
     held_lock, R"(\1: \2)", Pick::lock},
    {R"((?:\[ )?(BUG|WARNING): [Nn]ested lock was not taken)", held_lock,
     R"(\1: nested lock was not taken)", Pick::lock},
    {R"((?:\[ )?(?:BUG|WARNING): Invalid wait context)", lockdep, "WARNING: locking bug",
     Pick::stack},
    {R"(INFO: trying to register non-static key)", lockdep,
     "INFO: trying to register non-static key", Pick::stack},
    {R"(BUG: (MAX_\w+ too low!?))", lockdep_limit, R"(BUG: \1)"},
    {R"(BUG: (rwlock|spinlock) (lockup suspected|recursion|bad magic|lockup|already unlocked|wrong owner|wrong CPU|cpu recursion|trylock failure on UP))",
     spinlock, R"(BUG: \1 \2)", Pick::stack},

    // Contexts
    {R"(BUG: scheduling while atomic)", atomic_sleep, "BUG: scheduling while atomic", Pick::stack},
    {R"(BUG: sleeping function called from invalid context)", atomic_sleep,
     "BUG: sleeping function called from invalid context", Pick::stack},
    {R"(BUG: using ([a-z_]+\(\)) in preemptible)", preemption,
     R"(BUG: using \1 in preemptible code)", Pick::stack},
    {R"(BUG: workqueue leaked)", atomic_sleep, "BUG: workqueue leaked lock or atomic", Pick::stack},

    // Faults
    {R"((?:BUG: )?(?:CPU \d+ )?(?:[Uu]nable to handle (?:kernel )?NULL pointer dereference|[Kk]ernel NULL pointer dereference (?:at|on)))",
     null_dereference, "BUG: unable to handle kernel NULL pointer dereference", Pick::pointer},
    {R"(BUG: kernel NULL pointer dereference)", null_dereference,
     "BUG: unable to handle kernel NULL pointer dereference", Pick::pointer},
    // riscv says "access to user memory" of what others call a NULL pointer
    {R"(Unable to handle kernel access to user memory without uaccess routines at virtual address 0*[0-9a-f]{1,3}$)",
     null_dereference, "BUG: unable to handle kernel NULL pointer dereference", Pick::pointer},
    {R"((?:BUG: )?(?:CPU \d+ )?(?:[Uu]nable to handle (?:page fault|kernel (?:paging request|access|data access|pointer|read|write|execute|instruction|unknown)|user|unexpected)))",
     oops, "BUG: unable to handle kernel paging request", Pick::pointer},
    {R"(BUG: (?:\w+ )?stack guard page was hit)", stack_overflow, "BUG: stack guard page was hit",
     Pick::stall},
    {R"(PANIC: early exception 0x)", panic, "PANIC: early exception", Pick::pointer},
    {R"((?:traps: )?PANIC: double fault)", double_fault, "PANIC: double fault", Pick::pointer},
    {R"((?:Oops: |segment-related |.*access(?:es)?)?general protection fault.*\[#\d+\])", gpf,
     "general protection fault", Pick::pointer, 0, Role::die},
    {R"((?:Oops: )?divide.error: )", divide_error, "divide error", Pick::pointer, 0, Role::die},
    {R"((?:Oops: )?int3: .*\[#\d+\])", oops, "int3", Pick::pointer, 0, Role::die,
     Accuses::stale_breakpoint},
    {R"((?:traps: )?(?:Oops: )?stack segment: )", gpf, "stack segment fault", Pick::pointer, 0,
     Role::die},
    {R"(Unhandled (?:prefetch abort|kernel unaligned access))", oops, "Unhandled fault",
     Pick::pointer},
    {R"(Insufficient stack space to handle exception)", stack_overflow, "kernel stack overflow",
     Pick::stall},
    {R"(Bad mode in .* handler detected on CPU)", panic, "kernel panic: bad mode"},
    {R"(SError Interrupt on CPU\d+)", oops, "SError Interrupt", Pick::pointer},
    {R"(Unhandled fault)", oops, "Unhandled fault", Pick::pointer},
    {R"(Alignment trap)", oops, "Alignment trap", Pick::pointer},
    {R"(kernel BUG at (?:\S*/)?mm/usercopy\.c)", bad_usercopy, "BUG: bad usercopy", Pick::stack, 0,
     Role::bug},
    {R"(usercopy: (?:Kernel memory|kernel memory|bad|Bad))", bad_usercopy, "BUG: bad usercopy",
     Pick::stack},
    {R"(kernel BUG at (?:\S*/)?lib/list_debug\.c)", list_corruption, "BUG: corrupted list",
     Pick::stack, 0, Role::bug},
    {R"(list_(?:add (?:corruption|double add:)|del corruption))", list_corruption,
     "BUG: corrupted list", Pick::stack},
    {R"([Kk]ernel BUG at)", bug, "kernel BUG", Pick::pointer, 0, Role::bug},
    {R"((?:Oops: )?invalid opcode)", bug, "invalid opcode", Pick::pointer, 0, Role::die},
    {R"(Internal error: Oops - BUG)", bug, "kernel BUG", Pick::pointer, 0, Role::die},
    {R"(Internal error: )", oops, "Internal error", Pick::pointer, 0, Role::die},
    {R"((?:Kernel bug detected|Kernel BUG) ?\[#\d+\])", bug, "kernel BUG", Pick::pointer, 0,
     Role::die},
    // powerpc: who asked for a System Reset is at fault, if anybody; s390, x86: "NAME: error code"
    {R"(Oops: (System Reset|Machine check|Exception in kernel mode|[A-Z][\w ]+ exception), sig: \d+ \[#\d+\])",
     oops, R"(Oops: \1)", Pick::pointer, 0, Role::die},
    {R"((Oops - [a-z][\w ()-]+) \[#\d+\])", oops, R"(\1)", Pick::pointer, 0, Role::die},
    {R"((?:\S+\(\d+\): )?(?:Oops|Kernel access of bad area)\b.*\[#\d+\])", oops,
     "BUG: unable to handle kernel paging request", Pick::pointer, 0, Role::die},
    {R"((?:Oops: )?([a-zA-Z][\w -]{2,40}): [0-9a-f]{4,16}(?: ilc:\d)? \[#\d+\])", oops, R"(\1)",
     Pick::pointer, 0, Role::die},
    // mips, loongarch, sparc
    {R"((?:\S+\(\d+\): )?([A-Z][\w -]{2,40}) ?\[#\d+\]:?$)", oops, R"(\1)", Pick::pointer, 0,
     Role::die},

    // Memory
    {R"(BUG: Bad page state in process)", bad_page, "BUG: Bad page state", Pick::leak},
    {R"(BUG: Bad (page map|page cache|rss-counter state))", bad_page, R"(BUG: Bad \1)"},
    {R"(BUG: non-zero pgtables_bytes)", bad_page, "BUG: non-zero pgtables_bytes on freeing mm"},
    {R"(kmemleak: \d+ new suspected memory leaks)", memory_leak, "memory leak"},
    {R"(BUG: memory leak)", memory_leak, "memory leak", Pick::leak},
    {R"(BUG (\S+) \(.*\): (.+))", memory_corruption, R"(BUG: \2)"},
    {R"(BUG: Dentry \S+ +still in use .*\[(\w+))", filesystem, R"(BUG: Dentry still in use in \1)"},
    {R"(VFS: Close: file count is 0)", filesystem, "VFS: Close: file count is 0"},
    {R"(VFS: Busy inodes after unmount)", filesystem,
     "VFS: Busy inodes after unmount (use-after-free)"},

    // Warnings that one checker raises for many callers
    {WARN_AT R"(drivers/usb/core/urb\.c)"
             R"(:\d+ (?:at )?usb_submit_urb)",
     warning, "WARNING in {F}/usb_submit_urb", Pick::stack, 0, Role::warn},
    {WARN_AT R"(lib/refcount\.c:)", refcount, "WARNING: refcount bug", Pick::stack, 0, Role::warn},
    {WARN_AT R"(lib/kobject\.c)", warning, "WARNING: kobject bug", Pick::stack, 0, Role::warn},
    {WARN_AT R"(lib/debugobjects\.c)", odebug, "WARNING: ODEBUG bug", Pick::stack, 0, Role::warn},
    {WARN_AT R"(kernel/locking/lockdep\.c)", lockdep, "WARNING: locking bug", Pick::stack, 0,
     Role::warn},
    {WARN_AT R"(fs/proc/generic\.c:\d+ (?:at )?_*proc_(?:register|create))", warning,
     "WARNING: proc registration bug", Pick::stack, 0, Role::warn},
    {WARN_AT R"(mm/usercopy\.c)", bad_usercopy, "WARNING: bad usercopy", Pick::stack, 0,
     Role::warn},
    {WARN_AT
     R"(mm/(?:slab_common|slab|slub|util)\.c:\d+ (?:at )?_*(?:kmalloc_slab|kvmalloc_node\w*))",
     warning, "WARNING: kmalloc bug", Pick::stack, 0, Role::warn},
    {WARN_AT R"(mm/vmalloc\.c:\d+ (?:at )?__vmalloc_node_range)", warning,
     "WARNING: zero-size vmalloc", Pick::stack, 0, Role::warn},
    {WARN_AT
     R"(kernel/watchdog[\w]*\.c:\d+ (?:at )?(?:watchdog_overflow_callback|watchdog_hardlockup))",
     hard_lockup, "BUG: hard lockup", Pick::stall, 0, Role::warn},
    // without CONFIG_DEBUG_BUGVERBOSE
    {R"(WARNING: (?:CPU: \d+ PID: \d+ )?at ([^\s+:]+\+0x[0-9a-f]+/0x[0-9a-f]+))", warning,
     "WARNING", Pick::head, 1, Role::warn},
    {WARN_AT R"([\w./-]+\.(?:[chS]|rs))" WARN_FUNCTION, warning, "WARNING", Pick::head, 1,
     Role::warn},
    // syzbot names the register only where the kernel does not hash its address
    {R"(WARNING: kernel stack (regs) at +\(_*ptrval_*\) in .* has bad '\w+' value)", warning,
     R"(WARNING: kernel stack \1 has bad value)"},
    {R"(WARNING: kernel stack (regs|frame pointer) at .* has bad ('\w+' )?value)", warning,
     R"(WARNING: kernel stack \1 has bad \2value)"},
    {R"(WARNING: (\w[^\s`]*)$)", warning, R"(WARNING: \1)"},

    // Panics
    {R"(Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: (\S+))", panic,
     "kernel panic: stack is corrupted", Pick::head, 1, Role::panic},
    {R"(Kernel panic - not syncing: corrupted stack end)", panic,
     "kernel panic: corrupted stack end", Pick::stall, 0, Role::panic},
    {R"(Kernel panic - not syncing: (Fatal exception|Fatal hardware error|Attempted to kill (?:init|the idle task)!?))",
     panic, R"(kernel panic: \1)", Pick::none, 0, Role::panic},
    {R"(Kernel panic - not syncing: ((?:VFS: Unable to mount root fs|No working init found).*?)(?: for .*|:? *\.*)$)",
     panic, R"(kernel panic: \1)", Pick::none, 0, Role::panic, Accuses::missing_init},
    {R"(Kernel panic - not syncing: (IO-APIC \+ timer doesn't work.*?)(?: for .*|:? *\.*)$)", panic,
     R"(kernel panic: \1)", Pick::none, 0, Role::panic, Accuses::lost_ticks},
    {R"(Kernel panic - not syncing: (.+?)(?: for .*|:? *\.*)$)", panic, R"(kernel panic: \1)",
     Pick::none, 0, Role::panic},

    // Notes
    {R"([^:]{1,63}: page allocation (?:failure|stalls))", page_allocation,
     "page allocation failure", Pick::stack},
    {R"([^:]{1,63} invoked oom-killer: )", out_of_memory, "out of memory"},
    {R"((?:Memory cgroup o|O)ut of memory(?: \([^)]*\))?: Kill)", out_of_memory, "out of memory",
     Pick::none, 0, Role::other},
    {R"((?:\S+ ){0,3}NETDEV WATCHDOG: )", netdev_watchdog,
     "NETDEV WATCHDOG: transmit queue timed out", Pick::none, 0, Role::other},

    // Others
    {R"(BUG: (.{3,120}))", bug, R"(BUG: \1)", Pick::none, 0, Role::other},
    {R"(unregister_netdevice: waiting for (\S+) to become free)", netdev_unregister,
     "unregister_netdevice: waiting for DEV to become free", Pick::none, 0, Role::other},
    {R"(rust_kernel: panicked at )", rust_panic, "rust panic", Pick::stack},
    {R"(trusty: .*ASSERT FAILED at \([^)]*\):? ?(.*))", firmware, R"(trusty: ASSERT FAILED: \1)"},
    {R"((SYZFATAL|SYZFAIL): (.*))", test_harness, R"(\1: \2)"},
    {R"(goroutine \d+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?\[[a-z][^\]]*\]:$)", test_harness,
     "go runtime error", Pick::none, 0, Role::other},
    {R"(INFO: (Freed|Allocated) in (\S+?)(?:\+0x\S+)? age)", memory_corruption,
     R"(INFO: \1 in \2 age=NUM cpu=NUM pid=NUM)"},
};

// Lines that a rule above would take for a report.
constexpr std::string_view kHarmless[] = {
    R"(INFO: (?:lockdep is turned off|NMI handler|recovery required))",
    R"((?:Kernel c|C)ommand line:)",
    R"(BUG \S+ \(.*\): kasan: bad access)",
};

// Rules whose heads may start with any words: each needs one of these.
constexpr std::string_view kInside[] = {" blocked", "page allocation ",
                                        "oom-killer: ", "NETDEV WATCHDOG: ", "[#"};

bool holds_one(std::string_view text) {
  return std::ranges::any_of(
      kInside, [text](std::string_view inside) { return text.find(inside) != text.npos; });
}

// Nearly no line is a head. Most rules' heads are told from other lines by their first bytes; the
// others would have to look at every byte of every line.
struct Compiled {
  struct Group {
    RE2::Set set{RE2::Options(), RE2::ANCHOR_START};
    std::vector<std::size_t> rules;  // by the set's own numbers
  };
  std::vector<std::unique_ptr<RE2>> heads;
  Group plain, anywhere;
  std::size_t harmless_from = 0;

  Compiled() {
    for (const Rule& rule : kRules) add(rule.head);
    harmless_from = heads.size();
    for (std::string_view text : kHarmless) add(text);
    plain.set.Compile();
    anywhere.set.Compile();
  }
  void add(std::string_view text) {
    Group& group = holds_one(text) ? anywhere : plain;
    group.set.Add(re2::StringPiece(text.data(), text.size()), nullptr);
    group.rules.push_back(heads.size());
    heads.push_back(std::make_unique<RE2>(re2::StringPiece(text.data(), text.size())));
  }
  // The first rule that matches; their number when none does.
  std::size_t first_match(std::string_view body) const {
    std::size_t first = heads.size();
    bool harmless = false;
    const auto look = [&](const Group& group) {
      thread_local std::vector<int> hits;
      if (!group.set.Match(re2::StringPiece(body.data(), body.size()), &hits)) return;
      for (const int hit : hits) {
        const std::size_t rule = group.rules[static_cast<std::size_t>(hit)];
        first = std::min(first, rule);
        harmless = harmless || rule >= harmless_from;
      }
    };
    look(plain);
    if (holds_one(body)) look(anywhere);
    return harmless ? heads.size() : first;
  }
};
const Compiled& compiled() {
  static const Compiled& all = *new Compiled;
  return all;
}

std::string expand(std::string_view title, std::string_view whole,
                   const std::vector<std::string>& captures) {
  std::string out;
  for (std::size_t i = 0; i < title.size(); ++i) {
    if (title[i] != '\\' || i + 1 >= title.size()) {
      out.push_back(title[i]);
      continue;
    }
    const auto group = static_cast<std::size_t>(title[++i] - '0');
    if (group == 0)
      out += whole;
    else if (group <= captures.size())
      out += captures[group - 1];
  }
  return out;
}

void read_details(std::string_view body, Head& head) {
  static const RE2 lockup(R"(CPU#(\d+) stuck for \d+s! \[(.+):\d+\])");
  static const RE2 warned(R"(, CPU#(\d+): (.+)/\d+$)");
  static const RE2 others(R"(LOCKUP on other CPUs (\d+))");
  static const RE2 numbered(R"((?:CPU:? |CPU#|cpu )(\d+))");
  static const RE2 hung(R"(task (.+):\d+ (?:blocked|can't die))");
  static const RE2 oops(R"(\[#(\d+)\])");
  const auto has = [body](std::string_view words) { return body.find(words) != body.npos; };
  int cpu = -1;
  const bool sharp = has("CPU#");
  if ((sharp && (partial_match(body, lockup, &cpu, &head.task) ||
                 partial_match(body, warned, &cpu, &head.task))) ||
      (has("LOCKUP") && partial_match(body, others, &cpu)) ||
      ((has("CPU") || has("cpu ")) && partial_match(body, numbered, &cpu)))
    head.cpu = cpu;
  if (has("task ")) partial_match(body, hung, &head.task);
  if (has("[#")) partial_match(body, oops, &head.oops_number);
}

}  // namespace

const Rule& reboot_rule() {
  static constexpr Rule rule{"", reboot, "unexpected kernel reboot"};
  return rule;
}
bool is_catch_all(const Rule& rule) {
  return rule.kind == bug && rule.pick == Pick::none && rule.role == Role::other;
}
std::span<const Rule> oops_rules() { return kRules; }

std::optional<Head> match_head(std::string_view body) {
  const Compiled& all = compiled();
  const re2::StringPiece text(body.data(), body.size());
  const std::size_t first = all.first_match(body);
  if (first == all.heads.size()) return std::nullopt;
  const RE2& re = *all.heads[first];
  re2::StringPiece groups[4];
  const int wanted = std::min(3, re.NumberOfCapturingGroups());
  if (!re.Match(text, 0, text.size(), RE2::ANCHOR_START, groups, wanted + 1)) return std::nullopt;
  Head head;
  head.rule = &kRules[first];
  for (int i = 1; i <= wanted; ++i) head.captures.emplace_back(groups[i].data(), groups[i].size());
  head.title = expand(head.rule->title, {groups[0].data(), groups[0].size()}, head.captures);
  if (head.rule->function > 0 && head.rule->function <= wanted)
    head.function = head.captures[static_cast<std::size_t>(head.rule->function - 1)];
  read_details(body, head);
  return head;
}

}  // namespace ktrial::console
