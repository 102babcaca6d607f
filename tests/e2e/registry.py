"""Packages that tests use as they are published: fetched once and kept, and named as skipped where they cannot be
had. They lie in $HAWSER_TEST_PACKAGES, by default ~/.cache/hawser-tests."""

import os
import subprocess
import sys

from harness import Skip

FOLDER = os.environ.get("HAWSER_TEST_PACKAGES") or os.path.expanduser("~/.cache/hawser-tests")


def python_package(*names):
    """A folder for PYTHONPATH with these packages of the Python registry and what they need."""
    folder = os.path.join(FOLDER, "python-" + "-".join(n.replace("=", "") for n in names))
    done = os.path.join(folder, ".installed")
    if os.path.exists(done):
        return folder
    try:
        r = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input",
                            "--retries", "1", "--timeout", "15", "--target", folder, "--upgrade", *names],
                           capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise Skip(f"{' '.join(names)} could not be installed within 300 s")
    if r.returncode:
        raise Skip(f"{' '.join(names)} cannot be installed: {r.stderr.strip().splitlines()[-1:]}")
    open(done, "w").close()
    return folder
