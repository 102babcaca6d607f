#!/usr/bin/env python3
"""The rooms keep to their walls: who may include whose headers, and that the software GPU is built without the wire.

    test_rooms.py
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# Each room, with the rooms whose headers its files may include; the lower rooms first.
ROOMS = {
    "base": (),
    "cuda-abi": (),
    "cuda-abi/front": ("cuda-abi",),
    "cuda-abi/nvml": ("cuda-abi",),
    "remoting": ("base",),
    "shim-gpu": ("base", "cuda-abi", "cuda-abi/front", "cuda-abi/nvml", "remoting"),
    "libintercept": (),
    "trace": ("base",),
    "softgpu/ptx": (),
    "softgpu/exec": ("softgpu/ptx",),
    "softgpu/driver": ("cuda-abi", "cuda-abi/front", "softgpu/exec", "softgpu/ptx"),
    "softgpu/nvml": ("cuda-abi/nvml", "softgpu/driver"),
    "server": (),
    "server/daemon": ("base", "cuda-abi", "remoting", "server"),
    "server/worker": ("base", "cuda-abi", "cuda-abi/nvml", "libintercept", "remoting", "server"),
    "cli": ("base", "libintercept", "remoting", "softgpu/ptx"),
}
# Folders of a room that are not rooms themselves belong to it.
DEEPEST = sorted(ROOMS, key=len, reverse=True)


def room_of(path):
    return next((r for r in DEEPEST if path.startswith(r + "/")), None)


def sources():
    for top in sorted({r.split("/")[0] for r in ROOMS}):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                if name.endswith((".c", ".h", ".S", ".def")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def included(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return re.findall(r'^\s*#\s*include\s+"([^"]+)"', f.read(), re.M)


def crossings(files, read):
    """(file, header, room of the header) for each include of another room's header; generated headers have no room."""
    homes = {}
    for path in files:
        if path.endswith((".h", ".def")):
            homes.setdefault(os.path.basename(path), set()).add(room_of(path))
    for path in files:
        for header in read(path):
            rooms = homes.get(os.path.basename(header), {room_of(path)})
            if room_of(path) not in rooms:
                yield path, header, sorted(rooms)[0]


class Rooms(unittest.TestCase):
    def test_a_room_includes_only_what_it_may(self):
        wrong = [f"{path} includes {header} of {room}" for path, header, room in crossings(list(sources()), included)
                 if room not in ROOMS[room_of(path)]]
        self.assertEqual(wrong, [])

    def test_what_a_room_may_include_it_does(self):
        used = {(room_of(path), room) for path, _, room in crossings(list(sources()), included)}
        self.assertEqual(sorted({(a, b) for a in ROOMS for b in ROOMS[a]} - used), [])

    def test_the_rooms_have_no_circles(self):
        order = list(ROOMS)
        self.assertEqual([(a, b) for a in ROOMS for b in ROOMS[a] if order.index(b) >= order.index(a)], [])

    def test_a_wrong_include_is_found(self):
        files = {"softgpu/exec/warp.c": ["ir.h", "lane.h"], "softgpu/ptx/ir.h": [], "remoting/lane.h": []}
        found = list(crossings(list(files), files.get))
        self.assertEqual(found, [("softgpu/exec/warp.c", "ir.h", "softgpu/ptx"),
                                 ("softgpu/exec/warp.c", "lane.h", "remoting")])
        self.assertEqual([f for f in found if f[2] not in ROOMS[room_of(f[0])]], [found[1]])

    def test_the_software_gpu_is_built_without_the_wire(self):
        with tempfile.TemporaryDirectory() as build:
            subprocess.run(["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DHAWSER_ROOMS=base;cuda-abi;softgpu"],
                           check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
                commands = [c["command"] for c in json.load(f)]
            folders = {i for c in commands for i in re.findall(r"-I(\S+)", c)}
            self.assertGreater(len(commands), 50)
            self.assertEqual([i for i in folders if re.search(r"/(remoting|server|shim-gpu)\b", i)], [])
            with open(os.path.join(build, "build.ninja"), encoding="utf-8") as f:
                self.assertEqual(re.findall(r"^.*(?:libzmq|protobuf-c|protoc-c).*$", f.read(), re.M), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
