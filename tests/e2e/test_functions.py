"""The page that says which test calls which function is as the tests are."""

import os
import sys
import tempfile

from harness import run


def tests(build):
    def is_current():
        build.program("textures") # of those that it traces the one that needs nvcc
        with tempfile.TemporaryDirectory() as folder:
            fresh = os.path.join(folder, "page")
            r = run([sys.executable, os.path.join(build.source, "tests", "tests-of-functions"), build.folder, fresh],
                    timeout=600)
            assert r.returncode == 0, r
            with open(fresh, encoding="utf-8") as a, \
                 open(os.path.join(build.source, "docs", "tests-of-functions.md"), encoding="utf-8") as b:
                now, kept = a.read().splitlines(), b.read().splitlines()
        assert now == kept, f"run: tests/tests-of-functions {build.folder}\n" + \
            "\n".join(f"- {old}\n+ {new}" for old, new in zip(kept, now) if old != new)

    yield "functions/docs/tests-of-functions.md is current", is_current
