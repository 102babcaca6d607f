"""Variables by which a program chooses its devices, and others of CUDA's (visible.c), in every way to run a program.
The software GPU has three devices, on the buses 1, 2 and 3."""

import os
import tempfile

from harness import Daemon, free_port, run

DEVICES = {"HAWSER_SOFTGPU_DEVICES": "3"}
NO_DEVICE = 100


def chosen(found, start):
    """Buses and names, of the line of list or late that begins so."""
    line = next(l for l in found.splitlines() if l.startswith(start)).split()
    return int(line[1]), [int(b) for b in line[2::2]], line[3::2]


class Way:
    """A way to run a program. The daemon's environment is not the program's."""

    def __init__(self, build, name):
        self.build, self.name, self.daemon = build, name, None

    def __enter__(self):
        if self.name.startswith("tcp"):
            self.daemon = Daemon(self.build, f"tcp://127.0.0.1:{free_port()}", env=DEVICES)
        return self

    def __exit__(self, *_):
        if self.daemon:
            self.daemon.stop()

    def run(self, *command, **env):
        program = command if command[0] == "sh" else [self.build.program("visible"), *command]
        if self.name == "tcp, no shared memory":
            env["HAWSER_SHARED_MEMORY"] = "0"
        if self.name == "software GPU directly":
            return run(program, env=self.build.soft_env(**DEVICES, **env))
        server = ["--server", self.daemon.endpoint] if self.daemon else ["--device", "soft"]
        return run([self.build.bin("hawser"), "run", *server, *program], env=self.build.env(**DEVICES, **env))

    def out(self, *command, **env):
        r = self.run(*command, **env)
        assert r.returncode == 0, (command, env, r)
        return r.stdout

    def sees(self, want, **env):
        """CUDA's devices by their buses."""
        result, buses, _ = chosen(self.out("list", **env), "cuda")
        assert buses == want and result == (0 if want else NO_DEVICE), (env, result, buses, want)


def tests(build):
    def lists(way):
        _, _, names = chosen(way.out("list"), "cuda")
        for value, want in (("0", [1]), ("1", [2]), ("2,0", [3, 1]), ("2,1,0", [3, 2, 1]), ("", []), ("-1", []),
                            ("0,2,-1,1", [1, 3]), ("0,3,1", [1]), ("1,1", []), ("1st", [2]), ("none", []),
                            (names[2], [3]), (f"{names[1]},{names[0]}", [2, 1]), (names[1][:12], [2]),
                            ("GPU-", []), (f"MIG-{names[0]}/0/0", [])):
            way.sees(want, CUDA_VISIBLE_DEVICES=value)

    def orders(way):
        for order in ("PCI_BUS_ID", "FASTEST_FIRST"):
            way.sees([1, 2, 3], CUDA_DEVICE_ORDER=order)
            way.sees([2, 3], CUDA_DEVICE_ORDER=order, CUDA_VISIBLE_DEVICES="1,2")

    def nvml_shows_all(way):
        all_names = chosen(way.out("list"), "cuda")[2]
        for value in ("1", "2,0", "-1"):
            _, buses, names = chosen(way.out("list", CUDA_VISIBLE_DEVICES=value), "nvml")
            assert buses == [1, 2, 3] and names == all_names, (value, buses, names)

    def set_by_the_program(way):
        lines = way.out("late", "2,1", CUDA_VISIBLE_DEVICES="0").splitlines()
        assert [chosen(line, "")[1] for line in lines] == [[1, 2, 3], [3, 2], [3, 2]], lines

    def by_bus(way):
        for bus, want in (("0000:03:00.0", "0 0"), ("0000:01:00.0", "0 1"), ("0000:02:00.0", "101 -1")):
            assert way.out("bus", bus, CUDA_VISIBLE_DEVICES="2,0") == want + "\n", bus

    def used(way):
        lines = way.out("use", CUDA_VISIBLE_DEVICES="2,0").splitlines()
        assert lines == [f"{i}: context {i}, pointers {i} {i}, access 3, bus 0000:0{bus}:00.0, 32 MiB"
                         for i, bus in ((0, 3), (1, 1))], lines

    def ranks(way):
        """As Slurm and torchrun start them: a process for each device, each of which it calls 0."""
        program = build.program("visible")
        out = way.out("sh", "-c", f"for k in 0 1 2; do CUDA_VISIBLE_DEVICES=$k {program} use & done; wait")
        buses = sorted(line.split("bus 0000:0")[1][0] for line in out.splitlines() if line.startswith("0: context 0,"))
        assert buses == ["1", "2", "3"] and len(out.splitlines()) == 3, out

    def container(way):
        names = chosen(way.out("list"), "cuda")[2]
        for value, want in (("all", [1, 2, 3]), ("void", [1, 2, 3]), ("", [1, 2, 3]), ("none", []), ("1", [2]),
                            ("2,0", [1, 3]), (names[1], [2])):
            out = way.out("list", NVIDIA_VISIBLE_DEVICES=value)
            assert chosen(out, "nvml")[1] == chosen(out, "cuda")[1] == want, (value, out)
        way.sees([3], NVIDIA_VISIBLE_DEVICES="0,2", CUDA_VISIBLE_DEVICES="1")
        way.sees([], NVIDIA_VISIBLE_DEVICES="0,2", CUDA_VISIBLE_DEVICES="2")
        way.sees([], NVIDIA_VISIBLE_DEVICES="0", CUDA_VISIBLE_DEVICES=names[1])
        r = way.run("list", NVIDIA_VISIBLE_DEVICES="7")
        assert chosen(r.stdout, "cuda")[0] == NO_DEVICE and "NVIDIA_VISIBLE_DEVICES=7" in r.stderr, r

    def blocking(way):
        for kind in ("plain", "ex", "cooperative", "graph"):
            assert way.out("launch", kind) == "0 0 700\n", kind
            assert way.out("launch", kind, CUDA_LAUNCH_BLOCKING="1") == "0 700 700\n", kind

    def loading(way):
        for value, want in (("", "lazy 0"), ("LAZY", "lazy 0"), ("DEFAULT", "lazy 0"), ("EAGER", "eager 218")):
            assert way.out("loading", CUDA_MODULE_LOADING=value) == want + "\n", value

    def compiling(way):
        assert way.out("compiling") == "0 0\n"
        assert way.out("compiling", CUDA_FORCE_PTX_JIT="1") == "0 0\n"
        for name in ("CUDA_DISABLE_PTX_JIT", "CUDA_DISABLE_JIT"):
            assert way.out("compiling", **{name: "1"}) == "223 223\n", name
        assert way.out("compiling", CUDA_DISABLE_PTX_JIT="0", CUDA_DISABLE_JIT="1") == "0 0\n"

    def log_file(way):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "log")
            for _ in range(2):
                way.out("refused", CUDA_LOG_FILE=path)
            lines = open(path).read().splitlines()
        assert len(lines) == 2 and all("[CUDA][E] cuDeviceGetLuid is not supported" in l for l in lines), lines
        assert "cuDeviceGetLuid" in way.out("refused", CUDA_LOG_FILE="stdout")

    def lent():
        """A daemon's own variable says what it lends; guests choose among that."""
        with Daemon(build, env={**DEVICES, "CUDA_VISIBLE_DEVICES": "2,1"}) as d:
            def sees(want, **env):
                r = run([build.bin("hawser"), "run", "--server", d.endpoint, build.program("visible"), "list"],
                        env=build.env(**env))
                assert chosen(r.stdout, "cuda")[1] == want, (env, want, r)
                return chosen(r.stdout, "nvml")
            _, buses, names = sees([3, 2])
            assert buses == [3, 2], buses
            sees([3], CUDA_VISIBLE_DEVICES="0")
            sees([2, 3], CUDA_VISIBLE_DEVICES="1,0")
            sees([2], CUDA_VISIBLE_DEVICES=names[1])
            sees([], CUDA_VISIBLE_DEVICES="2")
            assert sees([2], NVIDIA_VISIBLE_DEVICES="1")[1] == [2]
            with Daemon(build, env=DEVICES) as all_of_them:
                r = run([build.bin("hawser"), "run", "--server", all_of_them.endpoint, build.program("visible"),
                         "list"], env=build.env())
            sees([], CUDA_VISIBLE_DEVICES=chosen(r.stdout, "cuda")[2][0])

    def lends_none():
        with Daemon(build, env={**DEVICES, "CUDA_VISIBLE_DEVICES": "7"}) as d:
            r = run([build.bin("hawser"), "run", "--server", d.endpoint, build.program("visible"), "list"],
                    env=build.env(CUDA_VISIBLE_DEVICES="0"))
            log = d.log
        assert chosen(r.stdout, "cuda")[:2] == (NO_DEVICE, []) and chosen(r.stdout, "nvml")[:2] == (0, []), r
        assert "CUDA_VISIBLE_DEVICES=7 leaves no device to lend" in log, log

    def a_daemon_keeps_what_is_a_guests(name, value, command, want):
        """What a launch does, and where messages go, is the guest's to say."""
        def go():
            with Daemon(build, env={**DEVICES, name: value}) as d:
                r = run([build.bin("hawser"), "run", "--server", d.endpoint, build.program("visible"), *command],
                        env=build.env())
            assert r.returncode == 0 and r.stdout == want, r
        return go

    parts = {"lists choose and order devices": lists, "either order of devices": orders,
             "NVML shows all devices": nvml_shows_all, "set by the program after NVML, before CUDA": set_by_the_program,
             "a device by its place on the bus": by_bus, "memory is the chosen device's": used,
             "a process for each device": ranks, "devices of a container": container,
             "launches that block return the kernel's error": blocking, "modules loaded whole": loading,
             "PTX that must not be compiled": compiling, "error log in a file": log_file}
    for name in ("software GPU directly", "private server", "tcp", "tcp, no shared memory"):
        for part, check in parts.items():
            def go(name=name, check=check):
                with Way(build, name) as way:
                    check(way)
            yield f"visible/{part}, {name}", go
    yield "visible/what a daemon lends", lent
    yield "visible/a daemon that lends nothing", lends_none
    yield "visible/a daemon's CUDA_LAUNCH_BLOCKING", a_daemon_keeps_what_is_a_guests(
        "CUDA_LAUNCH_BLOCKING", "1", ["launch", "plain"], "0 0 700\n")
