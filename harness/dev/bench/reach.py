#!/usr/bin/env python3
"""How much of the kernel's RCU, scheduler and locks the storms reach, beside stress-ng.

    harness/dev/bench/reach.py [--kernel K] [--seconds S] [--sources FOLDER] [--ktrial PROGRAM]

Runs each storm, and stress-ng's nearest stressors all at once, deterministically for S seconds of the
guest's, and once more under the coverage plugin. Counts the functions that are defined in FOLDER's
kernel/rcu, kernel/sched and kernel/locking (ctags), and that ran at any time: of the storms, of
stress-ng, and what only one of the two reached. What a guest reaches that only boots is told as well.
Wants stress-ng and ctags; FOLDER is a kernel's source of the same version.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
AREAS = ("rcu", "sched", "locking")
TRIES = 12
STORMS = ("rcu-storm", "sched-storm", "lockup-bait")
STRESS = ("--fork 1 --vfork 1 --membarrier 2 --schedpolicy 2 --switch 2 --futex 2 --cpu-online 1 --mmap 2 --mutex 1 "
          "--timer 1").split()


def functions_of(sources):
    """Of each area, the names of its functions."""
    out = {}
    for area in AREAS:
        files = [str(f) for f in (sources / "kernel" / area).rglob("*.[ch]") if "torture" not in f.name]
        text = subprocess.run(["ctags", "-x", "--c-kinds=f", "-L", "-"], input="\n".join(files), text=True,
                              stdout=subprocess.PIPE, check=True).stdout
        out[area] = {line.split()[0] for line in text.splitlines()}
        # SYSCALL_DEFINE2(sched_setparam, ...)
        for file in files:
            for name in re.findall(r"^SYSCALL_DEFINE\d\((\w+)", pathlib.Path(file).read_text(errors="replace"), re.M):
                out[area].update({"__x64_sys_" + name, "__do_sys_" + name, "__se_sys_" + name})
    return out


def covered(args, what):
    """The functions that ran, by the coverage of a replay."""
    common = ["--offline", "--results", args.results]
    run = [args.ktrial, "run", "--kernel", args.kernel, "--deterministic", "--seed", "1", "--cpus", "4", "--memory",
           "512M", "--timeout", "30m"] + common + what
    done = subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    reason = re.search(r"^  reason +(.*)", done.stdout, re.M)
    print("    %s: %s" % (" ".join(what), reason.group(1) if reason else done.stdout[-500:]), file=sys.stderr)
    for _ in range(TRIES):  # timers close together do not come back every time: docs/replay.md
        again = subprocess.run([args.ktrial, "replay", "last", "--coverage"] + common, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
        # The screen has the last ones, the file all.
        files = sorted(pathlib.Path(args.results).glob("runs/*/trials/000/coverage.txt"))
        if files:
            break
    else:
        sys.exit("no coverage: %s\n%s" % (done.stdout[-1500:], again.stderr[-1500:]))
    names = re.findall(r"^\s*\d+\s+\d+ blocks\s+(\S+)", files[-1].read_text(), re.M)
    files[-1].unlink()
    # "kill_something_info.constprop.0"
    return {name.split(".")[0] for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="deb:linux-image-cloud-amd64")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--sources", type=pathlib.Path, required=True)
    parser.add_argument("--ktrial", default=str(ROOT / "build/release/bin/ktrial"))
    args = parser.parse_args()
    known = functions_of(args.sources)
    with tempfile.TemporaryDirectory() as args.results:
        boot = covered(args, ["--", "true"])
        storms = {storm: covered(args, ["--workload", storm, "--duration", "%ds" % args.seconds]) for storm in STORMS}
        other = covered(args, ["--", "stress-ng", "--timeout", str(args.seconds)] + STRESS)
    ours = set().union(*storms.values())
    print("%-14s %8s %8s %8s %8s" % (("",) + AREAS + ("all",)))

    def row(name, reached):
        counts = [len(reached & known[area]) for area in AREAS]
        print("%-14s %8d %8d %8d %8d" % ((name,) + tuple(counts) + (sum(counts),)))

    row("boot alone", boot)
    for storm, reached in storms.items():
        row(storm, reached)
    row("all storms", ours)
    row("stress-ng", other)
    row("only storms", ours - other)
    row("only stress-ng", other - ours)
    everything = set().union(*known.values())
    print("only stress-ng: " + " ".join(sorted((other - ours) & everything)))


if __name__ == "__main__":
    main()
