"""hawser inspect: what a program needs, without running it."""

import os
import tempfile

from harness import Skip, run

GOOD = """.version 7.0
.target sm_70
.address_size 64
.visible .entry good() { ret; }
"""
BAD = GOOD + ".visible .entry bad() { no.such.instruction %r1; ret; }\n"


def tests(build):
    def inspect(*args):
        return run([build.bin("hawser"), "inspect", *args], env=build.env())

    def a_runtime_program():
        r = inspect("--kernels", build.program("vector-add"))
        assert r.returncode == 0, r
        for text in ("opens libcuda.so.1 and knows", "PTX for compute_", ": 1 image", "1 of 1 kernels can run"):
            assert text in r.stdout, (text, r)
        assert any(line.split()[0] == "runs" and "add" in line for line in r.stdout.splitlines() if line.split()), r

    def its_libraries():
        r = inspect(build.program("vector-add-shared"))
        assert r.returncode == 0 and "libcudart.so" in r.stdout and "CUDA runtime" in r.stdout, r

    def a_driver_program():
        r = inspect(build.program("cuda-linked"))
        assert r.returncode == 0 and "linked against" in r.stdout and " 0 not carried" in r.stdout, r
        assert "not found" not in r.stdout and r.stderr == "", r

    def a_program_of_relocatable_code():
        path = build.path("tests", "external", "dynamic")
        if not os.path.exists(path):
            raise Skip("dynamic was not built (ninja external-programs)")
        r = inspect("--kernels", path)
        assert r.returncode == 0 and "cannot run" not in r.stdout, r
        assert any(l.split()[:1] == ["runs"] and "in_order" in l for l in r.stdout.splitlines()), r

    def an_nvml_program():
        r = inspect(build.program("nvml"))
        line = next(l for l in r.stdout.splitlines() if l.split()[:2] == ["NVML", "linked"])
        assert line.endswith(" 2 not carried") and "nvmlDeviceSetPersistenceMode" in r.stdout, r

    def kernels_that_cannot_run():
        with tempfile.TemporaryDirectory() as folder:
            for text, status, said in ((GOOD, 0, "1 of 1 kernels can run"), (BAD, 1, "cannot run   bad:")):
                path = os.path.join(folder, "kernel.ptx")
                with open(path, "w", encoding="ascii") as f:
                    f.write(text)
                r = inspect(path)
                assert r.returncode == status and said in r.stdout, r

    def refused(path, said):
        r = inspect(path)
        assert r.returncode == 125 and r.stdout == "" and r.stderr == f"hawser inspect: {path}{said}\n", r

    def no_program():
        refused("/nonexistent", ": No such file or directory")
        refused("/", ": Is a directory")
        assert inspect().returncode == 125
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "file")
            for text, said in (("hello\n", " is neither a program or library (ELF) nor GPU code (PTX, a fat binary)"),
                               ("", " is neither a program or library (ELF) nor GPU code (PTX, a fat binary)"),
                               ("#! /bin/sh -e\n", " is a script: inspect its interpreter, /bin/sh -e, and the libraries "
                                                   "that it opens")):
                with open(path, "w", encoding="ascii") as f:
                    f.write(text)
                refused(path, said)

    def another_machine():
        with open(build.path("tests", "echo-all"), "rb") as f:
            program = bytearray(f.read())
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "program")
            for machine, name in ((183, "AArch64"), (243, "RISC-V"), (9999, "another machine")):
                program[18:20] = machine.to_bytes(2, "little")
                with open(path, "wb") as f:
                    f.write(program)
                os.chmod(path, 0o755)
                refused(path, f" is built for {name}; hawser runs programs of x86-64")
                r = run([build.bin("hawser"), "run", path], env=build.env())
                assert r.returncode == 125 and "another machine" in r.stderr, r
            program[18:20] = (190).to_bytes(2, "little")  # EM_CUDA: a cubin
            with open(path, "wb") as f:
                f.write(program)
            r = inspect(path)
            assert r.returncode == 1 and "machine code only" in r.stdout, r

    def no_cuda():
        r = inspect(build.path("tests", "echo-all"))
        assert r.returncode == 0 and r.stderr == "", r
        assert "needs nothing of what hawser carries" in r.stdout and len(r.stdout.splitlines()) == 2, r

    yield "inspect/a program of the runtime API", a_runtime_program
    yield "inspect/the libraries that it loads", its_libraries
    yield "inspect/a program of the driver API", a_driver_program
    yield "inspect/a program of relocatable code", a_program_of_relocatable_code
    yield "inspect/a program of NVML", an_nvml_program
    yield "inspect/kernels that the software GPU cannot run", kernels_that_cannot_run
    yield "inspect/what is no program", no_program
    yield "inspect/a program of another machine", another_machine
    yield "inspect/a program without CUDA", no_cuda
