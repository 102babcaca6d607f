/* Arrays, textures, surfaces and tensor maps: what the generated calls cannot carry because descriptors hold handles. */
#include "served.h"

#include <stdlib.h>
#include <string.h>

CUresult serve_MipmapLevel(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__MipmapLevel *m = (const Hawser__MipmapLevel *)msg;
    CUmipmappedArray mipmap;
    CUarray array;
    CUresult r = served_handle(c, HAWSER_MIPMAP, m->mipmap, (void **)&mipmap);
    if (r == CUDA_SUCCESS) r = c->driver->cuMipmappedArrayGetLevel(&array, mipmap, (unsigned)m->level);
    return r == CUDA_SUCCESS ? served_bind(c, HAWSER_ARRAY, m->object, array) : r;
}

CUresult serve_MipmapDestroy(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__MipmapDestroy *m = (const Hawser__MipmapDestroy *)msg;
    CUmipmappedArray mipmap;
    struct object o;
    CUresult r = served_handle(c, HAWSER_MIPMAP, m->mipmap, (void **)&mipmap);
    if (r != CUDA_SUCCESS) return r;
    for (size_t i = 0; i < m->n_levels; i++)
        if (served_object(c, HAWSER_ARRAY, m->levels[i], &o)) served_unbind(c, m->levels[i]);
    served_unbind(c, m->mipmap);
    return c->driver->cuMipmappedArrayDestroy(mipmap);
}

CUresult serve_TextureCreate(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__TextureCreate *m = (const Hawser__TextureCreate *)msg;
    CUDA_RESOURCE_DESC resource;
    CUDA_TEXTURE_DESC texture;
    CUDA_RESOURCE_VIEW_DESC view;
    unsigned long long handle = 0;
    CUresult r = CUDA_SUCCESS;
    if (m->resource.len != sizeof resource || (!m->surface && m->texture.len != sizeof texture) ||
        (m->view.len && m->view.len != sizeof view))
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(&resource, m->resource.data, sizeof resource);
    if (!m->surface) memcpy(&texture, m->texture.data, sizeof texture);
    if (m->view.len) memcpy(&view, m->view.data, sizeof view);
    if (resource.resType == CU_RESOURCE_TYPE_ARRAY)
        r = served_handle(c, HAWSER_ARRAY, m->source, (void **)&resource.res.array.hArray);
    else if (resource.resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)
        r = served_handle(c, HAWSER_MIPMAP, m->source, (void **)&resource.res.mipmap.hMipmappedArray);
    if (r == CUDA_SUCCESS)
        r = m->surface ? c->driver->cuSurfObjectCreate(&handle, &resource)
                       : c->driver->cuTexObjectCreate(&handle, &resource, &texture, m->view.len ? &view : NULL);
    if (r == CUDA_SUCCESS) r = served_bind(c, HAWSER_TEXTURE, m->object, (void *)(uintptr_t)handle);
    if (r != CUDA_SUCCESS) return r;
    Hawser__TextureCreateReply reply = HAWSER__TEXTURE_CREATE_REPLY__INIT;
    reply.handle = handle;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

CUresult serve_TextureDestroy(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__TextureDestroy *m = (const Hawser__TextureDestroy *)msg;
    void *handle;
    CUresult r = served_handle(c, HAWSER_TEXTURE, m->object, &handle);
    if (r != CUDA_SUCCESS) return r;
    served_unbind(c, m->object);
    return m->surface ? c->driver->cuSurfObjectDestroy((CUsurfObject)(uintptr_t)handle)
                      : c->driver->cuTexObjectDestroy((CUtexObject)(uintptr_t)handle);
}

CUresult served_copy(struct served *c, const Hawser__CopyArray *m, CUDA_MEMCPY3D *out)
{
    CUresult r = CUDA_SUCCESS;
    if (m->copy.len != sizeof *out) return CUDA_ERROR_INVALID_VALUE;
    memcpy(out, m->copy.data, sizeof *out);
    /* Never a host address: the worker's own memory is not the guest's to copy. */
    if ((out->srcMemoryType != CU_MEMORYTYPE_ARRAY && out->srcMemoryType != CU_MEMORYTYPE_DEVICE) ||
        (out->dstMemoryType != CU_MEMORYTYPE_ARRAY && out->dstMemoryType != CU_MEMORYTYPE_DEVICE))
        return CUDA_ERROR_INVALID_VALUE;
    if (out->srcMemoryType == CU_MEMORYTYPE_ARRAY)
        r = served_handle(c, HAWSER_ARRAY, m->src_array, (void **)&out->srcArray);
    if (r == CUDA_SUCCESS && out->dstMemoryType == CU_MEMORYTYPE_ARRAY)
        r = served_handle(c, HAWSER_ARRAY, m->dst_array, (void **)&out->dstArray);
    return r;
}

CUresult serve_CopyArray(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CopyArray *m = (const Hawser__CopyArray *)msg;
    CUDA_MEMCPY3D d;
    CUstream stream;
    CUresult r = served_handle(c, HAWSER_STREAM, m->stream, (void **)&stream);
    if (r == CUDA_SUCCESS) r = served_copy(c, m, &d);
    return r == CUDA_SUCCESS ? c->driver->cuMemcpy3DAsync_v2(&d, stream) : r;
}

CUresult serve_ReferenceArray(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__ReferenceArray *m = (const Hawser__ReferenceArray *)msg;
    const struct cuda_driver *d = c->driver;
    void *reference, *array;
    if (!d->cuTexRefGetArray || !d->cuTexRefGetMipmappedArray || !d->cuSurfRefGetArray) return CUDA_ERROR_NOT_SUPPORTED;
    CUresult r = served_handle(c, m->surface ? HAWSER_SURFREF : HAWSER_TEXREF, m->reference, &reference);
    if (r != CUDA_SUCCESS) return r;
    if (m->surface)
        r = d->cuSurfRefGetArray((CUarray *)&array, reference);
    else if (m->mipmap)
        r = d->cuTexRefGetMipmappedArray((CUmipmappedArray *)&array, reference);
    else
        r = d->cuTexRefGetArray((CUarray *)&array, reference);
    if (r != CUDA_SUCCESS) return r;
    Hawser__ReferenceArrayReply reply = HAWSER__REFERENCE_ARRAY_REPLY__INIT;
    reply.object = served_id(c, m->mipmap ? HAWSER_MIPMAP : HAWSER_ARRAY, array);
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

CUresult serve_MapArrays(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__MapArrays *m = (const Hawser__MapArrays *)msg;
    CUstream stream;
    size_t n = m->list.len / sizeof(CUarrayMapInfo);
    CUresult r = served_handle(c, HAWSER_STREAM, m->stream, (void **)&stream);
    if (r != CUDA_SUCCESS) return r;
    if (!n || n > UINT32_MAX || m->list.len % sizeof(CUarrayMapInfo) || m->n_resources != n || m->n_memories != n)
        return CUDA_ERROR_INVALID_VALUE;
    if (!c->driver->cuMemMapArrayAsync) return CUDA_ERROR_NOT_SUPPORTED;
    CUarrayMapInfo *list = malloc(m->list.len);
    if (!list) return CUDA_ERROR_OUT_OF_MEMORY;
    memcpy(list, m->list.data, m->list.len);
    for (size_t i = 0; i < n && r == CUDA_SUCCESS; i++) {
        bool array = list[i].resourceType == CU_RESOURCE_TYPE_ARRAY;
        r = served_handle(c, array ? HAWSER_ARRAY : HAWSER_MIPMAP, m->resources[i], (void **)&list[i].resource.array);
        if (r == CUDA_SUCCESS && list[i].memOperationType == CU_MEM_OPERATION_TYPE_MAP)
            r = served_handle(c, HAWSER_MEMORY, m->memories[i], (void **)&list[i].memHandle.memHandle);
    }
    if (r == CUDA_SUCCESS) r = c->driver->cuMemMapArrayAsync(list, (unsigned)n, stream);
    free(list);
    return r;
}

CUresult serve_TensorMapReplace(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__TensorMapReplace *m = (const Hawser__TensorMapReplace *)msg;
    Hawser__TensorMapReplaceReply reply = HAWSER__TENSOR_MAP_REPLACE_REPLY__INIT;
    CUtensorMap map;
    if (m->map.len != sizeof map) return CUDA_ERROR_INVALID_VALUE;
    if (!c->driver->cuTensorMapReplaceAddress) return CUDA_ERROR_NOT_SUPPORTED;
    memcpy(&map, m->map.data, sizeof map);
    CUresult r = c->driver->cuTensorMapReplaceAddress(&map, (void *)(uintptr_t)m->address);
    reply.map = (ProtobufCBinaryData){sizeof map, (uint8_t *)&map};
    if (r == CUDA_SUCCESS) served_reply(c, &reply.base);
    return r;
}
