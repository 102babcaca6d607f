/* Waits for and writes of single values in a stream, as batches of one. */
#include "../abi_internal.h"

#define MEM_OP(name, bits, op, member, field)                                                                          \
    CUresult name(CUstream stream, CUdeviceptr addr, cuuint##bits##_t value, unsigned int flags) {                     \
        CUstreamBatchMemOpParams o = {.member = {.operation = op, .address = addr, .field = value, .flags = flags}};   \
        return cuStreamBatchMemOp_v2(stream, 1, &o, 0);                                                                \
    }

MEM_OP(cuStreamWaitValue32_v2, 32, CU_STREAM_MEM_OP_WAIT_VALUE_32, waitValue, value)
MEM_OP(cuStreamWaitValue64_v2, 64, CU_STREAM_MEM_OP_WAIT_VALUE_64, waitValue, value64)
MEM_OP(cuStreamWriteValue32_v2, 32, CU_STREAM_MEM_OP_WRITE_VALUE_32, writeValue, value)
MEM_OP(cuStreamWriteValue64_v2, 64, CU_STREAM_MEM_OP_WRITE_VALUE_64, writeValue, value64)
