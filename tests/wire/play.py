"""Plays one side of a recorded session against this release's other side.

What a process mints anew in each run is told apart from what the wire means: addresses and handles that come from the
host, ids that come from the guest. Both are replaced, one for one, wherever the recording mentions them.
"""

import struct
import threading

from recording import CALLS, FUNCTIONS, HOST_CALLS, MESSAGES, PUSHES, REPLIES
from wire import Listener, Peer, all_of, block, fields, number, packed, parse, result, worker_port

MINTED = 256        # ids, addresses and handles are larger; numbers that mean something by themselves are smaller
NEAR = 4096         # an address in an allocation
# What later guests ask for besides, which costs an earlier host nothing.
BESIDES = {("Load", "error_log")}
TIMED = {"cuEventElapsedTime_v2", "nvmlDeviceGetMemoryInfo"}                         # other in each run
MACHINE = {"Initialize", "Load", "SetAttribute", "GetKernel", "nvmlDeviceGetMaxPcieLinkGeneration"}  # the device's own affair


def field(function, name, reply=False):
    return MESSAGES[function + "Reply" if reply else function][name]


class Minted:
    """old value -> new value."""

    def __init__(self):
        self.new = {}

    def learn(self, old, new, what):
        if old < MINTED or new < MINTED:
            assert old == new, f"{what}: {new} instead of {old}"
        assert self.new.setdefault(old, new) == new, f"{what}: {new}, but before {self.new[old]} stood for {old}"

    def of(self, old):
        if old in self.new:
            return self.new[old]
        base = max((b for b in self.new if b > 1 << 32 and b <= old < b + NEAR), default=None)
        return old if base is None else self.new[base] + old - base

    def in_bytes(self, data):
        """Addresses in what travels as bytes: packed parameters, structures."""
        for old, new in self.new.items():
            if old > 1 << 32 and old != new:
                data = data.replace(struct.pack("<Q", old), struct.pack("<Q", new))
        return data

    def in_message(self, data):
        return packed([(n, self.of(v) if isinstance(v, int) else type(v)(self.in_bytes(v))) for n, v in parse(data)])


class Call:
    """One recorded call, and what the host sent for it."""

    def __init__(self, data, frames):
        f = fields(data)
        self.data, self.frames = data, frames
        self.number, self.seq, self.args = f[1], f.get(4, 0), f.get(5, b"")
        self.name = FUNCTIONS.get(self.number, str(self.number))
        self.before, self.reply, self.used = [], None, False  # (field of ToGuest, data, frames); Reply

    def arg(self, name):
        return fields(self.args).get(field(self.name, name), 0)


def calls_of(frames):
    out, at = [], 1
    for data in all_of(frames[0], CALLS):
        n = fields(data).get(6, 0)
        out.append(Call(data, frames[at:at + n]))
        at += n
    return out


def sent_by_host(frames):
    """[(field of ToGuest, data, bulk frame or None)], in the order in which a guest handles them."""
    bulk = iter(frames[1:])
    return ([(PUSHES, p, next(bulk)) for p in all_of(frames[0], PUSHES)] +
            [(HOST_CALLS, h, None) for h in all_of(frames[0], HOST_CALLS)] +
            [(REPLIES, r, None) for r in all_of(frames[0], REPLIES)])


def key(kind, data):
    f = fields(data)
    return (kind, f.get(5, 0) or f.get(1, 0), f.get(2, 0)) if kind == PUSHES else (kind, f.get(1, 0))


class Guest:
    """The recorded guest, with a host of this release."""

    def __init__(self, recording, port):
        self.recording, self.port = recording, port
        self.minted, self.turns, self.came, self.functions = Minted(), {}, {}, {}
        self.opened = None

    def play(self):
        for who, way, frames in self.recording.messages:
            (self.say if way == ">" else self.hear)(who, frames)
        self.worker.close()

    def say(self, who, frames):
        if who == "broker":
            self.broker = Peer(self.port)
            self.broker.send(*frames)
        elif 2 in fields(frames[0]):
            self.worker = Peer(worker_port(self.welcome))
            open_ = [(n, fields(self.welcome)[5] if n == 3 else v) for n, v in parse(fields(frames[0])[2])]
            self.worker.send(block(2, packed(open_)))
        else:
            self.worker.send(packed([(CALLS, self.renewed(c)) for c in calls_of(frames)]), *frames[1:])

    def renewed(self, call):
        self.functions[call.seq] = call.name
        args = packed([(field("HostDone", "turn"), self.turns[call.arg("turn")])]) if call.name == "HostDone" \
            else self.minted.in_message(call.args)
        return packed([(n, args if n == 5 else v) for n, v in parse(call.data)])

    def hear(self, who, frames):
        if who == "broker":
            answer = fields(self.broker.frame())
            assert 1 in answer, f"the host refuses: {answer}"
            self.welcome = answer[1]
            assert fields(self.welcome)[1] == fields(fields(frames[0])[1])[1], "another major version"
        elif 3 in fields(frames[0]):
            self.opened = fields(self.worker.frame())[3]
            told = 5 in fields(fields(frames[0])[3])  # the devices; later guests ask by the call Initialize
            assert len(all_of(self.opened, 5)) >= told, "no device"
        else:
            for kind, data, bulk in sent_by_host(frames):
                self.wait_for(kind, data, bulk)

    def wait_for(self, kind, data, bulk):
        k = key(kind, data)
        k = (k[0], self.minted.of(k[1]), *k[2:])
        while not self.came.get(k):
            for item in sent_by_host(self.worker.message()):
                self.came.setdefault(key(*item[:2]), []).append(item)
        _, new, new_bulk = self.came[k].pop(0)
        if kind == HOST_CALLS:
            self.turns[fields(data)[2]] = fields(new)[2]
        if kind == REPLIES:
            self.compare(self.functions[fields(data)[1]], data, new)
        elif kind == PUSHES:
            assert bulk == new_bulk, f"bytes of push {k}: {new_bulk.hex()} instead of {bulk.hex()}"

    def compare(self, name, old, new):
        assert result(old) == result(new), f"{name}: result {result(new)} instead of {result(old)}"
        had, has = fields(fields(old).get(3, b"")), fields(fields(new).get(3, b""))
        if name in TIMED | MACHINE:
            assert name in MACHINE or had.keys() == has.keys(), f"{name}: fields {has.keys()} instead of {had.keys()}"
            return
        for n, value in had.items():
            if isinstance(value, int):
                self.minted.learn(value, has.get(n, 0), f"{name}, field {n} of the reply")
            else:
                assert has.get(n) == value, f"{name}, field {n} of the reply: {has.get(n)} instead of {value}"


class Host:
    """The recorded host, for a guest of this release; opened may be another Opened than the recorded one."""

    def __init__(self, recording, opened=None):
        self.opened, self.minted = opened, Minted()
        self.calls, self.answered, self.unasked = [], 0, []
        self.front, self.back = Listener(), Listener()
        self.error = None
        self.read(recording)
        self.thread = threading.Thread(target=self.guarded, daemon=True)
        self.thread.start()

    @property
    def endpoint(self):
        return f"tcp://127.0.0.1:{self.front.port}"

    def read(self, recording):
        """What the host sent, given to the calls that it was sent for."""
        pending = []
        for who, way, frames in recording.messages:
            if who == "broker" and way == "<":
                self.welcome = fields(frames[0])[1]
            elif who == "worker" and way == ">":
                self.calls += calls_of(frames)
            elif who == "worker" and 3 in fields(frames[0]):
                self.opened = self.opened or fields(frames[0])[3]
            elif who == "worker":
                for item in sent_by_host(frames):
                    owner = self.owner(*item[:2])
                    if item[0] == REPLIES:
                        owner.before += pending
                        owner.reply, pending = item[1], []
                    elif owner:
                        owner.before.append(item)
                    else:
                        pending.append(item)

    def owner(self, kind, data):
        """The call that something was sent for; None: whichever is answered next."""
        f = fields(data)
        for c in self.calls:
            if (kind == REPLIES and c.seq == f[1]) or \
               (kind == PUSHES and c.name in ("CopyOut", "CopyOutLater") and c.arg("transfer") == f.get(1)) or \
               (kind == HOST_CALLS and c.name == "HostFunction" and c.arg("id") == f[1]):
                return c
        return None

    def guarded(self):
        try:
            self.serve()
        except (EOFError, ConnectionError):
            pass  # the guest has ended; the test looks at what is left
        except Exception as e:
            self.error = e
            for s in (self.front, self.back):
                s.close()

    def serve(self):
        guest = self.front.accept()
        hello = fields(fields(guest.frame())[1])
        assert hello[1] == 1, "another major version"
        guest.send(block(1, packed([(n, f"tcp://*:{self.back.port}".encode() if n == 4 else v)
                                    for n, v in parse(self.welcome)])))
        self.worker = self.back.accept()
        open_ = fields(fields(self.worker.frame())[2])
        assert open_[3] == fields(self.welcome)[5], "another token"
        self.worker.send(block(3, self.opened))
        self.worker.s.settimeout(60)
        queue, turns = [], 0
        try:
            while True:
                while not queue:
                    queue += calls_of(self.worker.message())
                call = queue.pop(0)
                if call.name == "HostDone":
                    turns -= 1
                    continue
                while call.seq and turns:  # the stream goes on when the guest's function has run
                    more = calls_of(self.worker.message())
                    turns -= sum(c.name == "HostDone" for c in more)
                    queue += [c for c in more if c.name != "HostDone"]
                turns += call.name == "HostFunction"
                self.answer(call)
        finally:
            self.worker.close()

    def recorded(self, call):
        same = [c for c in self.calls if c.number == call.number and not c.used]
        if not same:
            raise AssertionError(f"the guest calls {call.name}, which the recorded guest did not (any more)")
        found = next((c for c in same if self.alike(c, call)), None)
        if not found:
            raise AssertionError(f"{call.name}: {parse(call.args)} instead of {parse(same[0].args)}")
        return found

    def alike(self, old, new):
        besides = {field(name, f) for name, f in BESIDES if name == new.name}
        a, b = ([(n, v) for n, v in parse(args) if n not in besides] for args in (old.args, new.args))
        if [n for n, _ in a] != [n for n, _ in b] or [len(f) for f in old.frames] != [len(f) for f in new.frames]:
            return False
        before = dict(self.minted.new)
        try:
            for (n, x), (_, y) in zip(a, b):
                if isinstance(x, int):
                    self.minted.learn(x, y, "")
                elif self.minted.in_bytes(x) != y and not self.nested_alike(x, y):
                    raise AssertionError
        except AssertionError:
            self.minted.new = before
            return False
        return True

    def nested_alike(self, x, y):
        try:
            return self.minted.in_message(x) == y
        except (ValueError, IndexError):
            return False

    def answer(self, call):
        old = self.recorded(call)
        old.used = True
        for kind, data, bulk in old.before:
            f = parse(data)
            if kind == PUSHES and fields(data).get(5):
                f = [(n, self.minted.of(v) if n == 5 else v) for n, v in f]
            elif kind == PUSHES:
                f = [(n, call.arg("transfer") if n == 1 else v) for n, v in f]
            else:
                f = [(n, call.arg("id") if n == 1 else v) for n, v in f]
            self.worker.send(block(kind, packed(f)), *([bulk] if bulk is not None else []))
        if call.seq:
            out = self.minted.in_message(fields(old.reply).get(3, b""))
            reply = [(n, v) for n, v in parse(old.reply) if n == 2]
            self.worker.send(block(REPLIES, packed([(1, call.seq), *reply, (3, out)])))
        self.answered += 1
