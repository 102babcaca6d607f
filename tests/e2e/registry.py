"""Packages that tests use as they are published, of the Python registry and of Debian's parts that are not on by default:
fetched once and kept, and named as skipped where they cannot be had. They lie in $HAWSER_TEST_PACKAGES, by default
~/.cache/hawser-tests."""

import fcntl
import glob
import os
import shutil
import subprocess
import sys

from harness import Skip, run

FOLDER = os.environ.get("HAWSER_TEST_PACKAGES") or os.path.expanduser("~/.cache/hawser-tests")


def once(folder, mark, fill):
    """A folder that has the file `mark` when it is whole. fill(path) makes it under another name, once, whoever asks at
    the same time: several runs of the tests share FOLDER."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(folder, mark)):
            new = folder + ".new"
            shutil.rmtree(new, ignore_errors=True)
            fill(new)
            open(os.path.join(new, mark), "w").close()
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(new, folder)
    return folder


def python_package(*names):
    """A folder for PYTHONPATH with these packages of the Python registry and what they need."""
    def fill(folder):
        try:
            r = run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--retries",
                     "1", "--timeout", "15", "--target", folder, *names], timeout=600)
        except subprocess.TimeoutExpired:
            raise Skip(f"{' '.join(names)} could not be installed within 600 s")
        if r.returncode:
            raise Skip(f"{' '.join(names)} cannot be installed: {r.stderr.strip().splitlines()[-1:]}")
    return once(os.path.join(FOLDER, "python-" + "-".join(n.replace("=", "") for n in names)), ".installed", fill)


def debian_archive():
    """Where this machine has Debian from, as in its own apt sources."""
    r = run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)"], timeout=60)
    found = [line.split()[1] for line in r.stdout.splitlines() if line.startswith("Debian ")]
    found = [uri for uri in found if not uri.rstrip("/").endswith("security")]
    if not found:
        raise Skip("apt knows no archive of Debian's")
    return found[0]


def debian_package(name, release="bookworm", part="non-free"):
    """A folder with a package's files, which is not installed; apt's own lists and sources stay as they are."""
    def fill(folder):
        sources = os.path.join(folder, "sources.list")
        options = [f"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=-", f"Dir::State::lists={folder}/lists",
                   f"Dir::Cache={folder}", "APT::Sandbox::User="]
        apt = ["apt-get", "-q"] + [a for o in options for a in ("-o", o)]
        archive = debian_archive()
        os.makedirs(os.path.join(folder, "lists", "partial"), exist_ok=True)
        with open(sources, "w") as f:
            f.write(f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {archive} {release} {part}\n")
        for command in ([*apt, "update"], [*apt, "download", name]):
            r = run(command, cwd=folder, timeout=120)
            if r.returncode:
                raise Skip(f"{name} of Debian's {part} cannot be had: {(r.stderr.strip().splitlines() or ['?'])[-1]}")
        for package in glob.glob(os.path.join(folder, name + "_*.deb")):
            subprocess.run(["dpkg", "-x", package, folder], check=True, timeout=120)
    try:
        return once(os.path.join(FOLDER, f"debian-{name}-{release}"), ".unpacked", fill)
    except (FileNotFoundError, subprocess.TimeoutExpired) as e:
        raise Skip(f"{name} of Debian's {part} cannot be had: {e}")
