"""One bad argument at a time (bad-arguments.py): the same documented error on the software GPU and through a lane."""

import os
import sys

from harness import run

INCLUDE = [d for d in (os.environ.get("CUDA_HOME", "") + "/include", os.environ.get("CUDA_PATH", "") + "/include",
                       "/usr/local/cuda/include") if os.path.exists(os.path.join(d, "cuda.h"))]

CASES = 1516  # of CUDA 13.0's header, and of what cuda.spec and the exceptions say


def check(build, before, env):
    program = os.path.join(build.source, "tests", "e2e", "bad-arguments.py")
    r = run([*before, sys.executable, program, INCLUDE[0]], env=env, timeout=300)
    assert r.returncode == 0 and r.stdout == f"{CASES} cases, 0 mismatches\n", f"exit status {r.returncode}\n{r.stdout}{r.stderr[-2000:]}"


def tests(build):
    yield "bad arguments/software GPU directly", lambda: check(build, [], build.soft_env())
    yield "bad arguments/private server", lambda: check(
        build, [build.bin("hawser"), "run", "--device", "soft", "--"], build.env())
