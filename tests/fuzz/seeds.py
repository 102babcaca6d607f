#!/usr/bin/env python3
"""Writes the corpus that a fuzzer begins with: seeds.py NAME FOLDER. It is made from what other tests have: recorded
sessions, and the texts in ptx/."""

import glob
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "wire"))
from recording import Recording

CONFIGS = (b"server = ipc:///run/hawser.sock\n", b"# a comment\n\n server=tcp://[::1]:4600 # another\n",
           b"server = tcp://host:1\nserver = tcp://host:2\n", b"sever = x\n", b"server =\n", b"server ipc://a", b"x" * 1100)


def message(frames):
    """As input.h reads it."""
    return b"".join(struct.pack("<H", min(len(f), 0xffff)) + f[:0xffff] for f in frames)


def recorded(who):
    for r in Recording.all():
        yield from (message(frames) for sender, way, frames in r.messages if (sender, way) == (who, ">"))


def texts():
    for path in sorted(glob.glob(os.path.join(HERE, "ptx", "*.ptx"))):
        with open(path, "rb") as f:
            yield f.read()


def fatbin(*entries):
    """Entries: (kind, sm, flags, bytes stored, of how many)."""
    body = b""
    for kind, sm, flags, payload, uncompressed in entries:
        padded = payload + bytes(-len(payload) % 8)
        body += struct.pack("<HHIQI6xHI8xQ8xQ", kind, 0x101, 64, len(padded), len(payload) if uncompressed else 0, 9, sm,
                            flags, uncompressed) + padded
    return struct.pack("<IHHQ", 0xba55ed50, 1, 16, len(body)) + body


def fatbins():
    first, second = list(texts())[:2]
    plain, lz4, zstd = 0x11, 0x2011, 0x8011
    yield fatbin((1, 75, plain, first, 0))
    yield fatbin((1, 75, plain, first, 0), (1, 90, plain, second, 0), (2, 90, plain, b"\x7fELF" + bytes(100), 0))
    yield fatbin((1, 75, lz4, b"\x50text" + bytes(8), 13))
    yield fatbin((1, 75, zstd, b"\x28\xb5\x2f\xfd\x20\x04\x21\0\0text" + bytes(4), 4))
    yield first


SEEDS = {"config": lambda: CONFIGS, "ptx": texts, "fatbin": fatbins, "broker": lambda: recorded("broker"),
         "worker": lambda: recorded("worker")}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in SEEDS:
        sys.exit(f"{__doc__}\nNAME: {', '.join(SEEDS)}")
    os.makedirs(sys.argv[2], exist_ok=True)
    for i, seed in enumerate(SEEDS[sys.argv[1]]()):
        with open(os.path.join(sys.argv[2], f"seed-{i:03}"), "wb") as f:
            f.write(seed)


if __name__ == "__main__":
    main()
