"""CUDA in a process's life: threads, children, signals, ends, descriptors, libraries and languages."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time

from harness import TEXT, Daemon, Skip, free_port, run, until
from registry import python_package

ALLOCATORS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4"}


def tests(build):
    hawser = [build.bin("hawser"), "run"]

    def ok(command, env, said):
        r = run(command, env=env, timeout=200)
        assert r.returncode == 0 and r.stdout == said, r
        return r

    def part(what, lane):
        def go():
            program, said = build.program("life"), f"{what} ok\n"
            if lane == "directly":
                ok([program, what], build.soft_env(), said)
            elif lane == "private server":
                ok([*hawser, "--device", "soft", program, what], build.env(), said)
            else:
                with Daemon(build, f"tcp://127.0.0.1:{free_port()}") as d:
                    ok([*hawser, "--server", d.endpoint, program, what], build.env(), said)
                    assert until(lambda: not d.workers(), 10), "a worker stayed"
        return go

    def leaves_while_busy(what):
        def go():
            with Daemon(build) as d:
                begin = time.monotonic()
                r = run([*hawser, "--server", d.endpoint, build.program("life"), what], env=build.env(), timeout=60)
                assert r.returncode == 3 and r.stdout == "" and r.stderr == "", r
                assert until(lambda: not d.workers(), 20), "the worker goes on although its guest has gone"
                assert time.monotonic() - begin < 60
        return go

    # ---- other libraries in the process

    def library(name):
        r = run(["ldconfig", "-p"], env={"PATH": "/sbin:/usr/sbin:/bin:/usr/bin"})
        path = next((l.split()[-1] for l in r.stdout.splitlines() if l.split() and l.split()[0] == name), None)
        if not path:
            raise Skip(f"{name} is not installed (scripts/install-third-party)")
        return path

    def allocator(name, first):
        def go():
            if build.sanitized:
                raise Skip("AddressSanitizer brings an allocator of its own")
            path = library(ALLOCATORS[name])
            with Daemon(build) as d:
                ours = build.path("lib", "libhawser-preload.so")
                chain = [path, ours] if first else [ours, path]
                for what in ("threads", "children"):
                    ok([build.program("life"), what], build.env(chain, HAWSER_SERVER=d.endpoint), f"{what} ok\n")
                ok([*hawser, "--server", d.endpoint, build.program("vector-add")], build.env([path]),
                   run([build.program("vector-add")], env=build.soft_env()).stdout)
        return go

    def impostor(first):
        def go():
            path = build.path("tests", "libimpostor.so")
            ours = build.path("lib", "libhawser-preload.so")
            with Daemon(build) as d:
                chain = [path, ours] if first else [ours, path]
                ok([build.program("life"), "threads"], build.env(chain, HAWSER_SERVER=d.endpoint), "threads ok\n")
        return go

    def own_libzmq():
        package = python_package("pyzmq")
        try:
            more = [library("libprotobuf.so.32")]
        except Skip:
            more = []
        r = run([*hawser, "--device", "soft", sys.executable,
                 os.path.join(build.source, "tests", "external", "own_zmq.py"), *more],
                env=build.env(PYTHONPATH=package), timeout=120)
        assert r.returncode == 0 and r.stdout.startswith("ok "), r

    # ---- refusals

    def setuid():
        if os.getuid() != 0:
            raise Skip("only root can make a setuid program here")
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(build.program("vector-add"), folder)
            os.chmod(copy, os.stat(copy).st_mode | stat.S_ISUID)
            r = run([*hawser, "--device", "soft", copy], env=build.env())
            assert r.returncode == 125 and "setuid" in r.stderr and r.stdout == "", r

    def preload_needs_libc_only():
        out = subprocess.run(["readelf", "-d", build.path("lib", "libhawser-preload.so")], capture_output=True,
                             **TEXT, check=True).stdout
        needed = [l.split("[")[1].rstrip("]") for l in out.splitlines() if "(NEEDED)" in l]
        assert sorted(needed) == ["libc.so.6", "libhawser-cuda.so.1"], needed

    for what in ("threads", "children", "signals", "atexit", "reload", "descriptors"):
        for lane in ("directly", "private server", "tcp"):
            yield f"life/{what}/{lane}", part(what, lane)
    for what in ("pending", "pending-quick"):
        yield f"life/exit while a kernel runs/{what}", leaves_while_busy(what)
    for name in ALLOCATORS:
        yield f"life/{name} before hawser", allocator(name, True)
        yield f"life/{name} behind hawser", allocator(name, False)
    yield "life/a program's own libzmq and libprotobuf-c, before hawser", impostor(True)
    yield "life/a program's own libzmq and libprotobuf-c, behind hawser", impostor(False)
    yield "life/pyzmq's libzmq at work beside hawser's", own_libzmq
    yield "life/setuid programs are refused", setuid
    yield "life/the preload object needs libc and the guest library only", preload_needs_libc_only
