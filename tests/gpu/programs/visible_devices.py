"""What CUDA shows under many values of CUDA_VISIBLE_DEVICES; prints "ok VALUE: RESULT UUID..." for each."""

import ctypes
import os
import subprocess
import sys


def seen():
    cuda, count, uuid = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.create_string_buffer(16)
    result = cuda.cuInit(0)
    if result == 0:
        cuda.cuDeviceGetCount(ctypes.byref(count))
    names = []
    for i in range(count.value):
        cuda.cuDeviceGetUuid_v2(uuid, i)
        h = uuid.raw.hex()
        names.append("-".join(("GPU", h[:8], h[8:12], h[12:16], h[16:20], h[20:])))
    return [result, *names]


def ask(value, **more):
    env = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"} | more
    if value is not None:
        env["CUDA_VISIBLE_DEVICES"] = value
    return subprocess.run([sys.executable, __file__, "seen"], env=env, capture_output=True, text=True).stdout.split()


def main():
    everything = ask(None)
    name = everything[1]
    print("ok all:", *everything)
    for value in ("", "-1", "0", "1", "1,0", "0,0", "0,-1", "0,1,2,3,4,5,6,7,8", "0x0", "0th", " 0", "+0", "00", ",0", "0,,0",
                  "none", name, name[:8], name[:12] + "," + name, name.lower(), "GPU-", f"0,{name}", f"{name},0",
                  f"MIG-{name}/0/0"):
        print(f"ok {value!r}:", *ask(value))
    for order in ("PCI_BUS_ID", "FASTEST_FIRST", "other"):
        print(f"ok {order}:", *ask(None, CUDA_DEVICE_ORDER=order))


if len(sys.argv) > 1:
    print(*seen())
else:
    main()
