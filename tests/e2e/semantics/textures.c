/* Arrays, textures, surfaces. */
#include "semantics.h"

static const char texture_ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    /* out[i] = texture at (xy[2 i], xy[2 i + 1]) */
    ".visible .entry sample(.param .u64 t, .param .u64 xy, .param .u64 out)\n{\n"
    "    .reg .f32 %f<7>;\n    .reg .b32 %r<2>;\n    .reg .b64 %rd<8>;\n"
    "    ld.param.u64 %rd1, [t];\n    ld.param.u64 %rd2, [xy];\n    ld.param.u64 %rd3, [out];\n"
    "    mov.u32 %r1, %tid.x;\n    mul.wide.u32 %rd4, %r1, 8;\n    add.s64 %rd5, %rd2, %rd4;\n"
    "    ld.global.v2.f32 {%f1, %f2}, [%rd5];\n"
    "    tex.2d.v4.f32.f32 {%f3, %f4, %f5, %f6}, [%rd1, {%f1, %f2}];\n"
    "    mul.wide.u32 %rd6, %r1, 4;\n    add.s64 %rd7, %rd3, %rd6;\n    st.global.f32 [%rd7], %f3;\n    ret;\n}\n"
    /* out[i] = texel i of linear memory, as an integer */
    ".visible .entry fetch(.param .u64 t, .param .u64 out)\n{\n"
    "    .reg .b32 %r<6>;\n    .reg .b64 %rd<5>;\n"
    "    ld.param.u64 %rd1, [t];\n    ld.param.u64 %rd2, [out];\n    mov.u32 %r1, %tid.x;\n"
    "    tex.1d.v4.u32.s32 {%r2, %r3, %r4, %r5}, [%rd1, {%r1}];\n"
    "    mul.wide.u32 %rd3, %r1, 4;\n    add.s64 %rd4, %rd2, %rd3;\n    st.global.u32 [%rd4], %r2;\n    ret;\n}\n"
    /* surface(x, y) = 100 y + x; then x += what stands left of it, nothing outside */
    ".visible .entry draw(.param .u64 s)\n{\n"
    "    .reg .b32 %r<8>;\n    .reg .b64 %rd<2>;\n"
    "    ld.param.u64 %rd1, [s];\n    mov.u32 %r1, %tid.x;\n    mov.u32 %r2, %tid.y;\n"
    "    mad.lo.u32 %r3, %r2, 100, %r1;\n    shl.b32 %r4, %r1, 2;\n"
    "    sust.b.2d.b32.trap [%rd1, {%r4, %r2}], {%r3};\n    bar.sync 0;\n"
    "    add.s32 %r5, %r4, -4;\n    suld.b.2d.b32.zero {%r6}, [%rd1, {%r5, %r2}];\n    bar.sync 0;\n"
    "    add.s32 %r7, %r3, %r6;\n    sust.b.2d.b32.trap [%rd1, {%r4, %r2}], {%r7};\n    ret;\n}\n";

static CUmodule texture_module(void) {
    static CUmodule loaded;
    if (!loaded && cuModuleLoadData(&loaded, texture_ptx) != CUDA_SUCCESS) loaded = NULL;
    return loaded;
}

static bool near(float a, float b) {
    return a - b < 1e-5f && b - a < 1e-5f;
}

/* A texture of 4 x 2 floats, value 10 y + x, sampled at some points. */
static bool sampled(CUarray array, const CUDA_TEXTURE_DESC *how, const float (*xy)[2], const float *expected,
                    unsigned n) {
    CUDA_RESOURCE_DESC from = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = array};
    CUtexObject texture;
    CUfunction f;
    CUdeviceptr points, out;
    float got[16];
    if (cuTexObjectCreate(&texture, &from, how, NULL) || cuModuleGetFunction(&f, texture_module(), "sample") ||
        cuMemAlloc(&points, n * 8) || cuMemAlloc(&out, n * 4) || cuMemcpyHtoD(points, xy, n * 8))
        return false;
    void *params[] = {&texture, &points, &out};
    if (cuLaunchKernel(f, 1, 1, 1, n, 1, 1, 0, NULL, params, NULL) || cuMemcpyDtoH(got, out, n * 4) ||
        cuTexObjectDestroy(texture) || cuMemFree(points) || cuMemFree(out))
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!near(got[i], expected[i])) {
            printf("point %u (%g, %g): %g, not %g\n", i, xy[i][0], xy[i][1], got[i], expected[i]);
            return false;
        }
    return true;
}

void textures(void) {
    CUDA_ARRAY3D_DESCRIPTOR d = {.Width = 4, .Height = 2, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1}, told;
    CUarray array;
    float texels[2][4], back[2][4] = {{0}};
    CHECK(texture_module());
    for (int y = 0; y < 2; y++)
        for (int x = 0; x < 4; x++)
            texels[y][x] = (float)(10 * y + x);
    OK(cuArray3DCreate(&array, &d));
    OK(cuArray3DGetDescriptor(&told, array));
    CHECK(!memcmp(&told, &d, sizeof d));
    CUDA_MEMCPY2D in = {.srcMemoryType = CU_MEMORYTYPE_HOST,
                        .srcHost = texels,
                        .srcPitch = 16,
                        .dstMemoryType = CU_MEMORYTYPE_ARRAY,
                        .dstArray = array,
                        .WidthInBytes = 16,
                        .Height = 2};
    OK(cuMemcpy2D(&in));
    CUDA_MEMCPY2D out = {.srcMemoryType = CU_MEMORYTYPE_ARRAY,
                         .srcArray = array,
                         .srcXInBytes = 4,
                         .srcY = 1,
                         .dstMemoryType = CU_MEMORYTYPE_HOST,
                         .dstHost = back,
                         .dstPitch = 16,
                         .WidthInBytes = 8,
                         .Height = 1};
    OK(cuMemcpy2D(&out));
    CHECK(back[0][0] == 11 && back[0][1] == 12);
    out.WidthInBytes = 16; /* beyond the row */
    IS(cuMemcpy2D(&out), CUDA_ERROR_INVALID_VALUE);
    /* nearest texels, clamped at the edges */
    CUDA_TEXTURE_DESC how = {.addressMode = {CU_TR_ADDRESS_MODE_CLAMP, CU_TR_ADDRESS_MODE_CLAMP}};
    static const float points[][2] = {{0.5f, 0.5f}, {3.9f, 1.2f}, {-5, 9}, {2.0f, 0.99f}};
    static const float nearest[] = {0, 13, 10, 2};
    CHECK(sampled(array, &how, points, nearest, 4));
    /* linear filtering: the middle between texels is their mean */
    how.filterMode = CU_TR_FILTER_MODE_LINEAR;
    static const float between[][2] = {{1, 0.5f}, {1.5f, 1}, {2, 1}, {0.75f, 0.5f}};
    static const float mean[] = {0.5f, 6, 6.5f, 0.25f};
    CHECK(sampled(array, &how, between, mean, 4));
    /* normalized coordinates, wrapped and mirrored */
    how.filterMode = CU_TR_FILTER_MODE_POINT;
    how.flags = CU_TRSF_NORMALIZED_COORDINATES;
    how.addressMode[0] = CU_TR_ADDRESS_MODE_WRAP;
    how.addressMode[1] = CU_TR_ADDRESS_MODE_MIRROR;
    static const float far[][2] = {{1.125f, 0.25f}, {-0.125f, 1.25f}, {0.125f, -0.25f}, {2.625f, 1.9f}};
    static const float wrapped[] = {0, 13, 0, 2};
    CHECK(sampled(array, &how, far, wrapped, 4));
    /* the border's colour */
    how.addressMode[0] = how.addressMode[1] = CU_TR_ADDRESS_MODE_BORDER;
    how.borderColor[0] = 77;
    static const float outside[][2] = {{1.1f, 0.5f}, {0.4f, 0.4f}};
    static const float coloured[] = {77, 1};
    CHECK(sampled(array, &how, outside, coloured, 2));
    how.addressMode[0] = 9;
    CUtexObject bad;
    CUDA_RESOURCE_DESC from = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = array};
    IS(cuTexObjectCreate(&bad, &from, &how, NULL), CUDA_ERROR_INVALID_VALUE);
    IS(cuTexObjectDestroy(12345), CUDA_ERROR_INVALID_VALUE);
    OK(cuArrayDestroy(array));
    IS(cuArrayDestroy(array), CUDA_ERROR_INVALID_HANDLE);
    d.NumChannels = 3;
    IS(cuArray3DCreate(&array, &d), CUDA_ERROR_INVALID_VALUE);
}

void texture_of_memory(void) {
    CUdeviceptr x, y;
    CUtexObject texture;
    CUfunction f;
    unsigned char bytes[32];
    unsigned got[32];
    CUDA_TEXTURE_DESC how = {.flags = CU_TRSF_READ_AS_INTEGER};
    CHECK(texture_module());
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)(200 + i);
    OK(cuMemAlloc(&x, 32));
    OK(cuMemAlloc(&y, sizeof got));
    OK(cuMemcpyHtoD(x, bytes, 32));
    CUDA_RESOURCE_DESC from = {.resType = CU_RESOURCE_TYPE_LINEAR,
                               .res.linear = {x, CU_AD_FORMAT_UNSIGNED_INT8, 1, 30}};
    OK(cuTexObjectCreate(&texture, &from, &how, NULL));
    OK(cuModuleGetFunction(&f, texture_module(), "fetch"));
    void *params[] = {&texture, &y};
    OK(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, NULL, params, NULL));
    OK(cuMemcpyDtoH(got, y, sizeof got));
    for (unsigned i = 0; i < 32; i++)
        CHECK(got[i] == (i < 30 ? 200 + i : 0)); /* outside there is nothing */
    OK(cuTexObjectDestroy(texture));
    from.res.linear.sizeInBytes = 1 << 30;
    IS(cuTexObjectCreate(&texture, &from, &how, NULL), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemFree(x));
    OK(cuMemFree(y));
}

void surfaces(void) {
    CUDA_ARRAY3D_DESCRIPTOR d = {.Width = 8,
                                 .Height = 4,
                                 .Format = CU_AD_FORMAT_UNSIGNED_INT32,
                                 .NumChannels = 1,
                                 .Flags = CUDA_ARRAY3D_SURFACE_LDST};
    CUarray array, plain;
    CUsurfObject surface;
    CUfunction f;
    unsigned got[4][8];
    CHECK(texture_module());
    OK(cuArray3DCreate(&array, &d));
    CUDA_RESOURCE_DESC of = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = array};
    OK(cuSurfObjectCreate(&surface, &of));
    OK(cuModuleGetFunction(&f, texture_module(), "draw"));
    void *params[] = {&surface};
    OK(cuLaunchKernel(f, 1, 1, 1, 8, 4, 1, 0, NULL, params, NULL));
    OK(cuCtxSynchronize());
    OK(cuMemcpyAtoH(got, array, 0, sizeof got));
    for (unsigned y = 0; y < 4; y++)
        for (unsigned x = 0; x < 8; x++)
            CHECK(got[y][x] == 100 * y + x + (x ? 100 * y + x - 1 : 0));
    OK(cuSurfObjectDestroy(surface));
    d.Flags = 0;
    OK(cuArray3DCreate(&plain, &d));
    of.res.array.hArray = plain;
    IS(cuSurfObjectCreate(&surface, &of), CUDA_ERROR_INVALID_VALUE);
    OK(cuArrayDestroy(plain));
    OK(cuArrayDestroy(array));
}
