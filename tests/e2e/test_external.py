"""Programs of others, unchanged: NVIDIA's libraries (tests/external/*.cu), Debian's ffmpeg, hashcat and Halide, and
Numba, numba-cuda, CuPy, JAX, TensorFlow, PyTorch with Triton, OpenMM, Blender, XGBoost, CatBoost, CTranslate2, tinygrad,
Taichi, Dr.Jit and cuda-python from the Python registry. What cannot be had is skipped by name; what takes gigabytes is
too, unless HAWSER_TEST_LARGE is set."""

import glob
import hashlib
import os
import re
import shutil
import sys
import tempfile
import threading

from harness import Daemon, Skip, free_port, run
from registry import python_package

LIBRARIES = {"thrust": 11, "cub": 8, "groups": 7, "clusters": 11, "dynamic": 9, "nvrtc-device": 2, "jitlink": 7, "curand": 9,
             "cufft": 6, "cublas": 5, "cusparse": 2, "cusolver": 3}  # and how many things each checks


def toolkit():
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    if not os.path.exists(nvcc):
        raise Skip("there is no CUDA toolkit")
    return os.path.dirname(os.path.dirname(os.path.realpath(nvcc)))


def debian(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed (scripts/install-third-party)")
    return program


def tests(build):
    hawser = [build.bin("hawser"), "run", "--device", "soft"]

    def source(name):
        return os.path.join(build.source, "tests", "external", name)

    def program(name):
        path = build.path("tests", "external", name)
        if not os.path.exists(path):
            raise Skip(f"{name} was not built (ninja external-programs)")
        return path

    # ---- NVIDIA's libraries

    def library(name, way):
        def go():
            path, lib = program(name), toolkit() + "/lib64"
            if way == "directly":
                preload = [build.path("lib", "softgpu", "libhawser-nvrtc.so")]
                r = run([path], env=build.env(preload, LD_LIBRARY_PATH=f"{build.path('lib', 'softgpu')}:{lib}"),
                        timeout=600)
            else:
                with Daemon(build, f"tcp://127.0.0.1:{free_port()}" if way == "tcp" else None) as d:
                    r = run([build.bin("hawser"), "run", "--server", d.endpoint, path], env=build.env(), timeout=600)
            lines = r.stdout.splitlines()
            assert r.returncode == 0 and len(lines) == LIBRARIES[name] and all(l.startswith("ok ") for l in lines), \
                f"exit status {r.returncode}\n{r.stdout}{r.stderr}"
        return go

    # ---- releases

    def newest():
        """NVIDIA's newest runtime, with its headers."""
        return os.path.join(python_package("nvidia-cuda-runtime==13.5.37"), "nvidia", "cu13")

    def newest_names():
        header = run(["cc", "-E", "-P", "-D__CUDA_API_VERSION_INTERNAL", os.path.join(newest(), "include", "cuda.h")])
        declared = set(re.findall(r"CUresult (cu[A-Z]\w+) ?\([^;{]*\);", header.stdout))
        assert header.returncode == 0 and len(declared) == 679, len(declared)
        for library in (build.path("lib", "libcuda.so.1"), build.path("lib", "softgpu", "libcuda.so.1")):
            exported = run(["nm", "-D", "--defined-only", library]).stdout.split()
            assert not declared - set(exported), (library, sorted(declared - set(exported)))

    def runtimes():
        found = {"13.5": os.path.join(newest(), "lib", "libcudart.so.13")}
        for release, package in (("11", "nvidia-cuda-runtime-cu11"), ("12", "nvidia-cuda-runtime-cu12")):
            folder = os.path.join(python_package(package), "nvidia", "cuda_runtime", "lib")
            found[release] = next(os.path.join(folder, f) for f in sorted(os.listdir(folder))
                                  if re.match(r"libcudart\.so\.\d", f))
        found["13.0"] = os.path.join(toolkit(), "lib64", "libcudart.so.13")
        if not os.path.exists(found["13.0"]):
            raise Skip("the toolkit has no libcudart.so.13")
        return found

    def runtimes_on_one_host():
        libraries, image, said = runtimes(), program("add.fatbin"), {}

        def guest(release, path, endpoint):
            said[release] = run([build.bin("hawser"), "run", "--server", endpoint, sys.executable, source("runtime.py"),
                                 path, image], env=build.env())

        with Daemon(build) as d:
            threads = [threading.Thread(target=guest, args=(*item, d.endpoint)) for item in libraries.items()]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        for release, r in said.items():
            version = int(r.stdout.split()[0]) if r.returncode == 0 else 0
            assert f"{version // 1000}.{version % 1000 // 10}.".startswith(release + "."), r
        assert len(said) == 4

    # ---- nvcc

    def nvcc_as_the_program_runs():
        """As PyCUDA and CuPy's nvcc backend have it: machine code becomes PTX, in the file where it is expected."""
        if build.sanitized:
            raise Skip("NVIDIA's cicc crashes beside AddressSanitizer's library")
        nvcc = os.path.join(toolkit(), "bin", "nvcc")
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "k.cu"), "w", encoding="ascii") as f:
                f.write('extern "C" __global__ void k(int *x) { x[threadIdx.x]++; }')
            os.mkdir(os.path.join(folder, "d"))
            for arguments, made in ((["--cubin", "-arch", "sm_120", "k.cu"], "k.cubin"),
                                    (["-cubin", "-gencode", "arch=compute_90,code=sm_90", "-o", "some", "k.cu"], "some"),
                                    (["-cubin", "-arch=sm_90a", "-odir", "d", "k.cu"], "d/k.cubin"),
                                    (["-fatbin", "-arch=sm_90", "k.cu"], "k.fatbin")):
                r = run([*hawser, nvcc, *arguments], env=build.env(), cwd=folder, timeout=300)
                assert r.returncode == 0 and r.stdout == "", r
                with open(os.path.join(folder, made), "rb") as f:
                    text = f.read()
                assert (b".visible .entry k(" in text) == (made != "k.fatbin"), (made, text[:100])

    def registers():
        """As many as the assembler says, and no block that would need more of them than there are."""
        program = os.path.join(build.folder, "tests", "external", "registers")
        if not os.path.exists(program):
            raise Skip("it was not built: nvcc is missing")
        with tempfile.TemporaryDirectory() as folder:
            r = run([os.path.join(toolkit(), "bin", "nvcc"), "-cubin", "-arch=sm_80", "-Xptxas", "-v", "-o",
                     os.path.join(folder, "cubin"), source("registers.cu")], timeout=300)
        want = {name: int(n) for name, n in
                re.findall(r"Compiling entry function '(\w+)'.*?Used (\d+) registers", r.stderr, re.S)}
        r = run([*hawser, program], env=build.env(), timeout=300)
        assert r.returncode == 0, r
        told = {name: (int(n), int(threads)) for name, n, threads in (l.split() for l in r.stdout.splitlines())}
        assert {name: n for name, (n, _) in told.items()} == want and want["many"] > 64, (told, want)
        for n, threads in told.values():
            assert threads == min(1024, 65536 // (-(-n // 8) * 8 * 32) * 32), told

    # ---- Python

    def python(name, *packages, **env):
        def go():
            cuda, folder = toolkit(), python_package(*packages)
            r = run([*hawser, sys.executable, source(name), folder], timeout=600,
                    env=build.env(**{"PYTHONPATH": folder, "CUDA_HOME": cuda, "CUDA_PATH": cuda,
                                     "LD_LIBRARY_PATH": cuda + "/lib64", **env}))
            assert r.returncode == 0 and r.stdout.splitlines()[-1:] == ["ok"], \
                f"exit status {r.returncode}\n{r.stdout}{r.stderr[-3000:]}"
        return go

    def taichi():
        if build.sanitized:
            raise Skip("Taichi opens libraries with RTLD_DEEPBIND, which AddressSanitizer refuses")
        python("taichi_fields.py", "taichi", "numpy")()

    def large(what):
        if not os.environ.get("HAWSER_TEST_LARGE"):
            raise Skip(f"{what}: set HAWSER_TEST_LARGE=1")

    def boosted_trees():
        large("XGBoost, CatBoost and what they need are 1 GB")
        python("boosted_trees.py", "xgboost", "catboost", "numpy", "scipy")()

    def ctranslate2():
        large("CTranslate2 and cuBLAS 12 are 1 GB")
        folder = python_package("ctranslate2", "nvidia-cublas-cu12", "numpy")
        python("ctranslate2_translator.py", "ctranslate2", "nvidia-cublas-cu12", "numpy",
               LD_LIBRARY_PATH=os.path.join(folder, "nvidia", "cublas", "lib"))()

    def openmm():
        large("OpenMM, cuFFT and NVRTC 12 are 1 GB")
        python("openmm_dynamics.py", "openmm[cuda12]")()

    def blender():
        large("Blender is 1 GB")
        folder = python_package("bpy")
        with tempfile.NamedTemporaryFile() as summary: # which tells whether it has been the GPU
            r = run([build.bin("hawser"), "trace", "--summary", summary.name, "--device", "soft", sys.executable,
                     source("blender_render.py")], env=build.env(PYTHONPATH=folder), timeout=600)
            assert r.returncode == 0 and r.stdout.splitlines()[-1:] == ["ok"], f"{r.stdout[-3000:]}{r.stderr[-3000:]}"
            assert "kernel_gpu_integrator_shade_surface" in open(summary.name).read()

    def own_libraries(*packages):
        """Those of NVIDIA's that came with the packages, and not the toolkit's."""
        folder = glob.escape(python_package(*packages))
        return ":".join(sorted(glob.glob(os.path.join(folder, "nvidia", "*", "lib"))))

    def torch():
        large("PyTorch and what it needs are 5 GB")
        with tempfile.TemporaryDirectory() as folder:
            python("torch_compiled.py", "torch", "numpy", TRITON_CACHE_DIR=folder, TORCHINDUCTOR_CACHE_DIR=folder,
                   LD_LIBRARY_PATH=own_libraries("torch", "numpy"))()

    def jax():
        libraries = [os.path.join(toolkit(), "lib64", name) for name in ("libcudnn.so.9", "libnccl.so.2")]
        if os.path.exists(libraries[0]):
            devices = "2" if os.path.exists(libraries[1]) else "1"
            python("jax_functions.py", "jax[cuda13-local]", HAWSER_SOFTGPU_DEVICES=devices)()
        else:
            large("JAX and what it needs are 3 GB")
            python("jax_functions.py", "jax[cuda13]", HAWSER_SOFTGPU_DEVICES="2")()

    def tensorflow():
        large("TensorFlow and what it needs are 4 GB")
        python("tensorflow_functions.py", "tensorflow[and-cuda]",
               LD_LIBRARY_PATH=own_libraries("tensorflow[and-cuda]"))() # it does not find all of them itself

    def debian_numba():
        """Numba 0.56, with the bindings and the libNVVM of its own time."""
        system = "/usr/bin/python3"
        if run([system, "-c", "import numba, numpy; assert numba.__version__.startswith('0.56.')"]).returncode:
            raise Skip("Debian 12's python3-numba is not installed (scripts/install-third-party)")
        if run([system, "-V"]).stdout.split(".")[:2] != run([sys.executable, "-V"]).stdout.split(".")[:2]:
            raise Skip("another Python than Debian's runs the tests")
        nvidia = os.path.join(python_package("nvidia-cuda-nvcc-cu11", "nvidia-cuda-runtime-cu11"), "nvidia")
        with tempfile.TemporaryDirectory() as toolkit_11: # as Numba wants to find it
            os.mkdir(os.path.join(toolkit_11, "lib64"))
            os.symlink(os.path.join(nvidia, "cuda_nvcc", "nvvm"), os.path.join(toolkit_11, "nvvm"))
            os.symlink(os.path.join(nvidia, "cuda_runtime", "lib", "libcudart.so.11.0"),
                       os.path.join(toolkit_11, "lib64", "libcudart.so"))
            r = run([*hawser, system, source("numba_kernels.py")], timeout=600,
                    env=build.env(PYTHONPATH=python_package("cuda-python==11.8.*"), NUMBA_CUDA_USE_NVIDIA_BINDING="1",
                                  NVVM_IR_VER_CHK="0", CUDA_HOME=toolkit_11, HAWSER_SOFTGPU_CC="8.6"))
        assert r.returncode == 0 and r.stdout == "ok\n", f"exit status {r.returncode}\n{r.stdout}{r.stderr[-3000:]}"

    def halide():
        system = "/usr/bin/python3"
        if run([system, "-c", "import halide, numpy"]).returncode:
            raise Skip("python3-halide is not installed (scripts/install-third-party)")
        r = run([*hawser, system, source("halide_image.py")], env=build.env(), timeout=300)
        assert r.returncode == 0 and r.stdout == "ok\n", r

    # ---- hashcat

    def hashcat():
        debian("hashcat")
        with tempfile.TemporaryDirectory() as folder:
            names = {"hash": hashlib.md5(b"hawser").hexdigest(), "words": "rope\nanchor\nhawser\nmast"}
            for name, text in names.items():
                with open(os.path.join(folder, name), "w", encoding="ascii") as f:
                    f.write(text + "\n")
            # It looks for NVRTC by the name libnvrtc.so, and keeps its profile in the home folder.
            r = run([*hawser, "hashcat", "-m", "0", "-D", "2", "--force", "--potfile-disable", "-O", "hash", "words"],
                    env=build.env(LD_LIBRARY_PATH=toolkit() + "/lib64", HOME=folder), cwd=folder, timeout=600)
        assert r.returncode == 0 and f"{names['hash']}:hawser" in r.stdout, r
        assert "CUDA API" in r.stdout and "self-test" in r.stdout and "failed" not in r.stdout, r

    # ---- ffmpeg: frames of its CUDA filters beside those of its CPU filters

    PICTURE = "testsrc2=size=320x240:rate=10:duration=0.5"

    def ffmpeg(*arguments):
        debian("ffmpeg")
        if "yadif_cuda" not in run(["ffmpeg", "-hide_banner", "-filters"]).stdout:
            raise Skip("this ffmpeg was built without CUDA filters")
        r = run([*hawser, "ffmpeg", "-hide_banner", "-nostdin", "-init_hw_device", "cuda=gpu", "-filter_hw_device",
                 "gpu", *arguments], env=build.env(), timeout=300)
        assert r.returncode == 0, f"{r.stdout}{r.stderr[-3000:]}"
        return r

    def hashes(graph, *inputs):
        args = [a for i in inputs for a in ("-f", "lavfi", "-i", i)]
        r = ffmpeg("-loglevel", "error", *args, "-filter_complex", graph, "-f", "framemd5", "-")
        return [l for l in r.stdout.splitlines() if not l.startswith("#")]

    def same_frames(cuda, cpu, *inputs):
        def go():
            got, want = hashes(cuda, *inputs), hashes(cpu, *inputs)
            assert len(want) == 5 and got == want, (got, want)
        return go

    def alike_frames(cuda, cpu, decibels):
        """The filters round differently: the peak signal-to-noise ratio of all frames."""
        def go():
            graph = (f"format=yuv420p,split[a][b];[a]hwupload_cuda,{cuda},hwdownload,format=yuv420p[c];[b]{cpu}[d];"
                     "[c][d]psnr")
            r = ffmpeg("-f", "lavfi", "-i", PICTURE, "-filter_complex", graph, "-f", "null", "-")
            told = re.search(r"PSNR .*average:(\S+) min:(\S+)", r.stderr)
            assert told and (told.group(2) == "inf" or float(told.group(2)) >= decibels), r.stderr[-2000:]
        return go

    up, down = "format=yuv420p,hwupload_cuda", "hwdownload,format=yuv420p"
    for name in LIBRARIES:
        for way in ("directly", "ipc", "tcp") if name in ("groups", "clusters", "dynamic", "nvrtc-device") else ("directly", "tcp"):
            yield f"external/{name}/{way}", library(name, way)
    yield "external/names of the newest cuda.h", newest_names
    yield "external/runtimes of CUDA 11, 12, 13.0 and 13.5 on one host", runtimes_on_one_host
    yield "external/registers of machine code", registers
    yield "external/nvcc as the program runs", nvcc_as_the_program_runs
    yield "external/Numba", python("numba_kernels.py", "numba")
    yield "external/Debian's Numba", debian_numba
    yield "external/numba-cuda", python("numba_cuda_kernels.py", "numba-cuda", "cuda-bindings")
    yield "external/CuPy", python("cupy_arrays.py", "cupy-cuda13x")
    yield "external/Taichi", taichi
    yield "external/JAX", jax
    yield "external/TensorFlow", tensorflow
    yield "external/PyTorch, compiled", torch
    yield "external/tinygrad", python("tinygrad_tensors.py", "tinygrad", "numpy", DEV="CUDA", CACHELEVEL="0")
    yield "external/XGBoost and CatBoost", boosted_trees
    yield "external/OpenMM", openmm
    yield "external/Blender", blender
    yield "external/CTranslate2 with cuBLAS 12", ctranslate2
    yield "external/Dr.Jit", python("drjit_arrays.py", "drjit")
    yield "external/cuda-python", python("cuda_bindings.py", "cuda-bindings", "numpy")
    yield "external/Halide", halide
    yield "external/hashcat", hashcat
    yield "external/ffmpeg/hwupload_cuda", same_frames(f"{up},{down}", "format=yuv420p", PICTURE)
    yield "external/ffmpeg/overlay_cuda", same_frames(
        f"[0]{up}[a];[1]{up}[b];[a][b]overlay_cuda=x=10:y=20,{down}", # each hwupload_cuda has a context of its own
        "[0]format=yuv420p[a];[1]format=yuv420p[b];[a][b]overlay=x=10:y=20,format=yuv420p", PICTURE,
        "testsrc=size=64x48:rate=10:duration=0.5")
    yield "external/ffmpeg/scale_cuda, nearest", alike_frames(
        "scale_cuda=160:120:interp_algo=nearest", "scale=160:120:flags=neighbor", 100)
    yield "external/ffmpeg/scale_cuda, bicubic", alike_frames(
        "scale_cuda=640:480:interp_algo=bicubic", "scale=640:480:flags=bicubic", 40)
    yield "external/ffmpeg/yadif_cuda", alike_frames("yadif_cuda", "yadif", 45)
