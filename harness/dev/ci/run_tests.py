#!/usr/bin/env python3
"""Runs ctest in stages and says at the end, in ctest's own words, what all of it came to.

    run_tests.py [ctest arguments, for every stage]

Tests that boot VMs (label e2e) get a second try, because TCG loses about one boot in a thousand;
those that needed it are listed, with the reason of each try. All others pass at once or fail. Of
the label `drift` (the newest kernel of the mirror) one test is told, and counts for nothing. The
exit code is 0 when every test that counts has passed.

Machines wait a lot. A stage that is `beside` is built and run in what the stages after it leave
over, at idle priority: no virtual CPU ever waits for it.
"""

import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Stage:
    name: str
    arguments: list  # of ctest
    counts: bool = True
    build: list = field(default_factory=list)  # commands that make what it runs
    beside: bool = False


SANITIZED = [["cmake", "--preset", "fuzz"],
             ["cmake", "--build", "--preset", "fuzz", "--target", "fuzzers", "hostile_tests"]]
STAGES = [
    Stage("tests without a VM", ["--preset", "quick"]),
    Stage("what reads hostile bytes, under ASan and UBSan", ["--preset", "hostile"],
          build=SANITIZED, beside=True),
    Stage("tests that boot VMs", ["--preset", "e2e", "--repeat", "until-pass:2"]),
    Stage("the newest kernel", ["--preset", "drift", "-R", "Introspect"], counts=False),
]

# "  3/12 Test  #7: Name ...***Failed    0.01 sec", "Name ....   Passed"; the number of the
# second try is missing.
RESULT = re.compile(
    r"^ *(?:\d+/\d+ )?Test +#\d+: (?P<test>.+?) \.+ *(?P<result>\*\*\*.+?|Passed) +[\d.]+ sec")
START = re.compile(r"^ *Start +\d+: ")
SUMMARY = re.compile(r"^\d+% tests passed, (?P<failed>\d+) tests failed out of (?P<all>\d+)")
# Where GoogleTest says what was not so, and the lines of text that follow it.
FAILURE = re.compile(r"^(?P<place>\S+:\d+): Failure$")
SANITIZER = re.compile(r"(?:ERROR: \w+Sanitizer|runtime error): .+")


@dataclass
class Try:
    result: str  # "Passed", "Failed", "Timeout", "Exception: SegFault", "Skipped", ...
    reason: str = ""

    def __str__(self):
        return self.result + (f": {self.reason}" if self.reason else "")


@dataclass
class Log:
    """What one stage said, read line by line."""

    tries: dict = field(default_factory=dict)  # test: [Try]
    failed: int = 0
    total: int = 0
    finished: bool = False
    seconds: float = 0
    _current: Try = None
    _reason_lines: int = 0

    def line(self, text):
        """Returns whether a reader of the whole log needs the line."""
        if match := SUMMARY.match(text):
            self.failed, self.total = int(match["failed"]), int(match["all"])
            self.finished = True
            return False
        if text.startswith("No tests were found"):
            self.finished = True
            return False
        if match := RESULT.match(text):
            result = match["result"].removeprefix("***").strip()
            self._current = Try(result)
            self._reason_lines = 0
            self.tries.setdefault(match["test"], []).append(self._current)
        elif match := FAILURE.match(text):
            self._add_reason(match["place"] + ":")
            self._reason_lines = 4
        elif match := SANITIZER.search(text):
            self._add_reason(match[0])
        elif not text.strip() or START.match(text):
            self._reason_lines = 0
        elif self._reason_lines > 0:
            self._reason_lines -= 1
            self._add_reason(text.strip())
        return True

    def _add_reason(self, text):
        if self._current is not None and len(self._current.reason) < 300:
            self._current.reason = f"{self._current.reason} {text}".strip()

    def retried(self):
        return {test: tries for test, tries in self.tries.items() if len(tries) > 1}


def tell_second_tries(logs, out):
    tests = {test: tries for log in logs for test, tries in log.retried().items()}
    if not tests:
        out("Second tries: none")
        return
    out(f"Second tries: {len(tests)}")
    for test, tries in tests.items():
        out(f"  {test}")
        for number, one in enumerate(tries, 1):
            out(f"    try {number}: {one}")


def build(commands, out, prefix):
    """Whether all went well; what a command says is told only where it fails."""
    for command in commands:
        done = subprocess.run([*prefix, *command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode != 0:
            out(done.stdout[-20000:])
            return False
    return True


def run_stage(stage, extra, out, prefix=()):
    out(f"==> {stage.name}")
    log, begun = Log(), time.monotonic()
    how = "was not built"
    if build(stage.build, out, prefix):
        with subprocess.Popen([*prefix, "ctest", *stage.arguments, *extra], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace") as process:
            for text in process.stdout:
                if log.line(text.rstrip("\n")):
                    out(text.rstrip("\n"))
        how = f"ended with {process.returncode} and without a summary"
    if not log.finished:  # ctest died, or could not begin: that is no success
        out(f"{stage.name}: {how}")
        log.failed, log.total = log.failed + 1, log.total + 1
    log.seconds = time.monotonic() - begun
    return log


class Beside(threading.Thread):
    """A stage in the background, at idle priority; `tell` waits for it and says what it said."""

    def __init__(self, stage, extra):
        super().__init__()
        self._stage, self._extra, self._lines, self._log = stage, extra, [], None
        self.start()

    def run(self):
        idle = ["chrt", "--idle", "0"] if shutil.which("chrt") else ["nice", "-n", "19"]
        self._log = run_stage(self._stage, self._extra, self._lines.append, idle)

    def tell(self, out):
        self.join()
        for line in self._lines:
            out(line)
        return self._log


def main(extra, out=lambda text: print(text, flush=True), stages=STAGES):
    if extra:  # somebody looks for something of their own
        stages = [stage for stage in stages if stage.counts]
    beside = {}
    logs = {}
    for stage in stages:
        if stage.beside:
            beside[stage.name] = Beside(stage, extra)
        else:
            logs[stage.name] = run_stage(stage, extra, out)
    logs |= {name: stage.tell(out) for name, stage in beside.items()}
    out("")
    for stage in stages:
        log = logs[stage.name]
        out(f"{stage.name}: {log.total - log.failed} of {log.total} passed in {log.seconds:.0f} s"
            + ("" if stage.counts else "; this counts for nothing"))
    tell_second_tries(logs.values(), out)
    counted = [logs[stage.name] for stage in stages if stage.counts]
    failed, total = sum(log.failed for log in counted), sum(log.total for log in counted)
    for log in counted:
        for test, tries in log.tries.items():
            if tries[-1].result not in ("Passed", "Skipped", "Not Run (Disabled)"):
                out(f"failed: {test}: {tries[-1]}")
    percent = 0 if total == 0 else 100 * (total - failed) // total
    out(f"\n{percent}% tests passed, {failed} tests failed out of {total}")
    return 0 if failed == 0 and total > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
