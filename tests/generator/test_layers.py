#!/usr/bin/env python3
"""The list of layers and its generator: what is wrong in a list is refused, and a function asks its layers in their order.

    test_layers.py
"""

import os
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
LIST = os.path.join(ROOT, "cuda-abi", "layers.list")
CUDA = next((d for d in (os.environ.get("CUDA_HOME", "") + "/include", os.environ.get("CUDA_PATH", "") + "/include",
                         "/usr/local/cuda/include") if os.path.exists(os.path.join(d, "cuda.h"))), None)

sys.path.insert(0, os.path.join(ROOT, "cuda-abi"))
import cuda_header
import gen_layers
from cuda_header import Function

FUNCTIONS = {f.name: f for f in (Function("cuStop", []),
                                 Function("cuWait", [("CUstream", "s")]),
                                 Function("cuFill", [("CUdeviceptr", "p"), ("size_t", "n"), ("CUstream", "s")]),
                                 Function("cuOld", [("CUstream", "s")]))}
NEWEST = {"cuStop", "cuWait", "cuFill"}


def layers(text):
    with tempfile.NamedTemporaryFile("w", suffix=".list") as f:
        f.write(text)
        f.flush()
        return gen_layers.read(f.name)


def rows(text):
    return gen_layers.table(layers(text), FUNCTIONS, NEWEST)


def asked(text, name):
    """The conditions of the generated function, in order."""
    source = gen_layers.exported(FUNCTIONS[name], rows(text)[name])
    return [line.strip() for line in source.splitlines() if line.strip().startswith("if")]


class Layers(unittest.TestCase):
    def refused(self, text, *expected):
        with self.assertRaises(gen_layers.ListError) as caught:
            gen_layers.prototypes(rows(text), FUNCTIONS)
        for part in expected:
            self.assertIn(part, str(caught.exception))

    def test_layers_are_asked_in_the_order_of_the_list(self):
        text = "layer b\n    each cuFill\nlayer a sleeps\n    stream(CUstream) cuWait cuFill\nlayer c\n    any cuFill\n"
        self.assertEqual(asked(text, "cuFill"), ["if (layer_b_cuFill(p, n, s, &r)) return r;",
                                                 "if (layer_a_on() && layer_a_stream(s, &r)) return r;",
                                                 "if (layer_c_any(&r)) return r;"])

    def test_while_all_layers_sleep_nothing_is_asked(self):
        text = gen_layers.exported(FUNCTIONS["cuWait"], rows("layer a sleeps\n    each cuWait\n")["cuWait"])
        self.assertIn("return hawser_layers_awake() ? ask_cuWait(s) : hawser_direct_cuWait(s);", text)

    def test_all_is_every_newest_function_but_those_left_out(self):
        text = "layer a\n    no all\n    but cuWait\n    no cuOld\n"
        self.assertEqual(set(rows(text)), {"cuStop", "cuFill", "cuOld"})

    def test_functions_without_a_layer_are_left_to_the_library(self):
        self.assertEqual(set(rows("layer a\n    each cuWait\n")), {"cuWait"})

    def test_a_line_outside_a_layer_is_refused(self):
        self.refused("each cuWait\n", ":1:", "each cuWait")

    def test_an_unknown_line_is_refused(self):
        self.refused("layer a\n    layer\n", ":2:", "layer")

    def test_two_questions_of_one_layer_for_a_function_are_refused(self):
        self.refused("layer a\n    one cuWait\n    two cuWait\n", ":3:", "cuWait", "layer a")

    def test_a_parameter_that_the_function_lacks_is_refused(self):
        self.refused("layer a\n    stream(CUstream) cuStop\n", ":2:", "cuStop", "CUstream")

    def test_a_question_with_other_types_than_before_is_refused(self):
        self.refused("layer a\n    one cuStop\n    one(CUstream) cuWait\n", ":3:", "one")

    def test_every_name_of_the_list_is_a_function_of_cuda_h(self):
        functions = cuda_header.load("cc", CUDA)
        for layer in gen_layers.read(LIST):
            named = {n for q in layer.questions for n in q.names} | layer.left_out
            self.assertEqual(named - set(functions) - {"all"}, set(), f"layer {layer.name}")


if __name__ == "__main__":
    unittest.main()
