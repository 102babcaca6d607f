"""Recorded sessions: recordings/NAME.txt.

One line a message, "broker" or "worker", ">" from the guest or "<" from the host, and its frames in hexadecimal. The line
before it tells people what it holds.
"""

import glob
import os

from wire import all_of, fields, names

HERE = os.path.dirname(os.path.abspath(__file__))
API = os.path.join(HERE, "..", "..", "remoting", "api")
FUNCTIONS, MESSAGES = names(os.path.join(API, "cuda.lock"), os.path.join(API, "nvml.lock"))
CALLS, REPLIES, PUSHES, HOST_CALLS = 3, 6, 4, 9  # fields of ToHost and ToGuest


def described(way, frames):
    f = fields(frames[0])
    if way == ">":
        told = ["Hello"] * (1 in f) + ["Open"] * (2 in f)
        for c in map(fields, all_of(frames[0], CALLS)):
            told.append(FUNCTIONS.get(c[1], str(c[1])) + (f" #{c[4]}" if c.get(4) else ""))
    else:
        told = [name for n, name in ((1, "Welcome"), (2, "Refused"), (3, "Opened"), (5, "output"), (7, "consumed"))
                if n in f]
        told += [f"push {fields(p).get(1, 'of changes')}" for p in all_of(frames[0], PUSHES)]
        told += [f"host function {fields(h).get(1)}" for h in all_of(frames[0], HOST_CALLS)]
        told += [f"answer #{fields(r).get(1)}" for r in all_of(frames[0], REPLIES)]
    return ", ".join(told)


class Recording:
    def __init__(self, name):
        self.name, self.messages = name, []  # (who, way, [frames])

    @property
    def path(self):
        return os.path.join(HERE, "recordings", self.name + ".txt")

    def add(self, who, way, frames):
        self.messages.append((who, way, list(frames)))

    def write(self):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "w") as f:
            f.write(f"# wire-session {self.name}, recorded by tests/wire/record\n")
            for who, way, frames in self.messages:
                f.write(f"\n# {described(way, frames)}\n{who} {way} {' '.join(x.hex() or '-' for x in frames)}\n")
        return f"{self.path}: {len(self.messages)} messages"

    @staticmethod
    def read(path):
        r = Recording(os.path.basename(path)[:-len(".txt")])
        with open(path) as f:
            for line in f:
                words = line.split("#")[0].split()
                if words:
                    r.add(words[0], words[1], [bytes.fromhex(w.replace("-", "")) for w in words[2:]])
        return r

    @staticmethod
    def all():
        return [Recording.read(p) for p in sorted(glob.glob(os.path.join(HERE, "recordings", "*.txt")))]
