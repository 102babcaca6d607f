"""NVML: with CUDA in one program (nvml.c), and through NVIDIA's own Python binding where it can be had."""

import json
import os
import sys

from harness import Daemon, Skip, free_port, run
from registry import python_package

DEVICES = {"HAWSER_SOFTGPU_DEVICES": "2"}

BINDING = """
import pynvml
pynvml.nvmlInit()
handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
assert len(handles) == 2, handles
assert len({pynvml.nvmlDeviceGetUUID(h) for h in handles}) == 2
for i, h in enumerate(handles):
    assert "software GPU" in pynvml.nvmlDeviceGetName(h)
    m = pynvml.nvmlDeviceGetMemoryInfo(h)
    assert m.total == m.used + m.free and m.total > 0, m
    assert pynvml.nvmlDeviceGetMemoryInfo(h, version=pynvml.nvmlMemory_v2).total == m.total
    assert 0 <= pynvml.nvmlDeviceGetUtilizationRates(h).gpu <= 100
    same = pynvml.nvmlDeviceGetHandleByPciBusId(pynvml.nvmlDeviceGetPciInfo(h).busId)
    assert pynvml.nvmlDeviceGetIndex(same) == i
    assert pynvml.nvmlDeviceGetComputeRunningProcesses(h) == []
    try:
        pynvml.nvmlDeviceGetFanSpeed(h)
        assert False
    except pynvml.NVMLError_NotSupported:
        pass
print(pynvml.nvmlSystemGetDriverVersion())
pynvml.nvmlShutdown()
"""


def tests(build):
    def check(command, env):
        r = run(command, env=env, timeout=60)
        lines = r.stdout.splitlines()
        assert r.returncode == 0 and lines and all(l.startswith("ok ") for l in lines), \
            f"exit status {r.returncode}\n{r.stdout}{r.stderr}"

    def soft():
        check([build.program("nvml")], build.soft_env(**DEVICES))

    def private(*arguments):
        return lambda: check([build.bin("hawser"), "run", "--device", "soft", build.program("nvml"), *arguments],
                             build.env(**DEVICES))

    def in_a_child():
        if build.sanitized:
            raise Skip("AddressSanitizer's allocator does not survive the fork of a process with several threads")
        private("fork")()

    def tcp():
        with Daemon(build, f"tcp://127.0.0.1:{free_port()}") as d:
            check([build.bin("hawser"), "run", "--server", d.endpoint, build.program("nvml")], build.env())

    def binding():
        package = python_package("nvidia-ml-py")
        r = run([build.bin("hawser"), "run", "--device", "soft", sys.executable, "-c", BINDING],
                env=build.env(PYTHONPATH=package, **DEVICES))
        assert r.returncode == 0 and r.stdout.strip(), r

    def gpustat():
        package = python_package("gpustat")
        r = run([build.bin("hawser"), "run", "--device", "soft", sys.executable, "-m", "gpustat", "--json"],
                env=build.env(PYTHONPATH=package, **DEVICES), timeout=60)
        assert r.returncode == 0, r
        gpus = json.loads(r.stdout)["gpus"]
        assert [g["index"] for g in gpus] == [0, 1] and all("software GPU" in g["name"] for g in gpus), r
        assert all(g["memory.total"] > 0 and 0 <= g["utilization.gpu"] <= 100 for g in gpus), r

    def no_server():
        r = run([build.program("nvml")], env=build.preload_env(
            f"ipc:///nonexistent/{os.getpid()}", LD_LIBRARY_PATH=build.path("lib")))
        assert r.returncode == 1 and "is 9, not 0" in r.stdout, r  # NVML_ERROR_DRIVER_NOT_LOADED

    yield "nvml/software GPU directly", soft
    yield "nvml/private server", private()
    yield "nvml/tcp", tcp
    yield "nvml/CUDA in a child after NVML", in_a_child
    yield "nvml/no server", no_server
    yield "nvml/pynvml from the Python registry", binding
    yield "nvml/gpustat from the Python registry", gpustat
