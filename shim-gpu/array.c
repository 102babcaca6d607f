/* CUDA arrays: descriptors are known here; the memory is the host's. Their copies are in copy.c. */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

void shim_note_cuArray3DCreate_v2(struct shim_object *made, CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *p) {
    (void)pHandle;
    made->array = *p;
}

void shim_note_cuArrayCreate_v2(struct shim_object *made, CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR *p) {
    (void)pHandle;
    made->array = (CUDA_ARRAY3D_DESCRIPTOR){
        .Width = p->Width, .Height = p->Height, .Format = p->Format, .NumChannels = p->NumChannels};
}

const CUDA_ARRAY3D_DESCRIPTOR *hawser_front_array(CUarray handle) {
    const struct shim_object *o = shim_object(HAWSER_ARRAY, handle);
    return o ? &o->array : NULL;
}

/* A level belongs to its mipmapped array. */
CUresult shim_check_cuArrayDestroy(CUarray hArray) {
    struct shim_object *o = shim_object(HAWSER_ARRAY, hArray);
    return o && o->level_of ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

/* ---- mipmapped arrays ---- */

void shim_note_cuMipmappedArrayCreate(struct shim_object *made, CUmipmappedArray *pHandle,
                                      const CUDA_ARRAY3D_DESCRIPTOR *p, unsigned int levels) {
    (void)pHandle, (void)levels;
    made->array = *p;
}

CUresult cuMipmappedArrayGetLevel(CUarray *pLevelArray, CUmipmappedArray hMipmappedArray, unsigned int level) {
    struct shim_call c;
    Hawser__MipmapLevel m = HAWSER__MIPMAP_LEVEL__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_MipmapLevel, true);
    if (r != CUDA_SUCCESS) return r;
    struct shim_object *mipmap = shim_object(HAWSER_MIPMAP, hMipmappedArray);
    if (!mipmap) return CUDA_ERROR_INVALID_HANDLE;
    if (!pLevelArray || level >= SHIM_MAX_LEVELS) return CUDA_ERROR_INVALID_VALUE;
    struct shim_object *known = mipmap->levels[level];
    if (!known) {
        known = shim_object_new(HAWSER_ARRAY, &c);
        if (!known) return CUDA_ERROR_OUT_OF_MEMORY;
        m.mipmap = mipmap->id;
        m.level = level;
        m.object = known->id;
        r = shim_call(&c, &m.base, NULL, 0, NULL);
        if (r != CUDA_SUCCESS) {
            shim_object_gone(known);
            return r;
        }
        known->array = hawser_array_level(mipmap->array, level);
        known->level_of = mipmap;
        mipmap->levels[level] = known;
    }
    *pLevelArray = (CUarray)known;
    return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray) {
    struct shim_call c;
    Hawser__MipmapDestroy m = HAWSER__MIPMAP_DESTROY__INIT;
    uint64_t levels[SHIM_MAX_LEVELS];
    CUresult r = shim_enter(&c, HAWSER_FN_MipmapDestroy, true);
    if (r != CUDA_SUCCESS) return r;
    struct shim_object *mipmap = shim_object(HAWSER_MIPMAP, hMipmappedArray);
    if (!mipmap) return CUDA_ERROR_INVALID_HANDLE;
    m.mipmap = mipmap->id;
    m.levels = levels;
    for (unsigned i = 0; i < SHIM_MAX_LEVELS; i++)
        if (mipmap->levels[i]) levels[m.n_levels++] = mipmap->levels[i]->id;
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r != CUDA_SUCCESS) return r;
    for (unsigned i = 0; i < SHIM_MAX_LEVELS; i++)
        shim_object_gone(mipmap->levels[i]);
    shim_object_gone(mipmap);
    return CUDA_SUCCESS;
}

/* ---- memory for sparse arrays ---- */

CUresult cuMemMapArrayAsync(CUarrayMapInfo *mapInfoList, unsigned int count, CUstream hStream) {
    struct shim_call c;
    Hawser__MapArrays m = HAWSER__MAP_ARRAYS__INIT;
    CUresult r = shim_enter_stream(&c, HAWSER_FN_MapArrays, hStream);
    if (r == CUDA_SUCCESS) r = shim_copy_stream(&c, hStream, &m.stream);
    if (r != CUDA_SUCCESS) return r;
    if (!mapInfoList || !count) return CUDA_ERROR_INVALID_VALUE;
    CUarrayMapInfo *list = calloc(count, sizeof *list);
    uint64_t *resources = calloc(count, sizeof *resources), *memories = calloc(count, sizeof *memories);
    if (!list || !resources || !memories) r = CUDA_ERROR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < count && r == CUDA_SUCCESS; i++) {
        bool array = mapInfoList[i].resourceType == CU_RESOURCE_TYPE_ARRAY;
        bool map = mapInfoList[i].memOperationType == CU_MEM_OPERATION_TYPE_MAP;
        list[i] = mapInfoList[i];
        list[i].resource.array = NULL;
        list[i].memHandle.memHandle = 0;
        r = array || list[i].resourceType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
        if (r == CUDA_SUCCESS)
            r = shim_handle(array ? HAWSER_ARRAY : HAWSER_MIPMAP, mapInfoList[i].resource.array, &resources[i]);
        if (r == CUDA_SUCCESS && map)
            r = shim_handle(HAWSER_MEMORY, (void *)mapInfoList[i].memHandle.memHandle, &memories[i]);
    }
    m.list = (ProtobufCBinaryData){count * sizeof *list, (uint8_t *)list};
    m.n_resources = m.n_memories = count;
    m.resources = resources;
    m.memories = memories;
    if (r == CUDA_SUCCESS) r = shim_call(&c, &m.base, NULL, 0, NULL);
    free(list);
    free(resources);
    free(memories);
    return r;
}
