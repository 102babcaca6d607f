#!/usr/bin/env python3
"""Packages that the tests fetch: whole or not there, however many ask at the same time."""

import os
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", ".."), os.path.join(HERE, "..", "..", "e2e")]
from harness import Skip
from registry import once


class Once(unittest.TestCase):
    def test_a_folder_is_filled_once_and_seen_when_it_is_whole(self):
        with tempfile.TemporaryDirectory() as top:
            folder, filled, seen = os.path.join(top, "packages", "one"), [], []

            def fill(path):
                self.assertFalse(os.path.exists(folder))
                os.mkdir(path)
                filled.append(path)
                open(os.path.join(path, "content"), "w").close()

            threads = [threading.Thread(target=lambda: seen.append(sorted(os.listdir(once(folder, "mark", fill)))))
                       for _ in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(len(filled), 1)
            self.assertEqual(seen, [["content", "mark"]] * 8)

    def test_what_was_left_half_done_is_made_anew(self):
        with tempfile.TemporaryDirectory() as top:
            folder = os.path.join(top, "one")

            def half(path):
                os.mkdir(path)
                open(os.path.join(path, "half"), "w").close()
                raise Skip("interrupted")

            def whole(path):
                os.mkdir(path)

            self.assertRaises(Skip, once, folder, "mark", half)
            self.assertFalse(os.path.exists(folder))
            os.mkdir(folder)  # as releases before this one left it
            open(os.path.join(folder, "half"), "w").close()
            self.assertEqual(os.listdir(once(folder, "mark", whole)), ["mark"])


if __name__ == "__main__":
    unittest.main()
