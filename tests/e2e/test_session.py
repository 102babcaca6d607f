"""What a session has on the host: all of it is seen, goes with its context and with the session, and hawserd hears of it."""

import os
import re
import signal

from harness import Daemon, start, until

# Beside the first context's own: what goes with it, and what does not.
IN_CONTEXT = {"stream", "event", "module", "function", "array", "mipmap", "texture", "linker", "plain memory", "pooled memory",
              "array's memory", "image", "global variable"}
LASTING = {"context", "library", "pool", "graph", "physical memory", "mapped memory", "reserved addresses", "image",
           "shared host memory"}


class Dump:
    """A session's dump in the log: {what: [line]}, and the bytes of device memory."""

    def __init__(self, text):
        lines = re.findall(r"session: (.*)", text)
        n, memory = re.match(r"(\d+) things, (\d+) bytes of device memory", lines[0]).groups()
        self.memory, self.lines = int(memory), lines[1:]
        assert len(self.lines) == int(n), (n, lines)
        self.things = {}
        for line in self.lines:
            self.things.setdefault(re.match(r"  ([a-z' ]+?)(?: \d| at |,)", line).group(1), []).append(line)

    def bytes_of(self, what):
        return sorted(int(re.search(r", (\d+) bytes", line).group(1)) for line in self.things[what])


def look(d):
    """Asks the only session."""
    before = len(d.log)
    d.process.send_signal(signal.SIGUSR1)

    def answered():
        return re.search(r"session 1: \d+ calls served", d.log[before:])
    assert until(answered, 60), d.log[before:]
    return Dump(d.log[before:])


def tests(build):
    def one_of_everything_goes_with_its_context_and_its_session():
        with Daemon(build, log_level="debug") as d:
            p = start([build.path("tests", "everything")], env=build.preload_env(d.endpoint))
            said = p.stdout.readline()
            assert said == "made\n", said + p.communicate(timeout=60)[0]
            made = look(d)
            missing = (IN_CONTEXT | LASTING) - made.things.keys()
            assert not missing, (missing, made.lines)
            context = max(int(re.match(r"  context (\d+)", line).group(1)) for line in made.things["context"])
            # The bytes of each kind, to the byte: what was given back is not among them.
            assert made.bytes_of("plain memory")[:2] == [64, 1000], made.lines
            assert 12345 not in made.bytes_of("plain memory"), made.lines
            assert made.bytes_of("pooled memory") == [2000, 3000], made.lines
            assert made.bytes_of("array's memory") == [8 * 8 + 4 * 4, 32 * 16 * 2 * 4], made.lines
            assert made.bytes_of("global variable") == [4096], made.lines
            assert len(made.things["mapped memory"]) == 1, made.lines
            assert made.bytes_of("mapped memory") == made.bytes_of("physical memory"), made.lines
            takes = ("plain memory", "pooled memory", "physical memory", "array's memory", "image")
            assert made.memory == sum(b for what in takes for b in made.bytes_of(what)), made.lines
            # And what would make it again.
            assert re.search(r"by cuStreamCreate\(phstream=new stream \d+, flags=1\)", made.things["stream"][0] +
                             made.things["stream"][-1]), made.lines
            hashes = [re.search(r"by Load\(.*\), (\d+) bytes ([0-9a-f]{64})", made.things[k][0]).groups()
                      for k in ("module", "library")]
            assert hashes[0] == hashes[1], hashes
            assert re.search(r"by cuMemAlloc_v2 of thread \d+", "\n".join(made.things["plain memory"])), made.lines

            p.stdin.write("\n")
            p.stdin.flush()
            assert p.stdout.readline() == "ended\n"
            ended = look(d)
            left = [line for line in ended.lines if re.search(rf"context {context}(, by|$)", line)]
            assert not left, left
            assert not (IN_CONTEXT - {"image"}) & ended.things.keys(), ended.lines
            assert ended.memory == sum(ended.bytes_of("physical memory") + ended.bytes_of("image")), ended.lines

            p.communicate("\n", timeout=60)
            assert p.returncode == 0
            assert until(lambda: re.search(r"session 1 ended.*worker process", d.log, re.S), 60), d.log[-2000:]
            told = re.search(r"session 1 ended: (\d+) calls served, \d+ things, \d+ bytes of device memory, (\d+) at most", d.log)
            assert told and int(told.group(1)) > 30 and int(told.group(2)) == made.memory, told and told.group(0)
            assert "has ended in order" in d.log, d.log[-2000:]
            # The layers let every call of the driver be seen.
            for name in ("cuMemAlloc_v2", "cuArrayCreate_v2", "cuGraphLaunch", "cuCtxDestroy_v2"):
                assert re.search(rf"the driver's {name} -> 0, \d+ us", d.log), name
            assert not d.workers()

    def a_guest_that_is_killed_ends_its_session():
        with Daemon(build) as d:
            p = start([build.path("tests", "everything")], env=build.preload_env(d.endpoint))
            assert p.stdout.readline() == "made\n"
            os.kill(p.pid, signal.SIGKILL)
            p.communicate()
            assert until(lambda: not d.workers(), 60), d.log
            assert re.search(r"session 1 ended: \d+ calls served", d.log), d.log

    def hawserd_hears_of_a_worker_that_dies():
        with Daemon(build, log_level="debug") as d:
            p = start([build.path("tests", "everything")], env=build.preload_env(d.endpoint))
            assert p.stdout.readline() == "made\n"
            os.kill(d.workers()[0], signal.SIGKILL)
            assert until(lambda: "was ended by signal 9" in d.log, 60), d.log
            assert "session 1 has no worker any more" in d.log, d.log
            assert "session 1 ended" not in d.log
            p.communicate("\n\n", timeout=60)

    yield "session/one of everything goes with its context and its session", \
        one_of_everything_goes_with_its_context_and_its_session
    yield "session/a guest that is killed ends its session", a_guest_that_is_killed_ends_its_session
    yield "session/hawserd hears of a worker that dies", hawserd_hears_of_a_worker_that_dies
