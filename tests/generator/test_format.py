#!/usr/bin/env python3
"""All C in the tree is formatted as .clang-format says.

    test_format.py
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VERSION = "14"  # others lay some lines out differently
TOOL = shutil.which(f"clang-format-{VERSION}") or shutil.which("clang-format")


def version():
    out = TOOL and subprocess.run([TOOL, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"version (\d+)", out).group(1) if out else None


def sources():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if not f.startswith((".", "build", "dist")) and f != "expected"] # generated
        yield from (os.path.join(folder, n) for n in names if n.endswith((".c", ".h")))


def wrong(paths):
    r = subprocess.run([TOOL, "--dry-run", "--style", f"file:{ROOT}/.clang-format", *paths], capture_output=True, text=True,
                       check=True)
    return sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning", r.stderr, re.M)))


@unittest.skipIf(version() != VERSION, f"clang-format {VERSION} is not installed")
class Format(unittest.TestCase):
    def test_the_tree_is_formatted(self):
        files = list(sources())
        self.assertGreater(len(files), 400)
        self.assertEqual([os.path.relpath(p, ROOT) for p in wrong(files)], [],
                         f"run: {os.path.basename(TOOL)} -i FILE (again where one line moves another)")


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
