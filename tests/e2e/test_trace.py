"""hawser trace: every call with arguments, result and times, as text, as tables and as a trace."""

import json
import os
import re
import sys
import tempfile

from harness import Daemon, free_port, run

TIMES = re.compile(r"<guest \S+ [um]?s(, wire \S+ [um]?s)?(, host \S+ [um]?s)?(, device \S+ [um]?s)?>$")


def tests(build):
    def trace(*arguments, program=None, server=None, env=None):
        """Text, JSON, summary and the run."""
        with tempfile.TemporaryDirectory() as folder:
            files = {kind: os.path.join(folder, kind) for kind in ("text", "json", "summary")}
            options = [a for kind, path in files.items() for a in ("--" + kind, path)]
            where = ["--server", server] if server else ["--device", "soft"]
            r = run([build.bin("hawser"), "trace", *options, *where, *arguments, *(program or [])],
                    env=env or build.env())
            out = {kind: open(path, encoding="utf-8").read() if os.path.exists(path) else "" for kind, path in
                   files.items()}
        return out["text"], out["json"], out["summary"], r

    def calls(text):
        """(name, arguments, result, rest) of each line of a call."""
        return re.findall(r"^ +[\d.]+ ms \[\d+\] (\w+)\((.*)\) = ([\w ]+)  (<.*>)$", text, re.M)

    def check_vector_add(text, table, r):
        plain = run([build.program("vector-add")], env=build.soft_env())
        assert r.returncode == 0 and r.stdout == plain.stdout and r.stderr == "", r
        found = calls(text)
        assert len(found) == len([l for l in text.splitlines() if not l.startswith("process ")]), text[:2000]
        assert all(TIMES.match(c[3]) for c in found), [c for c in found if not TIMES.match(c[3])]
        launch = [c for c in found if c[0] == "cuLaunchKernel"]
        assert len(launch) == 1 and "(_Z3addPKfS0_Pfi)" in launch[0][1] and "blockDimX=256" in launch[0][1], launch
        assert launch[0][2] == "CUDA_SUCCESS" and "device " in launch[0][3], launch
        assert any(c[0] == "cuMemAlloc_v2" and re.match(r"dptr=-> 0x\w+, bytesize=4000012$", c[1]) for c in found), text
        assert any(c[0] == "cuDeviceGetAttribute" and "attrib=CU_DEVICE_ATTRIBUTE_" in c[1] for c in found)
        assert any(c[2] != "CUDA_SUCCESS" for c in found), "the runtime asks for names that are not there"
        row = next(l.split() for l in table.splitlines() if l.endswith("  cuMemAlloc_v2"))
        assert row[:2] == ["3", "0"], table
        kernel = next(l for l in table.splitlines() if l.endswith("  _Z3addPKfS0_Pfi"))
        assert kernel.split()[0] == "1" and table.index("  kernel\n") < table.index(kernel), table

    def private():
        text, _, table, r = trace(program=[build.program("vector-add")])
        check_vector_add(text, table, r)

    def tcp():
        with Daemon(build, f"tcp://127.0.0.1:{free_port()}") as d:
            text, _, table, r = trace(program=[build.program("vector-add")], server=d.endpoint)
        check_vector_add(text, table, r)

    def for_a_viewer():
        _, text, _, r = trace(program=[build.program("streams")])
        assert r.returncode == 0, r
        events = json.loads(text)["traceEvents"]
        tracks = {e["pid"]: e["args"]["name"].split(" of ")[0] for e in events if e["name"] == "process_name"}
        assert sorted(tracks.values()) == ["calls", "device", "host"], tracks
        slices = [e for e in events if e["ph"] == "X"]
        for kind, where in (("call", "calls"), ("wire", "calls"), ("host", "host"), ("device", "device")):
            found = [e for e in slices if e["cat"] == kind]
            assert found and all(tracks[e["pid"]] == where and e["dur"] >= 0 for e in found), kind
        # On one track of the device nothing overlaps.
        ends = {}
        for e in sorted((e for e in slices if e["cat"] == "device"), key=lambda e: e["ts"]):
            assert e["ts"] >= ends.get(e["tid"], -1e18) - 0.002, e
            ends[e["tid"]] = e["ts"] + e["dur"]
        starts = {e["id"] for e in events if e["ph"] == "s"}
        assert starts and starts == {e["id"] for e in events if e["ph"] == "f"}

    def with_backtraces():
        text, _, _, r = trace("--backtrace", program=[build.program("vector-add")])
        assert r.returncode == 0, r
        lines = text.splitlines()
        launch = next(i for i, l in enumerate(lines) if " cuLaunchKernel(" in l)
        frames = [l for l in lines[launch + 1:launch + 12] if l.startswith("    ") and " at " in l]
        assert any("at main+" in l and "(vector-add)" in l for l in frames), frames

    def nvml_and_a_failure():
        text, _, _, r = trace(program=[build.program("nvml")])
        assert r.returncode == 0, r
        found = calls(text)
        assert any(c[0] == "nvmlDeviceGetMemoryInfo" and c[2] == "Invalid Argument" for c in found), text[:3000]
        assert any(c[0] == "nvmlDeviceGetUUID" and '"GPU-' in c[1] and c[2] == "Success" for c in found), text[:3000]
        assert any(c[0] == "cuMemAlloc_v2" for c in found)

    def every_process():
        script = f"{build.program('vector-add')} && {build.program('reduction')}; exit 7"
        text, text_json, table, r = trace(program=["sh", "-c", script])
        assert r.returncode == 7, r
        assert table.count("\nprocess ") == 2 and "vector-add" in text and "reduction" in text, table
        json.loads(text_json)

    def no_calls():
        _, _, _, r = trace(program=["true"])
        assert r.returncode == 0 and "no call" in r.stderr, r

    def a_python_program():
        code = ("import ctypes; c = ctypes.CDLL('libcuda.so.1'); assert c.cuInit(0) == 0; n = ctypes.c_int(); "
                "assert c.cuDeviceGetCount(ctypes.byref(n)) == 0; assert c.cuDeviceGetCount(None) == 1")
        text, _, _, r = trace(program=[sys.executable, "-c", code])
        assert r.returncode == 0, r
        assert [c[:3] for c in calls(text)] == [
            ("cuInit", "Flags=0", "CUDA_SUCCESS"), ("cuDeviceGetCount", "count=-> 1", "CUDA_SUCCESS"),
            ("cuDeviceGetCount", "count=NULL", "CUDA_ERROR_INVALID_VALUE")], text

    def where_nothing_can_be_written():
        with tempfile.TemporaryDirectory() as folder:
            ran = os.path.join(folder, "ran")
            for option in ("--json", "--text", "--summary"):
                for path, said in (("/nonexistent/x", "No such file or directory"), (folder, "Is a directory")):
                    r = run([build.bin("hawser"), "trace", option, path, "touch", ran], env=build.env())
                    assert r.returncode == 125 and r.stderr == f"hawser trace: {path}: {said}\n", r
            assert not os.path.exists(ran)

    yield "trace/private server", private
    yield "trace/tcp", tcp
    yield "trace/JSON for a viewer", for_a_viewer
    yield "trace/backtraces", with_backtraces
    yield "trace/NVML, and calls that fail", nvml_and_a_failure
    yield "trace/every process of a run", every_process
    yield "trace/a program without calls", no_calls
    yield "trace/a Python program", a_python_program
    yield "trace/what cannot be written is told before the program runs", where_nothing_can_be_written
