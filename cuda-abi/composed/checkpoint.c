/*
 * Checkpoints of CUDA processes. A process under hawser cannot be checkpointed by its driver, and it knows of no other
 * processes; it can be asked about itself.
 */
#include "../abi_internal.h"

#include <sys/types.h>
#include <unistd.h>

static CUresult own_process(int pid) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    return pid == (int)getpid() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuCheckpointProcessGetState(int pid, CUprocessState *state) {
    if (!state) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = own_process(pid);
    if (r == CUDA_SUCCESS) *state = CU_PROCESS_STATE_RUNNING;
    return r;
}

CUresult cuCheckpointProcessGetRestoreThreadId(int pid, int *tid) {
    if (!tid) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = own_process(pid);
    return r == CUDA_SUCCESS ? hawser_abi_not_supported("cuCheckpointProcessGetRestoreThreadId") : r;
}

CUresult cuCheckpointProcessLock(int pid, CUcheckpointLockArgs *args) {
    (void)args;
    CUresult r = own_process(pid);
    return r == CUDA_SUCCESS ? hawser_abi_not_supported("cuCheckpointProcessLock") : r;
}

/* These three are for a process that has been locked or checkpointed, which this one never has. */
CUresult cuCheckpointProcessCheckpoint(int pid, CUcheckpointCheckpointArgs *args) {
    (void)args;
    CUresult r = own_process(pid);
    return r == CUDA_SUCCESS ? CUDA_ERROR_ILLEGAL_STATE : r;
}

CUresult cuCheckpointProcessRestore(int pid, CUcheckpointRestoreArgs *args) {
    (void)args;
    CUresult r = own_process(pid);
    return r == CUDA_SUCCESS ? CUDA_ERROR_ILLEGAL_STATE : r;
}

CUresult cuCheckpointProcessUnlock(int pid, CUcheckpointUnlockArgs *args) {
    (void)args;
    CUresult r = own_process(pid);
    return r == CUDA_SUCCESS ? CUDA_ERROR_ILLEGAL_STATE : r;
}
