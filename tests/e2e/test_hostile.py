"""A guest that speaks ZeroMQ and the protocol, and then sends what no guest would: its session alone ends."""

import os
import random
import re
import sys

from harness import Daemon, free_port, run, until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))
from wire import Peer, block, call, fields, hello, number, open_session, worker_port


def tests(build):
    probe = [build.path("tests", "cuda-probe"), "libcuda.so.1"]

    def ends_its_session(*messages):
        def go():
            port = free_port()
            with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
                for message in messages:
                    worker, _ = open_session(port)
                    assert len(d.workers()) == 1
                    worker.send(*message)
                    assert worker.closed(), message
                    assert until(lambda: d.workers() == [], 5), d.log
                assert "broken message" in d.log, d.log
                r = run([build.bin("hawser"), "run", "--server", d.endpoint, *probe, "vector"], env=build.env())
                assert r.returncode == 0, r
        return go

    def nonsense_in_sane_messages_is_answered():
        """Well-formed calls with senseless contents: errors, and the session goes on."""
        port = free_port()
        with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
            worker, _ = open_session(port)
            dice = random.Random(7)
            with open(os.path.join(build.source, "remoting", "api", "cuda.spec")) as f:
                spec = f.read()
            structs = set(" ".join(re.findall(r"^struct (.*)", spec, re.M)).split())
            # Only those whose arguments are numbers: bytes in the place of a number are a broken message.
            generated = [int(n) for n, params in re.findall(r"^(?:post|call)\b.*? (\d+) cu\w+\((.*)$", spec, re.M)
                         if not {"[", "char", "float"} & set(re.findall(r"\[|char|float", params))
                         and not structs & set(re.findall(r"\w+", params))]
            assert len(generated) == 90, f"cuda.spec has {len(generated)} of them now: say so here"
            for seq in range(1, 400):
                function = dice.choice([1, 2, 3, 6, 10, 13, 14, 15, 16, 18, 19, *generated])  # numbers only
                args = b"".join(number(f, dice.choice([0, 1, 2, 255, 1 << 31, 1 << 40, (1 << 64) - 1]))
                                for f in range(1, dice.randrange(1, 8)))
                worker.send(call(function, seq, args))
            worker.send(call(18, 1000))
            answered = set()
            while len(answered) < 400:  # those that wait on the host are answered out of order
                try:
                    reply = fields(worker.frame()).get(6)
                except EOFError:
                    raise AssertionError(d.log)
                if reply is not None:
                    answered.add(fields(reply).get(1))
            assert "signal" not in d.log, d.log
            worker.s.close()
            r = run([build.bin("hawser"), "run", "--server", d.endpoint, *probe, "vector"], env=build.env())
            assert r.returncode == 0, r

    def a_wrong_token_gets_nothing():
        port = free_port()
        with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
            broker = Peer(port)
            broker.send(hello())
            welcome = fields(broker.frame())[1]
            worker = Peer(worker_port(welcome))
            worker.send(block(2, number(1, 1) + block(3, b"x" * 32)))
            assert worker.closed()
            assert until(lambda: "token" in d.log, 5), d.log

    def a_stranger_at_a_workers_port_costs_the_session_nothing():
        port = free_port()
        with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
            session, _ = open_session(port)
            for message in ([block(2, number(1, 1) + block(3, b"x" * 32))], [b"\xff" * 40], [b"", b"", b""]):
                stranger = Peer(session.s.getpeername()[1])
                stranger.send(*message)
                assert stranger.closed(), message
            session.send(call(18, 1))
            assert 6 in fields(session.frame()), d.log
            assert len(d.workers()) == 1

    def another_protocol_is_refused_with_a_reason():
        port = free_port()
        with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
            broker = Peer(port)
            broker.send(hello(99, name=b"99.0"))
            reason = fields(fields(broker.frame())[2])[1].decode()
            assert "protocol" in reason and "99" in reason, reason
            assert d.workers() == []

    yield "hostile/bytes that are no message", ends_its_session([b"\xff" * 40], [os.urandom(500)])
    yield "hostile/a truncated message", ends_its_session([call(18, 1)[:-3]])
    yield "hostile/arguments that are none", ends_its_session([call(1, 1, b"\xff\xff\xff")])
    yield "hostile/announced frames that do not come", ends_its_session([call(5, 0, b"", 3)], [call(5, 0, b"", 1 << 31)])
    yield "hostile/senseless arguments are answered", nonsense_in_sane_messages_is_answered
    yield "hostile/a wrong token gets nothing", a_wrong_token_gets_nothing
    yield "hostile/a stranger at a worker's port", a_stranger_at_a_workers_port_costs_the_session_nothing
    yield "hostile/another protocol is refused with a reason", another_protocol_is_refused_with_a_reason
