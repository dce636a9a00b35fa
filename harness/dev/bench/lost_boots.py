#!/usr/bin/env python3
"""How many boots QEMU loses, under TCG, and how.

    harness/dev/bench/lost_boots.py [-n BOOTS] [--jobs J] [--cpus N] [--kernel K] [--qemu FOLDER]

Boots the kernel BOOTS times (1000), as `ktrial run --start cold -- true`, and counts each boot that
did not come to its agent: the first ones that ktrial repeated, and those that ended a trial. A line
for each way to be lost, with the folder of its latest; then the rate with its exact 95 % interval.
FOLDER holds another QEMU (its bin); without it, the one that ktrial would take.
"""
import argparse
import collections
import json
import math
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHUNK = 50  # trials of one run: what is told in between, and lost by a Ctrl-C


def tail(n, k, p):
    """P(X >= k) of a binomial."""
    return 1 - sum(math.comb(n, i) * p**i * (1 - p)**(n - i) for i in range(k))


def bound(probability, level):
    """The p at which an increasing probability(p) reaches the level."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if probability(middle) < level else (low, middle)
    return low


def interval(k, n):
    """Clopper and Pearson's, 95 %."""
    low = 0.0 if k == 0 else bound(lambda p: tail(n, k, p), 0.025)
    high = 1.0 if k == n else bound(lambda p: tail(n, k + 1, p), 0.975)
    return low, high


def losses(trial):
    """The reasons of this trial's lost boots."""
    facts = {fact["name"]: fact["value"] for fact in trial["facts"]}
    if "first_boot" in facts:
        yield facts["first_boot"]
    if trial["boot_s"] == 0:
        yield trial["verdict"]["reason"]


def run(args, count, env):
    argv = [args.ktrial, "run", "--kernel", args.kernel, "--cpus", str(args.cpus), "--memory", "256M",
            "--accel", "tcg", "--start", "cold", "--repeat", str(count), "--jobs", str(args.jobs),
            "--format", "json"] + (["--results", args.results] if args.results else []) + ["--", "true"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    trials = json.loads(done.stdout or "{}").get("trials", [])
    return trials or sys.exit("exit %d\n%s" % (done.returncode, done.stderr.decode()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--boots", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--kernel", default="deb:linux-image-cloud-amd64")
    parser.add_argument("--qemu", help="folder of another QEMU's programs")
    parser.add_argument("--results", help="as ktrial's")
    parser.add_argument("--ktrial", default=str(ROOT / "build/release/bin/ktrial"))
    args = parser.parse_args()
    env = dict(os.environ, PATH=(args.qemu + ":" if args.qemu else "") + os.environ["PATH"])
    version = subprocess.run(["qemu-system-x86_64", "--version"], env=env, stdout=subprocess.PIPE, text=True)
    print(version.stdout.splitlines()[0], flush=True)
    begun, booted, lost, where = time.monotonic(), 0, collections.Counter(), {}
    while booted < args.boots:
        for trial in run(args, min(CHUNK, args.boots - booted), env):
            reasons = list(losses(trial))
            booted += len(reasons) + (1 if trial["boot_s"] > 0 else 0)
            lost.update(reasons)
            where.update((reason, trial["artifacts"]) for reason in reasons)
        print("%5d boots, %d lost, %.1f s a boot, load %.1f" % (
            booted, lost.total(), (time.monotonic() - begun) / booted, os.getloadavg()[0]), flush=True)
    for reason, count in lost.most_common():
        print("%5d  %s\n       %s" % (count, reason, where[reason]))
    low, high = interval(lost.total(), booted)
    print("%d of %d boots lost: %.2f to %.2f %%" % (lost.total(), booted, 100 * low, 100 * high))


if __name__ == "__main__":
    main()
