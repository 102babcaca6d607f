/*
 * Texture and surface objects. What kernels get as a handle is the host's value; what it was made from is kept here
 * for those who ask.
 */
#include "shim.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

struct made {
    struct made *next;
    uint64_t handle;         /* the host's */
    struct shim_object *object;
    bool surface, has_view;
    CUDA_RESOURCE_DESC resource;
    CUDA_TEXTURE_DESC texture;
    CUDA_RESOURCE_VIEW_DESC view;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct made *all; /* lock */

/* The resource as it travels: handles become numbers beside it. */
static CUresult resource_for_host(const CUDA_RESOURCE_DESC *d, CUDA_RESOURCE_DESC *out, uint64_t *object)
{
    *out = *d;
    *object = 0;
    size_t bytes;
    switch (d->resType) {
    case CU_RESOURCE_TYPE_ARRAY:
        out->res.array.hArray = NULL;
        return shim_handle(HAWSER_ARRAY, d->res.array.hArray, object);
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
        out->res.mipmap.hMipmappedArray = NULL;
        return shim_handle(HAWSER_MIPMAP, d->res.mipmap.hMipmappedArray, object);
    case CU_RESOURCE_TYPE_LINEAR:
        /* CUDA does not ask whether the memory is as long as the texture. */
        return hawser_front_reached(d->res.linear.devPtr, 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_RESOURCE_TYPE_PITCH2D:
        bytes = (size_t)hawser_abi_format_bytes(d->res.pitch2D.format) * d->res.pitch2D.numChannels * d->res.pitch2D.width;
        if (!bytes || !d->res.pitch2D.height || d->res.pitch2D.pitchInBytes < bytes ||
            d->res.pitch2D.pitchInBytes > SIZE_MAX / d->res.pitch2D.height)
            return CUDA_ERROR_INVALID_VALUE;
        bytes += d->res.pitch2D.pitchInBytes * (d->res.pitch2D.height - 1);
        return hawser_front_reached(d->res.pitch2D.devPtr, bytes) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

static CUresult create(struct made *m, unsigned long long *out)
{
    struct shim_call c;
    CUDA_RESOURCE_DESC resource;
    Hawser__TextureCreate msg = HAWSER__TEXTURE_CREATE__INIT;
    Hawser__TextureCreateReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_TextureCreate, true);
    if (r == CUDA_SUCCESS) r = resource_for_host(&m->resource, &resource, &msg.source);
    if (r != CUDA_SUCCESS) return r;
    r = shim_mirror_post(&c);
    m->object = shim_object_new(HAWSER_TEXTURE, &c);
    if (!m->object) return CUDA_ERROR_OUT_OF_MEMORY;
    msg.object = m->object->id;
    msg.surface = m->surface;
    msg.resource = (ProtobufCBinaryData){sizeof resource, (uint8_t *)&resource};
    if (!m->surface) msg.texture = (ProtobufCBinaryData){sizeof m->texture, (uint8_t *)&m->texture};
    if (m->has_view) msg.view = (ProtobufCBinaryData){sizeof m->view, (uint8_t *)&m->view};
    if (r == CUDA_SUCCESS) r = shim_call(&c, &msg.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) *out = m->handle = reply->handle;
    shim_free_reply(reply);
    if (r != CUDA_SUCCESS) {
        shim_object_gone(m->object);
        return r;
    }
    pthread_mutex_lock(&lock);
    m->next = all;
    all = m;
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

CUresult cuTexObjectCreate(CUtexObject *pTexObject, const CUDA_RESOURCE_DESC *pResDesc,
                           const CUDA_TEXTURE_DESC *pTexDesc, const CUDA_RESOURCE_VIEW_DESC *pResViewDesc)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!pTexObject || !pResDesc || !pTexDesc) return CUDA_ERROR_INVALID_VALUE;
    struct made *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    m->resource = *pResDesc;
    m->texture = *pTexDesc;
    m->has_view = pResViewDesc != NULL;
    if (pResViewDesc) m->view = *pResViewDesc;
    r = create(m, pTexObject);
    if (r != CUDA_SUCCESS) free(m);
    return r;
}

CUresult cuSurfObjectCreate(CUsurfObject *pSurfObject, const CUDA_RESOURCE_DESC *pResDesc)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!pSurfObject || !pResDesc || pResDesc->resType != CU_RESOURCE_TYPE_ARRAY) return CUDA_ERROR_INVALID_VALUE;
    struct made *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    m->surface = true;
    m->resource = *pResDesc;
    r = create(m, pSurfObject);
    if (r != CUDA_SUCCESS) free(m);
    return r;
}

static CUresult destroy(unsigned long long handle, bool surface)
{
    struct shim_call c;
    Hawser__TextureDestroy msg = HAWSER__TEXTURE_DESTROY__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_TextureDestroy, true);
    if (r != CUDA_SUCCESS) return r;
    struct made *m = NULL;
    pthread_mutex_lock(&lock);
    for (struct made **p = &all; *p; p = &(*p)->next)
        if ((*p)->handle == handle && (*p)->surface == surface) {
            m = *p;
            *p = m->next;
            break;
        }
    pthread_mutex_unlock(&lock);
    if (!m) return CUDA_ERROR_INVALID_VALUE;
    msg.object = m->object->id;
    msg.surface = surface;
    shim_object_gone(m->object);
    free(m);
    return shim_post(&c, &msg.base, NULL, 0);
}

CUresult cuTexObjectDestroy(CUtexObject texObject)
{
    return destroy(texObject, false);
}

CUresult cuSurfObjectDestroy(CUsurfObject surfObject)
{
    return destroy(surfObject, true);
}

static CUresult look_up(unsigned long long handle, bool surface, const void *out, struct made *copy)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    struct made *m = all;
    while (m && (m->handle != handle || m->surface != surface))
        m = m->next;
    if (m) *copy = *m;
    pthread_mutex_unlock(&lock);
    return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUtexObject texObject)
{
    struct made m;
    CUresult r = look_up(texObject, false, pResDesc, &m);
    if (r == CUDA_SUCCESS) *pResDesc = m.resource;
    return r;
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC *pTexDesc, CUtexObject texObject)
{
    struct made m;
    CUresult r = look_up(texObject, false, pTexDesc, &m);
    if (r == CUDA_SUCCESS) *pTexDesc = m.texture;
    return r;
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *pResViewDesc, CUtexObject texObject)
{
    struct made m;
    CUresult r = look_up(texObject, false, pResViewDesc, &m);
    if (r != CUDA_SUCCESS) return r;
    if (!m.has_view) return CUDA_ERROR_INVALID_VALUE;
    *pResViewDesc = m.view;
    return CUDA_SUCCESS;
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUsurfObject surfObject)
{
    struct made m;
    CUresult r = look_up(surfObject, true, pResDesc, &m);
    if (r == CUDA_SUCCESS) *pResDesc = m.resource;
    return r;
}

/* ---- what references are bound to ---- */

static CUresult bound(void **out, enum hawser_object_kind of, const void *reference, enum hawser_object_kind kind)
{
    struct shim_call c;
    Hawser__ReferenceArray m = HAWSER__REFERENCE_ARRAY__INIT;
    Hawser__ReferenceArrayReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_ReferenceArray, true);
    if (r == CUDA_SUCCESS) r = shim_handle(of, reference, &m.reference);
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    m.surface = of == HAWSER_SURFREF;
    m.mipmap = kind == HAWSER_MIPMAP;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    struct shim_object *array = r == CUDA_SUCCESS ? shim_object_named(kind, reply->object) : NULL;
    shim_free_reply(reply);
    if (r == CUDA_SUCCESS && !array) r = CUDA_ERROR_INVALID_VALUE; /* destroyed since */
    if (r == CUDA_SUCCESS) *out = array;
    return r;
}

CUresult cuTexRefGetArray(CUarray *phArray, CUtexref hTexRef)
{
    return bound((void **)phArray, HAWSER_TEXREF, hTexRef, HAWSER_ARRAY);
}

CUresult cuTexRefGetMipmappedArray(CUmipmappedArray *phMipmappedArray, CUtexref hTexRef)
{
    return bound((void **)phMipmappedArray, HAWSER_TEXREF, hTexRef, HAWSER_MIPMAP);
}

CUresult cuSurfRefGetArray(CUarray *phArray, CUsurfref hSurfRef)
{
    return bound((void **)phArray, HAWSER_SURFREF, hSurfRef, HAWSER_ARRAY);
}
