"""A guest that speaks ZeroMQ and the protocol, and then sends what no guest would: its session alone ends."""

import os
import random
import re
import socket
import struct

from harness import Daemon, free_port, run, until


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def fields(data):
    """{field number: last value} of a packed message."""
    out, at = {}, 0

    def read():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = read()
        if key & 7 == 0:
            out[key >> 3] = read()
        else:
            size = read()
            out[key >> 3] = data[at:at + size]
            at += size
    return out


class Peer:
    """A DEALER by hand: ZMTP 3.0 without security."""

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port))
        self.s.settimeout(10)
        self.s.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\x00NULL" + b"\0" * 48)
        self.exactly(64)
        ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
        self.s.sendall(b"\x04" + bytes([len(ready)]) + ready)
        self.frame()

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def frame(self):
        flags, size = self.exactly(2)
        if flags & 2:
            size = struct.unpack(">Q", bytes([size]) + self.exactly(7))[0]
        return self.exactly(size)

    def send(self, *frames):
        for i, f in enumerate(frames):
            more = 1 if i + 1 < len(frames) else 0
            self.s.sendall(bytes([more | 2]) + struct.pack(">Q", len(f)) + f)

    def closed(self):
        """Whether the other side closes within the time limit; what it still says is read."""
        try:
            while self.s.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False


HELLO = block(1, number(1, 1) + block(3, b"test") + number(5, 1) + block(6, b"hostile"))


def open_session(port):
    """A session as a guest opens it: the connection to its worker."""
    broker = Peer(port)
    broker.send(HELLO)
    welcome = fields(fields(broker.frame())[1])
    worker = Peer(int(welcome[4].decode().rsplit(":", 1)[1]))
    worker.send(block(2, number(1, 1) + block(3, welcome[5])))
    opened = fields(worker.frame())
    assert 3 in opened, "no Opened"
    assert 5 in fields(opened[3]), "no device, which a guest of this age is told of at the opening"
    return worker


def call(function, seq=0, args=b"", frames=0):
    return block(3, number(1, function) + number(2, 1) + number(4, seq) + block(5, args) + number(6, frames))


def tests(build):
    probe = [build.path("tests", "cuda-probe"), "libcuda.so.1"]

    def ends_its_session(*messages):
        def go():
            port = free_port()
            with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
                for message in messages:
                    worker = open_session(port)
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
            worker = open_session(port)
            dice = random.Random(7)
            with open(os.path.join(build.source, "remoting", "api", "cuda.spec")) as f:
                spec = f.read()
            structs = set(" ".join(re.findall(r"^struct (.*)", spec, re.M)).split())
            # Only those whose arguments are numbers: bytes in the place of a number are a broken message.
            generated = [int(n) for n, params in re.findall(r"^(?:post|call)\b.*? (\d+) cu\w+\((.*)$", spec, re.M)
                         if not {"[", "char", "float"} & set(re.findall(r"\[|char|float", params))
                         and not structs & set(re.findall(r"\w+", params))]
            assert len(generated) > 20
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
            broker.send(HELLO)
            welcome = fields(fields(broker.frame())[1])
            worker = Peer(int(welcome[4].decode().rsplit(":", 1)[1]))
            worker.send(block(2, number(1, 1) + block(3, b"x" * 32)))
            assert worker.closed()
            assert "token" in d.log, d.log

    def a_stranger_at_a_workers_port_costs_the_session_nothing():
        port = free_port()
        with Daemon(build, f"tcp://127.0.0.1:{port}") as d:
            session = open_session(port)
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
            broker.send(block(1, number(1, 99) + block(3, b"99.0")))
            reason = fields(fields(broker.frame())[2])[1].decode()
            assert "protocol" in reason and "99" in reason, reason
            assert d.workers() == []

    yield "hostile/bytes that are no message", ends_its_session([b"\xff" * 40], [os.urandom(500)])
    yield "hostile/a truncated message", ends_its_session([call(18, 1)[:-3]])
    yield "hostile/an unknown function", ends_its_session([call(4000, 1)], [call(99, 1)])
    yield "hostile/arguments that are none", ends_its_session([call(1, 1, b"\xff\xff\xff")])
    yield "hostile/announced frames that do not come", ends_its_session([call(5, 0, b"", 3)], [call(5, 0, b"", 1 << 31)])
    yield "hostile/senseless arguments are answered", nonsense_in_sane_messages_is_answered
    yield "hostile/a wrong token gets nothing", a_wrong_token_gets_nothing
    yield "hostile/a stranger at a worker's port", a_stranger_at_a_workers_port_costs_the_session_nothing
    yield "hostile/another protocol is refused with a reason", another_protocol_is_refused_with_a_reason
