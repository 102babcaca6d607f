"""Each example in four ways, with the static and the shared runtime."""

from harness import Daemon, free_port, run

EXAMPLES = ["vector-add", "matmul", "reduction", "histogram", "streams", "printf", "threads"]
# Sizes that a sanitized interpreter does in a moment; odd, as the defaults are.
SMALL = {"vector-add": "100003", "matmul": "61", "reduction": "123457", "histogram": "50021",
         "streams": "5003", "threads": "77", "nvrtc": "10007"}

PRINTF = ["printf: before"] + [
    f"thread {i} of 5: pi is about 3.142 {i * 10:5d}% {chr(ord('a') + i)} {1 << (i + 32)}" for i in range(5)
] + ["printf: after, no error: PASS"]


def check(build, name, command, env):
    base = name.replace("-shared", "")
    args = [SMALL[base]] if build.sanitized and base in SMALL else []
    r = run(command + args, env=env)
    assert r.returncode == 0, f"exit status {r.returncode}\n{r.stdout}{r.stderr}"
    lines = r.stdout.splitlines()
    if base == "printf":
        assert sorted(lines) == sorted(PRINTF) and lines[0] == PRINTF[0] and lines[-1] == PRINTF[-1], r.stdout
    else:
        assert len(lines) == 1 and lines[0].endswith("PASS"), r.stdout


def tests(build):
    names = [e + s for e in EXAMPLES for s in ("", "-shared")] + ["nvrtc"]

    def soft(name):
        return lambda: check(build, name, [build.program(name)], build.soft_env())

    def private(name):
        return lambda: check(build, name, [build.bin("hawser"), "run", "--device", "soft", build.program(name)],
                             build.env())

    def served(name, endpoint):
        def go():
            program = build.program(name)
            with Daemon(build, endpoint and endpoint()) as d:
                check(build, name, [build.bin("hawser"), "run", "--server", d.endpoint, program], build.env())
        return go

    def preloaded(name):
        def go():
            program = build.program(name)
            with Daemon(build) as d:
                check(build, name, [program], build.preload_env(d.endpoint))
        return go

    for name in names:
        yield f"examples/{name}/software GPU directly", soft(name)
        yield f"examples/{name}/private server", private(name)
        yield f"examples/{name}/ipc", served(name, None)
        yield f"examples/{name}/tcp", served(name, lambda: f"tcp://127.0.0.1:{free_port()}")
    yield "examples/vector-add/plain LD_PRELOAD", preloaded("vector-add")
    yield "examples/nvrtc/plain LD_PRELOAD", preloaded("nvrtc")
