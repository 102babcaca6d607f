"""A program with its own libzmq and libprotobuf, which uses them and CUDA at the same time."""

import ctypes
import sys
import threading

import zmq

for name in sys.argv[1:]:  # libraries to be loaded for all
    ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
ctypes.CDLL(zmq.backend.cython._zmq.__file__, mode=ctypes.RTLD_GLOBAL)
cuda = ctypes.CDLL("libcuda.so.1")
pointer = ctypes.c_uint64()
context = ctypes.c_void_p()


def need(status):
    assert status == 0, status


need(cuda.cuInit(0))
need(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0))


def copies():
    need(cuda.cuCtxSetCurrent(context))
    memory, data = ctypes.c_uint64(), (ctypes.c_uint8 * 100000)(*(i % 251 for i in range(100000)))
    back = (ctypes.c_uint8 * 100000)()
    need(cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(100000)))
    for _ in range(50):
        need(cuda.cuMemcpyHtoD_v2(memory, data, ctypes.c_size_t(100000)))
        need(cuda.cuMemcpyDtoH_v2(back, memory, ctypes.c_size_t(100000)))
        assert bytes(back) == bytes(data)


def messages():
    ours = zmq.Context()
    a, b = ours.socket(zmq.PAIR), ours.socket(zmq.PAIR)
    port = a.bind_to_random_port("tcp://127.0.0.1")
    b.connect(f"tcp://127.0.0.1:{port}")
    for i in range(500):
        a.send_multipart([b"%d" % i, b"x" * i])
        assert b.recv_multipart() == [b"%d" % i, b"x" * i]


failed = []
threading.excepthook = lambda e: failed.append(e)
threads = [threading.Thread(target=f) for f in (copies, messages, copies, messages)]
for t in threads:
    t.start()
for t in threads:
    t.join()
assert not failed, failed
print("ok", zmq.zmq_version())
