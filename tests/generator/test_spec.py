#!/usr/bin/env python3
"""The API spec and its generator: what is wrong in the spec fails the build, a released number of the wire keeps its
meaning, and docs/coverage.md is current.

    HAWSER_BUILD=BUILD test_spec.py
"""

import difflib
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SPEC = os.path.join(ROOT, "remoting", "api", "cuda.spec")
LOCK = SPEC.replace(".spec", ".lock")
GENERATOR = os.path.join(ROOT, "remoting", "gen", "generate.py")
CUDA = next((d for d in (os.environ.get("CUDA_HOME", "") + "/include", os.environ.get("CUDA_PATH", "") + "/include",
                         "/usr/local/cuda/include") if os.path.exists(os.path.join(d, "cuda.h"))), None)

sys.path[:0] = [os.path.join(ROOT, *d) for d in (("remoting", "gen"), ("tests",), ("tests", "e2e"))]
import registry
from harness import Skip
from spec import Spec as SpecReader

FOLDERS = []


def read(path):
    with open(path) as f:
        return f.read()


def new_folder():
    keep = tempfile.TemporaryDirectory(prefix="hawser-spec-")
    FOLDERS.append(keep)  # removed when the tests end
    return keep.name


def generate(spec_text, *more):
    """Runs the generator on a spec with the committed lock file; (exit status, what it said, output folder)."""
    folder = new_folder()
    path = os.path.join(folder, "cuda.spec")
    shutil.copy(LOCK, folder)
    with open(path, "w") as f:
        f.write(spec_text)
    run = subprocess.run([sys.executable, GENERATOR, "--spec", path, "--cc", "cc", "--include", CUDA, "--out", folder,
                          *more], capture_output=True, text=True)
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

    def test_what_is_said_of_a_field_must_make_sense(self):
        self.refused("    stream in stream orders\n    transfer u64", "    stream in stream order\n    transfer u64", "order")
        self.refused("    pool in pool\n", "    pool in pond\n", "pond")
        self.refused("    stream in stream orders\n    transfer u64", "    stream in stream\n    transfer u64", "CopyOut",
                     "orders")
        self.refused("wire call 18 PoolDefault", "wire call 18 PoolAttribute", "PoolAttribute stands twice")

    def test_what_is_said_of_a_parameter_must_make_sense(self):
        self.refused("hArray:gone", "hArray:vanished", "vanished")
        self.refused("hArray:gone", "hMipmap:gone", "hMipmap")

    def test_memory_that_is_in_no_account_is_refused(self):
        said = "say which memory it is (physical, plain, pooled, reserved)"
        self.refused(" dptr:plain\n", "\n", "cuMemAlloc_v2 hands out dptr", said)
        self.refused(" pdptr:told\n", "\n", "hands out pdptr", said)
        self.refused("size:takes handle:physical", "size:takes", "cuMemCreate hands out handle", said)
        self.refused("account cuMemAllocPitch_v2 cuArrayCreate_v2", "account cuMemAllocPitch_v2", "cuArrayCreate_v2 hands out",
                     said)
        self.refused("handle CUarray      array holds", "handle CUarray      array keeps", "keeps")

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
        pages = {"cuda": ("coverage.md", ["softgpu/driver", "cuda-abi/CMakeFiles/cuda-front.dir"]),
                 "nvml": ("coverage-nvml.md", ["softgpu/nvml", "cuda-abi/CMakeFiles/nvml-room.dir"])}
        with tempfile.TemporaryDirectory() as folder:
            for api, (page, soft) in pages.items():
                fresh = os.path.join(folder, page)
                subprocess.run([sys.executable, os.path.join(ROOT, "remoting", "gen", "generate.py"), "--spec",
                                SPEC.replace("cuda.spec", api + ".spec"), "--cc", "cc", "--include", CUDA,
                                "--coverage", fresh, "--softgpu", *(os.path.join(build, d) for d in soft)], check=True)
                with open(fresh) as a, open(os.path.join(ROOT, "docs", page)) as b:
                    self.assertEqual(a.read(), b.read(), "run: ninja -C build coverage")

    def test_the_ptx_coverage_page_is_current(self):
        fresh = subprocess.run([os.path.join(os.environ["HAWSER_BUILD"], "softgpu", "ptx", "ptx-coverage")],
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


class Output(unittest.TestCase):
    """small/ has specs with one of everything; expected/ what comes of them, to be looked at where it changes."""

    def test_the_small_specs_give_what_is_expected(self):
        small = os.path.join(HERE, "small")
        expected = os.path.join(small, "expected")
        folder = new_folder()
        for api in ("cuda", "nvml"):
            command = [sys.executable, GENERATOR, "--spec", os.path.join(small, api + ".spec"), "--include", small, "--out"]
            for apart in [], ["--apart"]:
                r = subprocess.run([*command, folder, *apart], capture_output=True, text=True)
                self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(sorted(os.listdir(folder)), sorted(os.listdir(expected)))
        for name in sorted(os.listdir(folder)):
            fresh, committed = (read(os.path.join(d, name)).splitlines() for d in (folder, expected))
            difference = "\n".join(difflib.unified_diff(committed, fresh, f"expected/{name}", "now", lineterm=""))
            self.assertEqual(difference, "", f"if this is meant, for each spec, and with --apart: {' '.join(command)} {expected}")


class Wire(unittest.TestCase):
    """Lock files: what was released keeps its number, its type and its name."""

    SPEC_TEXT = """api cuda 13000
handle CUstream stream
wire post 17 Launch
    function u64
    grid repeated u64
    cooperative bool
wire call 18 Query
    -> value u64
"""

    def setUp(self):
        self.folder = new_folder()
        self.spec = os.path.join(self.folder, "cuda.spec")
        self.lock_path = os.path.join(self.folder, "cuda.lock")
        self.lock(self.SPEC_TEXT)

    def run_on(self, text, *more):
        with open(self.spec, "w") as f:
            f.write(text)
        return subprocess.run([sys.executable, GENERATOR, "--spec", self.spec, *more], capture_output=True, text=True)

    def lock(self, text):
        r = self.run_on(text, "--lock")
        self.assertEqual(r.returncode, 0, r.stderr)
        return read(self.lock_path)

    def refused_for_ever(self, text, *expected):
        before = read(self.lock_path)
        for more in ((), ("--lock",)):
            r = self.run_on(text, *more)
            self.assertNotEqual(r.returncode, 0, "accepted")
            for e in expected:
                self.assertIn(e, r.stderr)
        self.assertEqual(read(self.lock_path), before)

    def refused_until_locked(self, text, *expected):
        r = self.run_on(text)
        self.assertNotEqual(r.returncode, 0, "accepted without --lock")
        for e in (*expected, "wire-lock", "docs/adding-a-function.md"):
            self.assertIn(e, r.stderr)
        return self.lock(text)

    def test_a_field_between_others_gets_a_new_number_and_they_keep_theirs(self):
        text = self.SPEC_TEXT.replace("    grid", "    flags u64\n    grid")
        lock = self.refused_until_locked(text, "new: Launch.flags")
        for line in ("1 uint64 function", "2 repeated uint64 grid", "3 bool cooperative", "4 uint64 flags"):
            self.assertIn(f"    {line}\n", lock)

    def test_a_released_field_keeps_type_and_label(self):
        self.refused_for_ever(self.SPEC_TEXT.replace("cooperative bool", "cooperative u64"), "Launch.cooperative", "bool")
        self.refused_for_ever(self.SPEC_TEXT.replace("grid repeated u64", "grid u64"), "Launch.grid", "repeated")

    def test_a_removed_field_stays_reserved(self):
        without = self.SPEC_TEXT.replace("    cooperative bool\n", "")
        self.assertIn("    3 retired bool cooperative\n",
                      self.refused_until_locked(without, "stay reserved for ever: Launch.cooperative"))
        self.refused_for_ever(self.SPEC_TEXT, "Launch.cooperative was retired")
        lock = self.lock(without.replace("    grid", "    flags u64\n    grid"))
        self.assertIn("    4 uint64 flags\n", lock)

    def test_the_proto_reserves_what_was_retired(self):
        text = read(SPEC)
        status, said, folder = generate(text)
        self.assertEqual(status, 0, said)
        proto = read(os.path.join(folder, "cuda.proto"))
        self.assertIn('reserved 3;\n    reserved "current";', proto.split("message PoolDefault {")[1].split("}")[0])

    def test_a_function_keeps_its_number(self):
        self.refused_for_ever(self.SPEC_TEXT.replace("call 18", "call 19"), "Query", "18")
        self.refused_for_ever(self.SPEC_TEXT.replace("18 Query", "18 Other"), "Query's for ever", "free are 1-16 19-999")

    def test_the_number_of_a_removed_function_stays_reserved(self):
        without = self.SPEC_TEXT[:self.SPEC_TEXT.index("wire call 18")]
        lock = self.refused_until_locked(without, "function 18 Query", "message QueryReply")
        self.assertIn("function 18 Query retired\n", lock)
        self.refused_for_ever(self.SPEC_TEXT.replace("18 Query", "18 Other"), "Query's for ever")
        self.refused_for_ever(self.SPEC_TEXT.replace("18 Query", "19 Query"), "Query")

    def test_the_free_numbers_stand_in_the_lock_file(self):
        self.assertIn("# Free function numbers: 1-16 19-999\n", read(self.lock_path))

    def test_a_lock_file_changed_by_hand_is_refused(self):
        text = read(self.lock_path).replace("17 Launch", "16 Launch")
        with open(self.lock_path, "w") as f:
            f.write(text)
        self.refused_for_ever(self.SPEC_TEXT, "Launch was released with the number 16")

    def test_the_envelope_keeps_its_numbers(self):
        path = os.path.join(self.folder, "wire.proto")
        original = read(os.path.join(ROOT, "remoting", "wire.proto"))
        shutil.copy(os.path.join(ROOT, "remoting", "wire.lock"), self.folder)

        def run_on(text, *more):
            with open(path, "w") as f:
                f.write(text)
            return subprocess.run([sys.executable, GENERATOR, "--proto", path, *more], capture_output=True, text=True)

        self.assertEqual(run_on(original).returncode, 0)
        for old, new, expected in (("uint32 pid = 5;", "uint32 pid = 9;", "Hello.pid was released with the number 5"),
                                   ("uint32 pid = 5;", "uint32 pid = 5; \n    bool more = 5;", "5 is Hello.pid's"),
                                   ("uint32 pid = 5;", "uint64 pid = 5;", "Hello.pid was released as uint32"),
                                   ("bytes out = 3;", "bytes out = 3;\n    uint32 n = 4;", "4 is Reply.frames's")):
            r = run_on(original.replace(old, new), "--lock")
            self.assertNotEqual(r.returncode, 0, new)
            self.assertIn(expected, r.stderr)
        r = run_on(original.replace("uint32 pid = 5;", "uint32 pid = 5;\n    bool more = 8;"))
        self.assertIn("new: Hello.more", r.stderr)


if __name__ == "__main__":
    if not CUDA:
        sys.exit("cuda.h not found")
    unittest.main()
