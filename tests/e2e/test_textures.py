"""Textures and surfaces (textures.cu) and what their functions refuse (arrays.c), on the software GPU directly and through every lane."""

from harness import Daemon, expect_subtests, free_port, run

# Each ends its context, so each has a process of its own.
FATAL = ["no_such_texture", "destroyed_texture", "freed_array", "outside_a_surface"]


def tests(build):
    def check(before, name, args, env):
        r = run([*before, build.program(name), *args], env=env, timeout=300)
        expect_subtests(build, r, name, *args)

    def soft(name, *args):
        return lambda: check([], name, args, build.soft_env())

    def private(name, *args):
        return lambda: check([build.bin("hawser"), "run", "--device", "soft"], name, args, build.env())

    def served(endpoint, **env):
        def go():
            build.program("textures")
            with Daemon(build, endpoint and endpoint()) as d:
                check([build.bin("hawser"), "run", "--server", d.endpoint], "textures", [], build.env(**env))
        return go

    def tcp():
        return f"tcp://127.0.0.1:{free_port()}"

    yield "textures/software GPU directly", soft("textures")
    yield "textures/private server", private("textures")
    yield "textures/ipc", served(None)
    yield "textures/tcp", served(tcp)
    yield "textures/tcp, no shared memory", served(tcp, HAWSER_SHARED_MEMORY="0")
    yield "arrays/software GPU directly", soft("arrays")
    yield "arrays/private server", private("arrays")
    for name in FATAL:
        yield f"textures/{name}/software GPU directly", soft("textures", name)
        yield f"textures/{name}/private server", private("textures", name)
