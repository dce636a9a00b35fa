#include "harness/console/skip_list.h"

#include <string>
#include <unordered_map>

#include "harness/base/re2.h"
#include "harness/console/infrastructure.h"

namespace ktrial::console {
namespace {

const RE2& pattern(const char* text) { return *new RE2(text); }

// One alternative per family; a whole symbol must match.
const RE2& report_functions() {
  // clang-format off
  static const RE2& re = pattern(
      // the report itself: stack dumping, panic, warnings, exception entry
      R"(_*dump_stack.*|_*show_(stack|regs|trace).*|show_registers|v?_*panic(_.*)?|sys_info|)"
      R"(unknown_nmi.*|.*_do_nmi|exc_nmi|end_repeat_nmi|.*_panic|check_panic.*|nmi_panic.*|)"
      R"(oops_.*|die|__die.*|die_.*|_*warn.*|report_bug|fixup_bug|)"
      R"(assertfail|.*_assert_failed|)"
      R"(.*assertion_fail.*|_*cant_migrate|warn_bogus_.*|unwind_.*|is_bpf_text_address|)"
      R"(.*kernel_text_address|_*bpf_address_lookup|orc_.*|arch_stack_walk.*|stack_trace_.*|)"
      R"(save_stack.*|__save_stack.*|_*print_.*|printk.*|_*printk.*|vprintk.*|console_unlock|)"
      R"(dump_backtrace.*|walk_stackframe|_*unwind_start|get_stack_info.*|stack_type_name|)"
      // sanitizers and other checkers, reference counts, lockdep
      R"(ret_from_.*|.*kasan.*|_*asan_.*|.*kmsan.*|_*msan_.*|.*kcsan.*|_*tsan_.*|.*kfence.*|)"
      R"(__sanitizer_.*|_*ubsan.*|_*check_memory_region.*|memory_is_.*|check_region_inline|)"
      R"(describe_.*|_*check_heap_object|_*check_object_size|usercopy_.*|report_usercopy|)"
      R"(__check_.*overflow|fortify_panic|__fortify_.*|_*stack_chk_.*|_*hwasan_.*|)"
      R"(_*x86_(indirect|return)_.*|__dabt_fault|)"
      R"(debug_(print_object|object_.*|check_no_obj.*|smp_processor_id|check_no_locks.*)|)"
      R"(__debug_(object|check).*|check_preemption_disabled|_*this_cpu_preempt_check|)"
      R"(_*might_(sleep|fault|resched).*|_*cant_sleep|_*schedule_bug|refcount_.*|)"
      R"(_*refcount_.*|kobject_(add|init|get|put|uevent|del|release|cleanup).*|kref_.*|)"
      R"(_*lockdep_.*|lock_(acquire|release|is_held|unpin).*|)"
      R"(_*lock_(acquire|release|is_held).*|register_lock_class|assign_lock_key|)"
      R"(look_up_lock_class|mark_(lock|usage|held).*|validate_chain|check_prev.*|)"
      R"(check_(noncircular|deadlock|flags|irq_usage|wait_context).*|trace_hardirqs.*|)"
      R"(rcu_read_(lock|unlock).*|_*rcu_read_.*|debug_lockdep.*|)"
      R"(_*list_(add|del|del_entry|debug).*|_*list_(add|del).*valid.*|add_uevent_var|)"
      R"(_*plist_.*|_*hlist_.*|list_(add|del|splice|sort|move|lru|replace|is).*|)"
      R"(_*rb_(insert|erase|first|last|next|prev|link|set|replace).*|)"
      // memory, strings, user copies, allocators
      R"(_*mem(cpy|set|move|cmp|chr|scan|dup).*|_*str[a-z]+_?(pad)?|)"
      R"(.*copy_(to|from|in).*user.*|_*copy_user.*|copy_page.*|clear_page.*|_*clear_user.*|)"
      R"(_copy_(to|from)_.*|rep_(movs|stos).*|_*arch_copy.*|raw_copy.*|_*(get|put)_user.*|)"
      R"(_*kmalloc.*|kzalloc.*|kcalloc.*|kmemdup.*|_*kvm?alloc.*|_*kvfree.*|_*kfree|kfree_.*|)"
      R"(vfree.*|_*vunmap.*|vmalloc.*|_*vmalloc.*|slab_.*|_*slab_.*|kmem_cache_.*|)"
      R"(_*kmem_cache_.*|_*cache_(alloc|free|grow).*|_*alloc_(page|frozen|pages).*|)"
      R"(alloc_pages.*|krealloc.*|_*do_kmalloc.*|free_large_kmalloc|_*free_pages.*|)"
      R"(_*get_free_pages|__ksize|ksize|_*virt_to_(phys|cache).*|__phys_addr.*|object_err|)"
      R"(check_(slab|object|bytes|poison).*|deactivate_slab_check|free_debug_processing|)"
      R"(_*page_pool_.*|alloc_debug_processing|.*_slab_obj.*|build_detached_freelist|)"
      R"(___slab_alloc|virt_to_.*|stack_depot_.*|iov_iter_.*|_*iov_iter.*|_copy_.*iter.*|)"
      R"(copy_.*_iter.*|.*copy_to_iter.*|copyin|copyout|csum_.*|crc.*|)"
      R"(_*raw_(spin|read|write)_.*|_*(spin|read|write)_(lock|unlock|trylock).*|do_raw_.*|)"
      R"(_*mutex_(lock|unlock|trylock|destroy).*|)"
      R"(_*(down|up)(_(read|write|interruptible|killable|trylock|timeout|common).*)?|)"
      R"(_*rwsem_.*|rwsem_.*|[a-z0-9]+_(write|read)_lock|logic_(in|out)[bwl]|)"
      R"(truncate_inode_pages.*|rust_helper_.*|.*rust_begin_unwind.*|_*rt_mutex.*|rt_spin_.*|)"
      R"(native_queued_spin.*|queued_(spin|read|write).*|_*pv_queued.*|_*ticket_spin.*|)"
      R"(debug_spin.*|spin_(bug|dump)|.*arch_spin.*|_*ww_mutex_.*|ww_mutex.*|percpu_down.*|)"
      // locks, atomics, lists and bits
      R"(percpu_up.*|_*percpu_(down|up).*|osq_lock.*|mutex_(optimistic|spin|can_spin).*|)"
      R"(_*lock_sock.*|lock_sock.*|perf_trace_.*|trace_event_(buffer|raw).*|_*raw_read[bwlq]|)"
      R"(_*raw_write[bwlq]|atomic.*|_*atomic.*|arch_atomic.*|)"
      R"((test|set|clear|find|_find)_.*bit.*|_*(test|set|clear|change)_.*bit.*|_*read_once.*|)"
      R"(instrument_.*|_*xchg.*|_*cmpxchg.*|local_bh_.*|_*local_bh_.*|arch_local_.*|)"
      R"(native_(save|restore|irq|write_msr|read_msr|halt|safe).*|preempt_.*|_*preempt_.*|)"
      // generic services: work queues, timers, waits, sysfs, device core
      R"(schedule|_*schedule.*|context_switch|_*cond_resched.*|_cond_resched|_*flush_work.*|)"
      R"(flush_work.*|_*cancel_.*work.*|cancel_.*work.*|drain_workqueue|destroy_workqueue|)"
      R"(flush_workqueue.*|__queue_work.*|_*queue_(delayed_)?work.*|insert_work|)"
      R"(try_to_grab_pending|(del|add|mod)_timer.*|_*mod_timer.*|try_to_del_timer.*|)"
      R"(detach_.*timer.*|timer_(delete|is_static|fixup|shutdown|setup).*|)"
      R"(hrtimer_(cancel|try|start).*|complete|complete_all|)"
      R"(_*wake_up(_(all|sync|bit|poll|q|process|common|interruptible|locked).*)?|_*wake_up|)"
      R"(finish_wait|prepare_to_wait.*|(add|remove)_wait_queue_x|)"
      R"(wait_for_(completion|common).*|_*wait_for_common.*|kthread_stop.*|lock_timer_base|)"
      R"(_*call_rcu.*|call_rcu.*|kvfree_call_rcu|_*task_rq_lock|task_rq_lock|)"
      R"(skb_(panic|over_panic|under_panic|push|put|pull|copy_.*)|)"
      R"(_*skb_(panic|put|pull|push)|sysfs_.*|kernfs_(remove|find|add|create|new)_.*|)"
      R"(internal_create_.*|_*sysfs_.*|)"
      R"(device_(add|del|remove|create|destroy|unregister|register|release).*|devres_.*|)"
      R"(release_nodes|get_device_parent.*|dpm_sysfs_.*|klist_.*|usb_(submit|kill)_urb|)"
      R"(tty_unregister_device|(un|rollback_)?register(ed)?_netdevice(_many|_queue).*|)"
      R"(rollback_registered.*|dma_(map|unmap|alloc|free|pool).*|debug_dma.*|ref_tracker_.*|)"
      R"(drop_nlink|inc_nlink|clear_nlink|set_nlink|ihold|_*xa_.*|xas_.*|)"
      R"(idr_(remove|alloc|find).*|)"
      R"(radix_tree_(lookup|insert|delete|next|find|tag|load|replace|extend|shrink|create).*|)"
      R"(_*radix_tree_(lookup|insert|delete|next|create).*|ida_.*|)"
      R"(_*(un)?register_(chrdev|lock).*|fast_dput|dput|iput|iput_final|_*brelse|)"
      R"(mark_buffer_dirty|(un)?lock_page|folio_(unlock|lock|put|wait).*|find_lock_entries|)"
      R"(find_get_.*|post_alloc_hook|prep_new_page|get_page_from_freelist|bad_page|)"
      R"(free_unref.*|_*rmqueue.*|string|string_nocheck|format_decode|.*s[nc]*printf|number|)"
      R"(pointer|vprintk|kmemleak_.*|create_object|_*create_object|pcpu_.*|_*alloc_percpu.*|)"
      R"(.*_map_alloc.*|v[mz]alloc.*|_*v[mz]alloc.*|idr_get_free|entry_.*|_*entry_.*|)"
      R"(do_syscall_.*|do_(fast|int80)_.*|ret_to_user.*|syscall_.*|__irq_.*|smp_apic_.*|)"
      R"(apic_timer_.*|sysenter_.*|system_call.*|kthread|<.*core::panicking.*|)"
      R"(.*_is_static_object|_*(get|put)_device|_*dev_v?printk.*|_*(net)?dev_(info|warn|err|crit|alert|emerg|notice|dbg)|)"
      R"(_*netdev_printk|sk_stop_timer.*|_*filemap_(alloc|get)_folio.*|folio_alloc.*|pagecache_get_page|)"
      R"(usb_(control|bulk|interrupt|internal_control)_msg.*|usb_start_wait_urb|get_taint|handle_overflow|)"
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
      R"(error_entry|bad_area.*|no_context|_*bad_area.*|page_fault_oops|)"
      R"(kernelmode_fixup_or_oops|fixup_exception|arm_notify_die|notify_die|math_error|)"
      R"(_*handle_bug|brk_handler|bug_handler|call_break_hook|do_el1_.*|el1_.*|el1h?_.*|)"
      R"(_*do_kernel_fault|do_tag_.*|ret_fast_syscall|exc_.*|asm_.*|handle_bug)");
  // clang-format on
  return re;
}

const RE2& stall_functions() {
  // clang-format off
  static const RE2& re = pattern(
      R"(rcu_.*|_*rcu_.*|update_process_times|tick_.*|_*hrtimer_.*|hrtimer_.*|)"
      R"(.*apic_timer_interrupt.*|sysvec_.*|local_apic_.*|smp_.*interrupt.*|nmi_.*|)"
      R"(arch_trigger_.*|check_cpu_stall|trigger_.*backtrace.*|irq_(enter|exit).*|)"
      R"(_*irq_(enter|exit).*|_*do_softirq.*|do_softirq.*|invoke_softirq|call_softirq|)"
      R"(print_.*stall|sched_show_task|_*sched_show_task|sched_dump.*|dump_cpu_task|)"
      R"(watchdog_timer_fn|retint_.*|restore_regs.*|ktime_get.*|sched_clock.*|)"
      R"(clockevents_.*|lapic_.*|timerqueue_.*|timekeeping_.*|sched(uler)?_tick|read_(tsc|hpet|acpi_pm)|)"
      R"(try_invoke_on_locked_down_task|delay_tsc.*|_*delay|_*(const_)?udelay|)"
      R"(write_comp_data|_*switch_to|msg_print.*|console_.*|serial8250_.*|io_serial_.*|)"
      R"(wait_for_(xmitr|lsr)|univ8250.*|uart_console.*|pl011_.*|pvclock_.*|cpu_relax|pv_.*|)"
      R"(kvm_wait|kvm_async.*|handle_(mm|pte).*fault|flush_tlb_.*|call_timer_fn|)"
      R"(expire_timers|_*run_timers.*|run_timer_softirq|debug_.*|on_each_cpu.*|)"
      R"(csd_lock_wait.*|_*csd_.*|.*_irq_entry|handle_percpu_devid_irq|generic_handle_.*|)"
      R"(handle_domain_irq|_*handle_domain_irq|handle_irq.*|gic_handle_irq|arch_timer_.*|)"
      R"(do_interrupt_handler|call_on_irq_stack|timer_handler)");
  // clang-format on
  return re;
}

const RE2& hung_functions() {
  // clang-format off
  static const RE2& re = pattern(
      R"(_*schedule.*|io_schedule.*|_*switch_to.*|context_switch|_*mutex_lock.*|_*wait_.*|)"
      R"(wait_.*|bit_wait.*|_*(down|up)_.*|rwsem_.*|_*rwsem.*|_*rt_mutex.*|)"
      R"(schedule_timeout.*|do_wait_.*|call_rwsem.*|console_lock|rcu_barrier.*|)"
      R"(.*filemap_fdatawait.*|fdatawait_one_bdev|_*flush_work.*|do_read_cache_(page|folio)|)"
      R"(__rela_dyn_start|prepare_to_wait.*|finish_wait.*|_*lock_page.*|folio_wait.*|)"
      R"(_*folio_lock.*|_*synchronize_srcu.*|out_of_line_wait.*|_*mutex_.*|percpu_rwsem_.*|)"
      R"(percpu_down.*|_*down.*|_*lock_sock_nested|_*lock_sock.*|do_semtimedop.*|msleep.*|)"
      R"(usleep.*|sleep_on.*|.*_lock(_pair)?_timeout)");
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
      R"(.*alloc_skb.*|sk_(prot_)?alloc|radix_tree_node_alloc|.*alloc_inode.*|new_inode.*|)"
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
