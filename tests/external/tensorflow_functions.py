"""TensorFlow on its GPU beside its CPU: its own kernels, those it compiles as it goes, XLA's, what it leaves to cuBLAS,
cuDNN, cuFFT, cuSOLVER and CUB, and the training of a model."""

import numpy
import tensorflow as tf

tf.config.experimental.enable_tensor_float_32_execution(False)
assert len(tf.config.list_physical_devices("GPU")) == 1
random = numpy.random.default_rng(1)


def floats(*shape):
    return random.standard_normal(shape).astype(numpy.float32)


def same(f, *arrays, most=1e-4):
    results = []
    for device in "/GPU:0", "/CPU:0":
        with tf.device(device):
            results.append(tf.nest.flatten(f(*map(tf.constant, arrays))))
        assert all(device[1:] in r.device for r in results[-1]), [r.device for r in results[-1]]
    for got, want in zip(*results):
        numpy.testing.assert_allclose(numpy.asarray(got, float), numpy.asarray(want, float), rtol=most, atol=most)


line, matrix, image, square = floats(5000), floats(64, 48), floats(2, 16, 16, 3), floats(24, 24)
positive = square @ square.T + 24 * numpy.eye(24, dtype=numpy.float32)

same(lambda x: (tf.sin(x), tf.exp(x), tf.nn.relu(x), tf.tanh(x), x ** 2, tf.sqrt(tf.abs(x))), line)
same(lambda x: (tf.reduce_sum(x), tf.reduce_max(x), tf.argmax(x), tf.cumsum(x)), line, most=2e-3)
same(lambda x: (tf.reduce_sum(x, 0), tf.reduce_mean(x, 1), tf.nn.softmax(x)), matrix)
same(lambda x: (tf.cast(x, tf.float16), tf.cast(x, tf.int32), tf.cast(x, tf.bfloat16)), line)
same(lambda x: (x[::3], tf.roll(x, 3, 0), tf.gather(x, [1, 5, 3]), tf.transpose(tf.reshape(x, (50, 100)))), line)
same(lambda x: (tf.sort(x), tf.argsort(x), tf.math.top_k(x, 5)[0]), line)
same(lambda x: (tf.where(x > 0, x, 0.0), tf.boolean_mask(x, x > 0), tf.unique(tf.cast(x, tf.int32))[0]), line)
same(lambda x: tf.math.unsorted_segment_sum(x, tf.range(5000) % 7, 7), line, most=1e-3)
same(lambda x: tf.tensor_scatter_nd_add(x, [[1], [5], [1]], [1.0, 2.0, 3.0]), line)
same(lambda x: tf.random.stateless_normal((100,), (1, 2)), line)
same(tf.matmul, matrix, floats(48, 32))
same(tf.matmul, floats(3, 8, 5), floats(3, 5, 7))
same(lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), image, floats(3, 3, 3, 4))
same(lambda x, k: tf.nn.depthwise_conv2d(x, k, [1, 1, 1, 1], "SAME"), image, floats(3, 3, 3, 2))
same(lambda x: (tf.nn.max_pool2d(x, 2, 2, "VALID"), tf.nn.avg_pool2d(x, 2, 2, "VALID")), image)
same(lambda x: (tf.image.resize(x, (8, 8)), tf.image.flip_left_right(x)), image)
same(lambda x: tf.abs(tf.signal.fft(tf.cast(x[:512], tf.complex64))), line, most=2e-3)
same(lambda p: (tf.linalg.cholesky(p), tf.linalg.inv(p), tf.linalg.svd(p, compute_uv=False)), positive, most=1e-3)
same(tf.function(lambda x: tf.reduce_sum(tf.sin(x) * 2, 1), jit_compile=True), matrix)


def gradient(x):
    v = tf.Variable(x)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.tanh(v @ tf.transpose(v)))
    return tape.gradient(loss, v)


def training(x):
    layers, constant = tf.keras.layers, tf.keras.initializers.Constant
    model = tf.keras.Sequential([layers.Conv2D(4, 3, activation="relu", kernel_initializer=constant(0.1)),
                                 layers.BatchNormalization(), layers.Flatten(),
                                 layers.Dense(3, kernel_initializer=constant(0.01))])
    model.compile("adam", "mse")
    history = model.fit(x, numpy.ones((2, 3), numpy.float32), epochs=3, verbose=0, batch_size=2)
    return tf.identity(numpy.float32(history.history["loss"]))


same(gradient, matrix, most=1e-3)
same(training, image, most=1e-3)
same(lambda x: tf.keras.layers.LSTM(4, kernel_initializer="ones", recurrent_initializer="ones")(x), floats(2, 5, 3))
print("ok")
