"""run_tests.py over a ctest of its own: a test folder with every way to end."""

import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import run_tests  # noqa: E402

TESTS = """
add_test(flaky "sh" "-c" "test -e mark && exit 0; touch mark; echo 'x.cc:12: Failure'; echo 'Expected: 1'; exit 1")
add_test(good "true")
add_test("Odd/name (with) space" "true")
add_test(skips "sh" "-c" "echo SKIPPED")
set_tests_properties(skips PROPERTIES SKIP_REGULAR_EXPRESSION "SKIPPED")
add_test(bad "sh" "-c" "echo 'y.cc:1: Failure'; echo why; exit 3")
add_test(crashes "sh" "-c" "echo '==7==ERROR: AddressSanitizer: BUS on unknown address'; kill -SEGV $$")
set_tests_properties(flaky PROPERTIES LABELS e2e)
set_tests_properties(bad crashes PROPERTIES LABELS broken)
"""


class RunTestsTest(unittest.TestCase):
    def run_stages(self, *stages):
        lines = []
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "CTestTestfile.cmake").write_text(TESTS)
            before = os.getcwd()
            os.chdir(folder)
            try:
                code = run_tests.main([], lines.append, list(stages))
            finally:
                os.chdir(before)
        return code, lines

    def stage(self, name, *arguments, counts=True):
        return run_tests.Stage(name, ["--output-on-failure", *arguments], counts)

    def test_a_second_try_passes_and_is_listed_with_its_reason(self):
        code, lines = self.run_stages(
            self.stage("quick", "-LE", "e2e|broken"),
            self.stage("machines", "-L", "e2e", "--repeat", "until-pass:2"))
        self.assertEqual(code, 0, lines)
        self.assertEqual(lines[-1], "\n100% tests passed, 0 tests failed out of 4")
        at = lines.index("Second tries: 1")
        self.assertEqual(lines[at + 1:at + 4],
                         ["  flaky", "    try 1: Failed: x.cc:12: Expected: 1", "    try 2: Passed"])
        self.assertEqual([line for line in lines if "tests passed" in line], lines[-1:])

    def test_of_a_long_time_no_more_than_a_blank_is_before(self):
        log = run_tests.Log()
        log.line("139/148 Test #1240: A.Shell ..........***Timeout 600.07 sec")
        log.line("      Test #1240: A.Shell ..........   Passed   20.07 sec")
        self.assertEqual([one.result for one in log.tries["A.Shell"]], ["Timeout", "Passed"])

    def test_without_a_second_try_a_failure_is_one(self):
        code, lines = self.run_stages(self.stage("all", "-LE", "broken"))
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "\n75% tests passed, 1 tests failed out of 4")
        self.assertIn("failed: flaky: Failed: x.cc:12: Expected: 1", lines)

    def test_failures_of_both_tries_are_told_and_counted_once(self):
        code, lines = self.run_stages(
            self.stage("quick", "-LE", "e2e|broken"),
            self.stage("broken", "-L", "broken", "--repeat", "until-pass:2"))
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "\n60% tests passed, 2 tests failed out of 5")
        at = lines.index("  bad")
        self.assertEqual(lines[at + 1:at + 3], ["    try 1: Failed: y.cc:1: why", "    try 2: Failed: y.cc:1: why"])
        self.assertIn("failed: crashes: Exception: SegFault: ERROR: AddressSanitizer: BUS on unknown address", lines)

    def test_what_does_not_count_is_told_and_does_not_fail(self):
        code, lines = self.run_stages(self.stage("quick", "-LE", "e2e|broken"),
                                      self.stage("drift", "-L", "broken", counts=False))
        self.assertEqual(code, 0)
        self.assertRegex("\n".join(lines), "drift: 0 of 2 passed in [0-9]+ s; this counts for nothing")
        self.assertEqual(lines[-1], "\n100% tests passed, 0 tests failed out of 3")

    def test_a_stage_beside_the_others_is_built_told_apart_and_counts(self):
        beside = self.stage("beside", "-L", "broken")
        beside.beside, beside.build = True, [["sh", "-c", "echo built; touch mark"]]
        code, lines = self.run_stages(beside, self.stage("quick", "-LE", "e2e|broken"))
        self.assertEqual(code, 1)
        self.assertLess(lines.index("==> quick"), lines.index("==> beside"))
        self.assertIn("failed: bad: Failed: y.cc:1: why", lines)
        self.assertEqual(lines[-1], "\n60% tests passed, 2 tests failed out of 5")

    def test_what_cannot_be_built_is_no_success_and_says_why(self):
        for is_beside in (False, True):
            broken = self.stage("broken", "-LE", "e2e|broken")
            broken.beside, broken.build = is_beside, [["sh", "-c", "echo no such header; exit 1"]]
            code, lines = self.run_stages(self.stage("quick", "-LE", "e2e|broken"), broken)
            self.assertEqual(code, 1)
            self.assertTrue(any("no such header" in line for line in lines))
            self.assertIn("broken: was not built", lines)
            self.assertEqual(lines[-1], "\n75% tests passed, 1 tests failed out of 4")

    def test_a_ctest_that_dies_and_a_run_of_nothing_are_no_success(self):
        code, lines = self.run_stages(self.stage("quick", "-LE", "e2e|broken"),
                                      self.stage("gone", "--preset", "there-is-none"))
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "\n75% tests passed, 1 tests failed out of 4")
        self.assertEqual(self.run_stages(self.stage("none", "-L", "nobody"))[0], 1)


if __name__ == "__main__":
    unittest.main()
