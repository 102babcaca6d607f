"""Textures and surfaces (textures.cu) and what their functions refuse (arrays.c), on the software GPU directly and through every lane."""

from harness import Daemon, free_port, run

# Each ends its context, so each has a process of its own.
FATAL = ["no_such_texture", "destroyed_texture", "freed_array", "outside_a_surface"]


def check(command, env, least):
    r = run(command, env=env, timeout=300)
    lines = r.stdout.splitlines()
    assert r.returncode == 0 and len(lines) >= least and all(l.startswith("ok ") for l in lines), \
        f"exit status {r.returncode}\n{r.stdout}{r.stderr}"


def tests(build):
    def soft(*args, least=1):
        return lambda: check([build.program("textures"), *args], build.soft_env(), least)

    def private(*args, least=1):
        return lambda: check([build.bin("hawser"), "run", "--device", "soft", build.program("textures"), *args],
                             build.env(), least)

    def served(endpoint, **env):
        def go():
            program = build.program("textures")
            with Daemon(build, endpoint and endpoint()) as d:
                check([build.bin("hawser"), "run", "--server", d.endpoint, program], build.env(**env), 10)
        return go

    def tcp():
        return f"tcp://127.0.0.1:{free_port()}"

    yield "textures/software GPU directly", soft(least=10)
    yield "textures/private server", private(least=10)
    yield "textures/ipc", served(None)
    yield "textures/tcp", served(tcp)
    yield "textures/tcp, no shared memory", served(tcp, HAWSER_SHARED_MEMORY="0")
    yield "arrays/software GPU directly", \
        lambda: check([build.program("arrays")], build.soft_env(), 7)
    yield "arrays/private server", \
        lambda: check([build.bin("hawser"), "run", "--device", "soft", build.program("arrays")], build.env(), 7)
    for name in FATAL:
        yield f"textures/{name}/software GPU directly", soft(name)
        yield f"textures/{name}/private server", private(name)
