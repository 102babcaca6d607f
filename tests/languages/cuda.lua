-- CUDA from LuaJIT, by its foreign function interface.
local ffi = require("ffi")
ffi.cdef [[
int cuInit(unsigned); int cuDeviceGetName(char *, int, int); int cuDevicePrimaryCtxRetain(void **, int);
int cuCtxSetCurrent(void *); int cuMemAlloc_v2(uint64_t *, size_t); int cuMemsetD32_v2(uint64_t, unsigned, size_t);
int cuMemcpyDtoH_v2(void *, uint64_t, size_t); int cuMemFree_v2(uint64_t);
]]
local cuda = ffi.load("libcuda.so.1")
local function need(status) assert(status == 0, status) end
local context, memory, words = ffi.new("void *[1]"), ffi.new("uint64_t[1]"), ffi.new("uint32_t[256]")
need(cuda.cuInit(0))
need(cuda.cuDevicePrimaryCtxRetain(context, 0))
need(cuda.cuCtxSetCurrent(context[0]))
need(cuda.cuMemAlloc_v2(memory, 1024))
need(cuda.cuMemsetD32_v2(memory[0], 4711, 256))
need(cuda.cuMemcpyDtoH_v2(words, memory[0], 1024))
for i = 0, 255 do assert(words[i] == 4711) end
need(cuda.cuMemFree_v2(memory[0]))
print("ok")
