/*
 * The private tables that cuGetExportTable hands out. docs/private-abi.md tells what is known of each.
 * Slot 0 of a table is its size in bytes; a slot that nobody was seen to call still is a function, which
 * logs its table and number and returns CUDA_ERROR_NOT_SUPPORTED.
 */
#include "abi_internal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*slot)(void);

static CUresult unknown_slot(const char *table, int n) {
    hawser_abi_log("private table %s: slot %d was called, which is not known", table, n);
    return CUDA_ERROR_NOT_SUPPORTED;
}

/* Distinct functions unknown_TABLE_0 … unknown_TABLE_99. */
#define ONE(table, n)                                                                                                  \
    static CUresult unknown_##table##_##n(void) {                                                                      \
        return unknown_slot(#table, n);                                                                                \
    }
#define TEN(X, t, d)                                                                                                   \
    X(t, d##0) X(t, d##1) X(t, d##2) X(t, d##3) X(t, d##4) X(t, d##5) X(t, d##6) X(t, d##7) X(t, d##8) X(t, d##9)
#define HUNDRED(X, t)                                                                                                  \
    TEN(X, t, )                                                                                                        \
    TEN(X, t, 1) TEN(X, t, 2) TEN(X, t, 3) TEN(X, t, 4) TEN(X, t, 5) TEN(X, t, 6) TEN(X, t, 7) TEN(X, t, 8) TEN(X, t, 9)
#define LIST(table, n) (slot) unknown_##table##_##n,

#define UNKNOWN_SLOTS(table)                                                                                           \
    HUNDRED(ONE, table)                                                                                                \
    static const slot unknown_##table[100] = {HUNDRED(LIST, table)};

UNKNOWN_SLOTS(CUDART)
UNKNOWN_SLOTS(HOOKS)
UNKNOWN_SLOTS(TLS)
UNKNOWN_SLOTS(CHECK)
UNKNOWN_SLOTS(HANDSHAKE)
UNKNOWN_SLOTS(TOOLSCTX)
UNKNOWN_SLOTS(TOOLSMOD)

/* ---- CUDART: loading and the primary context ---- */

static CUresult cudart_load(CUmodule *out, const void *wrapper) {
    return cuModuleLoadData(out, wrapper);
}

static CUresult cudart_load_11(CUmodule *out, const void *wrapper, void *a, void *b, unsigned n) {
    (void)a, (void)b;
    if (n) hawser_abi_log("private table CUDART: load with %u options, which are ignored", n);
    return cuModuleLoadData(out, wrapper);
}

static CUresult cudart_load_bare(const void *fatbin, CUmodule *out, void *a, void *b, unsigned n) {
    return cudart_load_11(out, fatbin, a, b, n);
}

static CUresult cudart_launch(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                              unsigned bz, unsigned shared, CUstream stream, void **extra) {
    return hawser_exported_cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, stream, NULL, extra);
}

static void before_unload(size_t unused) {
    (void)unused;
}

static CUresult succeed(void) {
    return CUDA_SUCCESS;
}

/* ---- HOOKS: which runtime calls a tool wants to see; none here ---- */

#define HOOK_WORDS 1024 /* 32-bit flags; a runtime reads as many as it has calls, 523 in 13.0 */

static void hooks_calls(void **buffer, size_t *count) {
    static uint32_t enabled[HOOK_WORDS];
    *buffer = enabled;
    *count = HOOK_WORDS;
}

static void hooks_events(void **buffer, size_t *count) {
    static uint32_t enabled[64];
    *buffer = enabled;
    *count = 14;
}

/* ---- TLS, CHECK ---- */

static CUresult tls_current(CUcontext *out) {
    return cuCtxGetCurrent(out);
}

static CUresult check_wrapped(CUcontext ctx, uint32_t *wrapped, void **unwrapped) {
    (void)ctx, (void)unwrapped;
    *wrapped = 0;
    return CUDA_SUCCESS;
}

static uint32_t check_flag(void) {
    return 0;
}

/* ---- HANDSHAKE ---- */

static const slot *cudart_table(void);
static const slot *handshake_table(void);

static CUresult handshake(uint32_t version, uint64_t seconds, uint64_t out[2]) {
    int driver = 0, count = 0;
    cuDriverGetVersion(&driver);
    if (cuDeviceGetCount(&count) != CUDA_SUCCESS) count = 0;
    struct abi_handshake_device *devices = calloc((size_t)count + 1, sizeof *devices);
    if (!devices) return CUDA_ERROR_OUT_OF_MEMORY;
    for (CUdevice d = 0; d < count; d++) {
        int domain = 0, bus = 0, device = 0;
        cuDeviceGetUuid((CUuuid *)devices[d].uuid, d);
        cuDeviceGetAttribute(&domain, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, d);
        cuDeviceGetAttribute(&bus, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, d);
        cuDeviceGetAttribute(&device, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, d);
        devices[d].domain = domain;
        devices[d].bus = bus;
        devices[d].device = device;
    }
    struct abi_handshake h = {(uint32_t)driver,
                              version,
                              (uint32_t)getpid(),
                              (uint32_t)(uintptr_t)pthread_self(),
                              (uintptr_t)cudart_table(),
                              (uintptr_t)handshake_table(),
                              (uintptr_t)handshake_table()[1],
                              seconds};
    hawser_abi_handshake(&h, devices, (unsigned)count, (uint8_t *)out);
    free(devices);
    return CUDA_SUCCESS;
}

/* ---- TOOLSCTX, TOOLSMOD: asked by cuBLAS and cuFFT ---- */

/* cuBLAS asks for ids on threads that have no context yet, and gives up at an error. 0 is no context's and no stream's.
 */
static CUresult id_or_none(CUresult r, unsigned long long value, uint64_t *id) {
    CUcontext current = NULL;
    bool none = r == CUDA_ERROR_INVALID_CONTEXT && cuCtxGetCurrent(&current) == CUDA_SUCCESS && !current;
    if (r == CUDA_SUCCESS || none) *id = none ? 0 : value;
    return none ? CUDA_SUCCESS : r;
}

static CUresult toolsctx_id(CUcontext ctx, uint64_t *id) {
    unsigned long long value = 0;
    CUresult r = cuCtxGetId(ctx, &value);
    return id_or_none(r, value, id);
}

/* The "internal object" of a stream is the handle itself; the default streams need stable ones too. */
static CUresult toolsctx_stream(CUcontext ctx, CUstream stream, void **object, int per_thread) {
    (void)ctx;
    if (!stream) stream = per_thread ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY;
    *object = stream;
    return CUDA_SUCCESS;
}

static CUresult toolsctx_stream_id(CUcontext ctx, void *object, uint64_t *id) {
    (void)ctx;
    unsigned long long value = 0;
    CUresult r = cuStreamGetId(object, &value);
    return id_or_none(r, value, id);
}

/* Calls back for each function of a module. The result is no CUresult: 1 is success, which cuFFT waits for. Its
 * callback returns nothing: what is in the register must not be looked at. */
static int toolsmod_functions(CUcontext ctx, CUmodule module,
                              void (*callback)(void *user, CUfunction f, uint64_t owner), void *user) {
    (void)ctx;
    unsigned n = 0;
    CUresult r = cuModuleGetFunctionCount(&n, module);
    CUfunction *functions = r == CUDA_SUCCESS ? calloc(n + 1, sizeof *functions) : NULL;
    if (functions && n) r = cuModuleEnumerateFunctions(functions, n, module);
    for (unsigned i = 0; functions && i < n && r == CUDA_SUCCESS; i++)
        callback(user, functions[i], (uintptr_t)module);
    free(functions);
    return functions && r == CUDA_SUCCESS;
}

/* ---- the tables ---- */

struct known {
    int n;
    slot function;
};

struct table {
    const char *name;
    uint8_t id[16];
    int slots;     /* with slot 0 */
    bool has_size; /* slot 0 is the size */
    const slot *unknown;
    struct known known[10]; /* ends with function NULL */
    slot filled[100];       /* under once */
};

#define SLOT(n, f)                                                                                                     \
    { n, (slot)(void (*)(void))f }

enum { CUDART, HANDSHAKE, HOOKS, TLS, CLS, CHECK, TOOLSCTX, TOOLSMOD, TABLES };

/* clang-format off */
static struct table tables[TABLES] = {
    [CUDART] = {"CUDART",
        {0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a, 0x89, 0x87, 0xd9, 0x39, 0x12, 0xfd, 0x9d, 0xf9},
        13, true, unknown_CUDART,
        {SLOT(1, cudart_load), SLOT(2, hawser_abi_primary_context), SLOT(6, cudart_load_11),
         SLOT(7, before_unload), SLOT(8, cudart_load_bare), SLOT(9, cudart_launch), SLOT(12, succeed)}, {0}},
    [HANDSHAKE] = {"HANDSHAKE",
        {0xd4, 0x08, 0x20, 0x55, 0xbd, 0xe6, 0x70, 0x4b, 0x8d, 0x34, 0xba, 0x12, 0x3c, 0x66, 0xe1, 0xf2},
        3, true, unknown_HANDSHAKE, {SLOT(1, handshake), SLOT(2, succeed)}, {0}},
    [HOOKS] = {"HOOKS",
        {0xa0, 0x94, 0x79, 0x8c, 0x2e, 0x74, 0x2e, 0x74, 0x93, 0xf2, 0x08, 0x00, 0x20, 0x0c, 0x0a, 0x66},
        7, true, unknown_HOOKS,
        {SLOT(1, succeed), SLOT(2, hooks_calls), SLOT(3, succeed), SLOT(4, succeed), SLOT(5, succeed),
         SLOT(6, hooks_events)}, {0}},
    [TLS] = {"TLS",
        {0x42, 0xd8, 0x5a, 0x81, 0x23, 0xf6, 0xcb, 0x47, 0x82, 0x98, 0xf6, 0xe7, 0x8a, 0x3a, 0xec, 0xdc},
        4, true, unknown_TLS, {SLOT(1, succeed), SLOT(2, tls_current), SLOT(3, succeed)}, {0}},
    [CLS] = {"CLS",
        {0xc6, 0x93, 0x33, 0x6e, 0x11, 0x21, 0xdf, 0x11, 0xa8, 0xc3, 0x68, 0xf3, 0x55, 0xd8, 0x95, 0x93},
        3, false, NULL, /* ends with NULL */
        {SLOT(0, hawser_abi_cls_set), SLOT(1, hawser_abi_cls_delete), SLOT(2, hawser_abi_cls_get)}, {0}},
    [CHECK] = {"CHECK",
        {0x26, 0x3e, 0x88, 0x60, 0x7c, 0xd2, 0x61, 0x43, 0x92, 0xf6, 0xbb, 0xd5, 0x00, 0x6d, 0xfa, 0x7e},
        17, true, unknown_CHECK, {SLOT(2, check_wrapped), SLOT(3, check_flag)}, {0}},
    [TOOLSCTX] = {"TOOLSCTX",
        {0x21, 0x31, 0x8c, 0x60, 0x97, 0x14, 0x32, 0x48, 0x8c, 0xa6, 0x41, 0xff, 0x73, 0x24, 0xc8, 0xf2},
        95, true, unknown_TOOLSCTX,
        {SLOT(4, toolsctx_id), SLOT(39, toolsctx_stream_id), SLOT(51, toolsctx_stream)}, {0}},
    [TOOLSMOD] = {"TOOLSMOD",
        {0x6e, 0x16, 0x3f, 0xbe, 0xb9, 0x58, 0x44, 0x4d, 0x83, 0x5c, 0xe1, 0x82, 0xaf, 0xf1, 0x99, 0x1e},
        80, true, unknown_TOOLSMOD, {SLOT(7, toolsmod_functions)}, {0}},
};
/* clang-format on */

static void fill_tables(void) {
    for (struct table *t = tables; t < tables + TABLES; t++) {
        if (t->has_size) memcpy(&t->filled[0], &(size_t){(size_t)t->slots * sizeof(slot)}, sizeof(slot));
        for (int i = 1; i < t->slots && t->unknown; i++)
            t->filled[i] = t->unknown[i];
        for (const struct known *k = t->known; k->function; k++)
            t->filled[k->n] = k->function;
    }
}

static const slot *cudart_table(void) {
    return tables[CUDART].filled;
}

static const slot *handshake_table(void) {
    return tables[HANDSHAKE].filled;
}

CUresult cuGetExportTable(const void **ppExportTable, const CUuuid *pExportTableId) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!ppExportTable || !pExportTableId) return CUDA_ERROR_INVALID_VALUE;
    pthread_once(&once, fill_tables);
    for (struct table *t = tables; t < tables + TABLES; t++)
        if (!memcmp(t->id, pExportTableId->bytes, sizeof t->id)) {
            *ppExportTable = t->filled;
            return CUDA_SUCCESS;
        }
    /* An unwritten pointer would be called through: the error alone is not enough. */
    *ppExportTable = NULL;
    return CUDA_ERROR_NOT_FOUND;
}
