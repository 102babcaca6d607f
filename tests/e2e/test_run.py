"""hawser run as a command: exit statuses, what the program is given, how the server is named."""

import os
import shutil
import signal
import subprocess
import tempfile

from harness import Daemon, Skip, run, start, until


def tests(build):
    hawser, echo = build.bin("hawser"), build.path("tests", "echo-all")
    probe = [build.path("tests", "cuda-probe"), "libcuda.so.1"]

    def no_server_is_125_before_the_program_starts():
        for endpoint in ("ipc:///nonexistent/hawser.sock", "tcp://127.0.0.1:1"):
            r = run([hawser, "run", "--server", endpoint, "--wait", "0", echo, "0"], env=build.env())
            assert r.returncode == 125, r
            assert r.stdout == "" and "to stderr" not in r.stderr
            assert r.stderr.startswith(f"hawser run: no server at {endpoint}: "), r.stderr
            assert len(r.stderr.splitlines()) == 1, r.stderr

    def refused(command, *said, status=125, **env):
        """In one line, before anything runs."""
        r = run(command, env=dict(build.env(), **env), timeout=60)
        assert r.returncode == status and r.stdout == "" and len(r.stderr.splitlines()) == 1, (command, r)
        assert all(s in r.stderr for s in said), (command, r)

    def values_are_checked():
        for option, value in (("--mem", "banana"), ("--mem", "0"), ("--mem", "500T"), ("--mem", ""), ("--threads", "0"),
                              ("--threads", "-3"), ("--threads", "2x"), ("--device", "gpu")):
            refused([hawser, "run", option, value, echo], f"hawser run: {option} {value}: ")
            refused([hawser, "trace", option, value, echo], f"hawser trace: {option} {value}: ")
            refused([build.bin("hawserd"), "--listen", "ipc:///tmp/hawser-none", option, value],
                    f"hawserd: {option} {value}: ", status=2)
        for value in ("", "soon", "-1", "1e9"):
            refused([hawser, "run", "--wait", value, echo], f"hawser run: --wait {value}: ")
        for option, value in (("--ready-fd", "x"), ("--lifetime-fd", "999"), ("--worker-ports", "1-2x")):
            refused([build.bin("hawserd"), "--listen", "ipc:///tmp/hawser-none", option, value], f"{option} {value}: ",
                    status=2)

    def options_that_are_none_are_told_with_the_commands_name():
        for command in ("run", "trace"):
            refused([hawser, command, "--banana", echo], f"hawser {command}: unrecognized option '--banana'")
            refused([hawser, command, "--server"], f"hawser {command}: option '--server' requires an argument")
            refused([hawser, command], f"hawser {command}: no program is named")
        refused([hawser, "inspect", "--banana"], "hawser inspect: unknown option --banana")

    def a_configuration_that_is_wrong_starts_no_private_server():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "config")
            for text, said in (("# mine\nservre = tcp://a:1\n", ":2: there is no key \"servre\""),
                               ("tcp://a:1\n", ":1: \"tcp://a:1\" is not of the form KEY = VALUE"),
                               ("server = nowhere\n", ":1: nowhere: an endpoint is")):
                with open(path, "w", encoding="ascii") as f:
                    f.write(text)
                refused([hawser, "run", echo], "hawser run: " + path + said, HAWSER_CONFIG=path)
                r = run([*probe, "init"], env=dict(build.preload_env(""), HAWSER_CONFIG=path))
                assert r.stdout == "init 802\n" and path + said in r.stderr, r
            missing = os.path.join(folder, "missing")
            refused([hawser, "run", echo], f"hawser run: {missing}: No such file", "HAWSER_CONFIG", HAWSER_CONFIG=missing)
            r = run([hawser, "doctor"], env=dict(build.env(), HAWSER_CONFIG=missing))
            assert r.returncode == 1 and missing in r.stdout, r

    def a_server_that_is_just_starting_is_waited_for():
        with tempfile.TemporaryDirectory() as folder:
            endpoint = f"ipc://{folder}/hawser.sock"
            p = start([hawser, "run", "--server", endpoint, "--wait", "60", *probe, "vector"], build.env())
            # ZeroMQ's threads are there while it asks.
            assert until(lambda: len(os.listdir(f"/proc/{p.pid}/task")) > 1, 20)
            with Daemon(build, endpoint):
                out, _ = p.communicate(timeout=60)
            assert p.returncode == 0 and out == "vector ok\n", (p.returncode, out)

    def an_endpoint_that_is_none_is_125():
        r = run([hawser, "run", "--server", "http://x", echo], env=build.env())
        assert r.returncode == 125 and "http://x" in r.stderr, r

    def no_such_program_is_127():
        r = run([hawser, "run", "/nonexistent/program"], env=build.env())
        assert r.returncode == 127 and "/nonexistent/program" in r.stderr, r
        assert run([hawser, "run", "no-such-command-anywhere"], env=build.env()).returncode == 127

    def a_file_without_permission_is_126():
        with tempfile.NamedTemporaryFile(delete=False) as f:
            f.write(b"#!/bin/sh\n")
        r = run([hawser, "run", f.name], env=build.env())
        os.unlink(f.name)
        assert r.returncode == 126, r

    def a_static_program_is_refused_in_one_line():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "static")
            subprocess.run(["gcc", "-static", "-x", "c", "-o", path, "-"], input=b"int main(void){return 0;}",
                           check=True)
            r = run([hawser, "run", path], env=build.env())
            assert r.returncode == 125 and "static" in r.stderr, r

    def everything_is_the_programs_own():
        env = build.env(HAWSER_TEST_VALUE="as it was")
        for more in ([], ["--"]):
            r = run([hawser, "run", "--device", "soft", *more, echo, "37", "--help", "a b", ""], env=env,
                    stdin="line one\nline two")
            assert r.returncode == 37, r
            assert r.stdout == "[37][--help][a b][]{as it was}line one\nline two", r.stdout
            assert r.stderr == "to stderr\n", r.stderr

    def death_by_a_signal_is_kept():
        r = run([hawser, "run", "--device", "soft", "sh", "-c", "kill -KILL $$"], env=build.env())
        assert r.returncode == -signal.SIGKILL, r

    def a_signal_for_hawser_reaches_the_program():
        p = start([hawser, "run", "--device", "soft", "sh", "-c",
                   "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done"], build.env())
        assert p.stdout.readline() == "ready\n"
        p.send_signal(signal.SIGTERM)
        out, _ = p.communicate(timeout=20)
        assert out == "caught\n" and p.returncode == 5, (out, p.returncode)

    def a_private_server_leaves_nothing_behind():
        with tempfile.TemporaryDirectory() as folder:
            env = build.env(XDG_RUNTIME_DIR=folder)
            r = run([hawser, "run", "--device", "soft", *probe, "vector"], env=env)
            assert r.returncode == 0 and r.stdout == "vector ok\n", r
            assert until(lambda: os.listdir(folder) == [], 5), os.listdir(folder)

    def a_private_server_lies_where_temporary_files_do():
        with tempfile.TemporaryDirectory() as folder:
            blanks = os.path.join(folder, "with blanks", "in it")
            long = os.path.join(folder, "x" * 90)
            for made in (blanks, long):
                os.makedirs(made)
            show = ["sh", "-c", 'echo "$HAWSER_SERVER"; "$0" "$1" vector', *probe]
            for env, base in (({"TMPDIR": folder}, folder), ({"TMPDIR": blanks}, blanks),
                              ({"XDG_RUNTIME_DIR": blanks, "TMPDIR": folder}, blanks),
                              ({"XDG_RUNTIME_DIR": "/nonexistent", "TMPDIR": folder}, folder),
                              ({"TMPDIR": long}, "/tmp"), ({"TMPDIR": "relative"}, "/tmp")):
                clean = {k: v for k, v in build.env().items() if k not in ("XDG_RUNTIME_DIR", "TMPDIR")}
                r = run([hawser, "run", "--device", "soft", *show], env=dict(clean, **env))
                endpoint, _, said = r.stdout.partition("\n")
                assert r.returncode == 0 and said == "vector ok\n", r
                assert endpoint.startswith(f"ipc://{base}/hawser-"), (env, r)
            assert until(lambda: os.listdir(blanks) == [], 5), os.listdir(blanks)

    def an_installation_with_blanks_in_its_path():
        with tempfile.TemporaryDirectory() as folder:
            there = os.path.join(folder, "a program: mine; really")
            for part in ("bin", "lib"):
                shutil.copytree(build.path(part), os.path.join(there, part), symlinks=True,
                                ignore=shutil.ignore_patterns("tests"))
            # A link that somebody else might have made is not followed.
            foreign = os.path.join(folder, f"hawser-{os.geteuid()}")
            os.mkdir(foreign)
            os.chmod(foreign, 0o777)
            command = [os.path.join(there, "bin", "hawser"), "run", "--device", "soft"]
            refused([*command, *probe, "vector"], "LD_PRELOAD cannot carry", XDG_RUNTIME_DIR=folder)
            os.rmdir(foreign)
            for _ in range(2):  # the second finds the link
                r = run([*command, *probe, "vector"], env=build.env(XDG_RUNTIME_DIR=folder))
                assert r.returncode == 0 and r.stdout == "vector ok\n" and r.stderr == "", r

    def proc_is_named_where_it_is_missing():
        with tempfile.TemporaryDirectory() as folder:
            if build.sanitized:
                raise Skip("AddressSanitizer looks into /proc itself")
            hide = ["unshare", "-rm", "sh", "-c", f"mount --bind {folder} /proc && exec \"$@\"", "sh"]
            if not shutil.which("unshare") or run([*hide, "true"]).returncode:
                raise Skip("no file system can be mounted here")
            said = "cannot tell where hawser is installed: /proc/self/exe: No such"
            refused([*hide, hawser, "run", echo], "hawser run: " + said)
            refused([*hide, build.bin("hawserd"), "--listen", "ipc:///tmp/hawser-none"], "hawserd: " + said, status=1)

    def a_killed_hawser_takes_its_private_server_along():
        with tempfile.TemporaryDirectory() as folder:
            p = start([hawser, "run", "--device", "soft", *probe, "hold"], build.env(XDG_RUNTIME_DIR=folder))
            assert p.stdout.readline() == "holding\n"
            p.kill()
            p.wait()
            assert until(lambda: os.listdir(folder) == [], 5), os.listdir(folder)

    def the_environment_names_the_server():
        with Daemon(build) as d:
            r = run([hawser, "run", *probe, "vector"], env=build.env(HAWSER_SERVER=d.endpoint))
            assert r.returncode == 0, r
            assert "session 1" in d.log, d.log

    def the_configuration_file_names_the_server():
        with Daemon(build) as d, tempfile.NamedTemporaryFile("w") as f:
            f.write(f"# mine\nserver = {d.endpoint}\n")
            f.flush()
            env = build.env()
            env["HAWSER_CONFIG"] = f.name
            r = run([hawser, "run", *probe, "vector"], env=env)
            assert r.returncode == 0, r
            assert "session 1" in d.log, d.log

    def memory_size_of_a_private_server():
        r = run([hawser, "run", "--device", "soft", "--mem", "64M", *probe, "alloc", str(65 << 20)], env=build.env())
        assert "alloc 2" in r.stdout and f"total {64 << 20}" in r.stdout, r

    def help_and_version_everywhere():
        for program in ("hawser", "hawserd", "hawser-worker"):
            for option in ("--help", "--version"):
                r = run([build.bin(program), option], env=build.env())
                assert r.returncode == 0 and r.stdout and not r.stderr, (program, option, r)
        r = run([hawser, "run", "--help"], env=build.env())
        assert r.returncode == 0 and "--server" in r.stdout, r
        assert run([hawser, "no-such-command"], env=build.env()).returncode == 125
        assert run([build.bin("hawserd")], env=build.env()).returncode == 2

    def a_host_never_takes_the_guests_library_for_nvidias():
        env = build.env(LD_LIBRARY_PATH=build.path("lib"))
        env.pop("LD_PRELOAD", None)
        r = run([build.bin("hawserd"), "--listen", "ipc:///tmp/hawser-none", "--device", "cuda"], env=env)
        assert r.returncode == 1 and "--device cuda" in r.stderr, r

    def the_bundle_runs_where_it_is_put():
        with tempfile.TemporaryDirectory() as folder:
            tree = os.path.join(folder, "tree")
            os.makedirs(tree)
            for name in ("scripts", "tests", "LICENSE", "README.md"):
                os.symlink(os.path.join(build.source, name), os.path.join(tree, name))
            subprocess.run([os.path.join(build.source, "scripts", "bundle"), build.folder, tree], check=True,
                           capture_output=True)
            bundle = os.path.join(folder, "moved")
            os.rename(os.path.join(tree, "dist", os.listdir(os.path.join(tree, "dist"))[0]), bundle)
            r = run([os.path.join(bundle, "bin", "hawser"), "run", "--device", "soft", *probe, "vector"],
                    env={"PATH": "/usr/bin:/bin"})
            assert r.returncode == 0 and r.stdout == "vector ok\n", r
            r = run([os.path.join(bundle, "bin", "hawser"), "doctor"], env={"PATH": "/usr/bin:/bin"})
            assert r.returncode == 0 and "hawser guest" not in r.stderr, r

    def doctor_finds_nothing_to_mend():
        r = run([hawser, "doctor"], env=build.env())
        assert r.returncode == 0 and "FAIL" not in r.stdout and "software GPU" in r.stdout, r

    def doctor_names_a_dead_server():
        r = run([hawser, "doctor"], env=build.env(HAWSER_SERVER="ipc:///nonexistent/sock"))
        assert r.returncode == 1 and "FAIL" in r.stdout and "/nonexistent/sock" in r.stdout, r

    for name, f in list(locals().items()):
        if callable(f) and name not in ("build", "refused"):
            yield f"run/{name}", f
