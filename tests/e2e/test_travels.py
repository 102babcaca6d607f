"""docs/how-a-call-travels.md names every file that a launch and a synchronization pass: a debugger looks."""

import os
import re
import shutil
import subprocess
import tempfile

from harness import TEXT, Daemon, Skip, start, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Where the deepest frames of a call's way are; what called them is on the stack.
PLACES = {"guest": ["hawser_session_post", "hawser_session_call", "session.c:take_in", "lane_zmq.c:port_send", "lane_zmq.c:port_take"],
          "worker": ["lane_zmq.c:port_take", "lane_zmq.c:port_send", "module.c:serve_Launch",
                     "kernel.c:hawser_front_launch", "stream.c:hawser_direct_cuStreamSynchronize", "credits.c:credits_come"]}
# Files that must be among those seen, or the debugger saw too little.
SEEN = {"cuda-abi/front/launch.c", "shim-gpu/launch.c", "shim-gpu/link.c", "remoting/session.c", "remoting/lane.c",
        "remoting/lane_zmq.c", "server/worker/worker.c", "server/worker/module.c", "server/worker/send.c",
        "server/worker/waiters.c", "cuda_guest.c", "cuda_host.c"}
# The device's side of the driver's table is one room, and the program is no part of ours.
NOT_NAMED = ("softgpu/", "tests/")

SCRIPT = """
import gdb
files = set()
class Place(gdb.Breakpoint):
    def stop(self):
        frame = gdb.newest_frame()
        while frame:
            sal = frame.find_sal()
            if sal.symtab: files.add(sal.symtab.fullname())
            frame = frame.older()
        return False
gdb.execute("set pagination off")
gdb.execute("set breakpoint pending on")
for place in %r: Place(place)
gdb.execute("handle all nostop noprint pass")
gdb.execute("handle SIGTRAP SIGINT stop")
open(%r, "w").close()
try:
    gdb.execute("continue")
except gdb.error as e:
    print(e)
for f in sorted(files): print("FILE", f)
"""


def tests(build):
    def watch(pid, who, folder):
        script = os.path.join(folder, who + ".py")
        with open(script, "w") as f:
            f.write(SCRIPT % (PLACES[who], os.path.join(folder, who + " is watched")))
        return subprocess.Popen(["gdb", "-nx", "-batch", "-p", str(pid), "-x", script], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **TEXT)

    def passed(gdb):
        out, _ = gdb.communicate(timeout=120)
        files = set()
        for path in re.findall(r"^FILE (.+)$", out, re.M):
            if path.startswith(os.path.join(build.folder, "")):
                files.add(os.path.basename(path))
            elif path.startswith(os.path.join(ROOT, "")):
                files.add(os.path.relpath(path, ROOT))
        return {f for f in files if f.endswith(".c") and not f.startswith(NOT_NAMED)}, out

    def the_page_names_every_file_that_a_call_passes():
        if not build.sanitized:
            raise Skip("the release build has no debugging information; the debug build is looked at")
        if not shutil.which("gdb"):
            raise Skip("gdb is not installed (scripts/install-third-party)")
        with Daemon(build) as d, tempfile.NamedTemporaryFile() as count, tempfile.TemporaryDirectory() as folder:
            count.write(bytes(8))
            count.flush()
            p = start([build.path("tests", "flood"), "1"], env=build.preload_env(d.endpoint, FLOOD_COUNT=count.name))
            assert p.stdout.readline() == "ready\n"
            gdbs = [watch(d.workers()[0], "worker", folder), watch(p.pid, "guest", folder)]
            assert until(lambda: all(os.path.exists(os.path.join(folder, who + " is watched")) for who in PLACES), 60)
            p.stdin.write("go\n")
            p.stdin.flush()
            seen = [passed(g) for g in gdbs]
            p.communicate(timeout=60)
        files = seen[0][0] | seen[1][0]
        assert SEEN <= files, (SEEN - files, seen[0][1][-2000:], seen[1][1][-2000:])
        with open(os.path.join(ROOT, "docs", "how-a-call-travels.md"), encoding="utf-8") as f:
            page = f.read()
        missing = sorted(f for f in files if f not in page)
        assert not missing, f"docs/how-a-call-travels.md does not name {', '.join(missing)}"

    yield "docs/how a call travels names every file that it passes", the_page_names_every_file_that_a_call_passes
