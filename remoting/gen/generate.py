#!/usr/bin/env python3
"""Writes from an API spec what both ends of the wire need.

    generate.py --spec api/cuda.spec --cc CC --include DIR --out DIR [--coverage FILE --softgpu DIR...]
    generate.py --spec api/cuda.spec --lock
    generate.py --proto wire.proto [--lock]

Into --out (emit.py): API.proto, API_api.h and API_api.c (both ends), API_guest.c and API_hooks.h (the guest's functions),
API_host.c (the host's), and what the API has of its own (profile.py). With --coverage only the coverage page is
written. The numbers are those of the lock file beside the spec or the proto (lock.py), which refuses what would change
one; --lock brings it up to date.
"""

import argparse
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "cuda-abi")]

import coverage
import emit
from lock import Field, Lock
from profiles import PROFILES
from spec import Spec, SpecError


# ---- the released numbers

def proto_messages(path):
    """{name: [Field]} of a .proto file of plain messages."""
    messages = {}
    for line in open(path):
        text = line.split("//")[0]
        if m := re.match(r"message (\w+) \{", text):
            last = messages.setdefault(m.group(1), [])
        elif m := re.match(r"\s+(repeated )?(\w+) (\w+) = (\d+);", text):
            last.append(Field(m.group(3), m.group(2), bool(m.group(1)), int(m.group(4))))
    return messages


def locked(path, functions, messages, update, numbers=(0, 0)):
    """The lock file beside a spec or proto, which must say the same; with update it is made to, where it may."""
    source = os.path.basename(path)
    lock = Lock(os.path.splitext(path)[0] + ".lock", numbers)
    wrong, new, gone = lock.check(functions, messages)
    if wrong:
        raise SpecError(f"{path}: a released number of the wire would change its meaning ({lock.name}):\n  "
                        + "\n  ".join(wrong))
    before = open(lock.path).read() if os.path.exists(lock.path) else ""
    lock.update(functions, messages)
    if update:
        write(lock.path, lock.text(source))
    elif lock.text(source) != before:
        told = [f"new: {x}" for x in new] + [f"gone, to stay reserved for ever: {x}" for x in gone]
        raise SpecError(f"{path}: {lock.name} does not say the same:\n  " + "\n  ".join(told or ["its text differs"])
                        + f"\nIf that is meant, run: ninja -C BUILD wire-lock, look at what it changes in {lock.name}, and "
                        "commit it (docs/adding-a-function.md).")
    return lock


def write(path, text):
    """Leaves an unchanged file alone, so that nothing is compiled again for it."""
    if os.path.exists(path) and open(path).read() == text:
        return
    with open(path, "w") as f:
        f.write(text)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--spec")
    ap.add_argument("--proto")
    ap.add_argument("--lock", action="store_true", help="bring the lock file up to date")
    ap.add_argument("--apart", action="store_true", help="write only what needs nothing of the wire")
    ap.add_argument("--cc", default="cc")
    ap.add_argument("--include")
    ap.add_argument("--out")
    ap.add_argument("--coverage")
    ap.add_argument("--softgpu", nargs="+", help="build folders with the software GPU's objects")
    args = ap.parse_args()
    try:
        if args.proto:
            locked(args.proto, {}, proto_messages(args.proto), args.lock)
            return
        spec = Spec(args.spec)
        p = PROFILES[spec.api].of(spec, args.cc, args.include)
        lock = locked(args.spec, emit.numbers_of(p), emit.messages_of(p), args.lock, p.numbers)
        if args.coverage:
            write(args.coverage, coverage.PAGES[p.api](p.spec, args.softgpu))
        if args.out:
            os.makedirs(args.out, exist_ok=True)
            for name, text in (p.more() if args.apart else emit.files(p, lock)).items():
                write(os.path.join(args.out, name), text)
    except SpecError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
