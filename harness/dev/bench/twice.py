#!/usr/bin/env python3
"""Does a deterministic run come back, bit for bit, whatever the workload?

    harness/dev/bench/twice.py --kernel K [--seeds N] [--first S] [--workload W]... [--duration S] [--jobs J]
                               [--memory SIZE] [--ktrial PROGRAM] [--out FILE]

Runs each workload on the seeds S..S+N-1 (1..30), J at a time, and all of it once more, and compares what each
trial's record says its machine came to: instructions of each vCPU, registers, RAM and console. A trial that did not
pass was run twice by ktrial itself, which held both where the first one was judged: its word counts. A line for each
workload: seeds, how many were equal, outcomes, seconds of a trial (median); of each pair that was not equal, what
differs. A workload may have settings: "inject fault=soft_lockup cpu=1".
Exit status 1: a pair differed, or there was nothing to compare.
"""
import argparse
import collections
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

WORKLOADS = ["smoke", "fork-storm", "vfork-storm", "mmcid-vfork", "rcu-storm", "sched-storm", "lockup-bait", "cpuacct",
             "debug-events", "nmi-backtrace"]
SAME = ("by_cpu", "registers_sha256", "ram_sha256", "console_bytes", "console_sha256")


def trials(args, workload, first, seeds, results):
    name, *settings = workload.split()
    command = [args.ktrial, "run", "--kernel", args.kernel, "--workload", name, "--deterministic", "--seed", first,
               "--repeat", seeds, "--jobs", args.jobs, "--memory", args.memory, "--cpus", args.cpus,
               "--format", "json", "--results", results]
    if args.duration:
        command += ["--duration", "%ds" % args.duration]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        sys.exit("%s:\n%s" % (" ".join(map(str, command)), done.stderr[-2000:]))
    out = {}
    for one in document["trials"]:
        verdict = json.loads((pathlib.Path(one["artifacts"]) / "verdict.json").read_text())
        out[verdict.get("determinism", {}).get("seed", len(out))] = verdict
    return out


def differences(one, other):
    """What two records of a seed do not have in common; a record without a final state is different, too."""
    a, b = one.get("determinism", {}), other.get("determinism", {})
    if a.get("held") == "count":
        return [d.get("parted") or "not run twice" for d in (a, b) if d.get("parted") or d.get("runs", 0) < 2]
    missing = [key for key in SAME if key not in a or key not in b]
    return missing or [key for key in SAME if a.get(key) != b.get(key)]


def judge(args, workload, results):
    pairs = [trials(args, workload, args.first, args.seeds, pathlib.Path(results) / turn) for turn in ("1", "2")]
    equal, lines, outcomes, seconds = 0, [], collections.Counter(), []
    for seed in sorted(pairs[0]):
        one, other = (pair.get(seed, {}) for pair in pairs)
        outcomes[one.get("outcome", "none")] += 1
        seconds += [pair[seed]["duration_s"] for pair in pairs if seed in pair]
        unlike = differences(one, other)
        equal += not unlike
        if unlike:
            lines.append("  seed %s: %s; %s | %s" % (seed, ", ".join(unlike), one.get("reason"), other.get("reason")))
    said = " ".join("%s:%d" % pair for pair in sorted(outcomes.items()))
    lines.insert(0, "%-40s %d of %d equal  %s  %.0f s" % (workload, equal, len(pairs[0]), said,
                                                       statistics.median(seconds or [0])))
    return "\n".join(lines), equal == len(pairs[0]) == args.seeds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--workload", action="append")
    parser.add_argument("--duration", type=int, default=3, help="of the guest's seconds; 0: each workload's own")
    parser.add_argument("--cpus", type=int, default=4)
    parser.add_argument("--memory", default="512M")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--ktrial", default="ktrial")
    parser.add_argument("--out", type=pathlib.Path, help="the lines go to this file, too")
    args = parser.parse_args()
    well = True
    for workload in args.workload or WORKLOADS:
        with tempfile.TemporaryDirectory() as results:
            line, good = judge(args, workload, results)
        well = well and good
        print(line, flush=True)
        if args.out:
            with open(args.out, "a") as out:
                print(line, file=out)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
