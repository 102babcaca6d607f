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
    uint64_t handle; /* the host's */
    struct shim_object *object;
    struct hawser_texture from;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct made *all; /* lock */

/* The resource as it travels: handles become numbers beside it. */
static CUresult resource_for_host(const CUDA_RESOURCE_DESC *d, CUDA_RESOURCE_DESC *out, uint64_t *object) {
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
        bytes =
            (size_t)hawser_abi_format_bytes(d->res.pitch2D.format) * d->res.pitch2D.numChannels * d->res.pitch2D.width;
        if (!bytes || !d->res.pitch2D.height || d->res.pitch2D.pitchInBytes < bytes ||
            d->res.pitch2D.pitchInBytes > SIZE_MAX / d->res.pitch2D.height)
            return CUDA_ERROR_INVALID_VALUE;
        bytes += d->res.pitch2D.pitchInBytes * (d->res.pitch2D.height - 1);
        return hawser_front_reached(d->res.pitch2D.devPtr, bytes) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

static CUresult create(struct made *m) {
    struct shim_call c;
    CUDA_RESOURCE_DESC resource;
    struct hawser_texture *from = &m->from;
    Hawser__TextureCreate msg = HAWSER__TEXTURE_CREATE__INIT;
    Hawser__TextureCreateReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_TextureCreate, true);
    if (r == CUDA_SUCCESS) r = resource_for_host(&from->resource, &resource, &msg.source);
    if (r != CUDA_SUCCESS) return r;
    r = shim_mirror_post(&c);
    m->object = shim_object_new(HAWSER_TEXTURE, &c);
    if (!m->object) return CUDA_ERROR_OUT_OF_MEMORY;
    msg.object = m->object->id;
    msg.surface = from->surface;
    msg.resource = (ProtobufCBinaryData){sizeof resource, (uint8_t *)&resource};
    if (!from->surface) msg.texture = (ProtobufCBinaryData){sizeof from->texture, (uint8_t *)&from->texture};
    if (from->has_view) msg.view = (ProtobufCBinaryData){sizeof from->view, (uint8_t *)&from->view};
    if (r == CUDA_SUCCESS) r = shim_call(&c, &msg.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) m->handle = reply->handle;
    shim_free_reply(reply);
    if (r != CUDA_SUCCESS) shim_object_gone(m->object);
    return r;
}

CUresult hawser_front_texture_create(const struct hawser_texture *from, unsigned long long *handle) {
    struct made *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    m->from = *from;
    CUresult r = create(m);
    if (r != CUDA_SUCCESS) {
        free(m);
        return r;
    }
    *handle = m->handle;
    pthread_mutex_lock(&lock);
    m->next = all;
    all = m;
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

/* The link to a handle's object, or to the NULL at the end. Under the lock. */
static struct made **find(unsigned long long handle, bool surface) {
    struct made **p = &all;
    while (*p && ((*p)->handle != handle || (*p)->from.surface != surface))
        p = &(*p)->next;
    return p;
}

CUresult hawser_front_texture_destroy(unsigned long long handle, bool surface) {
    struct shim_call c;
    Hawser__TextureDestroy msg = HAWSER__TEXTURE_DESTROY__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_TextureDestroy, true);
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    struct made **p = find(handle, surface), *m = *p;
    if (m) *p = m->next;
    pthread_mutex_unlock(&lock);
    if (!m) return CUDA_ERROR_INVALID_VALUE;
    msg.object = m->object->id;
    msg.surface = surface;
    shim_object_gone(m->object);
    free(m);
    return shim_post(&c, &msg.base, NULL, 0);
}

bool hawser_front_texture(unsigned long long handle, bool surface, struct hawser_texture *out) {
    pthread_mutex_lock(&lock);
    const struct made *m = *find(handle, surface);
    if (m) *out = m->from;
    pthread_mutex_unlock(&lock);
    return m != NULL;
}

/* ---- what references are bound to ---- */

static CUresult bound(void **out, enum hawser_object_kind of, const void *reference, enum hawser_object_kind kind) {
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

CUresult cuTexRefGetArray(CUarray *phArray, CUtexref hTexRef) {
    return bound((void **)phArray, HAWSER_TEXREF, hTexRef, HAWSER_ARRAY);
}

CUresult cuTexRefGetMipmappedArray(CUmipmappedArray *phMipmappedArray, CUtexref hTexRef) {
    return bound((void **)phMipmappedArray, HAWSER_TEXREF, hTexRef, HAWSER_MIPMAP);
}

CUresult cuSurfRefGetArray(CUarray *phArray, CUsurfref hSurfRef) {
    return bound((void **)phArray, HAWSER_SURFREF, hSurfRef, HAWSER_ARRAY);
}
