#!/usr/bin/env python3
"""What is shown of a run of the tests: counts, the time left, and what failed, bounded and as text."""

import io
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))
from harness import run
from progress import MOST_SHOWN, Durations, Estimate, Report, plain


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Progress(unittest.TestCase):
    def test_the_time_left_is_unknown_while_nothing_is(self):
        self.assertIsNone(Estimate({"a": 10, "b": 1}, {}, 1).left(0))

    def test_what_was_never_run_is_expected_to_take_what_others_did(self):
        e = Estimate({"a": 100, "b": 1, "c": 1}, {}, 1)
        e.begin("a", 0)
        e.end("a", 100, 20)
        self.assertEqual(e.left(20), 40)
        e.begin("b", 20)
        self.assertEqual(e.left(35), 25)
        self.assertEqual(e.left(500), 20)

    def test_the_time_left_is_what_the_jobs_took_before_at_this_runs_pace(self):
        e = Estimate({"a": 1, "b": 1, "c": 1}, {"a": 60, "b": 100, "c": 40}, 2)
        self.assertEqual(e.left(0), 100)  # the longest
        e.begin("a", 0)
        e.end("a", 1, 180)
        self.assertEqual(e.left(180), 200)  # half as fast as before: (60 + 180) / (60 + 60)

    def test_tests_are_counted_as_they_were_in_the_end(self):
        e = Estimate({"a": 10, "b": 1}, {}, 1)
        self.assertEqual((e.done, e.total), (0, 11))
        e.begin("a", 0)
        e.end("a", 12, 1)
        self.assertEqual((e.done, e.total), (12, 13))

    def test_durations_are_kept_and_a_broken_file_is_a_first_run(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "durations")
            self.assertEqual(Durations(path).seconds, {})
            Durations(path).save({"a": 1.5, "b": 2})
            Durations(path).save({"b": 3})
            self.assertEqual(Durations(path).seconds, {"a": 1.5, "b": 3})
            for broken in ("{", "[1]", '{"a": "x"}', "\xff"):
                with open(path, "w", encoding="latin-1") as f:
                    f.write(broken)
                self.assertEqual(Durations(path).seconds, {})

    def report(self, out):
        times = iter(range(1000))
        with Report(Estimate({"one": 2, "two": 1}, {}, 1), out, lambda: next(times)) as r:
            r.begin("one")
            r.end("one", [("one/a", "passed", None), ("one/b", "failed", "because\nof \x1b[31m")])
            r.begin("two")
            r.end("two", [("two", "skipped", "not here")])
        return out.getvalue()

    def test_a_log_has_plain_lines_and_ends_with_the_counts(self):
        lines = self.report(io.StringIO()).splitlines()
        self.assertIn("0 of 3 tests", lines[0])
        self.assertEqual(lines[1:], ["FAIL one/b", "    because", "    of \N{REPLACEMENT CHARACTER}[31m",
                                     "skipped two: not here", "1 passed, 1 failed, 1 skipped"])

    def test_a_terminal_has_one_line_that_is_rewritten(self):
        before, os.environ["TERM"] = os.environ.get("TERM"), "xterm"
        try:
            out = self.report(Terminal())
        finally:
            os.environ["TERM"] = before or ""
        self.assertIn("2 of 3 tests", out)
        self.assertIn("running two", out)
        lines = out.split("\n")
        self.assertEqual(lines[-1], "")
        self.assertTrue(lines[-2].endswith("\r\x1b[K1 passed, 1 failed, 1 skipped"), lines[-2])
        self.assertTrue(all(l.startswith("\r\x1b[K") or l.startswith("    ") for l in lines[:-1]), lines)

    def test_a_failure_is_shown_bounded_and_as_text(self):
        r = run(["sh", "-c", r"printf '\377\376ab\000'"])
        self.assertEqual(plain(r.stdout), "\ufffd\ufffdab\ufffd")
        self.assertLess(len(plain("x" * 44_000_000)), MOST_SHOWN + 100)
        self.assertIn("43992000 characters left out", plain("x" * 44_000_000))
        self.assertEqual(plain("\ud800"), "\ufffd")


if __name__ == "__main__":
    unittest.main()
