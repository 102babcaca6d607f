"""The wire between releases: recorded sessions of earlier ones, played to this one, from either side."""

import os
import sys

from harness import Daemon, Skip, free_port, run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))
from play import Guest, Host, field
from recording import API, FUNCTIONS, Recording
from wire import all_of, block, call, fields, number, numbers_in, open_session, packed, parse, result, varint

NOT_SUPPORTED = 801
EMPTY_NODE = 5  # CU_GRAPH_NODE_TYPE_EMPTY
LATER = 900  # a function number that no release has


def function(name):
    return next(n for n, there in FUNCTIONS.items() if there == name)


def served():
    """The function numbers of this release, by its lock files."""
    out = set()
    for name in ("cuda.lock", "nvml.lock"):
        with open(os.path.join(API, name)) as f:
            words = [line.split() for line in f if line.startswith("function")]
        out |= {int(w[1]) for w in words if "retired" not in w}
    return out


class Session:
    """A guest that asks one thing after another."""

    def __init__(self, port, minor=3):
        self.worker, self.opened = open_session(port, minor)
        self.seq, self.minor = 0, minor
        if minor > 3:
            assert self.ask("Initialize") == 0

    def post(self, name, args=b"", context=0):
        self.worker.send(call(name if isinstance(name, int) else function(name), 0, args, context=context))

    def ask(self, name, args=b"", context=0, frames=()):
        """The CUresult of a call."""
        self.seq += 1
        number_of = name if isinstance(name, int) else function(name)
        self.worker.send(call(number_of, self.seq, args, len(frames), context), *frames)
        while True:
            for reply in all_of(self.worker.frame(), 6):
                if fields(reply)[1] == self.seq:
                    return result(reply)

    def context(self, id):
        f = lambda name, value: number(field("ContextCreate", name), value)
        assert self.ask("ContextCreate", f("context", id) + f("primary", 1)) == 0
        return id


def tests(build):
    def an_older_guest_is_served(recording):
        def go():
            if build.sanitizer == "thread":
                raise Skip("the recorded guest has memory where ThreadSanitizer's shadows are")
            port = free_port()
            with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
                try:
                    Guest(recording, port).play()
                except (EOFError, TimeoutError, ConnectionError) as e:
                    raise AssertionError(f"{e!r}\n{d.log}")
        return go

    def an_older_host_serves(recording):
        def go():
            program = build.path("tests", "wire-session")
            if not os.path.exists(program):
                raise Skip("wire-session was not built: the toolkit's link stub of libcuda is missing")
            host = Host(recording)
            r = run([program, recording.name], env=build.preload_env(host.endpoint, HAWSER_SHARED_MEMORY="0"))
            host.thread.join(10)
            if host.error:
                raise AssertionError(f"{r}") from host.error
            assert r.returncode == 0 and r.stdout == f"wire session {recording.name} ok\n", r
            assert host.answered > 0
        return go

    def with_session(go, minor=3):
        def run_it():
            port = free_port()
            with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
                try:
                    go(Session(port, minor))
                except (EOFError, TimeoutError, ConnectionError) as e:
                    raise AssertionError(f"{e!r}\n{d.log}")
        return run_it

    def an_unknown_call_is_not_supported(s):
        assert s.ask(LATER, number(1, 5)) == NOT_SUPPORTED
        assert s.ask(LATER, b"\xff\xff") == NOT_SUPPORTED  # whatever its arguments are
        assert s.ask(LATER, frames=[b"bulk", b"more"]) == NOT_SUPPORTED
        assert s.ask("cuEventElapsedTime") == NOT_SUPPORTED, "a retired number"
        assert s.ask("TraceFlush") == 0, "the session goes on"

    def an_unknown_post_is_told_at_the_next_synchronization(s):
        context = s.context(300)
        s.post(LATER, context=context)
        sync = number(field("ContextSync", "context"), context)
        assert s.ask("ContextSync", sync, context) == NOT_SUPPORTED
        assert s.ask("ContextSync", sync, context) == 0, "told once"

    def an_error_of_a_post_without_a_context_is_told_at_the_threads_next_synchronization(s):
        context = s.context(300)
        s.post(LATER)
        sync = number(field("ContextSync", "context"), context)
        assert s.ask("ContextSync", sync, context) == NOT_SUPPORTED
        assert s.ask("ContextSync", sync, context) == 0, "told once"
        s.post(LATER, context=4711)  # none that is there
        assert s.ask("ContextSync", sync, context) == NOT_SUPPORTED

    def what_ends_nothing_is_no_error(s):
        """A handle that went with its context, or whose making has failed, which has been told."""
        context = s.context(300)
        for name in ("cuEventDestroy_v2", "cuStreamDestroy_v2", "cuModuleUnload"):
            s.post(name, number(1, 4711))
        assert s.ask("ContextSync", number(field("ContextSync", "context"), context), context) == 0

    def a_graph_and_a_stream_share_no_number(s):
        """An earlier guest's graphs may have the numbers of its handles; a later one's may not."""
        context = s.context(300)
        stream = packed([(field("CuStreamCreate", "phstream"), 301), (field("CuStreamCreate", "flags"), 1)])
        node = packed([(field("GraphNode", "graph"), 301), (field("GraphNode", "kind"), EMPTY_NODE)])
        s.post("cuStreamCreate", stream, context)
        s.post("GraphNode", node, context)
        ready = number(field("GraphReady", "graph"), 301)
        assert s.ask("GraphReady", ready, context) == (0 if s.minor < 6 else NOT_SUPPORTED)
        assert s.ask("cuStreamQuery", number(field("CuStreamQuery", "hstream"), 301), context) == 0

    def an_unknown_field_is_not_supported(s):
        context = s.context(300)
        fill = lambda more: packed([(field("Fill", "element"), 1)]) + more
        assert s.ask("Fill", fill(number(99, 1)), context) == NOT_SUPPORTED
        assert s.ask("Fill", fill(b""), context) not in (0, NOT_SUPPORTED), "a fill of nothing"
        inside = block(field("GraphNode", "launch"), number(99, 1))
        assert s.ask("GraphNode", inside, context) == NOT_SUPPORTED, "in a message of the message"

    def a_retired_field_is_ignored(s):
        pool = number(field("PoolDefault", "object"), 301)
        assert s.ask("PoolDefault", pool + number(field("PoolDefault", "current"), 1)) == 0

    def the_opening_tells_what_is_served(s):
        told = numbers_in(fields(s.opened)[6])
        ranges = {n for first, last in zip(told[::2], told[1::2]) for n in range(first, last + 1)}
        assert ranges == served(), ranges ^ served()

    def an_older_guest_is_not_told():
        port = free_port()
        with Daemon(build, f"tcp://127.0.0.1:{port}"):
            assert 6 not in fields(Session(port, minor=2).opened)

    def what_the_host_does_not_serve_is_answered_without_asking():
        program = build.path("tests", "wire-session")
        if not os.path.exists(program):
            raise Skip("wire-session was not built: the toolkit's link stub of libcuda is missing")
        recording = next(r for r in Recording.all() if r.name == "1.2")
        gone = function("cuEventElapsedTime_v2")
        opened = fields(next(frames[0] for who, way, frames in recording.messages
                             if who == "worker" and way == "<"))[3]
        # The host of the recording initializes its driver at the opening.
        ranges = b"".join(map(varint, (1, gone - 1, gone + 1, function("Initialize") - 1)))
        opened = packed([(n, 3 if n == 1 else v) for n, v in parse(opened) if n != 6]) + block(6, ranges)
        host = Host(recording, opened)
        r = run([program, recording.name], env=build.preload_env(host.endpoint, HAWSER_SHARED_MEMORY="0"))
        host.thread.join(10)
        assert host.error is None, host.error
        assert r.stdout.endswith(f"cuEventElapsedTime(&ms, before, after): {NOT_SUPPORTED}\n"), r
        assert "cuEventElapsedTime_v2 is not supported" in r.stderr, r
        assert not any(c.used for c in host.calls if c.number == gone)

    yield "wire/an unknown call is not supported", with_session(an_unknown_call_is_not_supported)
    yield "wire/an unknown post is told at the next synchronization", \
        with_session(an_unknown_post_is_told_at_the_next_synchronization)
    yield "wire/an error of a post without a context is told at the thread's next synchronization", \
        with_session(an_error_of_a_post_without_a_context_is_told_at_the_threads_next_synchronization)
    yield "wire/what ends nothing is no error", with_session(what_ends_nothing_is_no_error)
    for minor in (5, 6):
        yield f"wire/a graph's number and a handle's, minor {minor}", with_session(a_graph_and_a_stream_share_no_number, minor)
    yield "wire/an unknown field is not supported", with_session(an_unknown_field_is_not_supported)
    yield "wire/a retired field is ignored", with_session(a_retired_field_is_ignored)
    yield "wire/the opening tells what is served", with_session(the_opening_tells_what_is_served)
    yield "wire/an older guest is not told", an_older_guest_is_not_told
    yield "wire/what the host does not serve is answered without asking", \
        what_the_host_does_not_serve_is_answered_without_asking
    for recording in Recording.all():
        yield f"wire/a guest of {recording.name} is served", an_older_guest_is_served(recording)
        yield f"wire/a host of {recording.name} serves this guest", an_older_host_serves(recording)
