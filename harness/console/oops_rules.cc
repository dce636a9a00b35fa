// Heads in the order of their precedence. Patterns are anchored and linear
// (RE2); named group F is the function, \1.. are the others.
#include "harness/console/rules.h"

namespace ktrial::console {
namespace {

#define FN "(?P<F>[A-Za-z0-9_.$<>:]+)"

const Rule kRules[] = {
    // --- sanitizers
    {R"(BUG: KASAN: (?:maybe )?(?:double-free or invalid-free|double-free|invalid-free) in )" FN, Kind::kasan, "KASAN: invalid-free", Where::stack},
    {R"(BUG: KASAN: ([a-z\-]+) (?:on address .*|in )" FN R"((?:\+0x\S+)? at addr ))", Kind::kasan, "KASAN: \\1 in \\F at addr ADDR", Where::none},
    {R"(BUG: KASAN: ([a-z\-]+)(?: in )" FN R"()?)", Kind::kasan, "KASAN: \\1", Where::stack},
    {R"(KASAN: .* in range)", Kind::gpf, "", Where::none},
    {R"(BUG: KMSAN: ([a-z\-]+) in )" FN, Kind::kmsan, "KMSAN: \\1", Where::stack},
    {R"(BUG: KCSAN: assert: race in )" FN R"( / [A-Za-z0-9_.]+)", Kind::kcsan, "KCSAN: assert: race", Where::head},
    {R"(BUG: KCSAN: (data-race|assert: race) in )" FN, Kind::kcsan, "KCSAN: \\1", Where::head},
    {R"(BUG: KFENCE: ([a-z \-]+?)(?: in )" FN R"()?$|BUG: KFENCE: ([a-z \-]+?) in )", Kind::kfence, "KFENCE: \\1", Where::stack},
    {R"(UBSAN: Undefined behaviour in )", Kind::ubsan, "UBSAN: undefined-behaviour", Where::stack},
    {R"(UBSAN: ([a-z\-]+) in )", Kind::ubsan, "UBSAN: \\1", Where::stack},
    {R"(BUG: memory leak|(?:\S+ \S+ )?BUG: memory leak)", Kind::memory_leak, "memory leak", Where::stack},
    // --- stalls
    {R"((?:NMI )?watchdog: BUG: soft lockup - CPU#\d+ stuck for|BUG: soft lockup - CPU#\d+ stuck for)", Kind::soft_lockup, "BUG: soft lockup", Where::stall},
    {R"((?:NMI )?watchdog: (?:CPU\d+: )?Watchdog detected hard LOCKUP on cpu|Watchdog detected hard LOCKUP on cpu|watchdog: CPU \d+ (?:self-detected hard LOCKUP|Hard LOCKUP|detected hard LOCKUP))", Kind::hard_lockup, "BUG: hard lockup", Where::stall},
    {R"((?:rcu: )?INFO: \S+ (?:self-)?detected (?:expedited )?stalls? on|INFO: rcu_(?:tasks\S*) detected stalls|(?:rcu: )?INFO: \S+ detected (?:expedited )?stall[s]?, but suppressed)", Kind::rcu_stall, "INFO: rcu detected stall", Where::stall},
    {R"((?:rcu: )?\S+ kthread starved for \d+ jiffies)", Kind::rcu_stall, "INFO: rcu detected stall", Where::stall},
    {R"(INFO: task .+ can't die for more than)", Kind::hung_task, "INFO: task can't die", Where::stack},
    {R"(INFO: task .+:\d+ blocked(?: in I/O wait)? for more than \d+ seconds|INFO: task .+ blocked for more than)", Kind::hung_task, "INFO: task hung", Where::stack},
    {R"(BUG: workqueue lockup)", Kind::workqueue_lockup, "BUG: workqueue lockup", Where::none},
    // --- lockdep
    {R"((?:\[ INFO: |WARNING: )possible (?:circular|recursive|irq lock inversion|irq) (?:locking|dependency|lock|inversion).*(?:detected)|WARNING: \S+-safe -> \S+-unsafe lock order detected|\[ INFO: \S+-safe -> \S+-unsafe lock order detected|(?:\[ INFO: |WARNING: )possible .*deadlock)", Kind::lockdep, "possible deadlock", Where::lock},
    {R"((?:\[ INFO: |WARNING: |\[ BUG: )?inconsistent lock state)", Kind::lockdep, "inconsistent lock state", Where::lock},
    {R"(\[ INFO: suspicious RCU usage)", Kind::rcu_usage, "INFO: suspicious RCU usage", Where::stack},
    {R"(WARNING: suspicious RCU usage)", Kind::rcu_usage, "WARNING: suspicious RCU usage", Where::stack},
    {R"(\[ BUG: (bad unlock balance|held lock freed|bad contention) ?(?:detected)?)", Kind::lockdep, "BUG: \\1", Where::lock},
    {R"(WARNING: (bad unlock balance|held lock freed|bad contention) ?(?:detected)?)", Kind::lockdep, "WARNING: \\1", Where::lock},
    {R"((?:\[ )?(BUG|WARNING): lock held (?:when|at) returning to user ?space)", Kind::lockdep, "\\1: lock held when returning to user space", Where::lock},
    {R"((?:\[ )?(BUG|WARNING): .+/\d+ still has locks held)", Kind::lockdep, "\\1: still has locks held", Where::lock},
    {R"(WARNING: Nested lock was not taken)", Kind::lockdep, "WARNING: nested lock was not taken", Where::lock},
    {R"(INFO: trying to register non-static key)", Kind::lockdep, "INFO: trying to register non-static key", Where::stack},
    {R"(BUG: (MAX_[A-Z_]+ too low!?))", Kind::lockdep, "BUG: \\1", Where::none},
    // --- atomicity
    {R"(BUG: sleeping function called from invalid context)", Kind::atomic_sleep, "BUG: sleeping function called from invalid context", Where::stack},
    {R"(BUG: scheduling while atomic)", Kind::atomic_sleep, "BUG: scheduling while atomic", Where::stack},
    {R"(BUG: using (\S+) in preemptible)", Kind::atomic_sleep, "BUG: using \\1 in preemptible code", Where::stack},
    {R"(BUG: workqueue leaked (?:lock or atomic|atomic, lock or RCU))", Kind::atomic_sleep, "BUG: workqueue leaked lock or atomic", Where::head},
    {R"(BUG: spinlock (lockup suspected|bad magic|recursion|already unlocked|wrong CPU|wrong owner|cpu recursion|trylock failure on UP|uninitialized))", Kind::spinlock, "BUG: spinlock \\1", Where::stack},
    {R"(BUG: rwlock (\S+))", Kind::spinlock, "BUG: rwlock \\1", Where::stack},
    // --- memory
    {R"((?:BUG: )?(?:Bad|non-zero) page state in process|BUG: Bad page state)", Kind::bad_page, "BUG: Bad page state", Where::stack},
    {R"(BUG: Bad page map)", Kind::bad_page, "BUG: Bad page map", Where::stack},
    {R"(BUG: Bad page cache)", Kind::bad_page, "BUG: Bad page cache", Where::stack},
    {R"(BUG: Bad rss-counter state)", Kind::bad_page, "BUG: Bad rss-counter state", Where::none},
    {R"(BUG \S+ \(.*\): (Object already free|Redzone overwritten|Poison overwritten|Objects remaining.*|Invalid object pointer|Freepointer corrupt|Wrong slab page|Padding overwritten|.* overwritten))", Kind::bad_page, "BUG: \\1", Where::none},
    {R"(usercopy: [Kk]ernel memory (?:overwrite|exposure) attempt detected)", Kind::usercopy, "BUG: bad usercopy", Where::stack},
    {R"(list_(?:add|del|move)\S* corruption|(?:slab )?list corruption)", Kind::list_corruption, "BUG: corrupted list", Where::stack},
    {R"(BUG: Dentry .* still in use)", Kind::bug, "BUG: Dentry still in use", Where::stack},
    {R"(VFS: Busy inodes after unmount)", Kind::bug, "VFS: Busy inodes after unmount (use-after-free)", Where::none},
    {R"(BUG: (?:\S+ )?stack guard page was hit|BUG: stack guard page was hit)", Kind::double_fault, "BUG: stack guard page was hit", Where::stack},
    {R"(PANIC: double fault)", Kind::double_fault, "PANIC: double fault", Where::ip},
    // --- faults
    {R"(BUG: (?:unable to handle kernel NULL pointer dereference|kernel NULL pointer dereference))", Kind::page_fault, "BUG: unable to handle kernel NULL pointer dereference", Where::ip},
    {R"(Unable to handle kernel NULL pointer dereference|Kernel attempted to (?:read|write|access) user page)", Kind::page_fault, "BUG: unable to handle kernel NULL pointer dereference", Where::ip},
    {R"(BUG: unable to handle (?:kernel paging request|page fault for address)|BUG: unable to handle kernel access|Unable to handle kernel (?:paging request|access|execute|read|write)|BUG: unable to handle)", Kind::page_fault, "BUG: unable to handle kernel paging request", Where::ip},
    {R"((?:Oops: )?general protection(?: fault)?[:,. ])", Kind::gpf, "general protection fault", Where::ip},
    {R"((?:Oops: )?divide error: )", Kind::divide_error, "divide error", Where::ip},
    {R"((?:Oops: )?(?:int3|bounds|invalid TSS|segment not present|stack segment|alignment check|coprocessor segment overrun): \d{4} \[#)", Kind::oops, "Oops", Where::ip},
    {R"((?:8<--- )?Unhandled fault: |Unhandled prefetch abort)", Kind::oops, "Unhandled fault", Where::stack},
    {R"(Alignment trap: )", Kind::oops, "Alignment trap", Where::stack},
    {R"(kernel BUG at )", Kind::bug, "kernel BUG", Where::ip},
    {R"(Kernel BUG at )" FN R"(\+0x)", Kind::bug, "kernel BUG", Where::head},
    {R"(Internal error: )", Kind::oops, "Internal error", Where::ip},
    {R"((?:Oops: )?invalid opcode: \d{4} \[#)", Kind::oops, "invalid opcode", Where::ip},
    {R"((?:Oops: )?Oops(?:: [0-9a-f]{4}|: Kernel access|: Exception| - ))", Kind::oops, "Oops", Where::ip},
    // --- warnings, from the telling to the plain
    {R"(WARNING: .*lib/refcount\.c|refcount_t: (?:increment|underflow|saturated|addition|decrement|hit zero))", Kind::refcount, "WARNING: refcount bug", Where::stack},
    {R"(ODEBUG: \S+ \S+ (?:\(|active|available|not available|uninit|destroyed).*object)", Kind::warning, "WARNING: ODEBUG bug", Where::stack},
    {R"(WARNING: .*lib/debugobjects\.c)", Kind::warning, "WARNING: ODEBUG bug", Where::stack},
    {R"(WARNING: .*kernel/locking/lockdep\.c|WARNING: .*kernel/lockdep\.c)", Kind::lockdep, "WARNING: locking bug", Where::stack},
    {R"(WARNING: .*(?:mm/slab_common\.c:\d+ kmalloc_slab|mm/page_alloc\.c:\d+ \S*alloc_pages|mm/util\.c:\d+ \S*kvmalloc|mm/slub\.c:\d+ \S*kvmalloc))", Kind::warning, "WARNING: kmalloc bug", Where::stack},
    {R"(WARNING: .*mm/vmalloc\.c:\d+ \S*vmalloc)", Kind::warning, "WARNING: zero-size vmalloc", Where::stack},
    {R"(WARNING: .*lib/kobject\.c|kobject: .*: tried to (?:init|add))", Kind::warning, "WARNING: kobject bug", Where::stack},
    {R"(WARNING: kernel stack frame pointer .* has bad value)", Kind::warning, "WARNING: kernel stack frame pointer has bad value", Where::none},
    {R"(WARNING: kernel stack regs .* has bad '?bp'? value)", Kind::warning, "WARNING: kernel stack regs has bad 'bp' value", Where::none},
    {R"(WARNING: kernel stack regs .* has bad)", Kind::warning, "WARNING: kernel stack regs has bad value", Where::none},
    {R"(WARNING: CPU: \d+ PID: \d+ at \S+:\d+ \[?<?[0-9a-f]*>?\]? ?)" FN R"(\+0x)", Kind::warning, "WARNING", Where::head},
    {R"(WARNING: (?:CPU: \d+ PID: \d+ )?at \S+:\d+ )" FN R"((?:\+0x|\())", Kind::warning, "WARNING", Where::head},
    {R"(WARNING: (?:\S+:\d+ )?at )" FN R"(\+0x.*, CPU#\d+)", Kind::warning, "WARNING", Where::head},
    {R"(WARNING: CPU: \d+ PID: \d+ at )", Kind::warning, "WARNING", Where::ip},
    {R"(WARNING: at \S+:\d+)", Kind::warning, "WARNING", Where::stack},
    // --- the rest
    {R"(unregister_netdevice: waiting for (\S+) to become free)", Kind::other, "unregister_netdevice: waiting for DEV to become free", Where::none},
    {R"(INFO: (Allocated|Freed) in )" FN R"( age=\d+)", Kind::bad_page, "INFO: \\1 in \\F age=NUM cpu=NUM pid=NUM", Where::none},
    {R"(Kernel panic - not syncing: [Cc]orrupted stack end)", Kind::panic, "kernel panic: corrupted stack end", Where::stack},
    {R"(Kernel panic - not syncing: stack-protector: Kernel stack is corrupted)", Kind::panic, "kernel panic: stack is corrupted", Where::head},
    {R"(Kernel panic - not syncing: Attempted to kill init)", Kind::panic, "kernel panic: Attempted to kill init!", Where::none},
    {R"(Kernel panic - not syncing: (?:Fatal exception|Oops))", Kind::panic, "kernel panic: Fatal exception", Where::none},
    {R"(Kernel panic - not syncing: ([^\[]*?)(?: in (?:process|interrupt).*|\.\.\.|[ :.]*)?$)", Kind::panic, "kernel panic: \\1", Where::none},
};
#undef FN

// One of these stands in every line that a rule matches; tested by rules_test.
constexpr char kTokens[] =
    "BUG|WARNING|INFO: |KASAN|UBSAN|KFENCE|LOCKUP|lockup|starved for|stalls? |inconsistent lock|"
    "usercopy|corruption|panic|protection|fault|divide error|Alignment trap|Unhandled|Unable to|"
    "Internal error|invalid opcode|Oops|refcount_t|ODEBUG|kobject|unregister_netdevice|Busy inodes|"
    "page state|int3|bounds|invalid TSS|segment|alignment check|Kernel attempted";

}  // namespace

const std::vector<CompiledRule>& rules() {
  static const std::vector<CompiledRule>* compiled = [] {
    auto* out = new std::vector<CompiledRule>;
    for (const Rule& rule : kRules)
      out->push_back({&rule, std::make_unique<RE2>("^(?:" + std::string(rule.pattern) + ")")});
    return out;
  }();
  return *compiled;
}

bool may_begin(std::string_view bytes, std::size_t& at) {
  static const RE2* tokens = [] {
    RE2::Options options;
    options.set_never_capture(false);
    options.set_encoding(RE2::Options::EncodingLatin1);
    return new RE2(std::string("(") + kTokens + ")", options);
  }();
  re2::StringPiece found;
  if (!tokens->Match(bytes, at, bytes.size(), RE2::UNANCHORED, &found, 1)) return false;
  at = static_cast<std::size_t>(found.data() - bytes.data());
  return true;
}

}  // namespace ktrial::console
