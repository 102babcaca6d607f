/* Generated from cuda.spec by remoting/gen/generate.py. */

CUresult shim_check_cuStreamCreate(struct shim_object *, CUstream *, unsigned int);
void shim_note_cuMemAlloc_v2(CUdeviceptr *, size_t);
CUresult shim_check_cuStreamBatchMemOp_v2(CUstream, unsigned int, CUstreamBatchMemOpParams *, unsigned int);
