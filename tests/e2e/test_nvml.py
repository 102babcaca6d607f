"""NVML: with CUDA in one program (nvml.c), and through NVIDIA's own nvidia-smi and Python binding where they can be had."""

import json
import os
import re
import sys
import xml.etree.ElementTree

from harness import Daemon, Skip, expect_subtests, free_port, run
from registry import debian_package, python_package

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
    def check(before, env, *one):
        r = run([*before, build.program("nvml"), *one], env=env, timeout=60)
        expect_subtests(build, r, "nvml", *one, **DEVICES)

    def soft(*one):
        return lambda: check([], build.soft_env(**DEVICES), *one)

    def private(*one):
        return lambda: check([build.bin("hawser"), "run", "--device", "soft"], build.env(**DEVICES), *one)

    def in_a_child(check_it):
        def go():
            if build.sanitized:
                raise Skip("AddressSanitizer's allocator does not survive the fork of a process with several threads")
            check_it()
        return go

    def tcp():
        with Daemon(build, f"tcp://127.0.0.1:{free_port()}") as d:
            check([build.bin("hawser"), "run", "--server", d.endpoint], build.env())

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

    def nvidia_smi(release):
        """Two releases of NVIDIA's: they take a table of private functions from NVML, and do without all in it."""
        program = os.path.join(debian_package("nvidia-smi", release), "usr/lib/nvidia/current/nvidia-smi")

        def ask(*arguments):
            r = run([build.bin("hawser"), "run", "--device", "soft", program, *arguments], env=build.env(**DEVICES),
                    timeout=60)
            assert r.returncode == 0, r
            return r.stdout

        table = ask()
        assert table.count("hawser software GPU") == 2 and "CUDA Version: 13.0" in table, table
        told = [line.split(", ") for line in
                ask("--query-gpu=index,name,uuid,memory.total,utilization.gpu,fan.speed", "--format=csv,noheader,nounits")
                .splitlines()]
        assert [row[0] for row in told] == ["0", "1"] and all("software GPU" in row[1] for row in told), told
        assert all(int(row[3]) > 0 and 0 <= int(row[4]) <= 100 and row[5] == "[N/A]" for row in told), told
        assert re.findall(r"UUID: (GPU-[-0-9a-f]+)", ask("-L")) == [row[2] for row in told]
        log = xml.etree.ElementTree.fromstring(ask("-q", "-x"))
        assert [g.findtext("uuid") for g in log.findall("gpu")] == [row[2] for row in told]

    def newest_names():
        folder = os.path.join(python_package("nvidia-nvml-dev==13.5.37"), "nvidia", "cu13", "include")
        header = run(["cc", "-E", "-P", os.path.join(folder, "nvml.h")])
        declared = set(re.findall(r"(?:nvmlReturn_t|char ?\*) +(nvml[A-Z]\w+) ?\(", header.stdout))
        assert header.returncode == 0 and len(declared) == 413, len(declared)
        for library in (build.path("lib", "libhawser-cuda.so.1"), build.path("lib", "softgpu", "libnvidia-ml.so.1")):
            exported = run(["nm", "-D", "--defined-only", library]).stdout.split()
            assert not declared - set(exported), (library, sorted(declared - set(exported)))

    def no_server():
        env = build.preload_env(f"ipc:///nonexistent/{os.getpid()}", LD_LIBRARY_PATH=build.path("lib"))
        check([], env, "no server")

    yield "nvml/software GPU directly", soft()
    yield "nvml/private server", private()
    yield "nvml/tcp", tcp
    yield "nvml/CUDA in a child after NVML", in_a_child(private("CUDA in a child"))
    yield "nvml/CUDA in a child after NVML, software GPU directly", in_a_child(soft("CUDA in a child"))
    yield "nvml/no server", no_server
    yield "nvml/pynvml from the Python registry", binding
    yield "nvml/gpustat from the Python registry", gpustat
    for release in ("bookworm", "trixie"):
        yield f"nvml/nvidia-smi of Debian {release}", lambda release=release: nvidia_smi(release)
    yield "nvml/names of the newest nvml.h", newest_names
