#!/usr/bin/env python3
"""What three readers make of one run of the kernel's selftests.

    cd INSTALL_FOLDER; ktrial run --root host -- ./run_kselftest.sh -c timers
    harness/dev/kselftest_table.py [--kunit FOLDER] RUN_FOLDER...

A row a run: its programs as run_kselftest.sh reports them, as kunit.py's parser counts them, and as
ktrial does; then their subtests, as the programs themselves count them ("# Totals:"; a program
that does not is one), and as ktrial does. Below it each program of which ktrial says something else.
RUN_FOLDER: of ktrial's results. FOLDER: tools/testing/kunit of a kernel's source.
"""
import argparse
import collections
import contextlib
import io
import json
import pathlib
import re
import sys

HEADER = re.compile(r"# (selftests: \S+: \S+)$")
RESULT = re.compile(r"(not )?ok \d+ (selftests: \S+: \S+)(?: # (\S+).*)?$")
TOTALS = re.compile(r"# # Totals: pass:(\d+) fail:(\d+) xfail:(\d+) xpass:(\d+) skip:(\d+) error:(\d+)$")
LEAF = re.compile(r"(selftests: [^\s/]+: [^\s/]+)(?:/|$)")
BAD = ("fail", "crash", "timeout")


class Count(collections.namedtuple("Count", "passed failed skipped")):
    def __str__(self):
        return "%d / %d / %d" % self

    def __add__(self, other):
        return Count(*map(sum, zip(self, other)))


def one(result):
    return Count(result == "pass", result in BAD, result == "skip")


def runners(lines):
    """Program to its result, and to the count that it gave of itself."""
    results, totals, running = {}, {}, None
    for line in lines:
        if found := HEADER.match(line):
            running = found[1]
        elif found := TOTALS.match(line):
            passed, failed, xfailed, xpassed, skipped, errors = map(int, found.groups())
            totals[running] = totals.get(running, Count(0, 0, 0)) + Count(
                passed + xfailed, failed + xpassed + errors, skipped)
        elif found := RESULT.match(line):
            results[found[2]] = "skip" if found[3] == "SKIP" else "fail" if found[1] else "pass"
    return results, totals


def kunits(folder, lines):
    """The leaves of kunit.py's tree."""
    sys.path.insert(0, str(folder))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints to what it finds when imported
        import kunit_parser
        try:
            test = kunit_parser.parse_run_tests(lines)
        except TypeError:  # since 6.15
            from kunit_printer import Printer
            test = kunit_parser.parse_run_tests(lines, Printer())
    counts = test.counts
    return Count(counts.passed, counts.failed + counts.crashed, counts.skipped)


def leaves(record):
    """Program to the count of what ktrial heard of it."""
    out = {}
    for test in record.get("subtests", []):
        found = LEAF.match(test["name"])
        program = found[1] if found else "?"
        out[program] = out.get(program, Count(0, 0, 0)) + one(test["result"])
    return out


def as_program(count):
    return one("fail" if count.failed else "pass" if count.passed else "skip")


def row(folder, kunit):
    trial = folder / "trials" / "000"
    record = json.loads((trial / "verdict.json").read_text())
    lines = (trial / "output" / "console.log").read_text(errors="replace").splitlines()
    results, totals = runners(lines)
    mine = leaves(record)
    nothing = Count(0, 0, 0)
    expected = {program: totals.get(program, one(result)) for program, result in results.items()}
    columns = [" ".join(sorted({name.split(": ")[1] for name in results})),
               sum((one(result) for result in results.values()), nothing),
               kunits(kunit, lines) if kunit else "-",
               sum(map(as_program, mine.values()), nothing),
               sum(expected.values(), nothing), sum(mine.values(), nothing)]
    print("| " + " | ".join(map(str, columns)) + " |")
    for program in sorted(set(mine) | set(results)):
        said, heard = expected.get(program), mine.get(program)
        if said != heard or as_program(heard) != one(results[program]):
            print("    %s: it says %s (%s), ktrial %s" %
                  (program, said, results.get(program, "cut off"), heard))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kunit", type=pathlib.Path)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    print("| collection | programs: run_kselftest.sh | kunit.py | ktrial | subtests: their own | ktrial |\n"
          "|---|---|---|---|---|---|")
    for folder in args.folders:
        row(folder, args.kunit)


if __name__ == "__main__":
    main()
