#!/usr/bin/env python3
"""Are bugs that are planted into a kernel found by the storms, and is the right function blamed?

    harness/dev/bench/planted.py SOURCES OUT [--only NAME] [--runs N] [--duration S] [--jobs J] [--ktrial PROGRAM]

SOURCES is a kernel's source (a checkout, or an unpacked linux-source; 6.12.117 was it here) and is not
written to: OUT/tree is a copy by hard links. It is built once as it is, with ktrial's fragments, lockdep and
planted/storms.config, and once with each of planted/*.patch, whose head says which workload is to find it,
by which kinds of report, and which functions are the right ones to blame. Then that workload runs N times (3)
for S seconds (60) on the healthy kernel, where it has to pass, and on the planted one, where it has to fail.
What is built already is not built again. A line for each trial, also in OUT/results.tsv: kernel, workload,
outcome, kind, culprit, right or wrong, seconds from the workload's begin to the report, reason.
Exit status 1: a planted bug was not found, or blamed on another function, or the healthy kernel failed.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FRAGMENTS = HERE.parents[2] / "kconfigs"
KEPT = ("arch/x86/boot/bzImage", "vmlinux", "System.map", ".config", "modules.order", "modules.builtin",
        "include/config/kernel.release")


def run(command, **more):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **more)
    if done.returncode != 0:
        sys.exit("%s:\n%s" % (" ".join(map(str, command)), done.stdout[-3000:]))
    return done.stdout


def head_of(patch):
    """{"workload": ["rcu-storm"], "culprits": [...], ...}"""
    head = patch.read_text().split("\n--- ")[0]
    return {key.lower(): value.split() for key, value in re.findall(r"^(\w+): (.*)", head, re.M)}


def make(args, *targets):
    compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
    run(["make", "-s", "-C", args.out / "tree", "O=%s" % (args.out / "objects"), "-j%d" % args.jobs,
         "CC=" + compiler, *targets])


def configure(args):
    objects = args.out / "objects"
    if (objects / ".config").exists():
        return
    objects.mkdir(parents=True, exist_ok=True)
    fragments = sorted(FRAGMENTS.glob("*.config")) + [FRAGMENTS / "optional/60-lockdep.config",
                                                      HERE / "planted/storms.config"]
    run([args.out / "tree/scripts/kconfig/merge_config.sh", "-m", "-O", objects, *fragments], cwd=args.out / "tree")
    (objects / ".config").rename(args.out / "asked.config")
    make(args, "KCONFIG_ALLCONFIG=%s" % (args.out / "asked.config"), "allnoconfig")


def keep(args, name):
    """What a trial takes of a build: OUT/NAME is a build tree for --kernel."""
    objects, place = args.out / "objects", args.out / (name + ".new")
    shutil.rmtree(place, ignore_errors=True)
    modules = [line.replace(".o", ".ko") for line in (objects / "modules.order").read_text().split()]
    for path in (*KEPT, *modules):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(objects / path, place / path)
    place.rename(args.out / name)


def build(args, name, patch=None):
    if (args.out / name).exists():
        return
    print("building", name, file=sys.stderr)
    tree = args.out / "tree"
    # patch(1) puts a new file in the place of the old: SOURCES, at the other end of the link, stays.
    if patch:
        run(["patch", "-p1", "--no-backup-if-mismatch", "-i", patch], cwd=tree)
    try:
        make(args, "bzImage", "modules")
        keep(args, name)
    finally:
        if patch:
            run(["patch", "-p1", "-R", "--no-backup-if-mismatch", "-i", patch], cwd=tree)


def seconds_to_report(artifacts):
    """From the workload's begin to the first finding or stall; of a trial that was judged by neither, to its end."""
    begun = None
    for line in (pathlib.Path(artifacts) / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["type"] == "step" and "; running " in event.get("text", ""):
            begun = event["t"]
        elif event["type"] in ("finding", "stall") and begun is not None:
            return event["t"] - begun
    return None


def trial(args, kernel, head, planted):
    """Its row, and whether it is as it should be."""
    sets = [word for pair in head.get("set", []) for word in ("--set", pair)]
    command = [args.ktrial, "run", "--kernel", args.out / kernel, "--workload", head["workload"][0], "--cpus", "4",
               "--duration", "%ds" % args.duration, "--format", "json", "--offline", "--results",
               args.out / "runs"] + sets
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        one = json.loads(done.stdout)["trials"][0]
    except (ValueError, LookupError):
        sys.exit(done.stderr[-2000:])
    right = "-"
    if planted and one["outcome"] == "fail":
        right = "right" if one["culprit"] in head["culprits"] and one["kind"] in head["kinds"] else "wrong"
    seconds = seconds_to_report(one["artifacts"])
    row = [kernel, head["workload"][0], one["outcome"], one["kind"] or "-", one["culprit"] or "-", right,
           "-" if seconds is None else "%.0f" % seconds, one["reason"]]
    return row, right == "right" if planted else one["outcome"] == "pass"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sources", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", help="this patch alone, by its name without .patch")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--duration", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--ktrial", default="ktrial")
    args = parser.parse_args()
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    if not (args.out / "tree").exists():
        run(["cp", "-al", args.sources.resolve(), args.out / "tree"])
    configure(args)
    patches = [p for p in sorted((HERE / "planted").glob("*.patch")) if args.only in (None, p.stem)]
    build(args, "healthy")
    for patch in patches:
        build(args, patch.stem, patch)
    well = True
    for patch in patches:
        for kernel in ("healthy", patch.stem):
            for _ in range(args.runs):
                row, good = trial(args, kernel, head_of(patch), kernel != "healthy")
                well = well and good
                print("\t".join(row), flush=True)
                with open(args.out / "results.tsv", "a") as results:
                    print("\t".join(row), file=results)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
