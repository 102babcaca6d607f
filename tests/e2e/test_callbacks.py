"""Every function of the driver, called in a callback (in-callback.py), on the software GPU and through a lane."""

import os
import sys

from harness import run
from test_bad_arguments import INCLUDE


def check(build, before, env):
    program = os.path.join(build.source, "tests", "e2e", "in-callback.py")
    r = run([*before, sys.executable, program, INCLUDE[0]], env=env, timeout=120)
    assert r.returncode == 0, f"exit status {r.returncode}\n{r.stdout}{r.stderr[-2000:]}"


def tests(build):
    yield "callbacks/software GPU directly", lambda: check(build, [], build.soft_env())
    yield "callbacks/private server", lambda: check(
        build, [build.bin("hawser"), "run", "--device", "soft", "--"], build.env())
