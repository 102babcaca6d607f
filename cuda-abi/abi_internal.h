/* What this room's files and the generated ones share. */
#ifndef HAWSER_ABI_INTERNAL_H
#define HAWSER_ABI_INTERNAL_H

#ifndef __CUDA_API_VERSION_INTERNAL
#define __CUDA_API_VERSION_INTERNAL /* cuMemAlloc and cuMemAlloc_v2 are two names here */
#endif
#pragma GCC visibility push(default)
#include <cuda.h>
#include <cudaProfiler.h>
#pragma GCC visibility pop

#include "abi_direct.h"
#include "cuda_abi.h"

/* Sorted by name, then variant, then version. */
struct abi_symbol {
    const char *name;
    int version;    /* the first CUDA version, as 1000 * major + 10 * minor, that selects it */
    int per_thread; /* 1: the form for a per-thread default stream */
    void *address;
};
extern const struct abi_symbol hawser_abi_symbols[];
extern const unsigned hawser_abi_n_symbols;

struct abi_error {
    int value;
    const char *name, *text;
};
extern const struct abi_error hawser_abi_errors[]; /* sorted by value */
extern const unsigned hawser_abi_n_errors;

/* Around a *_ptds call: returns what to give back to leave. */
CUstream hawser_abi_enter_per_thread(void);
void hawser_abi_leave_per_thread(CUstream before);

bool hawser_abi_in_callback(void);

/* How many things there are for which layers that sleep (layers.list) must be asked. */
extern int hawser_layers_woken;
static inline bool hawser_layers_awake(void) {
    return __builtin_expect(__atomic_load_n(&hawser_layers_woken, __ATOMIC_RELAXED) != 0, 0);
}
static inline void hawser_layers_wake(void) {
    __atomic_add_fetch(&hawser_layers_woken, 1, __ATOMIC_RELAXED);
}
static inline void hawser_layers_rest(void) {
    __atomic_sub_fetch(&hawser_layers_woken, 1, __ATOMIC_RELAXED);
}

/* CLS, the context-local storage of the private tables (cls.c). */
CUresult hawser_abi_cls_set(CUcontext ctx, void *key, void *value, void (*destroy)(CUcontext, void *, void *));
CUresult hawser_abi_cls_delete(CUcontext ctx, void *key);
CUresult hawser_abi_cls_get(void **value, CUcontext ctx, void *key);

/* The answer to HANDSHAKE[1] (handshake.c). */
struct abi_handshake {
    uint32_t driver_version, version, pid, thread;
    uint64_t cudart_table, handshake_table, handshake_function, seconds;
};
struct abi_handshake_device {
    uint8_t uuid[16];
    int32_t domain, bus, device;
};
/* digest: 16 bytes. Pure. */
void hawser_abi_handshake(const struct abi_handshake *h, const struct abi_handshake_device *devices, unsigned n,
                          uint8_t *digest);

/* MD2 (RFC 1319). digest: 16 bytes. */
void hawser_abi_md2(const uint8_t *data, size_t size, uint8_t *digest);

/* Advice about managed memory that was freed is forgotten (composed/managed.c). */
void hawser_abi_managed_freed(CUdeviceptr base);

/* Structures of the first revision, in which addresses and sizes had 32 bits (composed/narrow.c). */
void hawser_abi_widen_CUDA_MEMCPY2D(const CUDA_MEMCPY2D_v1 *p, CUDA_MEMCPY2D *out);
void hawser_abi_widen_CUDA_MEMCPY3D(const CUDA_MEMCPY3D_v1 *p, CUDA_MEMCPY3D *out);
void hawser_abi_widen_CUDA_ARRAY_DESCRIPTOR(const CUDA_ARRAY_DESCRIPTOR_v1 *p, CUDA_ARRAY_DESCRIPTOR *out);
void hawser_abi_widen_CUDA_ARRAY3D_DESCRIPTOR(const CUDA_ARRAY3D_DESCRIPTOR_v1 *p, CUDA_ARRAY3D_DESCRIPTOR *out);
void hawser_abi_narrow_CUDA_ARRAY_DESCRIPTOR(const CUDA_ARRAY_DESCRIPTOR *p, CUDA_ARRAY_DESCRIPTOR_v1 *out);
void hawser_abi_narrow_CUDA_ARRAY3D_DESCRIPTOR(const CUDA_ARRAY3D_DESCRIPTOR *p, CUDA_ARRAY3D_DESCRIPTOR_v1 *out);

#endif
