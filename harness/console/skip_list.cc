#include "harness/console/skip_list.h"

#include <string>
#include <unordered_map>

#include "harness/base/re2.h"
#include "harness/console/infrastructure.h"

namespace ktrial::console {
namespace {

const RE2& pattern(const char* text) { return *new RE2(text); }

// One alternative per family; a whole symbol must match. Only what infrastructure.inc does not
// hold: names of other versions and of assembly, and helpers that stand in a subsystem's own files.
const RE2& report_functions() {
  // clang-format off
  static const RE2& re = pattern(
      // the report itself: stack dumping, panic, warnings, exception entry
      R"(v?_*panic(_.*)?|sys_info|.*_do_nmi|exc_nmi|end_repeat_nmi|.*_panic|die|_*warn.*|)"
      R"(fixup_bug|assertfail|.*_assert_failed|.*assertion_fail.*|is_bpf_text_address|)"
      R"(_*bpf_address_lookup|save_stack.*|__save_stack.*|_*print_.*|_*printk.*|vprintk.*|)"
      R"(console_unlock|)"
      // sanitizers and other checkers, reference counts, lockdep
      R"(ret_from_.*|.*kasan.*|_*asan_.*|.*kmsan.*|_*msan_.*|.*kcsan.*|_*tsan_.*|)"
      R"(__sanitizer_.*|_*check_memory_region.*|usercopy_.*|report_usercopy|)"
      R"(__check_.*overflow|_*hwasan_.*|_*x86_(indirect|return)_.*|__dabt_fault|)"
      R"(_*might_(sleep|fault|resched).*|_*schedule_bug|_*refcount_.*|kref_.*|_*lockdep_.*|)"
      R"(trace_hardirqs.*|rcu_read_(lock|unlock).*|_*rcu_read_.*|)"
      R"(_*list_(add|del|del_entry|debug).*|list_(add|del|splice|sort|move|lru|replace|is).*|)"
      R"(_*rb_(insert|erase|first|last|next|prev|link|set|replace).*|)"
      // memory, strings, user copies, allocators
      R"(_*mem(cpy|set|move|cmp|chr|scan|dup).*|_*str[a-z]+_?(pad)?|)"
      R"(.*copy_(to|from|in).*user.*|copy_page.*|clear_page.*|_*(get|put)_user.*|_*kmalloc.*|)"
      R"(_*kvfree.*|kfree_.*|_*vmalloc.*|_*slab_.*|_*kmem_cache_.*|)"
      R"(_*cache_(alloc|free|grow).*|_*alloc_(page|frozen|pages).*|alloc_pages.*|)"
      R"(_*free_pages.*|_*get_free_pages|__ksize|__phys_addr.*|object_err|)"
      R"(deactivate_slab_check|_*page_pool_.*|___slab_alloc|.*copy_to_iter.*|copyin|copyout|)"
      R"(_*(down|up)(_(read|write|interruptible|killable|trylock|timeout|common).*)?|)"
      R"(_*rwsem_.*|[a-z0-9]+_(write|read)_lock|logic_(in|out)[bwl]|truncate_inode_pages.*|)"
      R"(rust_helper_.*|.*rust_begin_unwind.*|native_queued_spin.*|_*pv_queued.*|)"
      R"(_*ticket_spin.*|)"
      // locks, atomics, lists and bits
      R"(percpu_up.*|_*percpu_(down|up).*|_*lock_sock.*|perf_trace_.*|)"
      R"(trace_event_(buffer|raw).*|_*atomic.*|(test|set|clear|find|_find)_.*bit.*|)"
      R"(_*read_once.*|_*local_bh_.*|arch_local_.*|)"
      R"(native_(save|restore|irq|write_msr|read_msr|halt|safe).*|_*preempt_.*|)"
      // generic services: work queues, timers, waits, sysfs, device core
      R"(schedule|_*schedule.*|context_switch|_*cond_resched.*|_cond_resched|_*flush_work.*|)"
      R"(_*cancel_.*work.*|drain_workqueue|destroy_workqueue|flush_workqueue.*|)"
      R"(__queue_work.*|_*queue_(delayed_)?work.*|insert_work|try_to_grab_pending|)"
      R"(hrtimer_(cancel|try|start).*|complete|)"
      R"(_*wake_up(_(all|sync|bit|poll|q|process|common|interruptible|locked).*)?|_*wake_up|)"
      R"(finish_wait|prepare_to_wait.*|(add|remove)_wait_queue_x|)"
      R"(wait_for_(completion|common).*|_*wait_for_common.*|kthread_stop.*|_*call_rcu.*|)"
      R"(kvfree_call_rcu|_*task_rq_lock|)"
      R"(skb_(panic|over_panic|under_panic|push|put|pull|copy_.*)|)"
      R"(_*skb_(panic|put|pull|push)|kernfs_(remove|find|add|create|new)_.*|)"
      R"(internal_create_.*|_*sysfs_.*|)"
      R"(device_(add|del|remove|create|destroy|unregister|register|release).*|)"
      R"(get_device_parent.*|dpm_sysfs_.*|usb_(submit|kill)_urb|tty_unregister_device|)"
      R"((un|rollback_)?register(ed)?_netdevice(_many|_queue).*|rollback_registered.*|)"
      R"(debug_dma.*|drop_nlink|ida_.*|fast_dput|dput|iput|_*brelse|mark_buffer_dirty|)"
      R"((un)?lock_page|folio_(unlock|lock|put|wait).*|find_lock_entries|find_get_.*|)"
      R"(post_alloc_hook|prep_new_page|get_page_from_freelist|bad_page|free_unref.*|)"
      R"(.*s[nc]*printf|number|vprintk|kmemleak_.*|pcpu_.*|.*_map_alloc.*|_*v[mz]alloc.*|)"
      R"(_*entry_.*|syscall_.*|__irq_.*|smp_apic_.*|apic_timer_.*|sysenter_.*|system_call.*|)"
      R"(kthread|<.*core::panicking.*|.*_is_static_object|_*(get|put)_device|)"
      R"(_*dev_v?printk.*|_*(net)?dev_(info|warn|err|crit|alert|emerg|notice|dbg)|)"
      R"(_*netdev_printk|sk_stop_timer.*|_*filemap_(alloc|get)_folio.*|pagecache_get_page|)"
      R"(usb_(control|bulk|interrupt|internal_control)_msg.*|usb_start_wait_urb|)"
      R"(core::panicking::.*|rust_begin_unwind|.*rust_panic.*|_RNv.*panicking.*)");
  // clang-format on
  return re;
}

// How a trap enters the kernel, over versions and architectures.
const RE2& trap_functions() {
  // clang-format off
  static const RE2& re = pattern(
      R"(do_(error_trap|trap|invalid_op|general_protection|page_fault|double_fault|divide_error|int3|DataAbort|PrefetchAbort|undefinstr|bad_area.*|mem_abort|debug_exception|translation_fault|kernel_fault|sea|user_addr_fault|kern_addr_fault).*|)"
      R"((async_)?page_fault|general_protection|invalid_op|divide_error|double_fault|)"
      R"(notify_die|el1_.*|el1h?_.*|ret_fast_syscall|exc_.*|asm_.*)");
  // clang-format on
  return re;
}

const RE2& stall_functions() {
  // clang-format off
  static const RE2& re = pattern(
      R"(_*rcu_.*|tick_.*|_*hrtimer_.*|.*apic_timer_interrupt.*|sysvec_.*|smp_.*interrupt.*|)"
      R"(nmi_.*|arch_trigger_.*|trigger_.*backtrace.*|call_softirq|_*sched_show_task|)"
      R"(sched_dump.*|dump_cpu_task|retint_.*|restore_regs.*|timerqueue_.*|)"
      R"(try_invoke_on_locked_down_task|_*delay|write_comp_data|msg_print.*|console_.*|)"
      R"(serial8250_.*|wait_for_(xmitr|lsr)|univ8250.*|uart_console.*|pvclock_.*|cpu_relax|)"
      R"(pv_.*|kvm_wait|kvm_async.*|handle_(mm|pte).*fault|flush_tlb_.*|expire_timers|)"
      R"(_*run_timers.*|run_timer_softirq|debug_.*|on_each_cpu.*|_*handle_domain_irq|)"
      R"(timer_handler)");
  // clang-format on
  return re;
}

const RE2& hung_functions() {
  // clang-format off
  static const RE2& re = pattern(
      R"(_*wait_.*|_*(down|up)_.*|rwsem_.*|_*rwsem.*|call_rwsem.*|console_lock|rcu_barrier.*|)"
      R"(.*filemap_fdatawait.*|fdatawait_one_bdev|_*flush_work.*|do_read_cache_(page|folio)|)"
      R"(__rela_dyn_start|_*lock_page.*|folio_wait.*|_*down.*|_*lock_sock_nested|)"
      R"(_*lock_sock.*|do_semtimedop.*|usleep.*|sleep_on.*|.*_lock(_pair)?_timeout)");
  // clang-format on
  return re;
}

// Where the generic part of the kernel calls a subsystem's own function: a stall is named for the
// callee of the innermost of them, so that where exactly the timer struck makes no difference.
const RE2& dispatch_functions() {
  // clang-format off
  static const RE2& re = pattern(
      // system calls
      R"(do_syscall_.*|do_fast_syscall_.*|do_int80_.*|sysenter_.*|entry_SYSCALL.*|entry_INT80.*|)"
      R"(tracesys.*|el0_svc.*|_*invoke_syscall|ret_fast_syscall|system_call.*|syscall_handler|)"
      R"(do_trap_ecall_u|exit_to_user(_)?mode_loop|task_work_run|)"
      // files
      R"(_*vfs_(write|read|ioctl|iter_(read|write)|fsync(_range)?|mkdir|unlink|open|rename|fallocate|)"
      R"(statfs.*|getattr|lookup|create|mknod|symlink|readlink)|new_sync_(read|write)|)"
      R"(call_(read|write)_iter|do_iter_.*|do_vfs_ioctl|file_ioctl|ksys_(read|write|ioctl)|_*fput|)"
      R"(_*do_fault|mmap_region|compat_blkdev_ioctl|)"
      // sockets and packets
      R"(sock_(recvmsg|read_iter|write_iter|ioctl)|_*sock_sendmsg.*|_*sys_(setsockopt|sendmsg)|)"
      R"(do_sock_setsockopt|_*netif_receive_skb.*|deliver_skb|rtnetlink_rcv_msg|nfnetlink_rcv_msg|)"
      // interrupts, timers, work
      R"(_*do_softirq|handle_softirqs|run_ksoftirqd|irq_exit.*|tasklet_action.*|call_timer_fn|)"
      R"(_*run_timers|run_timer_softirq|_*hrtimer_run_queues|_*run_hrtimer|rcu_do_batch|)"
      R"(_*handle_irq_event_percpu|irq_thread_fn|irq_work_single|_*usb_hcd_giveback_urb|)"
      R"(_*flush_smp_call_function_queue|generic_smp_call_function.*|csd_do_func|)"
      R"(process_one_work|process_scheduled_works|smpboot_thread_fn|kthread|ret_from_fork.*|)"
      R"(start_secondary|cpu_startup_entry|do_idle|call_usermodehelper.*|do_one_initcall)");
  // clang-format on
  return re;
}
// System calls that do many things: what they call tells more.
const RE2& multiplexers() {
  static const RE2& re = pattern(
      "(compat_)?(sys_)?(compat_)?(ioctl|p?read(v|64)?|p?write(v|64)?|connect|[gs]etsockopt|"
      "send(msg|to)|recv(msg|from)|bind|mmap|accept4?|close)");
  return re;
}

const RE2& leak_functions() {
  // clang-format off
  static const RE2& re = pattern(
      R"(.*alloc_skb.*|.*alloc_inode.*|)"
      R"(.*(kmalloc|kzalloc|kmem_cache|kstrdup|vmalloc|mempool|kvmalloc).*|_*alloc|)"
      R"(.*_alloc_(noprof|node).*)");
  // clang-format on
  return re;
}

const RE2& waiting_functions() {
  // clang-format off
  static const RE2& re = pattern(
      R"(smp_call_function.*|on_each_cpu.*|csd_lock_wait.*|generic_exec_single|flush_tlb_.*|)"
      R"(native_flush_tlb_.*|arch_tlbbatch_flush|kvm_flush_tlb.*|hyperv_flush_tlb.*|)"
      R"((native_|_*pv_)?queued_(spin|read|write)_.*slowpath|_*pv_(wait|kick|queued).*|)"
      R"(kvm_wait|_*raw_(spin|read|write)_(lock|trylock).*|do_raw_(spin|read|write)_lock.*|)"
      R"(_*raw_spin_rq_lock.*|raw_spin_rq_lock.*|(mcs|osq|ticket|arch)_(spin_)?lock.*|)"
      R"(virt_spin_lock.*|text_poke.*|smp_text_poke.*|stop_machine.*|multi_cpu_stop|)"
      R"(stop_two_cpus|membarrier_.*|nmi_trigger_cpumask_backtrace|sysrq_handle_.*|rcu_barrier.*|synchronize_rcu.*|wait_for_completion.*)");
  // clang-format on
  return re;
}

const RE2& tick_functions() {
  // clang-format off
  static const RE2& re = pattern(
      R"(update_process_times|tick_(sched|nohz|periodic|handle).*|watchdog_timer_fn|)"
      R"((rcu_sched_clock_irq|rcu_check_callbacks))");
  // clang-format on
  return re;
}

const RE2& idle_functions() {
  // clang-format off
  static const RE2& re = pattern(
      R"(default_idle.*|.*idle_call.*|cpuidle_.*|do_idle|cpu_startup_entry|arch_cpu_idle.*|)"
      R"(acpi_idle.*|acpi_processor_ffh.*|acpi_safe_halt|intel_idle.*|native_(safe_)?halt|)"
      R"(pv_native_safe_halt|mwait_idle.*|poll_idle|cpu_do_idle|rest_init|start_secondary|)"
      R"(wait_for_interrupt|psci_.*idle.*|snooze_loop|xen_safe_halt|haltpoll.*|)"
      R"(cpu_idle_poll.*|tdx_.*halt)");
  // clang-format on
  return re;
}

const RE2& interrupt_entries() {
  static const RE2& re = pattern(
      ".*apic_timer_interrupt.*|el1h?_(64_)?irq.*|el1_interrupt|do_interrupt_handler|call_on_irq_"
      "stack|"
      "__irq_svc|gic_handle_irq|(generic_)?handle_arch_irq|asm_sysvec_.*|do_IRQ|handle_int|"
      "xen_(pv_|hvm_)?evtchn_do_upcall|handle_riscv_irq|riscv_intc_irq|do_irq|timer_interrupt|"
      "decrementer_common.*");
  return re;
}

enum : unsigned {
  kReport = 1 << 0,
  kInStall = 1 << 1,
  kInHung = 1 << 2,
  kInLeak = 1 << 3,
  kWaits = 1 << 4,
  kTick = 1 << 5,
  kIdle = 1 << 6,
  kDispatch = 1 << 7,
  kMultiplexer = 1 << 8,
  kInterrupt = 1 << 9,
  kTrapped = 1 << 10,
};

unsigned classify(std::string_view symbol) {
  const unsigned listed = infrastructure_of(symbol);
  const auto is = [symbol](const RE2& re) { return full_match(symbol, re); };
  unsigned bits = 0;
  const bool trap = (listed & kTrap) != 0 || is(trap_functions());
  const bool helper = (listed & kHelper) != 0 || is(report_functions());
  if (helper || trap) bits |= kReport | kInStall | kInHung | kInLeak;
  if (helper && !trap) bits |= kTrapped;
  if ((listed & kStall) != 0 || is(stall_functions())) bits |= kInStall;
  if (((listed & kWait) != 0 || is(hung_functions())) && !symbol.starts_with("synchronize_"))
    bits |= kInHung;
  if ((listed & kAllocator) != 0 || is(leak_functions())) bits |= kInLeak;
  if (is(waiting_functions())) bits |= kWaits;
  if (is(tick_functions())) bits |= kTick;
  if (is(idle_functions())) bits |= kIdle;
  if (is(dispatch_functions())) bits |= kDispatch;
  if (is(multiplexers())) bits |= kMultiplexer;
  if (is(interrupt_entries())) bits |= kInterrupt;
  return bits;
}

// Reports name the same functions over and over; a hostile log does not fill the memory.
unsigned classes_of(std::string_view symbol) {
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  constexpr std::size_t kMaxKept = 16384;
  thread_local std::unordered_map<std::string, unsigned, Hash, std::equal_to<>> kept;
  if (const auto found = kept.find(symbol); found != kept.end()) return found->second;
  if (kept.size() >= kMaxKept) kept.clear();
  return kept.emplace(symbol, classify(symbol)).first->second;
}
bool has(std::string_view symbol, unsigned bits) { return (classes_of(symbol) & bits) != 0; }

}  // namespace

bool skipped(std::string_view symbol, Skip skip) {
  switch (skip) {
    case Skip::report:
      return has(symbol, kReport);
    case Skip::stall:
      return has(symbol, kInStall);
    case Skip::hung:
      return has(symbol, kInHung);
    case Skip::leak:
      return has(symbol, kInLeak);
    case Skip::trapped:
      return has(symbol, kTrapped);
  }
  return false;
}
bool is_dispatcher(std::string_view symbol) { return has(symbol, kDispatch); }
bool is_multiplexer(std::string_view syscall) { return has(syscall, kMultiplexer); }
bool is_interrupt_entry(std::string_view symbol) { return has(symbol, kInterrupt); }
bool waits_for_others(std::string_view symbol) { return has(symbol, kWaits); }
bool is_tick(std::string_view symbol) { return has(symbol, kTick); }
bool is_idle(std::string_view symbol) { return has(symbol, kIdle); }

}  // namespace ktrial::console
