"""What holds between the threads of one guest."""

from harness import Daemon, free_port, run


def tests(build):
    probe = [build.path("tests", "cuda-probe"), "libcuda.so.1"]

    def on(lane, what, expected):
        def go():
            if lane == "software GPU directly":
                r = run([*probe, what], env=build.soft_env(), timeout=60)
            else:
                with Daemon(build, f"tcp://127.0.0.1:{free_port()}" if lane == "tcp" else None) as d:
                    r = run([build.bin("hawser"), "run", "--server", d.endpoint, *probe, what], env=build.env(),
                            timeout=60)
            assert r.returncode == 0 and r.stdout == expected, r
        return go

    for lane in ("software GPU directly", "ipc", "tcp"):
        yield f"threads/a waiting thread holds up no other/{lane}", on(lane, "blocked", "released\n")
        yield f"threads/what was called before runs before/{lane}", on(lane, "order", "order kept\n")
