"""Bad input gets a clear answer, and nothing but the session that gave it is lost."""

import os
import random
import re
import shutil
import socket
import tempfile

from harness import Daemon, Skip, free_port, run, start, until
from progress import plain

ILLEGAL_ADDRESS, ASSERT, SYSTEM_NOT_READY, OUT_OF_MEMORY, HOST_GONE = 700, 710, 802, 2, 46
INVALID_VALUE, INVALID_HANDLE, INVALID_IMAGE, INVALID_PTX, UNSUPPORTED_PTX = 1, 400, 200, 218, 222

UNSUPPORTED = """.version 8.0
.target sm_90
.address_size 64
.visible .entry odd(.param .u64 out)
{
    .reg .b32 %r<3>;
    mov.u32 %r1, 1;
    frobnicate.b32 %r2, %r1;
    ret;
}
"""


def tests(build):
    hawser = build.bin("hawser")
    probe = [build.path("tests", "cuda-probe"), "libcuda.so.1"]

    def through(d, *args, **more):
        return run([hawser, "run", "--server", d.endpoint, *probe, *args], env=build.env(**more))

    def a_dead_endpoint_without_hawser_run_is_system_not_ready():
        for endpoint in ("ipc:///nonexistent/hawser.sock", "tcp://127.0.0.1:1"):
            r = run([*probe, "init"], env=build.preload_env(endpoint), timeout=20)
            assert r.stdout == f"init {SYSTEM_NOT_READY}\n", r

    def programs_without_a_server_fail_in_few_words():
        env = build.preload_env("ipc:///nonexistent/hawser.sock", LD_LIBRARY_PATH=build.path("lib"))
        for name in ("cuda-linked", "arrays", "semantics", "nvml", "ptx-tests", "life", "textures", "printf", "threads"):
            r = run([build.program(name), *(["threads"] if name == "life" else [])], env=env, timeout=60)
            said = r.stdout + r.stderr
            assert r.returncode == 1 and len(said) < 4000, (name, plain(said))
            assert "\N{REPLACEMENT CHARACTER}" not in said, (name, plain(said))

    def a_missing_server_setting_is_system_not_ready():
        env = build.preload_env("")
        r = run([*probe, "init"], env=env, timeout=20)
        assert r.stdout == f"init {SYSTEM_NOT_READY}\n" and "HAWSER_SERVER" in r.stderr, r

    def load_text(d, text):
        with tempfile.NamedTemporaryFile("w", suffix=".ptx") as f:
            f.write(text)
            f.flush()
            return through(d, "load", f.name)

    def an_unknown_instruction_fails_the_load_and_is_named():
        with Daemon(build) as d:
            r = load_text(d, UNSUPPORTED)
            assert r.stdout.splitlines()[0] in (f"load {INVALID_PTX}", f"load {UNSUPPORTED_PTX}"), r
            for where in (r.stdout, d.log):
                assert "frobnicate" in where and "line 8" in where and "odd" in where, where
            assert through(d, "vector").returncode == 0

    def corrupt_ptx_fails_the_load():
        with Daemon(build) as d:
            for text in (".version 8.0\n.target sm_90\n.visible .entry x(", ".version 8.0\n.target sm_90\n}}}}",
                         UNSUPPORTED.replace("frobnicate.b32 %r2, %r1", "add.s32 %r2, %r1, %r9")):
                r = load_text(d, text)
                assert r.stdout.splitlines()[0] == f"load {INVALID_PTX}", (text, r)
            assert through(d, "vector").returncode == 0

    def a_corrupt_image_fails_the_load():
        with Daemon(build) as d, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "image")
            for image in (b"this is no module\0", b"\x50\xed\x55\xba\x01\x00\x10\x00" + b"\x40" + b"\0" * 7 + b"\xff" * 64,
                          b"\x50\xed\x55\xba\x01\x00\x00\x00" + b"\0" * 16):
                with open(path, "wb") as f:
                    f.write(image)
                r = through(d, "load", path)
                assert r.stdout.splitlines()[0] in (f"load {INVALID_IMAGE}", f"load {INVALID_PTX}"), (image, r)

    def images_without_ptx_are_told_once_with_library_kernel_and_count():
        nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
        if not os.path.exists(nvcc):
            raise Skip("nvcc is missing")
        with tempfile.TemporaryDirectory() as folder:
            for name in ("one", "two"):
                with open(os.path.join(folder, name + ".cu"), "w", encoding="ascii") as f:
                    f.write(f"__global__ void {name}() {{}}\n__global__ void {name}_more() {{}}\n"
                            f"int run_{name}() {{ {name}<<<1, 1>>>(); return cudaGetLastError(); }}\n")
            with open(os.path.join(folder, "main.cu"), "w", encoding="ascii") as f:
                f.write('#include <cstdio>\nint run_one(), run_two();\n'
                        'int main() { int a = run_one(), b = run_two(); printf("%d %d\\n", a, b); }\n')
            r = run([nvcc, "-gencode", "arch=compute_90,code=sm_90", "-o", "program", "main.cu", "one.cu", "two.cu"],
                    cwd=folder, timeout=300)
            assert r.returncode == 0, r
            program = os.path.join(folder, "program")
            with Daemon(build, log_level="warn") as d:
                remoted = [hawser, "run", "--server", d.endpoint]
                for command, env, who in (([], build.soft_env(), "software GPU"), (remoted, build.env(), "guest")):
                    r = run([*command, program], env=env, timeout=60)
                    said = re.sub(r"\[\d+\]", "", r.stderr).splitlines()
                    begin = f"hawser {who} warn: {program}: "
                    assert r.stdout == "209 209\n" and said == [
                        begin + "no PTX for kernel _Z3onev and 1 more: it holds machine code only",
                        begin + "2 images in all had no code for this device"], r
                assert d.log == "", d.log  # it is the guest's affair

    def a_wild_pointer_is_sticky_and_costs_its_own_session_only():
        with Daemon(build) as d:
            other = start([hawser, "run", "--server", d.endpoint, *probe, "hold"], build.env())
            assert other.stdout.readline() == "holding\n"
            r = through(d, "wild")
            assert r.stdout == f"launch 0\nsync {ILLEGAL_ADDRESS}\nagain {ILLEGAL_ADDRESS}\nalloc {ILLEGAL_ADDRESS}\n", r
            out, _ = other.communicate("go on\n", timeout=20)
            assert out == "sync 0\nalloc 0\n", out
            assert through(d, "vector").returncode == 0

    def what_comes_after_a_wild_pointer_is_refused_and_not_waited_for():
        expected = f"launch 0\nsync {ILLEGAL_ADDRESS}\ncopy {ILLEGAL_ADDRESS}\nlaunch {ILLEGAL_ADDRESS}\ncalled 0\nreset 0\n"
        r = run([*probe, "wild-behind"], env=build.soft_env(), timeout=60)
        assert r.stdout == expected, r
        for shared in ("0", "1"):
            r = run([hawser, "run", "--device", "soft", *probe, "wild-behind"], timeout=60,
                    env=build.env(HAWSER_SHARED_MEMORY=shared))
            assert r.stdout == expected, r

    def a_wild_pointer_on_the_software_gpu_directly():
        r = run([*probe, "wild"], env=build.soft_env())
        assert r.stdout == f"launch 0\nsync {ILLEGAL_ADDRESS}\nagain {ILLEGAL_ADDRESS}\nalloc {ILLEGAL_ADDRESS}\n", r

    def wrong_arguments_are_found_at_once():
        expected = (f"too many threads {INVALID_VALUE}\nno threads {INVALID_VALUE}\n"
                    f"both forms of parameters {INVALID_VALUE}\nsync 0\n"
                    f"bad copy {INVALID_VALUE}\ndouble free 0 {INVALID_VALUE}\n")
        with Daemon(build) as d:
            assert through(d, "late").stdout == expected, through(d, "late")
        assert run([*probe, "late"], env=build.soft_env()).stdout == expected

    def a_failed_device_assert_is_told_on_the_programs_stderr():
        with Daemon(build) as d:
            for r in (through(d, "assert"), run([*probe, "assert"], env=build.soft_env())):
                assert r.stdout == f"sync {ASSERT}\n", r
                assert "k.c:7" in r.stderr and "Assertion `1<0` failed" in r.stderr, r
            assert through(d, "vector").returncode == 0

    def abuse_is_refused_and_harms_nothing():
        expected = "".join(f"{what} {INVALID_VALUE}\n" for what in (
            "wrapping fill", "wrapping size", "wrapping rectangle", "freed memory", "shared memory of 2 GiB")
        ) + f"busy stream destroyed 0\nused after that {INVALID_HANDLE}\n"
        with Daemon(build) as d:
            r = through(d, "abuse")
            assert r.returncode == 0 and r.stdout == expected, r
            assert through(d, "vector").returncode == 0
        r = run([*probe, "abuse"], env=build.soft_env())
        assert r.returncode == 0 and r.stdout == expected, r

    def more_memory_than_there_is_is_out_of_memory():
        with Daemon(build, options=["--mem", "128M"]) as d:
            r = through(d, "alloc", str(129 << 20))
            assert r.stdout.startswith(f"alloc {OUT_OF_MEMORY}\n"), r
            assert through(d, "alloc", str(1 << 62)).stdout.startswith(f"alloc {OUT_OF_MEMORY}\n")
            assert through(d, "alloc", str(100 << 20)).stdout.startswith("alloc 0\n")

    def garbage_to_the_daemon_closes_that_connection_with_one_line():
        port = free_port()
        with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
            lines = len(d.log.splitlines())
            # The same noise each time: one in fifty makes libzmq give the connection up without telling.
            for garbage in (b"GET / HTTP/1.0\r\n\r\n" * 20, random.Random(1).randbytes(4096)):
                with socket.create_connection(("127.0.0.1", port)) as s:
                    s.settimeout(10)
                    try:
                        s.sendall(garbage)
                        while s.recv(4096):
                            pass
                    except ConnectionError:
                        pass
                lines += 1
                assert until(lambda: len(d.log.splitlines()) == lines, 5), d.log
            assert through(d, "vector").returncode == 0, d.log

    def a_message_that_is_no_greeting_closes_that_connection_with_one_line():
        port = free_port()
        with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
            lines = len(d.log.splitlines())
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.settimeout(10)
                # ZMTP 3.0: greeting, READY of a DEALER, then one message that is no protobuf.
                s.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\x00NULL" + b"\0" * 48)
                ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
                s.sendall(b"\x04" + bytes([len(ready)]) + ready)
                heard = b""
                while b"READY" not in heard:
                    heard += s.recv(4096)
                s.sendall(b"\x00\x08" + b"\xff" * 8)
                while s.recv(4096):
                    pass
            assert until(lambda: len(d.log.splitlines()) == lines + 1, 5), d.log
            assert until(lambda: "greeting" in d.log, 5), d.log
            assert through(d, "vector").returncode == 0

    def libc_of(pid):
        with open(f"/proc/{pid}/maps", encoding="ascii") as f:
            return min(int(l.split("-")[0], 16) for l in f if l.rstrip().endswith("/libc.so.6"))

    def a_worker_maps_where_guests_do_not():
        if build.sanitizer == "thread":
            raise Skip("ThreadSanitizer has the addresses")
        """NVIDIA's driver puts device memory beside its process's mappings, and a guest tells memory by its address."""
        with Daemon(build) as d:
            p = start([*probe, "hold"], build.preload_env(d.endpoint))
            assert p.stdout.readline() == "holding\n"
            here, there = libc_of(p.pid), libc_of(d.workers()[0])
            p.kill()
            p.wait()
        if run(["setarch", "-L", "true"]).returncode:
            raise Skip("personality() is forbidden here")
        assert there < 0x300000000000 < 0x700000000000 < here, (hex(there), hex(here))

    def a_killed_guest_leaves_no_worker():
        with Daemon(build) as d:
            p = start([*probe, "hold"], build.preload_env(d.endpoint))
            assert p.stdout.readline() == "holding\n"
            assert len(d.workers()) == 1
            p.kill()
            p.wait()
            assert until(lambda: d.workers() == [], 1), "the worker lives on"
            assert through(d, "vector").returncode == 0

    def a_killed_worker_gives_errors_and_no_hang():
        with Daemon(build) as d:
            p = start([*probe, "hold"], build.preload_env(d.endpoint))
            assert p.stdout.readline() == "holding\n"
            os.kill(d.workers()[0], 9)
            assert until(lambda: d.workers() == [], 5)
            out, _ = p.communicate("go on\n", timeout=20)
            assert out == f"sync {HOST_GONE}\nalloc {HOST_GONE}\n", out
            assert through(d, "vector").returncode == 0

    def a_forked_child_is_told_and_an_execd_one_works():
        with Daemon(build) as d:
            r = run([*probe, "fork"], env=build.preload_env(d.endpoint))
            assert r.returncode == 0 and r.stdout == "child 3\nvector ok\nparent 0\n", r
            assert "session 2" in d.log, d.log

    def no_socket_file_is_left_behind():
        with Daemon(build) as d:
            assert through(d, "vector").returncode == 0
            assert until(lambda: sorted(os.listdir(d.folder)) == ["hawser.sock", "log"], 2), os.listdir(d.folder)
            d.stop()
            assert os.listdir(d.folder) == ["log"], os.listdir(d.folder)

    for name, f in list(locals().items()):
        if callable(f) and name not in ("build", "through", "load_text", "libc_of"):
            yield f"failures/{name}", f
