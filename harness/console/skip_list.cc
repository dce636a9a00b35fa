#include "harness/console/skip_list.h"

#include <re2/re2.h>

namespace ktrial::console {
namespace {

const RE2& pattern(const char* text) { return *new RE2(text); }

// One alternative per family; a whole symbol must match.
const RE2& report_functions() {
  static const RE2& re = pattern(
      // the report itself
      "_*dump_stack.*|_*show_(stack|regs|trace).*|show_registers|v?_*panic(_.*)?|sys_info|unknown_"
      "nmi.*|.*_do_nmi|exc_nmi|end_repeat_nmi|.*_panic|check_panic.*|nmi_panic.*|oops_.*|"
      "die|__die.*|die_.*|_*warn.*|report_bug|fixup_bug|handle_bug|exc_.*|asm_.*|"
      "do_(error_trap|trap|invalid_op|general_protection|page_fault|double_fault|divide_error|int3|"
      "DataAbort|PrefetchAbort|undefinstr|bad_area.*|mem_abort|debug_exception|translation_fault|"
      "kernel_fault|sea|user_addr_fault|kern_addr_fault).*|"
      "(async_)?page_fault|general_protection|invalid_op|divide_error|double_fault|error_entry|"
      "bad_area.*|no_context|_*bad_area.*|page_fault_oops|kernelmode_fixup_or_oops|fixup_exception|"
      "arm_notify_die|notify_die|math_error|_*handle_bug|brk_handler|bug_handler|"
      "call_break_hook|do_el1_.*|el1_.*|el1h?_.*|_*do_kernel_fault|do_tag_.*|ret_fast_syscall|"
      "assertfail|.*_assert_failed|.*assertion_fail.*|_*cant_migrate|warn_bogus_.*|"
      "unwind_.*|is_bpf_text_address|.*kernel_text_address|_*bpf_address_lookup|orc_.*|arch_stack_"
      "walk.*|stack_trace_.*|save_stack.*|__save_stack.*|_*print_.*|printk.*|"
      "_*printk.*|vprintk.*|console_unlock|dump_backtrace.*|walk_stackframe|"
      "_*unwind_start|get_stack_info.*|stack_type_name|ret_from_.*|"
      // sanitizers and other checkers
      ".*kasan.*|_*asan_.*|.*kmsan.*|_*msan_.*|.*kcsan.*|_*tsan_.*|.*kfence.*|__sanitizer_.*|"
      "_*ubsan.*|_*check_memory_region.*|memory_is_.*|check_region_inline|describe_.*|"
      "_*check_heap_object|_*check_object_size|usercopy_.*|report_usercopy|__check_.*overflow|"
      "fortify_panic|__fortify_.*|_*stack_chk_.*|_*hwasan_.*|_*x86_(indirect|return)_.*|__dabt_"
      "fault|"
      "debug_(print_object|object_.*|check_no_obj.*|smp_processor_id|check_no_locks.*)|"
      "__debug_(object|check).*|check_preemption_disabled|_*this_cpu_preempt_check|"
      "_*might_(sleep|fault|resched).*|_*cant_sleep|_*schedule_bug|refcount_.*|_*refcount_.*|"
      "kobject_(add|init|get|put|uevent|del|release|cleanup).*|"
      "kref_.*|_*lockdep_.*|lock_(acquire|release|is_held|unpin).*|_*lock_(acquire|release|is_held)"
      ".*|"
      "register_lock_class|assign_lock_key|look_up_lock_class|mark_(lock|usage|held).*|"
      "validate_chain|check_prev.*|check_(noncircular|deadlock|flags|irq_usage|wait_context).*|"
      "trace_hardirqs.*|rcu_read_(lock|unlock).*|_*rcu_read_.*|debug_lockdep.*|"
      "_*list_(add|del|del_entry|debug).*|_*list_(add|del).*valid.*|add_uevent_var|"
      "_*plist_.*|_*hlist_.*|hlist_.*|list_.*|_*rb_.*|rb_.*|"
      // memory and strings
      "_*mem(cpy|set|move|cmp|chr|scan|dup).*|_*str[a-z]+_?(pad)?|"
      ".*copy_(to|from|in).*user.*|_*copy_user.*|copy_page.*|clear_page.*|_*clear_user.*|"
      "_copy_(to|from)_.*|rep_(movs|stos).*|_*arch_copy.*|raw_copy.*|"
      "_*(get|put)_user.*|_*kmalloc.*|kzalloc.*|kcalloc.*|kmemdup.*|_*kvm?alloc.*|_*kvfree.*|"
      "_*kfree|kfree_.*|vfree.*|_*vunmap.*|vmalloc.*|_*vmalloc.*|slab_.*|_*slab_.*|kmem_cache_.*|_*"
      "kmem_cache_.*|"
      "_*cache_(alloc|free|grow).*|cache_.*|_*alloc_(page|frozen|pages).*|alloc_pages.*|krealloc.*|"
      "_*do_kmalloc.*|"
      "free_large_kmalloc|_*free_pages.*|_*get_free_pages|__ksize|ksize|_*virt_to_(phys|cache).*|__"
      "phys_addr.*|"
      "object_err|check_(slab|object|bytes|poison).*|deactivate_slab_check|free_debug_processing|"
      "_*page_pool_.*|alloc_debug_processing|.*_slab_obj.*|build_detached_freelist|___slab_alloc|"
      "virt_to_.*|stack_depot_.*|"
      "iov_iter_.*|_*iov_iter.*|_copy_.*iter.*|copy_.*_iter.*|.*copy_to_iter.*|copyin|copyout|csum_"
      ".*|crc.*|"
      // locks, atomics and bits
      "_*raw_(spin|read|write)_.*|_*(spin|read|write)_(lock|unlock|trylock).*|do_raw_.*|"
      "_*mutex_(lock|unlock|trylock|destroy).*|_*(down|up)(_.*)?|_*rwsem_.*|rwsem_.*|[a-z0-9]+_("
      "write|read)_lock|logic_(in|out)[bwl]|truncate_inode_pages.*|rust_helper_.*|.*rust_begin_"
      "unwind.*|_*rt_mutex.*|rt_spin_.*|"
      "native_queued_spin.*|queued_(spin|read|write).*|_*pv_queued.*|_*ticket_spin.*|debug_spin.*|"
      "spin_(bug|dump)|.*arch_spin.*|_*ww_mutex_.*|ww_mutex.*|percpu_down.*|percpu_up.*|_*percpu_("
      "down|up).*|"
      "osq_lock.*|mutex_(optimistic|spin|can_spin).*|_*lock_sock.*|lock_sock.*|perf_trace_.*|trace_"
      "event_(buffer|raw).*|_*raw_read[bwlq]|_*raw_write[bwlq]|atomic.*|_*atomic.*|arch_atomic.*|("
      "test|set|clear|find|_find)_.*bit.*|_*(test|set|clear|change)_.*bit.*|"
      "_*read_once.*|instrument_.*|_*xchg.*|_*cmpxchg.*|local_bh_.*|_*local_bh_.*|arch_local_.*|"
      "native_(save|restore|irq|write_msr|read_msr|halt|safe).*|"
      "preempt_.*|_*preempt_.*|schedule|_*schedule.*|context_switch|_*cond_resched.*|_cond_resched|"
      // generic services
      "_*flush_work.*|flush_work.*|_*cancel_.*work.*|cancel_.*work.*|drain_workqueue|destroy_"
      "workqueue|flush_workqueue.*|__queue_work.*|_*queue_(delayed_)?work.*|"
      "insert_work|try_to_grab_pending|(del|add|mod)_timer.*|_*mod_timer.*|try_to_del_timer.*|"
      "detach_.*timer.*|timer_.*|"
      "hrtimer_(cancel|try|start).*|complete|complete_all|_*wake_up(_(all|sync|bit|poll|q|process|"
      "common|interruptible|locked).*)?|_*wake_up|finish_wait|prepare_to_wait.*|(add|remove)_wait_"
      "queue_x|wait_for_(completion|common).*|_*wait_for_common.*|kthread_stop.*|lock_timer_base|_*"
      "call_rcu.*|call_rcu.*|kvfree_call_rcu|_*task_rq_lock|task_rq_lock|"
      "skb_(panic|over_panic|under_panic|push|put|pull|copy_.*)|_*skb_(panic|put|pull|push)|"
      "sysfs_.*|kernfs_(remove|find|add|create|new)_.*|internal_create_.*|_*sysfs_.*|"
      "device_(add|del|remove|create|destroy|unregister|register|release).*|devres_.*|release_"
      "nodes|"
      "get_device_parent.*|dpm_sysfs_.*|klist_.*|usb_(submit|kill)_urb|tty_unregister_device|(un|"
      "rollback_)?register(ed)?_netdevice(_many|_queue).*|rollback_registered.*|dma_(map|unmap|"
      "alloc|free|pool).*|debug_dma.*|"
      "ref_tracker_.*|drop_nlink|inc_nlink|clear_nlink|set_nlink|ihold|"
      "_*xa_.*|xas_.*|idr_(remove|alloc|find).*|radix_tree_(lookup|insert|delete|next|find|tag|"
      "load|replace|extend|shrink|create).*|_*radix_tree_(lookup|insert|delete|next|create).*|ida_."
      "*|"
      "_*(un)?register_(chrdev|lock).*|fast_dput|dput|iput|iput_final|_*brelse|mark_buffer_dirty|("
      "un)?lock_page|folio_(unlock|lock|put|wait).*|find_lock_entries|find_get_.*|post_alloc_hook|"
      "prep_new_page|get_page_from_freelist|bad_page|free_unref.*|_*rmqueue.*|string|string_"
      "nocheck|format_decode|.*s[nc]*printf|number|pointer|vprintk|kmemleak_.*|create_object|_*"
      "create_object|pcpu_.*|_*alloc_percpu.*|.*_map_alloc.*|v[mz]alloc.*|_*v[mz]alloc.*|idr_get_"
      "free|"
      // entry code
      "entry_.*|_*entry_.*|do_syscall_.*|do_(fast|int80)_.*|ret_to_user.*|syscall_.*|__irq_.*|"
      "smp_apic_.*|apic_timer_.*|sysenter_.*|system_call.*|kthread|"
      "<.*core::panicking.*|core::panicking::.*|rust_begin_unwind|.*rust_panic.*|_RNv.*panicking."
      "*");
  return re;
}

const RE2& stall_functions() {
  static const RE2& re = pattern(
      "rcu_.*|_*rcu_.*|update_process_times|tick_.*|_*hrtimer_.*|hrtimer_.*|.*apic_timer_interrupt."
      "*|"
      "sysvec_.*|local_apic_.*|smp_.*interrupt.*|nmi_.*|arch_trigger_.*|check_cpu_stall|"
      "trigger_.*backtrace.*|irq_(enter|exit).*|_*irq_(enter|exit).*|_*do_softirq.*|do_softirq.*|"
      "invoke_softirq|call_softirq|print_.*stall|sched_show_task|_*sched_show_task|sched_dump.*|"
      "dump_cpu_task|watchdog_timer_fn|retint_.*|restore_regs.*|ktime_get.*|sched_clock.*|"
      "try_invoke_on_locked_down_task|delay_tsc.*|_*delay|_*(const_)?udelay|write_comp_data|_*"
      "switch_to|msg_print.*|console_.*|serial8250_.*|io_serial_.*|wait_for_(xmitr|lsr)|univ8250.*|"
      "uart_console.*|pl011_.*|pvclock_.*|cpu_relax|pv_.*|kvm_wait|kvm_async.*|"
      "handle_(mm|pte).*fault|flush_tlb_.*|"
      "call_timer_fn|expire_timers|_*run_timers.*|run_timer_softirq|debug_.*|"
      "on_each_cpu.*|csd_lock_wait.*|_*csd_.*|.*_irq_entry|handle_percpu_devid_irq|generic_handle_."
      "*|"
      "handle_domain_irq|_*handle_domain_irq|handle_irq.*|gic_handle_irq|arch_timer_.*|do_"
      "interrupt_handler|"
      "call_on_irq_stack|timer_handler");
  return re;
}

const RE2& hung_functions() {
  static const RE2& re = pattern(
      "_*schedule.*|io_schedule.*|_*switch_to.*|context_switch|_*mutex_lock.*|_*wait_.*|wait_.*|"
      "bit_wait.*|_*(down|up)_.*|rwsem_.*|_*rwsem.*|_*rt_mutex.*|schedule_timeout.*|do_wait_.*|"
      "call_rwsem.*|console_lock|rcu_barrier.*|.*filemap_fdatawait.*|fdatawait_one_bdev|_*flush_"
      "work.*|do_read_cache_(page|folio)|__rela_dyn_start|"
      "prepare_to_wait.*|finish_wait.*|_*lock_page.*|folio_wait.*|_*folio_lock.*|_*synchronize_"
      "srcu.*|"
      "out_of_line_wait.*|_*mutex_.*|percpu_rwsem_.*|percpu_down.*|_*down.*|"
      "_*lock_sock_nested|_*lock_sock.*|do_semtimedop.*|msleep.*|usleep.*|sleep_on.*");
  return re;
}

// Functions through which a caller enters a subsystem: a stall is named for the innermost of them,
// so that where exactly the timer struck makes no difference to the title.
const RE2& entry_points() {
  static const RE2& re = pattern(
      "sys_.*|compat_sys_.*|smp_call_function.*|"
      "(ip|ipv6|arp|packet|llc|mpls|can)_rcv|br_handle_frame|vlan_do_receive|"
      ".+_(ioctl|sendmsg|sendpage|setsockopt|write|write_iter|read|read_iter|mmap)|"
      ".+_timer_fn|.+_timer_handler|.+_tasklet_handler|.+_work_?(fn|func|handler)");
  return re;
}
const RE2& generic_entry_points() {
  static const RE2& re = pattern(
      "(do_vfs|vfs|__vfs|ksys|new_sync|do_iter|do_loop|do_sock|sock|sock_no|sock_common|kernel|"
      "inet|inet6|___sys|"
      "____sys|__sys|_*security|generic|_*generic|_*generic_file|blkdev|compat_blkdev|compat|tty|"
      "pipe|"
      "n_tty|_*kernfs|kernfs_fop|sysfs|seq|proc_reg|simple|drm_mode.*|_*rcu|raw|copy|iov|filemap|_*"
      "call|"
      "sock_compat|kvm_arch_vcpu|do|bpf_prog|file|task|page|folio|_*bit|.*lock.*|.*spin.*|watchdog|"
      ".*_user|"
      "__x64_sys|mem|atomic|arch_atomic|set|get|check|_*asan|_*tsan|_*msan|.*(tcp|udp|udpv6|"
      "udplite))_"
      "(ioctl|sendmsg|sendpage|setsockopt|write|write_iter|read|read_iter|mmap|newlink|timer_fn|"
      "timer_handler)|"
      "_*compat_sys_ioctl|.*_file_read_iter_generic");
  return re;
}
const RE2& pattern_smp() {
  static const RE2& re = pattern("smp_call_function.*");
  return re;
}
const RE2& dispatchers() {
  static const RE2& re = pattern(
      "call_timer_fn|_*run_timers|_*run_hrtimer|_*hrtimer_run_queues|process_one_work|process_"
      "scheduled_works|"
      "tasklet_action.*|task_work_run|kthread|rtnetlink_rcv_msg|nfnetlink_rcv_msg|_*fput|rcu_do_"
      "batch|"
      "_*handle_irq_event_percpu|_*usb_hcd_giveback_urb|notify_page_fault_x|irq_work_single|csd_do_"
      "func|"
      "_*flush_smp_call_function_queue|smpboot_thread_fn|irq_thread_fn|do_one_initcall");
  return re;
}

}  // namespace

bool is_entry_point(std::string_view symbol, std::string_view caller) {
  if (skipped(symbol, Skip::stall) && !RE2::FullMatch(symbol, pattern_smp())) return false;
  if (RE2::FullMatch(symbol, entry_points()) && !RE2::FullMatch(symbol, generic_entry_points()))
    return true;
  return RE2::FullMatch(caller, dispatchers()) && !RE2::FullMatch(symbol, dispatchers()) &&
         symbol != "worker_thread" && !symbol.starts_with("run_");
}

bool skips_leak(std::string_view symbol);

bool skipped(std::string_view symbol, Skip skip) {
  if (RE2::FullMatch(symbol, report_functions())) return true;
  if (skip == Skip::stall) return RE2::FullMatch(symbol, stall_functions());
  if (skip == Skip::leak) return skips_leak(symbol);
  if (skip == Skip::hung) return RE2::FullMatch(symbol, hung_functions());
  return false;
}

bool skips_leak(std::string_view symbol) {
  static const RE2& re = pattern(
      ".*alloc_skb.*|sk_(prot_)?alloc|radix_tree_node_alloc|.*alloc_inode.*|new_inode.*|"
      ".*(kmalloc|kzalloc|kmem_cache|kstrdup|vmalloc|mempool|kvmalloc).*|_*alloc|.*_alloc_(noprof|"
      "node).*");
  return RE2::FullMatch(symbol, re);
}

bool waits_for_others(std::string_view symbol) {
  static const RE2& re = pattern(
      "smp_call_function.*|on_each_cpu.*|csd_lock_wait.*|generic_exec_single|"
      "flush_tlb_.*|native_flush_tlb_.*|arch_tlbbatch_flush|kvm_flush_tlb.*|hyperv_flush_tlb.*|"
      "(native_|_*pv_)?queued_(spin|read|write)_.*slowpath|_*pv_(wait|kick|queued).*|kvm_wait|"
      "_*raw_(spin|read|write)_(lock|trylock).*|do_raw_(spin|read|write)_lock.*|_*raw_spin_rq_lock."
      "*|"
      "raw_spin_rq_lock.*|(mcs|osq|ticket|arch)_(spin_)?lock.*|virt_spin_lock.*|"
      "text_poke.*|smp_text_poke.*|stop_machine.*|multi_cpu_stop|stop_two_cpus|membarrier_.*|"
      "rcu_barrier.*|synchronize_rcu.*|wait_for_completion.*");
  return RE2::FullMatch(symbol, re);
}

bool is_tick(std::string_view symbol) {
  static const RE2& re = pattern(
      "update_process_times|tick_(sched|nohz|periodic|handle).*|watchdog_timer_fn|"
      "(rcu_sched_clock_irq|rcu_check_callbacks)");
  return RE2::FullMatch(symbol, re);
}

bool is_idle(std::string_view symbol) {
  static const RE2& re = pattern(
      "default_idle.*|.*idle_call.*|cpuidle_.*|do_idle|cpu_startup_entry|arch_cpu_idle.*|acpi_idle."
      "*|"
      "acpi_processor_ffh.*|acpi_safe_halt|intel_idle.*|native_(safe_)?halt|pv_native_safe_halt|"
      "mwait_idle.*|poll_idle|cpu_do_idle|rest_init|start_secondary|wait_for_interrupt|"
      "psci_.*idle.*|snooze_loop|xen_safe_halt|haltpoll.*|cpu_idle_poll.*|tdx_.*halt");
  return RE2::FullMatch(symbol, re);
}

}  // namespace ktrial::console
