/* Arrays, textures, surfaces and tensor maps: what the generated calls cannot carry because descriptors hold handles.
 */
#include "served.h"

#include <string.h>

CUresult serve_MipmapLevel(struct served *c, const struct mipmap_level_args *a, CUarray *object) {
    return c->driver->cuMipmappedArrayGetLevel(object, a->mipmap, a->level);
}

CUresult serve_MipmapDestroy(struct served *c, const struct mipmap_destroy_args *a) {
    struct object o;
    for (size_t i = 0; i < a->n_levels; i++)
        if (served_object(c, HAWSER_ARRAY, a->levels[i], &o)) served_unbind(c, a->levels[i]);
    return c->driver->cuMipmappedArrayDestroy(a->mipmap);
}

CUresult serve_TextureCreate(struct served *c, const struct texture_create_args *a, CUtexObject *object,
                             Hawser__TextureCreateReply *reply) {
    CUDA_RESOURCE_DESC *resource = a->resource;
    if (!a->surface && !a->texture) return CUDA_ERROR_INVALID_VALUE;
    if (resource->resType == CU_RESOURCE_TYPE_ARRAY || resource->resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY) {
        bool array = resource->resType == CU_RESOURCE_TYPE_ARRAY;
        if (a->source.kind != (array ? HAWSER_ARRAY : HAWSER_MIPMAP)) return CUDA_ERROR_INVALID_HANDLE;
        if (array)
            resource->res.array.hArray = a->source.handle;
        else
            resource->res.mipmap.hMipmappedArray = a->source.handle;
    }
    CUresult r = a->surface ? c->driver->cuSurfObjectCreate(object, resource)
                            : c->driver->cuTexObjectCreate(object, resource, a->texture, a->view);
    reply->handle = *object;
    return r;
}

CUresult serve_TextureDestroy(struct served *c, const struct texture_destroy_args *a) {
    return a->surface ? c->driver->cuSurfObjectDestroy(a->object) : c->driver->cuTexObjectDestroy(a->object);
}

CUresult served_copy(const struct copy_array_args *a) {
    CUDA_MEMCPY3D *copy = a->copy;
    bool from_array = copy->srcMemoryType == CU_MEMORYTYPE_ARRAY, to_array = copy->dstMemoryType == CU_MEMORYTYPE_ARRAY;
    /* Never a host address: the worker's own memory is not the guest's to copy. */
    if ((!from_array && copy->srcMemoryType != CU_MEMORYTYPE_DEVICE) ||
        (!to_array && copy->dstMemoryType != CU_MEMORYTYPE_DEVICE))
        return CUDA_ERROR_INVALID_VALUE;
    if ((from_array && !a->src_array) || (to_array && !a->dst_array)) return CUDA_ERROR_INVALID_HANDLE;
    if (from_array) copy->srcArray = a->src_array;
    if (to_array) copy->dstArray = a->dst_array;
    return CUDA_SUCCESS;
}

CUresult serve_CopyArray(struct served *c, const struct copy_array_args *a) {
    CUresult r = served_copy(a);
    return r == CUDA_SUCCESS ? c->driver->cuMemcpy3DAsync_v2(a->copy, a->stream) : r;
}

CUresult serve_ReferenceArray(struct served *c, const struct reference_array_args *a,
                              Hawser__ReferenceArrayReply *reply) {
    const struct cuda_driver *d = c->driver;
    void *reference = a->reference.handle, *array = NULL;
    CUresult r;
    if (!d->cuTexRefGetArray || !d->cuTexRefGetMipmappedArray || !d->cuSurfRefGetArray) return CUDA_ERROR_NOT_SUPPORTED;
    if (a->reference.kind != (a->surface ? HAWSER_SURFREF : HAWSER_TEXREF)) return CUDA_ERROR_INVALID_HANDLE;
    if (a->surface)
        r = d->cuSurfRefGetArray((CUarray *)&array, reference);
    else if (a->mipmap)
        r = d->cuTexRefGetMipmappedArray((CUmipmappedArray *)&array, reference);
    else
        r = d->cuTexRefGetArray((CUarray *)&array, reference);
    if (r == CUDA_SUCCESS) reply->object = served_id(c, a->mipmap ? HAWSER_MIPMAP : HAWSER_ARRAY, array);
    return r;
}

CUresult serve_MapArrays(struct served *c, const struct map_arrays_args *a) {
    size_t n = a->n_list;
    CUresult r = CUDA_SUCCESS;
    if (!n || n > UINT32_MAX || a->n_resources != n || a->n_memories != n) return CUDA_ERROR_INVALID_VALUE;
    if (!c->driver->cuMemMapArrayAsync) return CUDA_ERROR_NOT_SUPPORTED;
    for (size_t i = 0; i < n && r == CUDA_SUCCESS; i++) {
        CUarrayMapInfo *one = &a->list[i];
        bool array = one->resourceType == CU_RESOURCE_TYPE_ARRAY;
        r = served_handle(c, array ? HAWSER_ARRAY : HAWSER_MIPMAP, a->resources[i], (void **)&one->resource.array);
        if (r == CUDA_SUCCESS && one->memOperationType == CU_MEM_OPERATION_TYPE_MAP)
            r = served_handle(c, HAWSER_MEMORY, a->memories[i], (void **)&one->memHandle.memHandle);
    }
    return r == CUDA_SUCCESS ? c->driver->cuMemMapArrayAsync(a->list, (unsigned)n, a->stream) : r;
}

CUresult serve_TensorMapReplace(struct served *c, const struct tensor_map_replace_args *a,
                                Hawser__TensorMapReplaceReply *reply) {
    CUtensorMap map; /* aligned as no message is */
    if (a->map.len != sizeof map) return CUDA_ERROR_INVALID_VALUE;
    if (!c->driver->cuTensorMapReplaceAddress) return CUDA_ERROR_NOT_SUPPORTED;
    memcpy(&map, a->map.data, sizeof map);
    CUresult r = c->driver->cuTensorMapReplaceAddress(&map, (void *)(uintptr_t)a->address);
    if (r != CUDA_SUCCESS) return r;
    uint8_t *bytes = served_alloc(c, sizeof map);
    if (!bytes) return CUDA_ERROR_OUT_OF_MEMORY;
    reply->map = (ProtobufCBinaryData){sizeof map, memcpy(bytes, &map, sizeof map)};
    return CUDA_SUCCESS;
}
