"""CTranslate2 with the cuBLAS of CUDA 12: a small transformer of random weights translates as it does on the CPU."""

import tempfile

import ctranslate2
import numpy
from ctranslate2.specs.transformer_spec import TransformerSpec

random = numpy.random.default_rng(1)
WORDS, WIDTH, INNER = 40, 32, 64
vocabulary = ["<blank>", "<s>", "</s>", "<unk>"] + [f"w{i}" for i in range(WORDS - 4)]


def some(*shape):
    return random.standard_normal(shape, dtype=numpy.float32) * 0.3


def linear(layer, rows, columns):
    layer.weight, layer.bias = some(rows, columns), some(rows)


def norm(layer):
    layer.gamma, layer.beta = numpy.ones(WIDTH, numpy.float32), numpy.zeros(WIDTH, numpy.float32)


def attention(layer, *rows):
    norm(layer.layer_norm)
    for part, n in zip(layer.linear, rows):
        linear(part, n * WIDTH, WIDTH)


def feed_forward(layer):
    norm(layer.layer_norm)
    linear(layer.linear_0, INNER, WIDTH)
    linear(layer.linear_1, WIDTH, INNER)


spec = TransformerSpec.from_config((2, 2), num_heads=4, pre_norm=True)
for side in (spec.encoder, spec.decoder):
    embeddings = side.embeddings[0] if isinstance(side.embeddings, list) else side.embeddings
    embeddings.weight = some(WORDS, WIDTH)
    side.position_encodings.encodings = some(64, WIDTH)
    norm(side.layer_norm)
    for layer in side.layer:
        attention(layer.self_attention, 3, 1)
        feed_forward(layer.ffn)
for layer in spec.decoder.layer:
    attention(layer.attention, 1, 2, 1)
linear(spec.decoder.projection, WORDS, WIDTH)
spec.register_source_vocabulary(vocabulary)
spec.register_target_vocabulary(vocabulary)
spec.validate()

with tempfile.TemporaryDirectory() as folder:
    spec.save(folder)

    def translated(device):
        translator = ctranslate2.Translator(folder, device=device, compute_type="float32")
        found = translator.translate_batch([["w1", "w2", "w3"], ["w5", "w7"]], beam_size=2, max_decoding_length=8,
                                           return_scores=True)
        return [(f.hypotheses[0], round(f.scores[0], 3)) for f in found]

    want, got = translated("cpu"), translated("cuda")
assert got == want and len(want[0][0]) > 1, (got, want)
print("ok")
