#!/usr/bin/env python3
"""Ratios of ktrial against the plain thing, measured side by side.

    harness/dev/bench/bench.py boot    [--kernel K]... [--channel C]... [-n N]
    harness/dev/bench/bench.py warm    [--kernel K]... [--channel C]... [-n N]
    harness/dev/bench/bench.py analyze [--dense] [--size MIB] [-n N]
    harness/dev/bench/bench.py trace   [--kernel K]... [-n N]
    harness/dev/bench/bench.py job     [--kernel K]... [-n N]

boot: `ktrial run -- true` against QEMU started by hand with the same kernel and
machine size, whose init says one line and powers off. It is started twice a round: `plain`
with QEMU's defaults and a two-word kernel command line, and `same`, with the very
flags, devices and kernel arguments of ktrial's own machine (of a vsock, less the device). Only
ktrial's guest loads modules (those of the channel).
  hello   VM start to the agent's hello  /  exec to the init's line on the console
  whole   the whole command, to its exit /  exec to QEMU's exit
  cpu     the same pair in CPU seconds: steadier than wall time on a busy host
warm: trials that go on from a template against trials that boot.
  hello   QEMU's start to the agent's hello, of `-- true`
  whole   the whole command, to its exit
  N s     a trial that works for N seconds, among --repeat 6 of them
job: a trial that is a process of its own (--jobs 1) against one in the process that was started,
both of `-- true` in a copy of the same template; their difference is the median of the rounds'.
trace: in one guest of one vCPU, forks, vforks with exec and task switches a second, with the
events of the black box against none, and with those of `--trace fork` against none, in turns.
analyze: `ktrial analyze` against `LC_ALL=C grep -c 'BUG:'`, CPU seconds, on one log: plain (steady lines, then
one report a megabyte), with --dense nothing but the reports of console/testdata, with --like any other.

Each round runs every contender once, in turn, so that all see the same weather;
a ratio is the median of the rounds' ratios. Times are of this host, ratios travel.
"""
import argparse
import json
import os
import pathlib
import random
import re
import resource
import selectors
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
MARK = b"BARE-INIT-IS-UP"
TARGETS = {"hello": 1.10, "whole": 1.35, "plain": 1.6, "dense": 8.0}  # the last two: analyze
SAME_TARGETS = {"whole": 1.05, "cpu": 1.05}
JOB_COSTS_MS = 50  # at most, beside the same trial in process
TRACED = 0.95  # at least, of the speed without tracing
BLACK_BOX = ["sched/sched_switch", "sched/sched_process_fork", "sched/sched_process_exec",
             "sched/sched_process_exit", "sched/sched_wakeup_new"]  # harness/trial/black_box.cc
EVENTS = {"black box": BLACK_BOX,  # and what harness/spec/trace_request.cc has for fork
          "--trace fork": BLACK_BOX + ["sched/sched_process_wait", "task/task_newtask"]}


def cpio(name, data):
    """One newc archive with one executable file (format: cpio(5))."""
    def member(name, mode, data):
        fields = [1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
        head += b"\0" * (-len(head) % 4)
        return head + data + b"\0" * (-len(data) % 4)
    return member(name, 0o100755, data) + member("TRAILER!!!", 0, b"")


def make_bare_initramfs(folder):
    binary = folder / "init"
    subprocess.run([os.environ.get("CC", "cc"), "-static", "-O2", "-s", "-o", binary,
                    HERE / "bare_init.c"], check=True)
    out = folder / "bare.cpio"
    out.write_bytes(cpio("init", binary.read_bytes()))
    return out


def bare_argv(image, initramfs, args):
    # thread=multi is TCG's default for this guest; it is spelt out to be seen.
    return ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
            "-smp", str(args.cpus), "-m", str(args.memory), "-nodefaults", "-display", "none",
            "-no-reboot", "-serial", "stdio", "-kernel", str(image), "-initrd", str(initramfs),
            "-append", ("console=ttyS0 panic=-1 " + args.bare_append).strip()]


def same_argv(artifacts, initramfs):
    """The bare init in ktrial's machine: its qemu.sh without what needs somebody to talk to."""
    script = (pathlib.Path(artifacts) / "qemu.sh").read_text().replace("\\\n", " ")
    words = shlex.split(script, comments=True)
    out = words[:1]
    option = ""
    for word in words[1:]:
        if word in ("-nodefaults", "-no-user-config", "-no-reboot"):
            out.append(word)
        elif word.startswith("-"):
            option = word
        elif option == "-serial":
            out += [option, "stdio"]
        elif option == "-initrd":
            out += [option, str(initramfs)]
        elif "vhost-user" not in word and not (option == "-chardev" and "socket" in word):
            out += [option, word]
    return out


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_bare(argv, timeout=300):
    """{"hello", "whole", "cpu"} in seconds, from just before exec."""
    cpu = cpu_seconds()
    begun = time.monotonic()
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    seen, hello = b"", None
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not ready.select(begun + timeout - time.monotonic()):
                child.kill()
                break
            data = os.read(child.stdout.fileno(), 65536)
            if not data:
                break
            seen += data
            if hello is None and MARK in seen:
                hello = time.monotonic() - begun
    child.wait()
    if hello is None or child.returncode != 0:
        sys.exit("bare QEMU did not get to its init:\n" + seen[-2000:].decode(errors="replace"))
    return {"hello": hello, "whole": time.monotonic() - begun, "cpu": cpu_seconds() - cpu}


def run_ktrial(argv, may_fail=False):
    cpu = cpu_seconds()
    begun = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    whole = time.monotonic() - begun
    if done.returncode != 0 and may_fail:
        return None
    if done.returncode != 0:
        sys.exit("%s: exit %d\n%s" % (" ".join(argv), done.returncode, done.stderr.decode()))
    trial = json.loads(done.stdout)["trials"][0]
    return {"hello": trial["boot_s"], "whole": whole, "cpu": cpu_seconds() - cpu,
            "artifacts": trial["artifacts"]}


def row(label, ours, theirs, target=None):
    """One line of the table; ours and theirs are lists, round by round."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    judged = "" if target is None else "<= %.2f  %s" % (target, "ok" if ratio <= target else "MISSED")
    print("%-58s %8.2f %8.2f %7.2f   %s" % (label, statistics.median(ours),
                                           statistics.median(theirs), ratio, judged), flush=True)


def heading(what):
    print("%-58s %8s %8s %7s   %s" % (what, "ktrial", "other", "ratio", "target"))


def ktrial_argv(args, kernel, channel, results):
    return [args.ktrial, "run", "--kernel", kernel, "--channel", channel, "--accel", "tcg",
            "--cpus", str(args.cpus), "--memory", "%dM" % args.memory, "--results", results,
            "--format", "json"] + (["--append", args.append] if args.append else []) + ["--", "true"]


def boot(args, folder):
    initramfs = make_bare_initramfs(folder)
    print("%d rounds; %d vCPUs, %d MiB, TCG; load average %.1f on %d cores" % (
        args.rounds, args.cpus, args.memory, os.getloadavg()[0], os.cpu_count()))
    heading("seconds, medians")
    for kernel in args.kernel or ["deb:linux-image-cloud-amd64"]:
        channels = args.channel or ["virtio-serial", "vhost-user-vsock"]
        argvs = {c: ktrial_argv(args, kernel, c, str(folder / "results")) for c in channels}
        # A first run each fills the caches, names the kernel's image, and tells
        # which channels this kernel has drivers for.
        firsts = {}
        for channel, argv in list(argvs.items()):
            first = run_ktrial(argv, may_fail=True)
            if first:
                firsts[channel] = warm = first
            else:
                print("%s: %s does not work with this kernel" % (kernel, channel))
                del argvs[channel]
        record = json.loads((pathlib.Path(warm["artifacts"]).parents[1] / "run.json").read_text())
        facts = {f["name"]: f["value"] for f in record["facts"]}
        bare = bare_argv(facts["kernel.image"], initramfs, args)
        same = {c: same_argv(first["artifacts"], initramfs) for c, first in firsts.items()}
        rounds = []
        for _ in range(args.rounds):
            sample = {"plain": run_bare(bare)}
            for channel, argv in argvs.items():
                sample["same " + channel] = run_bare(same[channel])
                sample[channel] = run_ktrial(argv)
            rounds.append(sample)
        for channel in argvs:
            for other, targets in (("plain", TARGETS), ("same " + channel, SAME_TARGETS)):
                for what in ("hello", "whole", "cpu"):
                    row("%s %s %s : %s" % (facts["kernel.release"], channel, what, other),
                        [r[channel][what] for r in rounds], [r[other][what] for r in rounds],
                        targets.get(what))


def started(args, kernel, channel, results, start, more, command):
    begun = time.monotonic()
    done = subprocess.run([args.ktrial, "run", "--kernel", kernel, "--channel", channel, "--accel", "tcg",
                           "--cpus", str(args.cpus), "--memory", "%dM" % args.memory, "--results", results,
                           "--start", start, "--format", "json"] + more + ["--"] + command,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    whole = time.monotonic() - begun
    trials = json.loads(done.stdout)["trials"] if done.returncode == 0 else []
    if not trials or any(trial["start"] != start for trial in trials):
        sys.exit("%s, %s: exit %d\n%s" % (kernel, start, done.returncode, done.stderr.decode()))
    return {"hello": statistics.median(trial["boot_s"] for trial in trials), "whole": whole / len(trials)}


def warm(args, folder):
    print("%d rounds; %d vCPUs, %d MiB, TCG; load average %.1f on %d cores" % (
        args.rounds, args.cpus, args.memory, os.getloadavg()[0], os.cpu_count()))
    print("%-58s %8s %8s %7s" % ("seconds, medians", "warm", "cold", "ratio"))
    for kernel in args.kernel or ["deb:linux-image-cloud-amd64"]:
        for channel in args.channel or ["virtio-serial", "vhost-user-vsock"]:
            def pairs(more, command, rounds):
                one = lambda start: started(args, kernel, channel, str(folder / "results"), start, more, command)
                one("warm")  # makes the template
                return [(one("warm"), one("cold")) for _ in range(rounds)]
            short = pairs([], ["true"], args.rounds)
            for what, target in (("hello", 0.03 if channel == "virtio-serial" else 0.06), ("whole", 0.12)):
                row("%s %s" % (channel, what), [w[what] for w, _ in short], [c[what] for _, c in short], target)
            if channel != "virtio-serial":
                continue
            for seconds, target in (("3", 2.6), ("0.5", 8)):
                long = pairs(["--repeat", "6"], ["sleep", seconds], max(1, args.rounds // 3))
                row("%s %s s, a trial" % (channel, seconds), [w["whole"] for w, _ in long],
                    [c["whole"] for _, c in long], 1 / target)


def job(args, folder):
    print("%d rounds; %d vCPUs, %d MiB, TCG; load average %.1f on %d cores" % (
        args.rounds, args.cpus, args.memory, os.getloadavg()[0], os.cpu_count()))
    print("%-58s %8s %8s %7s" % ("milliseconds, medians", "a job", "here", "more"))
    for kernel in args.kernel or ["deb:linux-image-cloud-amd64"]:
        def one(more):
            cpu = cpu_seconds()
            whole = started(args, kernel, "virtio-serial", str(folder / "results"), "warm", more, ["true"])["whole"]
            return {"whole": whole, "cpu": cpu_seconds() - cpu}
        one([])  # makes the template
        pairs = [(one(["--jobs", "1"]), one([])) for _ in range(args.rounds)]
        for what, target in (("whole", JOB_COSTS_MS), ("cpu", None)):
            ours, theirs = [1000 * a[what] for a, _ in pairs], [1000 * b[what] for _, b in pairs]
            more = statistics.median(a - b for a, b in zip(ours, theirs))
            judged = "" if target is None else "<= %d  %s" % (target, "ok" if more <= target else "MISSED")
            print("%-58s %8.0f %8.0f %7.1f   %s" % ("%s %s" % (kernel, what), statistics.median(ours),
                                                   statistics.median(theirs), more, judged), flush=True)


def boot_like():
    """Part of a console log: steady lines, then one report."""
    rng = random.Random(1)
    words = ["pci 0000:00:%02x.0: BAR %d: assigned [mem 0x%08x]", "systemd[1]: Started unit %d-%d %x.",
             "audit: type=1400 audit(%d.%d): apparmor=%x", "EXT4-fs (vda%d): mounted %d %x"]
    stamp, lines = 0.0, []
    for i in range(20000):
        stamp += rng.random() / 100
        text = words[i % len(words)] % (rng.randrange(32), rng.randrange(6), rng.getrandbits(32))
        lines.append("[%5d.%06d] %s\n" % (int(stamp), stamp % 1 * 1e6, text))
    lines.append("[%5d.000001] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [stress:77]\n" % stamp)
    return "".join(lines).encode()


REPORT = re.compile(rb"BUG: |INFO: rcu|Kernel panic")


def reports():
    """The consoles of console/testdata that hold reports, each from its first report on."""
    blocks = []
    for log in sorted((ROOT / "harness/console/testdata").glob("*.log")):
        lines = log.read_bytes().splitlines(keepends=True)
        head = next((i for i, line in enumerate(lines) if REPORT.search(line)), None)
        if head is not None and log.stem != "boot-harmless":
            blocks += lines[head:]
    return b"".join(blocks)


def write_log(path, mebibytes, block):
    with open(path, "wb") as out:
        for _ in range((mebibytes << 20) // len(block) + 1):
            out.write(block)
        out.truncate(mebibytes << 20)


def timed(argv, env=None):
    """(CPU seconds, peak RSS in MiB)."""
    # A file, not /dev/null: grep would stop at the first match there.
    child = subprocess.Popen(argv, stdout=tempfile.TemporaryFile(), env=env)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        sys.exit("%s: exit %d" % (" ".join(argv), child.returncode))
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def analyze(args, folder):
    small, big = folder / "small.log", folder / "big.log"
    mode = "like" if args.like else "dense" if args.dense else "plain"
    block = pathlib.Path(args.like).read_bytes() if args.like else reports() if args.dense else boot_like()
    write_log(small, max(1, args.size // 16), block)
    write_log(big, args.size, block)
    plain = dict(os.environ, LC_ALL="C")
    ours, theirs = [], []
    for _ in range(args.rounds):
        theirs.append(timed(["grep", "-c", "BUG:", str(big)], plain)[0])
        ours.append(timed([args.ktrial, "analyze", str(big)]))
    heading("analyze, %s, %d MiB, CPU seconds, medians of %d rounds" % (mode, args.size, args.rounds))
    row("ktrial analyze : grep -c 'BUG:'", [t for t, _ in ours], theirs, TARGETS.get(mode))
    print("peak RSS %.0f MiB; %.0f MiB on a log of a 16th of the size" % (
        max(r for _, r in ours), timed([args.ktrial, "analyze", str(small)])[1]))


def trace(args, folder):
    binary = folder / "trace_cost"
    subprocess.run([os.environ.get("CC", "cc"), "-static", "-O2", "-o", binary,
                    HERE / "trace_cost.c"], check=True)
    print("operations a second in the guest, medians of %d rounds; target >= %.2f" % (
        args.rounds, TRACED))
    print("%-58s %8s %8s %7s" % ("", "traced", "not", "ratio"))
    for kernel in args.kernel or ["deb:linux-image-cloud-amd64"]:
        for label, events in EVENTS.items():
            argv = [args.ktrial, "run", "--kernel", kernel, "--accel", "tcg", "--cpus", "1",
                    "--trace", "off", "--results", str(folder / "results"), "--format", "json",
                    "--", str(binary), str(args.rounds)] + events
            output = pathlib.Path(run_ktrial(argv)["artifacts"]) / "output/console.log"
            rates = {}
            for line in output.read_text().splitlines():
                name, off, on = line.split()
                rates.setdefault(name, []).append((float(on), float(off)))
            for name, pairs in rates.items():
                ratio = statistics.median(on / off for on, off in pairs)
                print("%-58s %8.0f %8.0f %7.3f   %s" % (
                    "%s, %s: %s" % (kernel, label, name), statistics.median(on for on, _ in pairs),
                    statistics.median(off for _, off in pairs), ratio,
                    "ok" if ratio >= TRACED else "MISSED"), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["boot", "warm", "analyze", "trace", "job"])
    parser.add_argument("-n", "--rounds", type=int, default=7)
    parser.add_argument("--ktrial", default=str(ROOT / "build/release/bin/ktrial"))
    parser.add_argument("--kernel", action="append")
    parser.add_argument("--channel", action="append")
    parser.add_argument("--cpus", type=int, default=4)
    parser.add_argument("--memory", type=int, default=1024, help="MiB")
    parser.add_argument("--append", default="", help="more kernel command line for ktrial's guest")
    parser.add_argument("--bare-append", default="", help="more kernel command line for the bare one")
    parser.add_argument("--size", type=int, default=1024, help="MiB of log")
    parser.add_argument("--dense", action="store_true", help="a log of nothing but reports")
    parser.add_argument("--like", help="a log to repeat up to that size, instead of a generated one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ktrial-bench-") as folder:
        {"boot": boot, "warm": warm, "analyze": analyze, "trace": trace, "job": job}[args.what](args, pathlib.Path(folder))


if __name__ == "__main__":
    main()
