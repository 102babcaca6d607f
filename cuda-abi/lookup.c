/* cuGetProcAddress, the error names, and the answer of what is not supported. */
#include "abi_internal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- cuGetProcAddress: the version asked for selects the ABI revision ---- */

/* The first entry with that name, or NULL. */
static const struct abi_symbol *first_named(const char *name) {
    unsigned lo = 0, hi = hawser_abi_n_symbols;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (strcmp(hawser_abi_symbols[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool found = lo < hawser_abi_n_symbols && !strcmp(hawser_abi_symbols[lo].name, name);
    return found ? &hawser_abi_symbols[lo] : NULL;
}

/* Entries of one name stand together, plain before per-thread, older before newer. */
static void *select_symbol(const struct abi_symbol *s, int version, bool per_thread) {
    const struct abi_symbol *end = hawser_abi_symbols + hawser_abi_n_symbols;
    const char *name = s->name;
    void *plain = NULL, *variant = NULL;
    for (; s < end && !strcmp(s->name, name); s++) {
        if (s->version > version) continue;
        if (s->per_thread)
            variant = s->address;
        else
            plain = s->address;
    }
    return per_thread && variant ? variant : plain;
}

/* Success also for what is unknown or newer than the version asked for: then the pointer is null and the status says
 * why. */
CUresult cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *status) {
    if (!symbol || !pfn) return CUDA_ERROR_INVALID_VALUE;
    const struct abi_symbol *s = first_named(symbol);
    *pfn = s ? select_symbol(s, cudaVersion, flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) : NULL;
    if (status)
        *status = *pfn ? CU_GET_PROC_ADDRESS_SUCCESS
                  : s  ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                       : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return CUDA_SUCCESS;
}

/* Has no status, so that the result says it and the pointer is left alone. */
CUresult cuGetProcAddress(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags) {
    void *found = NULL;
    if (!pfn) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = cuGetProcAddress_v2(symbol, &found, cudaVersion, flags, NULL);
    if (r != CUDA_SUCCESS) return r;
    if (!found) return CUDA_ERROR_NOT_FOUND;
    *pfn = found;
    return CUDA_SUCCESS;
}

/* ---- errors ---- */

static int compare_error(const void *value, const void *entry) {
    return *(const int *)value - ((const struct abi_error *)entry)->value;
}

static const struct abi_error *find_error(CUresult error) {
    int value = (int)error;
    return bsearch(&value, hawser_abi_errors, hawser_abi_n_errors, sizeof *hawser_abi_errors, compare_error);
}

CUresult cuGetErrorName(CUresult error, const char **pStr) {
    if (!pStr) return CUDA_ERROR_INVALID_VALUE;
    const struct abi_error *e = find_error(error);
    *pStr = e ? e->name : NULL;
    return e ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char **pStr) {
    if (!pStr) return CUDA_ERROR_INVALID_VALUE;
    const struct abi_error *e = find_error(error);
    *pStr = e ? e->text : NULL;
    return e ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- what is not supported ---- */

CUresult hawser_abi_not_supported(const char *function) {
    /* Names already logged, one list per process; callers pass literals, so the pointer will do. */
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const char *logged[1024];
    static unsigned n;
    bool first = true;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < n && first; i++)
        first = logged[i] != function;
    if (first && n < sizeof logged / sizeof *logged) logged[n++] = function;
    pthread_mutex_unlock(&lock);
    if (first) hawser_abi_log("%s is not supported", function);
    hawser_abi_record(1, "%s is not supported", function);
    return CUDA_ERROR_NOT_SUPPORTED;
}
