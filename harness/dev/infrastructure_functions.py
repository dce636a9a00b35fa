#!/usr/bin/env python3
"""Lists the kernel's infrastructure functions for console/skip_list.cc, from kernel source trees.

    apt-get source or linux-source-6.12, unpacked:
    harness/dev/infrastructure_functions.py linux-source-6.12 linux-source-6.1 \\
        > harness/console/infrastructure.inc

Which files are infrastructure is said below, by the kernel's own layout; names are whatever they
define. Left out: a name that a subsystem defines as well (a stack does not say which one is meant),
self-tests, and system calls. Leading underscores and "_noprof" do not count: they come and go
between versions.
"""
import argparse
import fnmatch
import pathlib
import re
import sys

# Helpers that a report never blames: whoever called them passed what they choke on.
HELPERS = """
lib/* include/linux/{lib}.h arch/*/lib/* arch/*/include/asm/*string* arch/*/include/asm/*uaccess*
arch/*/include/asm/*atomic* include/linux/atomic/* include/asm-generic/bitops/*
arch/*/include/asm/bitops* arch/*/include/asm/io.h include/asm-generic/io.h include/linux/list*.h
include/linux/rculist*.h include/linux/uaccess.h include/linux/uio.h
kernel/locking/* include/linux/{kernel/locking}.h include/linux/spinlock* include/linux/rw*lock*
include/linux/seqlock* include/linux/rcupdate.h include/linux/srcu.h include/linux/local_lock*
kernel/trace/trace_preemptirq.c drivers/tty/tty_ldsem.c drivers/gpu/drm/drm_modeset_lock.c
mm/slab_common.c mm/slab.h include/linux/slab.h include/linux/gfp.h mm/vmalloc.c mm/util.c
mm/usercopy.c mm/percpu* mm/mempool.c mm/kmemleak.c mm/dmapool.c mm/mempolicy.c mm/maccess.c
mm/page_frag_cache.c mm/failslab.c mm/fail_page_alloc.c mm/page_owner.c mm/page_table_check.c
kernel/time/timer.c include/linux/timer.h fs/proc/generic.c drivers/base/devres.c
"""
# What runs because of the report, not before it.
REPORTERS = """
mm/kasan/common.c mm/kasan/generic.c mm/kasan/report*.c mm/kasan/shadow.c mm/kasan/*tags.c
mm/kfence/* mm/kmsan/* kernel/kcsan/* include/linux/kasan* kernel/panic.c kernel/stacktrace.c
arch/*/kernel/dumpstack* arch/*/kernel/stacktrace* arch/*/kernel/unwind*
"""
# What a trap runs before it is told; of a report that is made there it is the place.
TRAPS = """
kernel/extable.c arch/*/kernel/traps* arch/*/kernel/entry* arch/*/entry/* arch/*/mm/fault* arch/*/mm/extable*
arch/*/kernel/debug-monitors.c arch/x86/include/asm/idtentry.h
"""
# What a timer interrupt runs on a CPU, and what looks at other CPUs, before a stall is told.
STALLS = """
kernel/time/* kernel/rcu/* kernel/softirq.c kernel/irq/* kernel/smp.c kernel/watchdog*
kernel/printk/* kernel/irq_work.c drivers/tty/serial/8250/8250_port.c drivers/tty/serial/serial_core.c
drivers/tty/serial/amba-pl011.c drivers/tty/sysrq.c drivers/clocksource/* drivers/irqchip/*
arch/x86/xen/* drivers/xen/events/* arch/x86/kernel/apic/* arch/*/kernel/time* arch/*/kernel/tsc*
arch/*/kernel/smp.c arch/*/kernel/nmi* arch/*/kernel/irq* arch/*/kernel/watchdog* arch/x86/kernel/kvmclock.c
kernel/sched/clock.c mm/pgtable-generic.c
"""
# How a task waits.
WAITS = """
kernel/sched/core.c kernel/sched/completion.c kernel/sched/wait*.c kernel/sched/swait.c
include/linux/wait*.h kernel/time/sleep_timeout.c
"""
# Who allocates on behalf of somebody.
ALLOCATORS = """
mm/slub.c mm/slab*.c mm/page_alloc.c mm/list_lru.c mm/filemap.c mm/shmem.c net/core/skbuff.c net/core/sock.c include/linux/skbuff.h include/net/sock.h fs/inode.c
include/linux/fs.h
"""
CLASSES = {"r": HELPERS + REPORTERS + TRAPS, "t": TRAPS, "s": STALLS, "h": WAITS, "l": ALLOCATORS}

# Not infrastructure although they stand there:
EXCEPT = set("""
timerqueue_add timerqueue_del
run_timer_softirq run_timers run_timer_base run_local_timers enqueue_timer expire_timers
ptep_clear_flush ptep_clear_flush_young pmdp_set_access_flags pmdp_clear_flush_young pmdp_huge_clear_flush
pudp_huge_clear_flush pmdp_invalidate pmdp_invalidate_ad pmdp_collapse_flush
console_lock console_device exit_to_user_mode_prepare exit_to_user_mode_loop exit_to_usermode_loop
""".split())
# - timerqueue_*: the hrtimer core is their only caller, itself infrastructure: they are the place.
# - timer.c: these run timers; nobody handed them the one they choke on.
# - ptep_*, pmdp_*: they change an entry and wait until all CPUs know; pte_offset_map() only looks.
# - exit_to_user_mode_*: where a task that must not sleep is found asleep.
# - printk's console lock is taken by drivers, like any other lock of theirs.

SUBSYSTEMS = ("drivers/", "fs/", "net/", "sound/", "crypto/", "security/", "block/", "io_uring/", "ipc/")
NOT_KERNEL = re.compile(r"^(?:tools|samples|scripts|Documentation|usr)/|/(?:boot|purgatory|vdso\w*|tests?|selftests)/"
                        r"|(?:^|[/_-])(?:self)?tests?[_.-]|[_-](?:self)?tests?\.|kunit|torture|^arch/um/")
BODY = re.compile(r"^\{", re.M)
ONE_LINE = re.compile(r"^static (?:__always_)?inline [^;{}()]*?\b(\w+)\([^;{}]*\)\s*\{[^\n]+\}", re.M)
ANNOTATION = re.compile(r"\b__(?:acquires|releases|must_hold\w*|cond_\w+|attribute__|printf|scanf|section|alloc_size|counted_by)"
                        r"\s*\(+[^()]*\)+")
ASSEMBLY = re.compile(r"^\s*(?:SYM_(?:TYPED_)?(?:FUNC|CODE)_(?:START|ALIAS)\w*|ENTRY|GLOBAL|WEAK)\((\w+)", re.M)


def functions(path):
    """The names of the functions that a source file defines: kernel style, a body opens at column 0."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(errors="replace"), flags=re.S)
    if path.suffix == ".S":
        return set(ASSEMBLY.findall(text))
    names = set(ONE_LINE.findall(text))
    for body in BODY.finditer(text):
        before = max(text.rfind(mark, 0, body.start()) for mark in ("\n}", ";", "\n#"))
        head = ANNOTATION.sub("", text[before + 1:body.start()])
        if named := re.search(r"\b([A-Za-z_]\w*)\s*\(", head):
            if "SYSCALL_DEFINE" not in named[1] and named[1].upper() != named[1]:
                names.add(named[1])
    return names


def normal(name):
    return name.lstrip("_").removesuffix("_noprof")


def patterns(text, tree):
    """Globs; {folder} stands for the name of each of its .c files."""
    for glob in text.split():
        if folder := re.search(r"\{(.*)\}", glob):
            for source in (tree / folder[1]).glob("*.c"):
                yield re.compile(re.escape(glob.replace(folder[0], source.stem)))
        else:
            yield re.compile(fnmatch.translate(glob))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", nargs="+", type=pathlib.Path)
    found = {}
    elsewhere = set()
    versions = []
    for tree in parser.parse_args().tree:
        makefile = (tree / "Makefile").read_text()
        versions.append(".".join(re.search(rf"^{part} = (\d+)", makefile, re.M)[1]
                                 for part in ("VERSION", "PATCHLEVEL", "SUBLEVEL")))
        wanted = {flag: list(patterns(text, tree)) for flag, text in CLASSES.items()}
        for path in sorted(tree.rglob("*.[chS]")):
            name = str(path.relative_to(tree))
            if NOT_KERNEL.search(name):
                continue
            flags = {flag for flag, globs in wanted.items() if any(glob.match(name) for glob in globs)}
            if not flags and not name.startswith(SUBSYSTEMS):
                continue
            for function in map(normal, functions(path)):
                if flags:
                    found.setdefault(function, set()).update(flags)
                else:
                    elsewhere.add(function)
    kept = {name: "".join(sorted(flags)) for name, flags in found.items()
            if name not in elsewhere and name not in EXCEPT and len(name) > 3 and not name.startswith("sys_")}
    print("// Generated by harness/dev/infrastructure_functions.py from Linux "
          f"{', '.join(versions)}: {len(kept)} names.")
    for flags in sorted(set(kept.values())):
        names = sorted(name for name, of in kept.items() if of == flags)
        print(f'{{"{flags}",')
        line = ""
        for name in names:
            if len(line) + len(name) > 96:
                print(f' "{line}"')
                line = ""
            line += name + " "
        print(f' "{line}"}},')


if __name__ == "__main__":
    sys.exit(main())
