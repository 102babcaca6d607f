#include <criterion/criterion.h>

#include "verbs.h"

Test(texture, an_object_tells_what_it_was_made_from) {
    CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = (CUarray)&array}, r;
    CUDA_TEXTURE_DESC desc = {.filterMode = CU_TR_FILTER_MODE_LINEAR}, d;
    CUDA_RESOURCE_VIEW_DESC view = {.width = 4}, v;
    CUtexObject t;
    cr_assert_eq(cuTexObjectCreate(&t, &resource, &desc, NULL), CUDA_SUCCESS);
    cr_expect(cuTexObjectGetResourceDesc(&r, t) == CUDA_SUCCESS && r.res.array.hArray == (CUarray)&array);
    cr_expect(cuTexObjectGetTextureDesc(&d, t) == CUDA_SUCCESS && d.filterMode == CU_TR_FILTER_MODE_LINEAR);
    cr_expect_eq(cuTexObjectGetResourceViewDesc(&v, t), CUDA_ERROR_INVALID_VALUE, "it has none");
    cr_expect_eq(cuSurfObjectGetResourceDesc(&r, t), CUDA_ERROR_INVALID_VALUE, "it is a texture");
    cr_expect_eq(cuSurfObjectDestroy(t), CUDA_ERROR_INVALID_VALUE);
    cr_assert_eq(cuTexObjectCreate(&t, &resource, &desc, &view), CUDA_SUCCESS);
    cr_expect(cuTexObjectGetResourceViewDesc(&v, t) == CUDA_SUCCESS && v.width == 4);
}

Test(texture, surfaces_are_of_arrays) {
    CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_LINEAR};
    CUsurfObject s;
    cr_expect_eq(cuSurfObjectCreate(&s, &resource), CUDA_ERROR_INVALID_VALUE);
    resource.resType = CU_RESOURCE_TYPE_ARRAY;
    cr_expect_eq(cuSurfObjectCreate(&s, &resource), CUDA_SUCCESS);
}

Test(stream, questions_are_answered_from_what_it_is) {
    unsigned flags;
    int priority;
    unsigned long long id;
    CUcontext context, c;
    CUdevice d = -1;
    CUstream s = (CUstream)&kernel;
    cr_assert_eq(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
    cr_expect(cuStreamGetFlags(s, &flags) == CUDA_SUCCESS && flags == CU_STREAM_NON_BLOCKING);
    cr_expect(cuStreamGetPriority(s, &priority) == CUDA_SUCCESS && priority == -1);
    cr_expect(cuStreamGetId(s, &id) == CUDA_SUCCESS && id == 42);
    cr_expect(cuStreamGetCtx(s, &c) == CUDA_SUCCESS && c == context);
    cr_expect(cuStreamGetDevice(s, &d) == CUDA_SUCCESS && d == 0);
    cr_expect_eq(cuStreamGetDevice(s, NULL), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuStreamGetId(NULL, NULL), CUDA_ERROR_INVALID_HANDLE);
}
