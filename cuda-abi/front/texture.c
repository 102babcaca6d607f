/* Texture and surface objects, and what they were made from. */
#include "front.h"

CUresult cuTexObjectCreate(CUtexObject *pTexObject, const CUDA_RESOURCE_DESC *pResDesc,
                           const CUDA_TEXTURE_DESC *pTexDesc, const CUDA_RESOURCE_VIEW_DESC *pResViewDesc) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pTexObject || !pResDesc || !pTexDesc) return CUDA_ERROR_INVALID_VALUE;
    struct hawser_texture t = {.resource = *pResDesc, .texture = *pTexDesc, .has_view = pResViewDesc != NULL};
    if (pResViewDesc) t.view = *pResViewDesc;
    return hawser_front_texture_create(&t, pTexObject);
}

CUresult cuSurfObjectCreate(CUsurfObject *pSurfObject, const CUDA_RESOURCE_DESC *pResDesc) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pSurfObject || !pResDesc || pResDesc->resType != CU_RESOURCE_TYPE_ARRAY) return CUDA_ERROR_INVALID_VALUE;
    return hawser_front_texture_create(&(struct hawser_texture){.surface = true, .resource = *pResDesc}, pSurfObject);
}

CUresult cuTexObjectDestroy(CUtexObject texObject) {
    return hawser_front_texture_destroy(texObject, false);
}

CUresult cuSurfObjectDestroy(CUsurfObject surfObject) {
    return hawser_front_texture_destroy(surfObject, true);
}

static CUresult made_from(unsigned long long handle, bool surface, const void *out, struct hawser_texture *t) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    return out && hawser_front_texture(handle, surface, t) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUtexObject texObject) {
    struct hawser_texture t;
    CUresult r = made_from(texObject, false, pResDesc, &t);
    if (r == CUDA_SUCCESS) *pResDesc = t.resource;
    return r;
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC *pTexDesc, CUtexObject texObject) {
    struct hawser_texture t;
    CUresult r = made_from(texObject, false, pTexDesc, &t);
    if (r == CUDA_SUCCESS) *pTexDesc = t.texture;
    return r;
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *pResViewDesc, CUtexObject texObject) {
    struct hawser_texture t;
    CUresult r = made_from(texObject, false, pResViewDesc, &t);
    if (r == CUDA_SUCCESS && !t.has_view) r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) *pResViewDesc = t.view;
    return r;
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUsurfObject surfObject) {
    struct hawser_texture t;
    CUresult r = made_from(surfObject, true, pResDesc, &t);
    if (r == CUDA_SUCCESS) *pResDesc = t.resource;
    return r;
}
