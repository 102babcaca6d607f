"""The wire by hand: ZeroMQ's frames and protobuf's fields without either library, for tests that are no guest or no host."""

import re
import socket
import struct

MORE, LONG, COMMAND = 1, 2, 4  # flags of a ZMTP frame


# ---- protobuf

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


class Fixed(bytes):
    """A value of four or eight bytes."""


def parse(data):
    """[(field number, value)] of a packed message: an int of a varint, bytes of anything else."""
    out, at = [], 0

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
            out.append((key >> 3, read()))
            continue
        fixed = {1: 8, 5: 4}.get(key & 7)
        size = fixed or read()
        if at + size > len(data):
            raise ValueError("a truncated message")
        out.append((key >> 3, (Fixed if fixed else bytes)(data[at:at + size])))
        at += size
    return out


def packed(message):
    """What parse reads."""
    out = b""
    for field, value in message:
        if isinstance(value, int):
            out += number(field, value)
        elif isinstance(value, Fixed):
            out += varint(field << 3 | (1 if len(value) == 8 else 5)) + value
        else:
            out += block(field, value)
    return out


def fields(data):
    """{field number: last value} of a packed message."""
    return dict(parse(data))


def all_of(data, field):
    """Every value of a repeated field."""
    return [value for n, value in parse(data) if n == field]


def numbers_in(data):
    """The numbers of a packed repeated field."""
    out, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            out.append(value)
            value = shift = 0
    return out


# ---- ZMTP 3.0 without security

class Connection:
    def __init__(self, s, kind):
        self.s = s
        self.s.settimeout(10)
        self.s.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\x00NULL" + b"\0" * 48)
        self.exactly(64)
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind + b"\x08Identity\0\0\0\0"
        self.s.sendall(bytes([COMMAND, len(ready)]) + ready)
        self.one()

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def one(self):
        """(flags, bytes) of the next frame."""
        flags, size = self.exactly(2)
        if flags & LONG:
            size = struct.unpack(">Q", bytes([size]) + self.exactly(7))[0]
        return flags, self.exactly(size)

    def frame(self):
        return self.one()[1]

    def message(self):
        """All frames of the next message."""
        frames, more = [], True
        while more:
            flags, data = self.one()
            if not flags & COMMAND:
                frames.append(data)
            more = flags & MORE or not frames
        return frames

    def send(self, *frames):
        for i, f in enumerate(frames):
            more = MORE if i + 1 < len(frames) else 0
            self.s.sendall(bytes([more | LONG]) + struct.pack(">Q", len(f)) + f)

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

    def close(self):
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was quicker
        self.s.close()


class Peer(Connection):
    """A DEALER: what a guest is."""

    def __init__(self, port):
        super().__init__(socket.create_connection(("127.0.0.1", port)), b"DEALER")


class Listener:
    """A ROUTER for one peer at a time: what broker and worker are."""

    def __init__(self):
        self.s = socket.create_server(("127.0.0.1", 0))
        self.s.settimeout(20)
        self.port = self.s.getsockname()[1]

    def accept(self):
        return Connection(self.s.accept()[0], b"ROUTER")

    def close(self):
        self.s.close()


# ---- a session

def hello(major=1, minor=0, name=b"test"):
    return block(1, number(1, major) + number(2, minor) + block(3, name) + number(5, 1) + block(6, b"wire"))


def worker_port(welcome):
    return int(fields(welcome)[4].decode().rsplit(":", 1)[1])


def open_session(port, minor=0):
    """A session as a guest opens it: the connection to its worker, and Opened."""
    broker = Peer(port)
    broker.send(hello(minor=minor))
    welcome = fields(broker.frame())[1]
    worker = Peer(worker_port(welcome))
    worker.send(block(2, number(1, 1) + number(2, minor) + block(3, fields(welcome)[5])))
    answer = fields(worker.frame())
    assert 3 in answer, "no Opened"
    return worker, answer[3]


def call(function, seq=0, args=b"", frames=0, context=0):
    return block(3, number(1, function) + number(2, 1) + number(3, context) + number(4, seq) + block(5, args) +
                 number(6, frames))


def result(reply):
    """The CUresult of a Reply: zigzag, as sint32 is."""
    value = fields(reply).get(2, 0)
    return value >> 1 ^ -(value & 1)


# ---- what the numbers mean, from the committed lock files

def names(*locks):
    """function number -> name, and message name -> {field name: number}, retired ones included."""
    functions, messages, last = {}, {}, None
    for path in locks:
        with open(path) as f:
            for line in f:
                words = line.split("#")[0].split()
                if words[:1] == ["function"]:
                    functions[int(words[1])] = words[2]
                elif words[:1] == ["message"]:
                    last = messages.setdefault(words[1], {})
                elif words and re.fullmatch(r"\d+", words[0]):
                    last[words[-1]] = int(words[0])
    return functions, messages
