"""However a program asks for libcuda, it gets hawser's."""

import os
import shutil
import sys
import tempfile

from harness import Daemon, Skip, run


def tests(build):
    probe = build.path("tests", "cuda-probe")

    def asks_for(library):
        def go():
            with Daemon(build) as d:
                for env, command in ((build.preload_env(d.endpoint), []),
                                     (build.env(), [build.bin("hawser"), "run", "--server", d.endpoint])):
                    r = run([*command, probe, library, "vector"], env=env)
                    assert r.returncode == 0 and r.stdout == "vector ok\n", r
        return go

    def linked():
        with Daemon(build) as d:
            for env, command in ((build.preload_env(d.endpoint), []),
                                 (build.env(), [build.bin("hawser"), "run", "--server", d.endpoint])):
                r = run([*command, build.program("cuda-linked")], env=env)
                assert r.returncode == 0 and "linked: PASS: hawser software GPU" in r.stdout, r

    def sanitized(name):
        def go():
            if build.sanitized:
                raise Skip("hawser's own sanitizers are in the same process")
            program = build.program(f"linked-{name}")
            for command in ([program], ["sh", "-c", f"{program}; exit $?"]):
                r = run([build.bin("hawser"), "run", "--device", "soft", *command], env=build.env())
                assert r.returncode == 0 and "linked: PASS: hawser software GPU" in r.stdout and not r.stderr, r
        return go

    def childs_child():
        with Daemon(build) as d:
            r = run([build.bin("hawser"), "run", "--server", d.endpoint, "sh", "-c",
                     f"echo through the shell; {probe} libcuda.so.1 vector"], env=build.env())
            assert r.returncode == 0 and r.stdout == "through the shell\nvector ok\n", r

    def stdout_is_left_alone():
        with Daemon(build) as d:
            r = run(["true"], env=build.preload_env(d.endpoint))
            assert r.returncode == 0 and r.stdout == "" and r.stderr == "", r

    def a_constructor_that_asks_early():
        r = run([build.path("tests", "early")], env=build.preload_env("ipc:///unused"))
        assert r.returncode == 0 and r.stdout == "found early\n", r

    def deep():
        if build.sanitized:
            raise Skip("AddressSanitizer refuses RTLD_DEEPBIND")
        r = run([build.bin("hawser"), "run", "--device", "soft", build.path("tests", "deep")], env=build.env())
        assert r.returncode == 0 and r.stdout == "1 device(s)\n", r

    def linked_at_run_time():
        """As Triton does it, where no driver is installed."""
        if not shutil.which("cc"):
            raise Skip("there is no C compiler")
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "count.c"), "w", encoding="ascii") as f:
                f.write("#include <stdio.h>\nint cuInit(unsigned), cuDeviceGetCount(int *), nvmlInit_v2(void);\n"
                        "int main(void) { int n = -1; cuInit(0); cuDeviceGetCount(&n);\n"
                        'printf("%d %d\\n", n, nvmlInit_v2()); }\n')
            r = run([build.bin("hawser"), "run", "--device", "soft", "sh", "-c", f"cd {folder} && LD_PRELOAD= cc -o count "
                     "count.c -L$TRITON_LIBCUDA_PATH -lcuda -lnvidia-ml && ./count"], env=build.env())
            assert r.returncode == 0 and r.stdout == "1 0\n", r
            needed = run(["readelf", "-d", os.path.join(folder, "count")]).stdout
            assert "[libcuda.so.1]" in needed and "[libnvidia-ml.so.1]" in needed and "hawser" not in needed, needed

    def looked_for_in_folders():
        """As tinygrad does it."""
        search = ("import ctypes, glob, os\n"
                  "folders = os.environ['LD_LIBRARY_PATH'].split(':')\n"
                  "assert folders[0] == '/nonexistent', folders\n"
                  "found = [f for d in folders for f in sorted(glob.glob(d + '/libcuda.so*'))]\n"
                  "cuda, n = ctypes.CDLL(found[0]), ctypes.c_int()\n"
                  "assert cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(n)) == 0\n"
                  "print(n.value)")
        r = run([build.bin("hawser"), "run", "--device", "soft", sys.executable, "-c", search],
                env=build.env(LD_LIBRARY_PATH="/nonexistent"))
        assert r.returncode == 0 and r.stdout == "1\n", r

    def names_of_cudas():
        for command, env in (([build.bin("hawser"), "run", "--device", "soft"], build.env()),
                             ([build.bin("hawser"), "trace", "--device", "soft", "--summary", "/dev/null"], build.env())):
            r = run([*command, build.path("tests", "own-names")], env=env)
            assert r.returncode == 0 and r.stdout == "1 and 1 device(s)\n", r

    def device_files():
        """As JAX does it, before it asks CUDA anything."""
        files = [f"/dev/nvidia{n}" for n in ("0", "1", "2", "ctl", "-uvm", "", "00", "0x", "255", "-caps")]
        if any(os.path.exists(f) for f in files):
            raise Skip("this machine has NVIDIA's driver")
        program = [build.path("tests", "device-files"), *files]
        for devices in ("1", "2"):
            r = run([build.bin("hawser"), "run", "--device", "soft", *program], env=build.env(HAWSER_SOFTGPU_DEVICES=devices))
            want = [f"/dev/nvidia{n} 195:{n}" for n in range(int(devices))] + ["/dev/nvidiactl 195:255", "/dev/nvidia-uvm 511:0"]
            assert r.returncode == 0 and r.stdout.splitlines() == want, r
        r = run(program, env=build.preload_env("ipc:///nobody"))
        assert r.returncode == 0 and r.stdout == "", r

    def several_nvrtcs():
        """As OpenMM's plugin and cuDNN's engines have one of their own, where nobody else sees it."""
        use = ("import ctypes, sys\n"
               "def reached(library):\n"
               "    text, code, size = ctypes.create_string_buffer(64), ctypes.c_char(), ctypes.c_size_t()\n"
               "    options = (ctypes.c_char_p * 1)(b'-arch=sm_120a')\n"
               "    release = library.nvrtcCompileProgram(text, 1, options)\n"
               "    library.nvrtcGetCUBINSize(text, ctypes.byref(size)), library.nvrtcGetCUBIN(text, ctypes.byref(code))\n"
               "    return release, size.value, ord(code.value), text.value.decode()\n"
               "folders = sys.argv[1:]\n"
               "print([ctypes.CDLL(f + '/plugin.so').reached() for f in folders])\n"
               "print([reached(ctypes.CDLL(f + '/libnvrtc.so.' + f[-2:])) for f in folders])\n")
        folders = [build.path("tests", f"nvrtc-{release}") for release in (75, 90)]
        r = run([build.bin("hawser"), "run", "--device", "soft", sys.executable, "-c", use, *folders], env=build.env())
        looked_up = [(n, n, n, f"--gpu-architecture=compute_{n}") for n in (75, 90)]
        assert r.returncode == 0 and r.stdout == f"[75, 90]\n{looked_up}\n", r

    def xlas_flags():
        plugin = build.path("tests", "xla", "xla_cuda_plugin.so")
        say = f"import ctypes; x = ctypes.CDLL('{plugin}'); x.flags.restype = ctypes.c_char_p; print(x.flags())"
        folder = os.path.realpath(build.path("lib", "softgpu"))
        ours = f"--xla_gpu_cuda_data_dir={folder} --xla_gpu_autotune_level=0 "
        for before, after in ((None, ours), ("--mine=1", ours + "--mine=1"), ("/a/file", "/a/file")):
            given = {} if before is None else {"XLA_FLAGS": before}
            r = run([build.bin("hawser"), "run", "--device", "soft", sys.executable, "-c", say], env=build.env(**given))
            assert r.returncode == 0 and r.stdout == f"{after.encode()}\n", r
        assert os.access(os.path.join(folder, "bin", "ptxas"), os.X_OK)

    for library in ("libcuda.so.1", "libcuda.so", "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
                    "/nonexistent/libcuda.so.1"):
        yield f"ways in/dlopen {library}", asks_for(library)
    yield "ways in/linked with -lcuda", linked
    for name in "address", "undefined", "leak":
        yield f"ways in/linked with -lcuda and the sanitizer of {name}", sanitized(name)
    yield "ways in/from a library's constructor", a_constructor_that_asks_early
    yield "ways in/from a library opened with RTLD_DEEPBIND", deep
    yield "ways in/linked at run time", linked_at_run_time
    yield "ways in/looked for in folders", looked_for_in_folders
    yield "ways in/libraries with function pointers of CUDA's names", names_of_cudas
    yield "ways in/questions about device files", device_files
    yield "ways in/several releases of NVRTC", several_nvrtcs
    yield "ways in/flags of XLA", xlas_flags
    yield "ways in/a child of a shell", childs_child
    yield "ways in/programs without CUDA are left alone", stdout_is_left_alone
