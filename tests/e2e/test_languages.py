"""Programs in other languages than C, C++ and Python (tests/languages/), each as its users would build and run it."""

import glob
import os
import shutil
import tempfile

from harness import Skip, run

JNA = "/usr/share/java/jna.jar"


def tests(build):
    def source(name):
        return os.path.join(build.source, "tests", "languages", name)

    def stubs():
        nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
        folder = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(nvcc))), "lib64", "stubs")
        if not glob.glob(folder + "/libcuda.so"):
            raise Skip("the toolkit's link stub of libcuda is missing")
        return folder

    def needs(program):
        found = shutil.which(program)
        if not found:
            raise Skip(f"{program} is not installed (scripts/install-third-party)")
        return found

    def go_on(command):
        r = run([build.bin("hawser"), "run", "--device", "soft", *command], env=build.env(), timeout=120)
        assert r.returncode == 0 and r.stdout == "ok\n", r

    def compiled(compiler, arguments):
        """arguments: a function that gives the compiler's from the path of the program to be made."""
        def test():
            program = needs(compiler)
            with tempfile.TemporaryDirectory() as folder:
                out = os.path.join(folder, "program")
                env = dict(os.environ, GOCACHE=os.path.join(folder, "cache"), GOFLAGS="-mod=mod", GO111MODULE="off")
                r = run([program, *arguments(out)], env=env, timeout=300)
                assert r.returncode == 0, r
                go_on([out])
        return test

    def lua():
        go_on([needs("luajit"), source("cuda.lua")])

    def java():
        program = needs("java")
        if not os.path.exists(JNA):
            raise Skip("JNA is not installed (scripts/install-third-party)")
        go_on([program, "-cp", JNA, source("Cuda.java")])

    yield "languages/LuaJIT", lua
    yield "languages/Go", compiled("go", lambda out: ["build", "-o", out, source("cuda.go")])
    yield "languages/Rust", compiled("rustc", lambda out: ["-o", out, source("cuda.rs")])
    yield "languages/Fortran", compiled("gfortran", lambda out: ["-o", out, "-J", os.path.dirname(out), source("cuda.f90"),
                                                                 f"-L{stubs()}", "-lcuda"])
    yield "languages/Java", java
