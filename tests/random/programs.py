"""A program of a seed: made, compiled with nvcc to PTX alone, and run on a build's software GPU."""

import os
import subprocess
from random import Random

import carries
import conversions
import meetings
import tiles
import warps
from frame import program
from harness import Skip, run

# What a run of the tests tries, always the same.
SEEDS = [1, 2, 3, 4, 5, 6]

SECONDS = 100  # after which a program says what it is at, and ends

# family: (module, kernels a program, what their C needs before it)
FAMILIES = {
    "warps": (warps, 16, [meetings.PRELUDE]),
    "carries": (carries, 5, [carries.PRELUDE]),
    "conversions": (conversions, conversions.PARTS, [carries.PRELUDE, conversions.PRELUDE]),
    "tiles": (tiles, 3, [tiles.PRELUDE]),
}


class Program:
    """only: the kernels whose names begin so; a kernel is the same whichever stand beside it."""

    def __init__(self, build, seed, only=""):
        self.build, self.seed, self.only = build, seed, only
        folder = build.path("tests", "random")
        os.makedirs(folder, exist_ok=True)
        self.binary = os.path.join(folder, f"seed-{seed}{'-' if only else ''}{only}")
        self.source = self.binary + ".cu"

    def text(self):
        kernels, headers, preludes = [], [], {}
        for family, (module, count, needed) in FAMILIES.items():
            made = [module.kernel(Random(f"{self.seed} {family}_{k}"), f"{family}_{k}", k)
                    for k in range(count) if f"{family}_{k}".startswith(self.only)]
            if made:
                kernels += made
                headers += getattr(module, "HEADERS", [])
                preludes.update(dict.fromkeys(needed))
        if not kernels:
            raise ValueError(f"no kernel's name begins with {self.only}: they begin with {', '.join(FAMILIES)}")
        return program(self.seed, kernels, headers, "".join(preludes))

    def compile(self):
        if not self.build.nvcc:
            raise Skip("nvcc is missing")
        text = self.text()
        with open(self.source, "w") as f:
            f.write(text)
        r = run([self.build.nvcc, "-w", "-std=c++17", "-arch=compute_90", "-code=compute_90", "-o", self.binary,
                 self.source], timeout=600)
        if r.returncode:
            raise RuntimeError(f"nvcc does not take {self.source}:\n{r.stdout}{r.stderr}")

    def mismatches(self, command, env):
        """What it prints about words that are not what they should be; None if there is none."""
        try:
            r = run([*command, self.binary, str(SECONDS)], env=env, timeout=SECONDS + 60)
        except subprocess.TimeoutExpired:
            return "it did not end\n"
        if r.returncode == 0 and not r.stdout:
            return None
        lines = r.stdout.splitlines()[:60] + r.stderr.splitlines()[:20] + [
            f"exit status {r.returncode}: {self.source}",
            f"again: tests/random/run {self.build.folder} --seed {self.seed} --only {self.only or 'KERNEL'}"]
        return "\n".join(lines) + "\n"

    def results(self, through_hawser=False):
        """(way, mismatches or None). The source stays where something is wrong."""
        self.compile()
        found = [("software GPU directly", self.mismatches([], self.build.soft_env()))]
        if through_hawser:
            command = [self.build.bin("hawser"), "run", "--device", "soft"]
            found.append(("through hawser", self.mismatches(command, self.build.env())))
        os.remove(self.binary)
        if not any(why for _, why in found):
            os.remove(self.source)
        return found
