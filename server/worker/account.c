/*
 * What the layer "account" cannot know by the words on a function's parameters: sizes that follow from a description,
 * memory that comes from elsewhere, parts. cuda_layers.c, generated, calls these after success.
 */
#include "cuda_account.h"
#include "ledger.h"

#define KEY(handle) ((uint64_t)(uintptr_t)(handle))

void accounted_cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pitch, size_t width, size_t height, unsigned element) {
    (void)width, (void)element;
    ledger_add(LEDGER_PLAIN, *dptr, *pitch * (uint64_t)height);
}

/* ---- arrays ---- */

static uint64_t bytes_of_format(CUarray_format format) {
    switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8:
        return 1;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF:
        return 2;
    default: /* the widest; of packed and compressed formats this is more than they take, never less */
        return 4;
    }
}

/* A dimension of an array that has not so many is 0. */
static uint64_t at_least_one(size_t n) {
    return n ? n : 1;
}

static uint64_t bytes_of(const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned level) {
    if (d->Flags & (CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING)) return 0; /* memory is mapped into it */
    size_t depth = d->Flags & CUDA_ARRAY3D_LAYERED ? d->Depth : d->Depth >> level;
    return at_least_one(d->Width >> level) * at_least_one(d->Height >> level) * at_least_one(depth) *
           bytes_of_format(d->Format) * d->NumChannels;
}

void accounted_cuArray3DCreate_v2(CUarray *array, const CUDA_ARRAY3D_DESCRIPTOR *d) {
    ledger_add(LEDGER_ARRAY, KEY(*array), bytes_of(d, 0));
}

void accounted_cuArrayCreate_v2(CUarray *array, const CUDA_ARRAY_DESCRIPTOR *d) {
    accounted_cuArray3DCreate_v2(
        array, &(CUDA_ARRAY3D_DESCRIPTOR){
                   .Width = d->Width, .Height = d->Height, .Format = d->Format, .NumChannels = d->NumChannels});
}

void accounted_cuMipmappedArrayCreate(CUmipmappedArray *array, const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned levels) {
    uint64_t size = 0;
    for (unsigned i = 0; i < levels && i < 32; i++)
        size += bytes_of(d, i);
    ledger_add(LEDGER_ARRAY, KEY(*array), size);
}

/* ---- virtual memory ---- */

void accounted_cuMemMap(CUdeviceptr address, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                        unsigned long long flags) {
    (void)offset, (void)flags;
    ledger_map(address, size, handle);
}

void accounted_cuMemUnmap(CUdeviceptr address, size_t size) {
    ledger_unmap(address, size);
}

void accounted_cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *address) {
    ledger_retain(KEY(address), *handle);
}

/* ---- of other processes ---- */

/* Of memory that the driver has just named. */
static uint64_t size_at(CUdeviceptr address) {
    size_t size = 0;
    struct served *c = session_call();
    if (c && c->driver->cuMemGetAddressRange_v2(&(CUdeviceptr){0}, &size, address) != CUDA_SUCCESS) size = 0;
    return size;
}

void accounted_cuIpcOpenMemHandle_v2(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags) {
    (void)handle, (void)flags;
    ledger_add(LEDGER_IPC, *address, size_at(*address));
}

void accounted_cuMemPoolImportPointer(CUdeviceptr *address, CUmemoryPool pool, CUmemPoolPtrExportData *data) {
    (void)pool, (void)data;
    ledger_add(LEDGER_IMPORTED, *address, size_at(*address));
}

void accounted_cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *file,
                                              CUmemAllocationHandleType type) {
    (void)file, (void)type;
    ledger_add_lasting(LEDGER_IMPORTED, *handle, 0);
}

/* ---- images and their variables ---- */

/* Its bytes came with the call. */
static uint64_t image_bytes(void) {
    const struct served *c = session_call();
    uint64_t size = 0;
    for (unsigned i = 0; c && i < c->n_frames; i++)
        size += c->frames[i].size;
    return size;
}

void accounted_cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned n, CUjit_option *options,
                                  void **values) {
    (void)image, (void)n, (void)options, (void)values;
    ledger_add(LEDGER_IMAGE, KEY(*module), image_bytes());
}

void accounted_cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *options, void **values, unsigned n,
                                 CUlibraryOption *library_options, void **library_values, unsigned n_library) {
    (void)code, (void)options, (void)values, (void)n, (void)library_options, (void)library_values, (void)n_library;
    ledger_add_lasting(LEDGER_IMAGE, KEY(*library), image_bytes());
}

void accounted_cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *size, CUmodule module, const char *name) {
    (void)name;
    ledger_add_part(LEDGER_GLOBAL, *address, *size, KEY(module));
}

void accounted_cuLibraryGetGlobal(CUdeviceptr *address, size_t *size, CUlibrary library, const char *name) {
    (void)name;
    ledger_add_part(LEDGER_GLOBAL, *address, *size, KEY(library));
}

void accounted_cuLibraryGetManaged(CUdeviceptr *address, size_t *size, CUlibrary library, const char *name) {
    accounted_cuLibraryGetGlobal(address, size, library, name);
}
