"""Posts have a bound: a guest whose host takes nothing waits, as CUDA does when its queue is full."""

import os
import re
import signal
import struct
import tempfile

from harness import Daemon, free_port, start, until

CALLS = 8192      # that may be under way (server/worker/credits.c), and
MORE = 4096       # of the message that uses them up, at most
LAUNCHES = 20000


def memory(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) << 10


def asleep(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "S"


def tests(build):
    def a_stopped_worker_takes_a_bounded_number_of_launches(endpoint=None):
        with Daemon(build, endpoint) as d, tempfile.NamedTemporaryFile() as f:
            f.write(bytes(8))
            f.flush()

            def count():
                f.seek(0)
                return struct.unpack("q", f.read(8))[0]

            p = start([build.path("tests", "flood"), str(LAUNCHES)], env=build.preload_env(d.endpoint, FLOOD_COUNT=f.name))
            assert p.stdout.readline() == "ready\n"
            worker, before = d.workers()[0], memory(p.pid)
            os.kill(worker, signal.SIGSTOP)
            p.stdin.write("go\n")
            p.stdin.flush()
            try:
                # The main thread sleeps only when it waits for credits: it has nothing else to wait for.
                last = [-1]

                def stands():
                    was, last[0] = last[0], count()
                    return was == last[0] > 0 and asleep(p.pid)
                assert until(stands, 60), count()
                assert CALLS / 2 < count() < CALLS + MORE, count()
                most = (64 if build.sanitizer == "thread" else 8) << 20  # its shadows grow too
                assert memory(p.pid) - before < most, memory(p.pid) - before
            finally:
                os.kill(worker, signal.SIGCONT)
            out, err = p.communicate(timeout=120)
            assert p.returncode == 0 and out == "done\n" and count() == LAUNCHES, (p.returncode, out, err, count())

    yield "credits/a stopped worker takes a bounded number of launches, ipc", \
        a_stopped_worker_takes_a_bounded_number_of_launches
    yield "credits/a stopped worker takes a bounded number of launches, tcp", \
        lambda: a_stopped_worker_takes_a_bounded_number_of_launches(f"tcp://127.0.0.1:{free_port()}")
