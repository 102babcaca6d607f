"""CUDA's semantics (semantics/), on the software GPU directly and through every lane, with either default stream, and
with host memory that guest and host do not share."""

import re
import shutil

from harness import Daemon, Skip, expect_subtests, free_port, run


def tests(build):
    def check(name, before, env):
        expect_subtests(build, run([*before, build.program(name)], env=env, timeout=300), name)

    def soft(name):
        return lambda: check(name, [], build.soft_env())

    def private(name):
        return lambda: check(name, [build.bin("hawser"), "run", "--device", "soft"], build.env())

    def served(name, endpoint, **env):
        def go():
            build.program(name)
            with Daemon(build, endpoint and endpoint()) as d:
                check(name, [build.bin("hawser"), "run", "--server", d.endpoint], build.env(**env))
        return go

    def by_name(name, subtest, lane, device):
        """A subtest that wants a software GPU of its own kind, set by its environment variables."""
        def go():
            command = [build.program(name), subtest]
            if lane == "software GPU directly":
                r = run(command, env=build.soft_env(**device))
            elif lane == "tcp":
                with Daemon(build, tcp(), env=device) as d:
                    r = run([build.bin("hawser"), "run", "--server", d.endpoint, *command], env=build.env())
            else:
                more = {"HAWSER_SHARED_MEMORY": "0"} if lane == "no shared memory" else {}
                r = run([build.bin("hawser"), "run", "--device", "soft", *command], env=build.env(**device, **more))
            assert r.returncode == 0 and r.stdout == f"ok {subtest}\n", r
        return go

    def few_descriptors(name, lane):
        def go():
            command = [build.program(name), "descriptors that are closed"]
            if lane != "software GPU directly":
                command = [build.bin("hawser"), "run", "--device", "soft", *command]
            if not shutil.which("prlimit"):
                raise Skip("prlimit is not installed")
            env = build.soft_env() if lane == "software GPU directly" else build.env()
            r = run(["prlimit", "--nofile=300:300", *command], env=env, timeout=300)
            assert r.returncode == 0 and r.stdout == "ok descriptors that are closed\n", r
        return go

    def run_whole(subtest, launches):
        """The host's driver gets the graphs themselves: its worker's log tells of each launch."""
        def go():
            command = [build.bin("hawser"), "run", "--device", "soft", build.program("semantics"), subtest]
            r = run(command, env=build.env(HAWSER_LOG="debug"), timeout=300)
            assert r.returncode == 0 and r.stdout == f"ok {subtest}\n", r
            seen = len(re.findall(r"hawser-worker.* GraphLaunch\(.*\) -> 0\n", r.stderr))
            assert seen == launches, (seen, r.stderr[-2000:])
        return go

    def tcp():
        return f"tcp://127.0.0.1:{free_port()}"

    for name in ("semantics", "semantics-per-thread"):
        yield f"{name}/software GPU directly", soft(name)
        yield f"{name}/private server", private(name)
        yield f"{name}/ipc", served(name, None)
        yield f"{name}/tcp", served(name, tcp)
        yield f"{name}/tcp, no shared memory", served(name, tcp, HAWSER_SHARED_MEMORY="0")
        for lane in ("software GPU directly", "private server", "tcp", "no shared memory"):
            for subtest in ("several devices", "graph of two devices"):
                yield f"{name}/{subtest}, {lane}", by_name(name, subtest, lane, {"HAWSER_SOFTGPU_DEVICES": "2"})
            yield f"{name}/notifications, {lane}", by_name(name, "notifications", lane,
                                                           {"HAWSER_SOFTGPU_MEM": "64M", "HAWSER_SOFTGPU_BUDGET": "16M"})
    # In a row: all but one launch of six, then two, then four, as the graph is changed again and again.
    for subtest, launches in (("graph launched again", 21), ("graph in a row", 11), ("graph conditions", 3),
                              ("graph conditions inside others", 7), ("graph conditions and host functions", 0)):
        yield f"semantics/run whole, {subtest}", run_whole(subtest, launches)
    for lane in ("software GPU directly", "private server"):
        yield f"semantics/few descriptors, {lane}", few_descriptors("semantics", lane)
