#!/usr/bin/env python3
"""The API spec and its generator: what is wrong in the spec fails the build, and docs/coverage.md is current.

    HAWSER_BUILD=BUILD test_spec.py
"""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SPEC = os.path.join(ROOT, "remoting", "api", "cuda.spec")
CUDA = next((d for d in (os.environ.get("CUDA_HOME", "") + "/include", os.environ.get("CUDA_PATH", "") + "/include",
                         "/usr/local/cuda/include") if os.path.exists(os.path.join(d, "cuda.h"))), None)

sys.path[:0] = [os.path.join(ROOT, *d) for d in (("remoting", "gen"), ("tests",), ("tests", "e2e"))]
import registry
from harness import Skip
from spec import Spec as SpecReader

FOLDERS = []


def generate(spec_text, *more):
    """Runs the generator on a spec; (exit status, what it said, output folder)."""
    keep = tempfile.TemporaryDirectory(prefix="hawser-spec-")
    FOLDERS.append(keep)  # removed when the tests end
    folder = keep.name
    path = os.path.join(folder, "cuda.spec")
    with open(path, "w") as f:
        f.write(spec_text)
    run = subprocess.run([sys.executable, os.path.join(ROOT, "remoting", "gen", "generate.py"), "--spec", path,
                          "--cc", "cc", "--include", CUDA, "--out", folder, *more],
                         capture_output=True, text=True)
    return run.returncode, run.stderr, folder


class Spec(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(SPEC) as f:
            cls.spec = f.read()

    def refused(self, old, new, *expected):
        self.assertIn(old, self.spec)
        status, said, _ = generate(self.spec.replace(old, new, 1))
        self.assertNotEqual(status, 0, "the generator accepted it")
        for text in expected:
            self.assertIn(text, said)

    def test_the_spec_as_it_is_passes(self):
        status, said, _ = generate(self.spec)
        self.assertEqual(status, 0, said)

    def test_a_wrong_parameter_type_is_refused(self):
        self.refused("cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)",
                     "cuMemAlloc_v2(CUdeviceptr *dptr, unsigned int bytesize)", "cuMemAlloc_v2", "size_t")

    def test_a_missing_parameter_is_refused(self):
        self.refused("cuStreamCreate(CUstream *phStream, unsigned int Flags)", "cuStreamCreate(CUstream *phStream)",
                     "cuStreamCreate")

    def test_a_function_that_the_header_lacks_is_refused(self):
        self.refused("local cuInit(unsigned int Flags)", "local cuInit(unsigned int Flags)\nlocal cuNoSuch(int x)",
                     "cuNoSuch")

    def test_a_forgotten_function_is_refused(self):
        self.refused("local cuInit(unsigned int Flags)\n", "", "cuInit")

    def test_a_number_used_twice_is_refused(self):
        self.refused("call 102 cuCtxGetLimit", "call 101 cuCtxGetLimit", "101")

    def test_a_function_without_its_number_is_refused(self):
        self.refused("call 102 cuCtxGetLimit", "call cuCtxGetLimit", "number")

    def test_a_signature_that_slips_through_the_generator_fails_to_compile(self):
        """The compiler checks once more: the generated assertions hold the header's types against ours."""
        status, said, folder = generate(self.spec)
        self.assertEqual(status, 0, said)
        path = os.path.join(folder, "cuda_api.c")
        with open(path) as f:
            text = f.read()
        asserts = "\n".join(l for l in text.splitlines() if l.startswith("_Static_assert"))
        self.assertIn("cuMemAlloc_v2", asserts)

        def compiles(body):
            source = '#define __CUDA_API_VERSION_INTERNAL\n#include <cuda.h>\n#include <cudaProfiler.h>\n' + body
            return subprocess.run(["cc", "-fsyntax-only", f"-I{CUDA}", "-x", "c", "-"], input=source,
                                  capture_output=True, text=True).returncode == 0

        self.assertTrue(compiles(asserts))
        self.assertFalse(compiles(asserts.replace("CUdeviceptr *dptr, size_t bytesize",
                                                  "CUdeviceptr *dptr, unsigned int bytesize")))

    def test_coverage_pages_are_current(self):
        build = os.environ["HAWSER_BUILD"]
        pages = {"cuda": ("coverage.md", ["server/softgpu/driver"]),
                 "nvml": ("coverage-nvml.md", ["server/softgpu/nvml", "cuda-abi/CMakeFiles/nvml-room.dir"])}
        with tempfile.TemporaryDirectory() as folder:
            for api, (page, soft) in pages.items():
                fresh = os.path.join(folder, page)
                subprocess.run([sys.executable, os.path.join(ROOT, "remoting", "gen", "generate.py"), "--spec",
                                SPEC.replace("cuda.spec", api + ".spec"), "--cc", "cc", "--include", CUDA,
                                "--coverage", fresh, "--softgpu", *(os.path.join(build, d) for d in soft)], check=True)
                with open(fresh) as a, open(os.path.join(ROOT, "docs", page)) as b:
                    self.assertEqual(a.read(), b.read(), "run: ninja -C build coverage")

    def test_the_ptx_coverage_page_is_current(self):
        fresh = subprocess.run([os.path.join(os.environ["HAWSER_BUILD"], "server", "softgpu", "ptx", "ptx-coverage")],
                               capture_output=True, text=True, check=True).stdout
        with open(os.path.join(ROOT, "docs", "coverage-ptx.md")) as page:
            self.assertEqual(fresh, page.read(), "run: ninja -C build coverage")

    def test_nvml_is_as_its_header_says(self):
        """Signatures and sizes, by the nvml.h of CUDA 13.0 or what is in $NVML_INCLUDE."""
        try:
            folder = os.environ.get("NVML_INCLUDE") or \
                os.path.join(registry.python_package("nvidia-nvml-dev==13.0.87"), "nvidia", "cu13", "include")
        except Skip as e:
            self.skipTest(str(e))
        with open(os.path.join(folder, "nvml.h")) as f:
            header = f.read()
        spec = SpecReader(SPEC.replace("cuda.spec", "nvml.spec"))
        source = ["#define NVML_NO_UNVERSIONED_FUNC_DEFS", "#include <nvml.h>", "#include <stddef.h>"]
        source += [f"nvmlReturn_t {f.name}({f.signature});" for f in spec.functions.values()
                   if f"{f.name}(" in header]
        ours = os.path.join(ROOT, "cuda-abi", "nvml", "nvml_abi.h")
        types = [t for t in sorted(spec.structs) if t in header]
        print_sizes = "#include <stdio.h>\nint main(void) {" + "".join(
            f'printf("%zu {t}\\n", sizeof({t}));' for t in types) + "}\n"
        told = []
        for include in (f'#include "{ours}"\n', "#include <nvml.h>\n"):
            with tempfile.TemporaryDirectory() as d:
                out = os.path.join(d, "sizes")
                subprocess.run(["cc", f"-I{folder}", "-o", out, "-x", "c", "-"], input=include + print_sizes,
                               text=True, check=True)
                told.append(subprocess.run([out], capture_output=True, text=True, check=True).stdout)
        self.assertEqual(*told)
        r = subprocess.run(["cc", "-fsyntax-only", f"-I{folder}", "-x", "c", "-"], input="\n".join(source),
                           capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)


if __name__ == "__main__":
    if not CUDA:
        sys.exit("cuda.h not found")
    unittest.main()
