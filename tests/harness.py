"""What the end-to-end tests share: where things are, running programs, daemons, and counting."""

import os
import random
import socket
import re
import shutil
import signal
import subprocess
import tempfile
import time


# What a program under test prints may be anything.
TEXT = {"encoding": "utf-8", "errors": "replace"}


class Skip(Exception):
    """A test that cannot run here; the text says why."""


class Build:
    """A build folder and how to run programs against it."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.source = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
        cache = open(os.path.join(self.folder, "CMakeCache.txt")).read()
        self.sanitized = re.search(r"^HAWSER_SANITIZE:BOOL=ON", cache, re.M) is not None
        nvcc = re.search(r"^NVCC:FILEPATH=(/.*)", cache, re.M)
        self.nvcc = nvcc and nvcc.group(1)
        self.asan = None
        if self.sanitized:
            self.asan = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True,
                                       **TEXT).stdout.strip()

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def bin(self, name):
        return self.path("bin", name)

    def program(self, name):
        for folder in ("examples", "tests"):
            p = self.path(folder, name)
            if os.path.exists(p):
                return p
        raise Skip(f"{name} was not built" + ("" if shutil.which("nvcc") else ": nvcc is missing"))

    def env(self, preload=(), **more):
        """The environment for a program that loads our libraries without hawser run."""
        env = {k: v for k, v in os.environ.items()
               if not k.startswith("HAWSER_") and k not in ("LD_PRELOAD", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
                                                             "NVIDIA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING")}
        env["HAWSER_CONFIG"] = "/dev/null"
        preload = list(preload)
        if self.asan:
            env["ASAN_OPTIONS"] = "detect_leaks=0:verify_asan_link_order=0"
            if preload or "LD_LIBRARY_PATH" in more:
                preload.insert(0, self.asan)
        if preload:
            env["LD_PRELOAD"] = ":".join(preload)
        env.update(more)
        return env

    def soft_env(self, **more):
        """The software GPU without any server."""
        return self.env(LD_LIBRARY_PATH=self.path("lib", "softgpu"), **more)

    def preload_env(self, endpoint, **more):
        """The plain way: LD_PRELOAD and HAWSER_SERVER."""
        return self.env(preload=[self.path("lib", "libhawser-preload.so")], HAWSER_SERVER=endpoint, **more)


def run(args, env=None, timeout=120, stdin="", **more):
    return subprocess.run(args, env=env, timeout=timeout, input=stdin, capture_output=True, **TEXT, **more)


def start(args, env):
    """A program that goes on, with pipes; what it says on stderr belongs to no one."""
    return subprocess.Popen(args, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            **TEXT)


class Daemon:
    """A hawserd for tests; a context manager. log is what it wrote to stderr, once it has ended."""

    def __init__(self, build, endpoint=None, device="soft", options=(), log_level="info", env={}):
        self.folder = tempfile.mkdtemp(prefix="hawser-test-")
        self.endpoint = endpoint or f"ipc://{self.folder}/hawser.sock"
        self.log_path = os.path.join(self.folder, "log")
        ready, write = os.pipe()
        os.set_inheritable(write, True)
        self.process = subprocess.Popen(
            [build.bin("hawserd"), "--listen", self.endpoint, "--device", device, "--ready-fd", str(write),
             *options], env=build.env(HAWSER_LOG=log_level, **env), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=open(self.log_path, "w"), pass_fds=[write])
        os.close(write)
        with os.fdopen(ready) as f:
            line = f.read()
        if not line.startswith("ready"):
            self.process.wait()
            raise RuntimeError(f"hawserd did not start: {self.log}")

    @property
    def log(self):
        with open(self.log_path, **TEXT) as f:
            return f.read()

    def workers(self):
        """Process ids of its workers."""
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True,
                             **TEXT).stdout
        return [int(p) for p in out.split()]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def until(condition, seconds):
    """True as soon as the condition holds, False when it did not within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def free_port():
    """Of those that the kernel gives to nobody by itself, so that none is taken between now and its use."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass