/*
 * The driver's array, texture and surface functions: what they refuse, and references that PTX names.
 *
 *   arrays               runs all; exit status 1 if any failed
 */
#include <cuda.h>
#include <stdio.h>
#include <string.h>

#include "subtest.h"

#define REFUSED(call) CHECK((call) == CUDA_ERROR_INVALID_VALUE)

static CUdevice device;

static int attribute(CUdevice_attribute a) {
    int v = -1;
    return cuDeviceGetAttribute(&v, a, device) == CUDA_SUCCESS ? v : -1;
}

static CUresult create(size_t w, size_t h, size_t d, unsigned channels, unsigned flags) {
    CUDA_ARRAY3D_DESCRIPTOR desc = {
        .Width = w, .Height = h, .Depth = d, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = channels, .Flags = flags};
    CUarray array;
    CUresult r = cuArray3DCreate(&array, &desc);
    return r == CUDA_SUCCESS ? cuArrayDestroy(array) : r;
}

static void limits(void) {
    for (int a = CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH; a <= CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_LAYERS;
         a++)
        CHECK(attribute((CUdevice_attribute)a) >= 2048);
    for (int a = CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_WIDTH;
         a <= CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_MIPMAPPED_HEIGHT; a++)
        CHECK(attribute((CUdevice_attribute)a) >= 2046);
    size_t widest;
    OK(cuDeviceGetTexture1DLinearMaxWidth(&widest, CU_AD_FORMAT_FLOAT, 4, device));
    CHECK(widest >= 1 << 20);
    REFUSED(cuDeviceGetTexture1DLinearMaxWidth(&widest, CU_AD_FORMAT_FLOAT, 3, device));
}

static void shapes(void) {
    size_t widest = (size_t)attribute(CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH);
    size_t most = (size_t)attribute(CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_LAYERS);
    OK(create(widest, 0, 0, 1, 0));
    REFUSED(create(widest + 1, 0, 0, 1, 0));
    REFUSED(create(0, 4, 0, 1, 0));
    REFUSED(create(4, 0, 4, 1, 0)); /* slices without rows */
    REFUSED(create(4, 4, 4, 3, 0));
    REFUSED(create(4, 4, 4, 0, 0));
    OK(create(4, 0, most, 1, CUDA_ARRAY3D_LAYERED));
    REFUSED(create(4, 0, most + 1, 1, CUDA_ARRAY3D_LAYERED));
    REFUSED(create(4, 4, 0, 1, CUDA_ARRAY3D_LAYERED)); /* no layers */
    OK(create(4, 4, 6, 1, CUDA_ARRAY3D_CUBEMAP));
    REFUSED(create(4, 4, 12, 1, CUDA_ARRAY3D_CUBEMAP));
    REFUSED(create(4, 5, 6, 1, CUDA_ARRAY3D_CUBEMAP));
    OK(create(4, 4, 12, 1, CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_LAYERED));
    REFUSED(create(4, 4, 13, 1, CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_LAYERED));
    OK(create(4, 4, 0, 1, CUDA_ARRAY3D_TEXTURE_GATHER));
    REFUSED(create(4, 4, 4, 1, CUDA_ARRAY3D_TEXTURE_GATHER));
    REFUSED(create(4, 4, 0, 1, 0x8000));
    CUarray array;
    REFUSED(cuArray3DCreate(&array, NULL));
    REFUSED(cuArrayCreate(NULL, &(CUDA_ARRAY_DESCRIPTOR){4, 4, CU_AD_FORMAT_FLOAT, 1}));
    REFUSED(cuArrayCreate(&array, &(CUDA_ARRAY_DESCRIPTOR){4, 4, (CUarray_format)0x77, 1}));
}

static void descriptors(void) {
    CUDA_ARRAY_DESCRIPTOR flat = {.Width = 7, .Height = 3, .Format = CU_AD_FORMAT_HALF, .NumChannels = 2}, told;
    CUDA_ARRAY3D_DESCRIPTOR deep;
    CUDA_ARRAY_MEMORY_REQUIREMENTS requirements;
    CUDA_ARRAY_SPARSE_PROPERTIES sparse;
    CUarray array, plane;
    OK(cuArrayCreate(&array, &flat));
    OK(cuArrayGetDescriptor(&told, array));
    CHECK(!memcmp(&told, &flat, sizeof told));
    OK(cuArray3DGetDescriptor(&deep, array));
    CHECK(deep.Width == 7 && deep.Height == 3 && deep.Depth == 0 && deep.Flags == 0);
    REFUSED(cuArrayGetPlane(&plane, array, 0));
    REFUSED(cuArrayGetMemoryRequirements(&requirements, array, device));
    REFUSED(cuArrayGetSparseProperties(&sparse, array));
    REFUSED(cuArrayGetDescriptor(NULL, array));
    OK(cuArrayDestroy(array));
    CHECK(cuArrayDestroy(array) == CUDA_ERROR_INVALID_HANDLE);
    CHECK(cuArrayGetDescriptor(&told, array) == CUDA_ERROR_INVALID_HANDLE);
    CHECK(cuArrayDestroy((CUarray)&told) == CUDA_ERROR_INVALID_HANDLE);
}

static void mipmaps(void) {
    CUDA_ARRAY3D_DESCRIPTOR desc = {.Width = 9, .Height = 4, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1}, told;
    CUmipmappedArray mipmap;
    CUarray level, again;
    OK(cuMipmappedArrayCreate(&mipmap, &desc, 100)); /* as many as there can be: 9, 4, 2, 1 */
    OK(cuMipmappedArrayGetLevel(&level, mipmap, 3));
    OK(cuArray3DGetDescriptor(&told, level));
    CHECK(told.Width == 1 && told.Height == 1 && told.Depth == 0);
    OK(cuMipmappedArrayGetLevel(&again, mipmap, 3));
    CHECK(again == level);
    REFUSED(cuMipmappedArrayGetLevel(&level, mipmap, 4));
    CHECK(cuArrayDestroy(level) == CUDA_ERROR_INVALID_HANDLE);
    /* Coordinates of a mipmapped texture are normalized. */
    CUDA_RESOURCE_DESC from = {.resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY, .res.mipmap.hMipmappedArray = mipmap};
    CUDA_TEXTURE_DESC how = {.flags = 0};
    CUtexObject t;
    REFUSED(cuTexObjectCreate(&t, &from, &how, NULL));
    how.flags = CU_TRSF_NORMALIZED_COORDINATES;
    OK(cuTexObjectCreate(&t, &from, &how, NULL));
    OK(cuTexObjectDestroy(t));
    OK(cuMipmappedArrayDestroy(mipmap));
    CHECK(cuMipmappedArrayDestroy(mipmap) == CUDA_ERROR_INVALID_HANDLE);
}

static void copies(void) {
    CUDA_ARRAY3D_DESCRIPTOR desc = {
        .Width = 8, .Height = 4, .Depth = 2, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
    CUarray array;
    float host[64] = {0};
    OK(cuArray3DCreate(&array, &desc));
    CUDA_MEMCPY3D good = {.srcMemoryType = CU_MEMORYTYPE_HOST,
                          .srcHost = host,
                          .srcPitch = 32,
                          .srcHeight = 4,
                          .dstMemoryType = CU_MEMORYTYPE_ARRAY,
                          .dstArray = array,
                          .WidthInBytes = 32,
                          .Height = 4,
                          .Depth = 2};
    OK(cuMemcpy3D(&good));
    CUDA_MEMCPY3D bad = good;
    bad.dstXInBytes = 4;
    REFUSED(cuMemcpy3D(&bad));
    bad = good, bad.dstY = 1;
    REFUSED(cuMemcpy3D(&bad));
    bad = good, bad.dstZ = 1;
    REFUSED(cuMemcpy3D(&bad));
    bad = good, bad.dstZ = SIZE_MAX;
    REFUSED(cuMemcpy3D(&bad));
    bad = good, bad.dstArray = (CUarray)host;
    CHECK(cuMemcpy3D(&bad) != CUDA_SUCCESS);
    bad = good, bad.srcMemoryType = (CUmemorytype)9;
    REFUSED(cuMemcpy3D(&bad));
    REFUSED(cuMemcpy3D(NULL));
    OK(cuArrayDestroy(array));
}

static void objects(void) {
    CUDA_ARRAY3D_DESCRIPTOR desc = {.Width = 8, .Height = 8, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
    CUDA_RESOURCE_DESC told, from = {.resType = CU_RESOURCE_TYPE_ARRAY};
    CUDA_TEXTURE_DESC how = {.addressMode = {CU_TR_ADDRESS_MODE_CLAMP, CU_TR_ADDRESS_MODE_MIRROR}}, settings;
    CUDA_RESOURCE_VIEW_DESC view = {.format = CU_RES_VIEW_FORMAT_UINT_1X32, .width = 8, .height = 8}, seen;
    CUtexObject t;
    CUsurfObject s;
    CUdeviceptr memory;
    OK(cuArray3DCreate(&from.res.array.hArray, &desc));
    OK(cuMemAlloc(&memory, 4096));
    REFUSED(cuTexObjectCreate(NULL, &from, &how, NULL));
    REFUSED(cuTexObjectCreate(&t, NULL, &how, NULL));
    REFUSED(cuTexObjectCreate(&t, &from, NULL, NULL));
    CUDA_TEXTURE_DESC bad = how;
    bad.addressMode[2] = (CUaddress_mode)9;
    REFUSED(cuTexObjectCreate(&t, &from, &bad, NULL));
    bad = how, bad.flags = 0x4000;
    REFUSED(cuTexObjectCreate(&t, &from, &bad, NULL));
    bad = how, bad.flags = CU_TRSF_SEAMLESS_CUBEMAP; /* of what is no cube */
    REFUSED(cuTexObjectCreate(&t, &from, &bad, NULL));
    view.width = 7;
    REFUSED(cuTexObjectCreate(&t, &from, &how, &view));
    view.width = 8, view.format = CU_RES_VIEW_FORMAT_UINT_2X32; /* texels twice as large */
    REFUSED(cuTexObjectCreate(&t, &from, &how, &view));
    view.format = CU_RES_VIEW_FORMAT_UINT_1X32, view.lastMipmapLevel = 1;
    REFUSED(cuTexObjectCreate(&t, &from, &how, &view));
    view.lastMipmapLevel = 0;
    OK(cuTexObjectCreate(&t, &from, &how, &view));
    OK(cuTexObjectGetResourceDesc(&told, t));
    OK(cuTexObjectGetTextureDesc(&settings, t));
    OK(cuTexObjectGetResourceViewDesc(&seen, t));
    CHECK(told.resType == CU_RESOURCE_TYPE_ARRAY && told.res.array.hArray == from.res.array.hArray);
    CHECK(settings.addressMode[1] == CU_TR_ADDRESS_MODE_MIRROR && seen.format == CU_RES_VIEW_FORMAT_UINT_1X32);
    REFUSED(cuSurfObjectDestroy(t));
    OK(cuTexObjectDestroy(t));
    REFUSED(cuTexObjectDestroy(t));
    REFUSED(cuTexObjectGetTextureDesc(&settings, t));
    REFUSED(cuSurfObjectCreate(&s, &from)); /* made without CUDA_ARRAY3D_SURFACE_LDST */
    CUDA_RESOURCE_DESC line = {.resType = CU_RESOURCE_TYPE_LINEAR, .res.linear = {memory, CU_AD_FORMAT_FLOAT, 1, 4096}};
    OK(cuTexObjectCreate(&t, &line, &how, NULL));
    OK(cuTexObjectDestroy(t));
    REFUSED(cuTexObjectCreate(&t, &line, &how, &view));
    REFUSED(cuSurfObjectCreate(&s, &line));
    line.res.linear.devPtr += 4; /* not aligned, and too long */
    REFUSED(cuTexObjectCreate(&t, &line, &how, NULL));
    CUDA_RESOURCE_DESC plane = {.resType = CU_RESOURCE_TYPE_PITCH2D,
                                .res.pitch2D = {memory, CU_AD_FORMAT_FLOAT, 1, 8, 8, 64}};
    OK(cuTexObjectCreate(&t, &plane, &how, NULL));
    OK(cuTexObjectDestroy(t));
    plane.res.pitch2D.pitchInBytes = 40; /* no multiple of the pitch alignment */
    REFUSED(cuTexObjectCreate(&t, &plane, &how, NULL));
    plane.res.pitch2D.pitchInBytes = 1024;
    REFUSED(cuTexObjectCreate(&t, &plane, &how, NULL));
    from.flags = 1;
    REFUSED(cuTexObjectCreate(&t, &from, &how, NULL));
    OK(cuArrayDestroy(from.res.array.hArray));
    OK(cuMemFree(memory));
}

/* ---- references ---- */

static const char ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                          ".visible .global .texref image;\n.visible .global .surfref canvas;\n"
                          ".visible .entry draw(.param .u64 out)\n{\n"
                          "    .reg .b32 %r<8>;\n    .reg .f32 %f<6>;\n    .reg .b64 %rd<5>;\n"
                          "    ld.param.u64 %rd1, [out];\n    mov.u32 %r1, %tid.x;\n    cvt.rn.f32.u32 %f1, %r1;\n"
                          "    add.f32 %f1, %f1, 0f3F000000;\n"
                          "    tex.1d.v4.f32.f32 {%f2, %f3, %f4, %f5}, [image, {%f1}];\n"
                          "    mul.wide.u32 %rd2, %r1, 4;\n    add.s64 %rd3, %rd1, %rd2;\n"
                          "    st.global.f32 [%rd3], %f2;\n    shl.b32 %r2, %r1, 2;\n    mov.b32 %r3, %f2;\n"
                          "    mov.u64 %rd4, canvas;\n    sust.b.1d.b32.trap [%rd4, {%r2}], {%r3};\n    ret;\n}\n";

static void references(void) {
    CUDA_ARRAY3D_DESCRIPTOR desc = {
        .Width = 8, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1, .Flags = CUDA_ARRAY3D_SURFACE_LDST};
    CUmodule module;
    CUfunction draw;
    CUtexref image;
    CUsurfref canvas;
    CUarray from, to;
    CUdeviceptr out;
    CUfilter_mode filter;
    CUaddress_mode mode;
    size_t offset = 1;
    float texels[8], got[8], written[8];
    for (int i = 0; i < 8; i++)
        texels[i] = (float)(i * i);
    OK(cuModuleLoadData(&module, ptx));
    OK(cuModuleGetFunction(&draw, module, "draw"));
    OK(cuModuleGetTexRef(&image, module, "image"));
    OK(cuModuleGetSurfRef(&canvas, module, "canvas"));
    CUtexref none;
    CHECK(cuModuleGetTexRef(&none, module, "nothing") == CUDA_ERROR_NOT_FOUND);
    OK(cuArray3DCreate(&from, &desc));
    OK(cuArray3DCreate(&to, &desc));
    OK(cuMemAlloc(&out, sizeof got));
    OK(cuMemcpyHtoA(from, 0, texels, sizeof texels));
    REFUSED(cuTexRefSetArray(image, from, 0));
    OK(cuTexRefSetArray(image, from, CU_TRSA_OVERRIDE_FORMAT));
    CUarray bound;
    CUmipmappedArray no_levels;
    REFUSED(cuSurfRefGetArray(&bound, canvas)); /* nothing yet */
    OK(cuSurfRefSetArray(canvas, to, 0));
    OK(cuTexRefGetArray(&bound, image));
    CHECK(bound == from);
    OK(cuSurfRefGetArray(&bound, canvas));
    CHECK(bound == to);
    REFUSED(cuTexRefGetMipmappedArray(&no_levels, image));
    OK(cuTexRefSetFilterMode(image, CU_TR_FILTER_MODE_LINEAR));
    OK(cuTexRefGetFilterMode(&filter, image));
    CHECK(filter == CU_TR_FILTER_MODE_LINEAR);
    OK(cuTexRefSetAddressMode(image, 0, CU_TR_ADDRESS_MODE_BORDER));
    OK(cuTexRefGetAddressMode(&mode, image, 0));
    CHECK(mode == CU_TR_ADDRESS_MODE_BORDER);
    REFUSED(cuTexRefSetAddressMode(image, 3, CU_TR_ADDRESS_MODE_CLAMP));
    void *params[] = {&out};
    OK(cuLaunchKernel(draw, 1, 1, 1, 8, 1, 1, 0, NULL, params, NULL));
    OK(cuMemcpyDtoH(got, out, sizeof got));
    OK(cuMemcpyAtoH(written, to, 0, sizeof written));
    CHECK(!memcmp(got, texels, sizeof got) && !memcmp(written, texels, sizeof got));
    /* The same variable, now over memory: filters do not count there. */
    float line[8] = {8, 7, 6, 5, 4, 3, 2, 1};
    CUdeviceptr memory;
    OK(cuMemAlloc(&memory, sizeof line));
    OK(cuMemcpyHtoD(memory, line, sizeof line));
    OK(cuTexRefSetFormat(image, CU_AD_FORMAT_FLOAT, 1));
    OK(cuTexRefSetAddress(&offset, image, memory, sizeof line));
    CHECK(offset == 0);
    OK(cuLaunchKernel(draw, 1, 1, 1, 8, 1, 1, 0, NULL, params, NULL));
    OK(cuMemcpyDtoH(got, out, sizeof got));
    CHECK(!memcmp(got, line, sizeof got));
    OK(cuModuleUnload(module));
    OK(cuArrayDestroy(from));
    OK(cuArrayDestroy(to));
    OK(cuMemFree(out));
    OK(cuMemFree(memory));
}

int main(int argc, char **argv) {
    static const struct subtest tests[] = {{"limits", limits, false},           {"shapes", shapes, false},
                                           {"descriptors", descriptors, false}, {"mipmaps", mipmaps, false},
                                           {"copies", copies, false},           {"objects", objects, false},
                                           {"references", references, false}};
    CUcontext context;
    if (cuInit(0) != CUDA_SUCCESS || cuDeviceGet(&device, 0) != CUDA_SUCCESS ||
        cuDevicePrimaryCtxRetain(&context, device) != CUDA_SUCCESS || cuCtxSetCurrent(context) != CUDA_SUCCESS) {
        printf("FAIL: no device\n");
        return 1;
    }
    return subtests_run(tests, sizeof tests / sizeof *tests, argc, argv);
}
