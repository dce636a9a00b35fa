// Function names that say nothing about a failure, as RE2 patterns of whole
// names. Families by prefix where a subsystem's helpers share one.
#pragma once

namespace ktrial::console {

// Reporting, allocation, copying, locking, sleeping, entry code.
inline constexpr char kGenericFunctions[] =
    "(?:"
    // reporting and its machinery
    "_*(?:dump_(?:stack|backtrace|header|page).*|show_(?:stack|regs|trace|workqueue).*|print_.*|"
    "report_(?:bug|usercopy|ubsan).*|end_report|panic.*|nmi_panic|oops_.*|die.*|warn.*|fixup_.*|"
    "handle_(?:bug|ud|edge_irq|fasteoi_irq|irq.*|exception)|do_(?:error_trap|trap.*|invalid_op|general_protection|divide_error|"
    "undefinstr|page_fault|kern_addr_fault|user_addr_fault|mem_abort|translation_fault|tag_.*|"
    "kernel_fault|bad_area.*|DataAbort|PrefetchAbort|double_fault|int3|debug|one_initcall_dummy)|"
    "(?:invalid_op|general_protection|page_fault|divide_error|double_fault|error_(?:entry|exit)|"
    "async_page_fault|retint_kernel|ret_from_intr|common_interrupt|apic_timer_interrupt|reschedule_interrupt|"
    "call_function.*interrupt|smp_.*interrupt|nmi|end_repeat_nmi)|bad_area.*|no_context|mm_fault_error|page_fault_oops|"
    "exc_.*|asm_.*|sysvec_.*|kernelmode_fixup.*|el[01].*|dabt_.*|und_.*|irq_svc|bug_handler|brk_handler|call_break_hook|"
    "debug_(?:print_object|object_.*|check_no_obj.*|check_no_locks.*|exception.*|spin.*|mutex.*|check_.*)|"
    "kasan_.*|asan_.*|hwasan_.*|kmsan_.*|msan_.*|kcsan_.*|tsan_.*|kfence_.*|ubsan_.*|sanitizer_.*|check_memory_region.*|"
    "check_(?:region|memory|preemption|poison|panic|object|heap|page|usercopy|deadlock|noncircular|prev|prevs|usage|lock|flags|bytes|irq_usage|chain|wait).*|"
    "unwind_.*|arch_stack_walk.*|stack_trace_.*|save_stack.*|set_track.*|nmi_(?:cpu_backtrace|trigger|handle|stack).*|"
    "arch_trigger_.*|trigger_.*|default_do_nmi|watchdog.*|rcu_(?:dump_cpu|sched_clock|check_callbacks|pending|check_gp|stall|print).*|"
    "rcu_pending|sched_show_task|sched_.*clock.*|"
    // memory and strings
    "mem(?:cpy|set|move|cmp|chr|scan|dup|zero).*|str.*|kstr.*|v?s[cn]*printf|vprintk.*|printk.*|fortify_.*|"
    "copy_(?:to|from|in|user|page|from_iter|to_iter).*|_?copy_(?:to|from).*|arch_copy.*|raw_copy.*|clear_(?:user|page).*|get_user.*|put_user.*|"
    "usercopy_.*|might_.*|may_.*sleep|access_ok|k[mzc]?[mzc]?alloc.*|kfree.*|kmem_cache.*|kvmalloc.*|kvfree.*|kvzalloc.*|krealloc.*|kmemdup.*|"
    "slab_.*|slub_.*|cache_(?:alloc|free|grow).*|cmpxchg.*|alloc_pages.*|get_free_page.*|free_pages.*|free_unref.*|get_page_from.*|"
    "vmalloc.*|vzalloc.*|vfree.*|free_(?:debug|large|slab|object|frozen).*|alloc_(?:debug|slab|frozen).*|deactivate_slab_dummy|do_slab_free|quarantine.*|qlist_.*|"
    "new_slab.*|allocate_slab.*|alloc_skb|alloc_frag.*|"
    // atomics, lists, reference counts
    "(?:arch_|raw_)?atomic.*|refcount_.*|kref_.*|kobject_(?:add|get|put|init|release|cleanup|del)_?.*|percpu_ref.*|instrument_.*|arch_.*(?:bit|cmpxchg|xchg).*|test_.*bit.*|set_bit.*|clear_bit.*|"
    "read_once.*|list_(?:add|del|move|valid).*|hlist_(?:add|del).*|rb_(?:insert|erase|next|prev|first).*|llist_.*|find_.*bit.*|csum_partial.*|"
    // locks
    "(?:raw_|_raw_|do_raw_)?(?:spin|read|write)_(?:lock|unlock|trylock|bug|dump).*|_raw_.*|do_raw_.*|queued_.*lock.*|native_queued.*|pv_queued.*|"
    "lock(?:_acquire|_release|_is_held|_sock.*|dep_.*|_downgrade|_acquired|_contended|_page.*|_mount.*|_commit.*|_device.*)?|release_sock|"
    "lock_.*acquire.*|lockdep.*|register_lock.*|assign_lock.*|look_up_lock.*|mark_(?:lock|held|usage|all).*|validate_chain.*|valid_state|reacquire.*|find_lock.*|"
    "mutex_(?:lock|unlock|trylock|spin|destroy|remove).*|(?:ww_)?mutex_.*lock.*|rt_mutex.*|rtlock.*|down_(?:read|write|interruptible|trylock|killable|timeout).*|down|up|up_(?:read|write).*|"
    "rwsem_.*|percpu_(?:down|up|rwsem).*|seqcount.*|raw_seqcount.*|write_seq.*|read_seq.*|bh_lock.*|local_(?:bh|irq|lock).*|trace_hardirqs.*|trace_.*irq.*|"
    "hardirqs_.*|netdev_lock.*|rtnl_lock.*|console_(?:lock|unlock|trylock|flush).*|"
    // sleeping and RCU
    "schedule.*|io_schedule.*|preempt_.*|context_switch|switch_to.*|need_resched|cond_resched.*|resched.*|do_wait_for_.*|wait_(?:for|on|event|woken|rcu|common|cond).*|do_wait_.*|"
    "prepare_to_wait.*|finish_wait|autoremove_.*|bit_wait.*|out_of_line_wait.*|wake_up.*|complete.*|try_to_wake.*|"
    "rcu_(?:read|lock|gp|barrier|core|do_batch|note|irq|nmi|eqs|is|process|report|accelerate|lockdep|preempt|momentary|force|qs|all|sync).*|call_rcu.*|synchronize_.*|flush_(?:work|workqueue).*|"
    "cancel_.*work.*|drain_workqueue|kthread_(?:stop|create|park|flush|queue).*|kthread|worker_thread|process_one_work|process_scheduled.*|io_wait.*|"
    // entry, interrupts, timers
    "do_syscall.*|syscall_.*|entry_.*|sysenter.*|system_call.*|ret_(?:from|to)_.*|invoke_syscall.*|el0_.*|ret_fast_syscall|do_(?:fast|int80).*|"
    "do_IRQ|irq_.*|do_softirq.*|softirq.*|handle_softirqs|invoke_softirq|run_.*softirq.*|run_ksoftirqd|smpboot_.*|"
    "hrtimer_.*|run_hrtimer.*|tick_.*|update_process_times|run_(?:local_)?timer.*|call_timer_fn|expire_timers|local_apic.*|timer_interrupt.*|"
    "cpu_(?:startup_entry|idle).*|do_idle|rest_init|start_kernel|secondary_startup.*|start_secondary|x86_64_start.*|arch_call_rest_init|kernel_init.*|do_(?:one_initcall_level|basic_setup|initcalls)|"
    "0x[0-9a-f]+|exit_to_user.*|exit_to_usermode.*|prepare_exit_to.*|usermode.*"
    "))";

inline constexpr char kWaiterFunctions[] =
    "(?:_*smp_call_function.*|csd_lock.*|generic_exec_single|on_each_cpu.*|native_queued_spin_lock.*|queued_spin_lock.*|"
    "pv_queued.*|_*(?:do_)?_?raw_(?:spin|read|write)_.*lock.*|flush_tlb.*|native_flush_tlb.*|native_safe_halt|default_idle.*|"
    "pv_native_safe_halt|acpi_(?:idle|safe_halt).*|mwait_idle.*|intel_idle.*|cpuidle.*|arch_cpu_idle|native_halt|do_idle|"
    "multi_cpu_stop|stop_machine.*|cpu_stop.*|rcu_momentary.*|text_poke.*|queued_(?:read|write)_lock.*|"
    "mutex_spin_on.*|osq_lock.*|rwsem_.*spin.*|native_(?:write_msr|apic.*)|_*x2apic.*|kvm_(?:wait|kick).*|"
    "native_irq_.*|cpu_relax|delay_.*|_*(?:const_)?udelay|_*delay|_*sanitizer.*|_*kcsan.*)";

// Wrappers that hand on to the one who does the work.
inline constexpr char kPlumbingFunctions[] =
    "(?:_*(?:vfs|do|ksys|sys|x64_sys|ia32_sys|se_sys|arm64_sys|SyS|SYSC|compat_SyS|ia32_compat_sys|compat_sys)_?.*|"
    "new_sync_.*|call_(?:read|write)_iter|do_iter.*|"
    "sock_(?:sendmsg|recvmsg|write_iter|read_iter|ioctl|do_ioctl|common.*|setsockopt|getsockopt|release|close|splice.*|poll).*|"
    "sockfs_.*|kernel_(?:sendmsg|recvmsg|accept|connect|bind|listen|sendpage).*|_?_?_?sys_(?:sendmsg|recvmsg).*|inet6?_(?:sendmsg|recvmsg|release|ioctl|stream_connect|dgram_connect).*|"
    "path_.*|filp_.*|file_(?:ioctl|.*)|iterate_.*|task_work_run|exit_.*|get_signal.*|arch_do_signal.*|f?put.*|__f?put|delayed_fput|"
    "unlocked_ioctl|security_.*|splice_.*|direct_splice.*|do_splice.*|SYS.*|"
    "netif_.*|_*napi_poll.*|net_rx_action|process_backlog|_*netif_receive_skb.*|"
    "load_balance|pick_next.*|newidle.*|idle_balance|run_rebalance.*|"
    "try_to_.*|ttwu_.*|mm_update.*|mmput|mmdrop|"
    "bpf_prog_.*|bpf_dispatcher.*|perf_.*|trace_.*|ftrace_.*|"
    ")";

}  // namespace ktrial::console
