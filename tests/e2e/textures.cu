/*
 * Textures and surfaces against the formulas of the CUDA programming guide, computed here. One function each.
 *
 *   textures             runs all; exit status 1 if any failed
 *   textures NAME        runs one; those that end the context run only by their name
 */
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <vector>

#include "subtest.h"

/* Numbers without a pattern that filtering would hide. */
static float noise(unsigned i)
{
    i = (i ^ 61) ^ (i >> 16);
    i *= 9;
    i ^= i >> 4;
    i *= 0x27d4eb2d;
    i ^= i >> 15;
    return (float)(i & 0xffff) / 65536.0f;
}

/* ---- the model ---- */

enum { MAX_POINTS = 4096 };

static double address(double i, int n, cudaTextureAddressMode mode)
{
    switch (mode) {
    case cudaAddressModeWrap:
        return i - n * floor(i / n);
    case cudaAddressModeMirror: {
        double m = i - 2.0 * n * floor(i / (2.0 * n));
        return m < n ? m : 2 * n - 1 - m;
    }
    case cudaAddressModeClamp:
        return i < 0 ? 0 : i >= n ? n - 1 : i;
    default:
        return i < 0 || i >= n ? -1 : i;
    }
}

struct Image {
    int size[3]; /* texels */
    std::vector<float> texels;
    float at(const double i[3], const cudaTextureDesc &d) const
    {
        size_t place[3];
        for (int k = 0; k < 3; k++) {
            double a = size[k] > 1 ? address(i[k], size[k], d.addressMode[k]) : address(i[k], size[k], cudaAddressModeClamp);
            if (a < 0) return d.borderColor[0];
            place[k] = (size_t)a;
        }
        return texels[(place[2] * size[1] + place[1]) * size[0] + place[0]];
    }
};

/* What a fetch gives; c in the texture's own units. */
static float model(const Image &image, const cudaTextureDesc &d, int dims, const float c[3])
{
    double base[3] = {0, 0, 0}, part[3] = {0, 0, 0};
    bool linear = d.filterMode == cudaFilterModeLinear;
    for (int k = 0; k < dims; k++) {
        double x = d.normalizedCoords ? (double)c[k] * image.size[k] : c[k];
        if (linear) x = floor((x - 0.5) * 256 + 0.5) / 256;
        base[k] = floor(x);
        part[k] = linear ? x - base[k] : 0;
    }
    double sum = 0;
    for (int corner = 0; corner < 1 << dims; corner++) {
        double weight = 1, at[3] = {0, 0, 0};
        for (int k = 0; k < dims; k++) {
            int upper = corner >> k & 1;
            weight *= upper ? part[k] : 1 - part[k];
            at[k] = base[k] + upper;
        }
        if (weight) sum += weight * image.at(at, d);
    }
    return (float)sum;
}

/* ---- devices' side ---- */

__global__ void sample(cudaTextureObject_t t, int dims, const float4 *at, float *out, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 c = at[i];
    out[i] = dims == 1 ? tex1D<float>(t, c.x) : dims == 2 ? tex2D<float>(t, c.x, c.y) : tex3D<float>(t, c.x, c.y, c.z);
}

template <typename T> struct Buffer {
    T *p = nullptr;
    explicit Buffer(size_t n) { if (cudaMalloc(&p, n * sizeof(T)) != cudaSuccess) p = nullptr; }
    ~Buffer() { cudaFree(p); }
};

template <typename T> static bool upload(cudaArray_t array, const T *from, int w, int h, int d)
{
    cudaMemcpy3DParms p = {};
    p.srcPtr = make_cudaPitchedPtr((void *)from, w * sizeof(T), w, h ? h : 1);
    p.dstArray = array;
    p.extent = make_cudaExtent(w, h ? h : 1, d ? d : 1);
    p.kind = cudaMemcpyHostToDevice;
    return cudaMemcpy3D(&p) == cudaSuccess;
}

static cudaResourceDesc of_array(cudaArray_t array)
{
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeArray;
    r.res.array.array = array;
    return r;
}

/* ---- filtering and addressing ---- */

static bool compare(const Image &image, cudaTextureObject_t t, const cudaTextureDesc &d, int dims)
{
    const int n = 1500;
    std::vector<float4> at(n);
    std::vector<float> got(n);
    for (int i = 0; i < n; i++) {
        float c[3];
        for (int k = 0; k < 3; k++) {
            c[k] = noise(3 * i + k) * 5 - 2;
            if (!d.normalizedCoords) c[k] *= image.size[k];
        }
        at[i] = make_float4(c[0], c[1], c[2], 0);
    }
    Buffer<float4> places(n);
    Buffer<float> out(n);
    if (cudaMemcpy(places.p, at.data(), n * sizeof(float4), cudaMemcpyHostToDevice) != cudaSuccess) return false;
    sample<<<(n + 127) / 128, 128>>>(t, dims, places.p, out.p, n);
    if (cudaMemcpy(got.data(), out.p, n * sizeof(float), cudaMemcpyDeviceToHost) != cudaSuccess) return false;
    for (int i = 0; i < n; i++) {
        const float c[3] = {at[i].x, at[i].y, at[i].z};
        float want = model(image, d, dims, c);
        if (fabsf(got[i] - want) > 1e-5f) {
            printf("%dD mode %d %d at %.9g %.9g %.9g: %.9g, not %.9g\n", dims, d.addressMode[0], d.filterMode, c[0], c[1],
                   c[2], got[i], want);
            return false;
        }
    }
    return true;
}

static void filtering()
{
    for (int dims = 1; dims <= 3; dims++) {
        Image image = {{13, dims > 1 ? 6 : 1, dims > 2 ? 5 : 1}, {}};
        for (int i = 0; i < image.size[0] * image.size[1] * image.size[2]; i++)
            image.texels.push_back(noise(i));
        cudaArray_t array;
        cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
        OK(cudaMalloc3DArray(&array, &format, make_cudaExtent(13, dims > 1 ? 6 : 0, dims > 2 ? 5 : 0)));
        CHECK(upload(array, image.texels.data(), 13, image.size[1], image.size[2]));
        cudaResourceDesc r = of_array(array);
        for (int mode = 0; mode < 4; mode++)
            for (int linear = 0; linear < 2; linear++)
                for (int normalized = 0; normalized < 2; normalized++) {
                    cudaTextureDesc d = {};
                    cudaTextureObject_t t;
                    if (!normalized && (mode == cudaAddressModeWrap || mode == cudaAddressModeMirror)) continue;
                    for (int k = 0; k < 3; k++)
                        d.addressMode[k] = (cudaTextureAddressMode)mode;
                    d.filterMode = linear ? cudaFilterModeLinear : cudaFilterModePoint;
                    d.normalizedCoords = normalized;
                    d.borderColor[0] = 7;
                    OK(cudaCreateTextureObject(&t, &r, &d, NULL));
                    CHECK(compare(image, t, d, dims));
                    OK(cudaDestroyTextureObject(t));
                }
        OK(cudaFreeArray(array));
    }
}

/* ---- formats ---- */

__global__ void four_floats(cudaTextureObject_t t, float4 *out)
{
    out[threadIdx.x] = tex1D<float4>(t, threadIdx.x + 0.5f);
}

__global__ void four_ints(cudaTextureObject_t t, int4 *out)
{
    out[threadIdx.x] = tex1D<int4>(t, threadIdx.x + 0.5f);
}

static double channel_value(const void *p, cudaChannelFormatKind kind, int bits, bool promote)
{
    switch (kind) {
    case cudaChannelFormatKindFloat:
        return bits == 32 ? *(const float *)p : __half2float(*(const __half *)p);
    case cudaChannelFormatKindSigned: {
        double v = bits == 8 ? *(const int8_t *)p : bits == 16 ? *(const int16_t *)p : *(const int32_t *)p;
        return promote ? fmax(v / (bits == 8 ? 127.0 : 32767.0), -1.0) : v;
    }
    default: {
        double v = bits == 8 ? *(const uint8_t *)p : bits == 16 ? *(const uint16_t *)p : *(const uint32_t *)p;
        return promote ? v / (bits == 8 ? 255.0 : 65535.0) : v;
    }
    }
}

static void formats()
{
    const int n = 32;
    const cudaChannelFormatKind kinds[] = {cudaChannelFormatKindSigned, cudaChannelFormatKindUnsigned,
                                           cudaChannelFormatKindFloat};
    Buffer<float4> floats(n);
    Buffer<int4> ints(n);
    for (cudaChannelFormatKind kind : kinds)
        for (int bits = kind == cudaChannelFormatKindFloat ? 16 : 8; bits <= 32; bits *= 2)
            for (int channels = 1; channels <= 4; channels *= 2)
                for (int promote = 0; promote < 2; promote++) {
                    if (promote && (bits == 32 || kind == cudaChannelFormatKindFloat)) continue;
                    cudaChannelFormatDesc format = {bits, channels > 1 ? bits : 0, channels > 2 ? bits : 0,
                                                    channels > 2 ? bits : 0, kind};
                    std::vector<uint8_t> bytes(n * channels * bits / 8);
                    for (size_t i = 0; i < bytes.size(); i++)
                        bytes[i] = (uint8_t)(noise((unsigned)i + bits * channels) * 256);
                    if (kind == cudaChannelFormatKindFloat)
                        for (int i = 0; i < n * channels; i++) {
                            float v = noise(i) - 0.5f;
                            __half h = __float2half(v);
                            memcpy(&bytes[i * bits / 8], bits == 32 ? (void *)&v : (void *)&h, bits / 8);
                        }
                    cudaArray_t array;
                    cudaTextureObject_t t;
                    OK(cudaMallocArray(&array, &format, n));
                    OK(cudaMemcpy2DToArray(array, 0, 0, bytes.data(), bytes.size(), bytes.size(), 1,
                                           cudaMemcpyHostToDevice));
                    cudaResourceDesc r = of_array(array);
                    cudaTextureDesc d = {};
                    d.addressMode[0] = cudaAddressModeClamp;
                    d.readMode = promote ? cudaReadModeNormalizedFloat : cudaReadModeElementType;
                    OK(cudaCreateTextureObject(&t, &r, &d, NULL));
                    bool real = promote || kind == cudaChannelFormatKindFloat;
                    float4 f[n];
                    int4 v[n];
                    if (real) {
                        four_floats<<<1, n>>>(t, floats.p);
                        OK(cudaMemcpy(f, floats.p, sizeof f, cudaMemcpyDeviceToHost));
                    } else {
                        four_ints<<<1, n>>>(t, ints.p);
                        OK(cudaMemcpy(v, ints.p, sizeof v, cudaMemcpyDeviceToHost));
                    }
                    for (int i = 0; i < n * channels; i++) {
                        double want = channel_value(&bytes[i * bits / 8], kind, bits, promote);
                        if (real)
                            CHECK(fabs((&f[i / channels].x)[i % channels] - want) < 1e-6);
                        else
                            CHECK((&v[i / channels].x)[i % channels] == (int)(uint32_t)(int64_t)want);
                    }
                    OK(cudaDestroyTextureObject(t));
                    OK(cudaFreeArray(array));
                }
}

__global__ void srgb_texels(cudaTextureObject_t t, float4 *out)
{
    out[threadIdx.x] = tex1D<float4>(t, threadIdx.x + 0.5f);
}

static void srgb()
{
    uchar4 texels[64];
    float4 got[64];
    for (int i = 0; i < 64; i++)
        texels[i] = make_uchar4(4 * i, 255 - 4 * i, i, 2 * i);
    cudaArray_t array;
    cudaTextureObject_t t;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<uchar4>();
    OK(cudaMallocArray(&array, &format, 64));
    CHECK(upload(array, texels, 64, 0, 0));
    cudaResourceDesc r = of_array(array);
    cudaTextureDesc d = {};
    d.addressMode[0] = cudaAddressModeClamp;
    d.readMode = cudaReadModeNormalizedFloat;
    d.sRGB = 1;
    OK(cudaCreateTextureObject(&t, &r, &d, NULL));
    Buffer<float4> out(64);
    srgb_texels<<<1, 64>>>(t, out.p);
    OK(cudaMemcpy(got, out.p, sizeof got, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 64; i++) {
        for (int k = 0; k < 3; k++) {
            double v = (&texels[i].x)[k] / 255.0;
            double want = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
            CHECK(fabs((&got[i].x)[k] - want) < 1e-3);
        }
        CHECK(fabs(got[i].w - texels[i].w / 255.0) < 1e-6);
    }
    OK(cudaDestroyTextureObject(t));
    OK(cudaFreeArray(array));
}

/* ---- layers and cubes ---- */

__global__ void layers_of(cudaTextureObject_t one, cudaTextureObject_t two, float *out)
{
    int x = threadIdx.x, layer = blockIdx.x;
    out[(layer * 2) * 8 + x] = tex1DLayered<float>(one, x + 0.5f, layer);
    out[(layer * 2 + 1) * 8 + x] = tex2DLayered<float>(two, x + 0.5f, 1.5f, layer);
}

static void layered()
{
    float one[3][8], two[3][2][8], got[4][2][8];
    cudaArray_t a1, a2;
    cudaTextureObject_t t1, t2;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    for (int l = 0; l < 3; l++)
        for (int x = 0; x < 8; x++) {
            one[l][x] = (float)(100 * l + x);
            two[l][0][x] = -1;
            two[l][1][x] = (float)(1000 * l + x);
        }
    OK(cudaMalloc3DArray(&a1, &format, make_cudaExtent(8, 0, 3), cudaArrayLayered));
    OK(cudaMalloc3DArray(&a2, &format, make_cudaExtent(8, 2, 3), cudaArrayLayered));
    CHECK(upload(a1, &one[0][0], 8, 1, 3) && upload(a2, &two[0][0][0], 8, 2, 3));
    cudaTextureDesc d = {};
    cudaResourceDesc r1 = of_array(a1), r2 = of_array(a2);
    d.addressMode[0] = d.addressMode[1] = cudaAddressModeClamp;
    OK(cudaCreateTextureObject(&t1, &r1, &d, NULL));
    OK(cudaCreateTextureObject(&t2, &r2, &d, NULL));
    Buffer<float> out(64);
    layers_of<<<4, 8>>>(t1, t2, out.p);
    OK(cudaMemcpy(got, out.p, sizeof got, cudaMemcpyDeviceToHost));
    for (int l = 0; l < 4; l++)
        for (int x = 0; x < 8; x++) {
            int layer = l < 3 ? l : 2; /* the last layer stands for those beyond it */
            CHECK(got[l][0][x] == one[layer][x] && got[l][1][x] == two[layer][1][x]);
        }
    OK(cudaDestroyTextureObject(t1));
    OK(cudaDestroyTextureObject(t2));
    OK(cudaFreeArray(a1));
    OK(cudaFreeArray(a2));
}

__global__ void cube_of(cudaTextureObject_t cube, cudaTextureObject_t cubes, const float4 *at, float2 *out)
{
    float4 c = at[threadIdx.x];
    out[threadIdx.x] = make_float2(texCubemap<float>(cube, c.x, c.y, c.z),
                                   texCubemapLayered<float>(cubes, c.x, c.y, c.z, (int)c.w));
}

static void cubes()
{
    const int n = 8, points = 6 * 2;
    static float faces[12][8][8];
    for (int f = 0; f < 12; f++)
        for (int y = 0; y < n; y++)
            for (int x = 0; x < n; x++)
                faces[f][y][x] = (float)(100 * f + 10 * y + x);
    /* Texel (6, 1) of each face, by the guide's table: s right, t down, from -1 to 1. */
    const float s = (6 + 0.5f) / n * 2 - 1, t = (1 + 0.5f) / n * 2 - 1;
    const float direction[6][3] = {{1, -t, -s}, {-1, -t, s}, {s, 1, t}, {s, -1, -t}, {s, -t, 1}, {-s, -t, -1}};
    float4 at[points];
    float2 got[points];
    for (int i = 0; i < points; i++)
        at[i] = make_float4(direction[i % 6][0], direction[i % 6][1], direction[i % 6][2], (float)(i / 6));
    cudaArray_t one, two;
    cudaTextureObject_t t1, t2;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    OK(cudaMalloc3DArray(&one, &format, make_cudaExtent(n, n, 6), cudaArrayCubemap));
    OK(cudaMalloc3DArray(&two, &format, make_cudaExtent(n, n, 12), cudaArrayCubemap | cudaArrayLayered));
    CHECK(upload(one, &faces[0][0][0], n, n, 6) && upload(two, &faces[0][0][0], n, n, 12));
    cudaTextureDesc d = {};
    cudaResourceDesc r1 = of_array(one), r2 = of_array(two);
    d.normalizedCoords = 1;
    for (int k = 0; k < 3; k++)
        d.addressMode[k] = cudaAddressModeClamp;
    for (int seamless = 0; seamless < 2; seamless++) {
        d.seamlessCubemap = seamless;
        d.filterMode = seamless ? cudaFilterModeLinear : cudaFilterModePoint;
        OK(cudaCreateTextureObject(&t1, &r1, &d, NULL));
        OK(cudaCreateTextureObject(&t2, &r2, &d, NULL));
        Buffer<float4> places(points);
        Buffer<float2> out(points);
        OK(cudaMemcpy(places.p, at, sizeof at, cudaMemcpyHostToDevice));
        cube_of<<<1, points>>>(t1, t2, places.p, out.p);
        OK(cudaMemcpy(got, out.p, sizeof got, cudaMemcpyDeviceToHost));
        for (int i = 0; i < points; i++) {
            float want = faces[i % 6][1][6];
            CHECK(fabsf(got[i].x - want) < 1e-3f && fabsf(got[i].y - want - 600.0f * (float)(i / 6)) < 1e-3f);
        }
        /* In the middle of an edge, a seamless cube mixes both faces. */
        float4 edge = make_float4(1, 1 / 8.0f, 1, 0);
        float2 mixed;
        OK(cudaMemcpy(places.p, &edge, sizeof edge, cudaMemcpyHostToDevice));
        cube_of<<<1, 1>>>(t1, t2, places.p, out.p);
        OK(cudaMemcpy(&mixed, out.p, sizeof mixed, cudaMemcpyDeviceToHost));
        if (seamless) CHECK(fabsf(mixed.x - (faces[0][3][0] + faces[4][3][7]) / 2) < 1e-2f);
        OK(cudaDestroyTextureObject(t1));
        OK(cudaDestroyTextureObject(t2));
    }
    OK(cudaFreeArray(one));
    OK(cudaFreeArray(two));
}

__global__ void gather_of(cudaTextureObject_t t, float4 *out)
{
    out[0] = tex2Dgather<float4>(t, 2.0f, 3.0f, 0);
    out[1] = tex2Dgather<float4>(t, 2.0f, 3.0f, 1);
    out[2] = tex2Dgather<float4>(t, 0.2f, 0.2f, 1);
}

static void gather()
{
    float2 texels[6][5];
    float4 got[3];
    for (int y = 0; y < 6; y++)
        for (int x = 0; x < 5; x++)
            texels[y][x] = make_float2((float)(10 * y + x), (float)(-10 * y - x));
    cudaArray_t array;
    cudaTextureObject_t t;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float2>();
    OK(cudaMallocArray(&array, &format, 5, 6, cudaArrayTextureGather));
    CHECK(upload(array, &texels[0][0], 5, 6, 0));
    cudaTextureDesc d = {};
    cudaResourceDesc r = of_array(array);
    d.addressMode[0] = d.addressMode[1] = cudaAddressModeClamp;
    OK(cudaCreateTextureObject(&t, &r, &d, NULL));
    Buffer<float4> out(3);
    gather_of<<<1, 1>>>(t, out.p);
    OK(cudaMemcpy(got, out.p, sizeof got, cudaMemcpyDeviceToHost));
    CHECK(got[0].x == 31 && got[0].y == 32 && got[0].z == 22 && got[0].w == 21);
    CHECK(got[1].x == -31 && got[1].y == -32 && got[1].z == -22 && got[1].w == -21);
    CHECK(got[2].x == 0 && got[2].y == 0 && got[2].z == 0 && got[2].w == 0);
    OK(cudaDestroyTextureObject(t));
    OK(cudaFreeArray(array));
}

/* ---- mipmaps ---- */

__global__ void levels_of(cudaTextureObject_t t, float *out)
{
    int i = threadIdx.x;
    if (i < 8) out[i] = tex2DLod<float>(t, 0.5f, 0.5f, i * 0.5f);
    /* A step of 2^k / 16 is 2^k texels of 16. */
    else if (i < 12) out[i] = tex2DGrad<float>(t, 0.5f, 0.5f, make_float2((1 << (i - 8)) / 16.0f, 0), make_float2(0, 0.001f));
    else out[i] = tex2D<float>(t, 0.5f, 0.5f);
}

static void mipmaps()
{
    cudaMipmappedArray_t mipmap;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    OK(cudaMallocMipmappedArray(&mipmap, &format, make_cudaExtent(16, 16, 0), 5));
    for (int level = 0; level < 5; level++) {
        cudaArray_t array;
        cudaExtent extent;
        int n = 16 >> level;
        std::vector<float> texels(n * n, 10.0f * level);
        OK(cudaGetMipmappedArrayLevel(&array, mipmap, level));
        OK(cudaArrayGetInfo(NULL, &extent, NULL, array));
        CHECK(extent.width == (size_t)n && extent.height == (size_t)n && extent.depth == 0);
        CHECK(upload(array, texels.data(), n, n, 0));
    }
    cudaArray_t none;
    CHECK(cudaGetMipmappedArrayLevel(&none, mipmap, 5) != cudaSuccess);
    cudaGetLastError();
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeMipmappedArray;
    r.res.mipmap.mipmap = mipmap;
    for (int linear = 0; linear < 2; linear++) {
        cudaTextureDesc d = {};
        cudaTextureObject_t t;
        float got[16];
        d.addressMode[0] = d.addressMode[1] = cudaAddressModeClamp;
        d.filterMode = cudaFilterModeLinear;
        d.normalizedCoords = 1;
        d.mipmapFilterMode = linear ? cudaFilterModeLinear : cudaFilterModePoint;
        d.maxMipmapLevelClamp = 3;
        OK(cudaCreateTextureObject(&t, &r, &d, NULL));
        Buffer<float> out(16);
        levels_of<<<1, 16>>>(t, out.p);
        OK(cudaMemcpy(got, out.p, sizeof got, cudaMemcpyDeviceToHost));
        for (int i = 0; i < 8; i++) {
            float level = i * 0.5f < 3 ? i * 0.5f : 3;
            if (linear) CHECK(fabsf(got[i] - 10 * level) < 1e-3f);
            else if (i % 2 == 0) CHECK(got[i] == 10 * level);
        }
        for (int i = 8; i < 12; i++)
            CHECK(fabsf(got[i] - 10.0f * (i - 8)) < 1e-2f);
        CHECK(got[12] == 0);
        OK(cudaDestroyTextureObject(t));
        /* A view of levels 1 to 2, with a bias. */
        cudaResourceViewDesc view = {};
        view.format = cudaResViewFormatFloat1;
        view.width = view.height = 16;
        view.firstMipmapLevel = 1;
        view.lastMipmapLevel = 2;
        d.mipmapLevelBias = 0.5f;
        OK(cudaCreateTextureObject(&t, &r, &d, &view));
        levels_of<<<1, 16>>>(t, out.p);
        OK(cudaMemcpy(got, out.p, sizeof got, cudaMemcpyDeviceToHost));
        if (linear) CHECK(fabsf(got[0] - 15) < 1e-3f);
        CHECK(got[1] == 20 && got[7] == 20);
        OK(cudaDestroyTextureObject(t));
    }
    OK(cudaFreeMipmappedArray(mipmap));
}

/* ---- linear memory ---- */

__global__ void fetch_of(cudaTextureObject_t line, cudaTextureObject_t plane, float *out)
{
    int i = threadIdx.x;
    out[i] = tex1Dfetch<float>(line, i - 2);
    out[32 + i] = tex2D<float>(plane, (i % 8) * 0.5f, (i / 8) * 0.75f);
}

static void memory()
{
    const int w = 5, h = 3;
    float line[20], got[64];
    size_t pitch;
    float *rows;
    Image image = {{w, h, 1}, {}};
    for (int i = 0; i < 20; i++)
        line[i] = noise(i);
    for (int i = 0; i < w * h; i++)
        image.texels.push_back(noise(100 + i));
    Buffer<float> x(20), out(64);
    OK(cudaMemcpy(x.p, line, sizeof line, cudaMemcpyHostToDevice));
    OK(cudaMallocPitch(&rows, &pitch, w * sizeof(float), h));
    OK(cudaMemcpy2D(rows, pitch, image.texels.data(), w * sizeof(float), w * sizeof(float), h, cudaMemcpyHostToDevice));
    cudaTextureObject_t t1, t2;
    cudaResourceDesc r = {};
    cudaTextureDesc d = {};
    r.resType = cudaResourceTypeLinear;
    r.res.linear.devPtr = x.p;
    r.res.linear.desc = cudaCreateChannelDesc<float>();
    r.res.linear.sizeInBytes = sizeof line;
    OK(cudaCreateTextureObject(&t1, &r, &d, NULL));
    r = cudaResourceDesc();
    r.resType = cudaResourceTypePitch2D;
    r.res.pitch2D.devPtr = rows;
    r.res.pitch2D.desc = cudaCreateChannelDesc<float>();
    r.res.pitch2D.width = w;
    r.res.pitch2D.height = h;
    r.res.pitch2D.pitchInBytes = pitch;
    d.addressMode[0] = d.addressMode[1] = cudaAddressModeClamp;
    d.filterMode = cudaFilterModeLinear;
    OK(cudaCreateTextureObject(&t2, &r, &d, NULL));
    fetch_of<<<1, 32>>>(t1, t2, out.p);
    OK(cudaMemcpy(got, out.p, sizeof got, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 32; i++) {
        CHECK(got[i] == (i >= 2 && i < 22 ? line[i - 2] : 0));
        const float c[3] = {(i % 8) * 0.5f, (i / 8) * 0.75f, 0};
        CHECK(fabsf(got[32 + i] - model(image, d, 2, c)) < 1e-5f);
    }
    cudaResourceDesc back;
    OK(cudaGetTextureObjectResourceDesc(&back, t2));
    CHECK(back.resType == cudaResourceTypePitch2D && back.res.pitch2D.devPtr == rows && back.res.pitch2D.width == (size_t)w);
    OK(cudaDestroyTextureObject(t1));
    OK(cudaDestroyTextureObject(t2));
    CHECK(cudaDestroyTextureObject(t2) != cudaSuccess);
    cudaGetLastError();
    OK(cudaFree(rows));
}

/* ---- surfaces ---- */

__global__ void write_all(cudaSurfaceObject_t s1, cudaSurfaceObject_t s2, cudaSurfaceObject_t s3, cudaSurfaceObject_t l2)
{
    int x = threadIdx.x, y = threadIdx.y, z = threadIdx.z;
    if (y == 0 && z == 0) surf1Dwrite<uchar1>(make_uchar1(200 + x), s1, x);
    if (z == 0) surf2Dwrite<float4>(make_float4(x, y, x + y, x * y), s2, x * 16, y);
    surf3Dwrite<short2>(make_short2(x - 10 * y, z), s3, x * 4, y, z);
    surf2DLayeredwrite<int>(100 * z + 10 * y + x, l2, x * 4, y, z);
}

__global__ void read_all(cudaSurfaceObject_t s1, cudaSurfaceObject_t s2, cudaSurfaceObject_t s3, cudaSurfaceObject_t l2,
                         int *wrong)
{
    int x = threadIdx.x, y = threadIdx.y, z = threadIdx.z;
    if (surf1Dread<uchar1>(s1, x).x != 200 + x) atomicAdd(wrong, 1);
    float4 f = surf2Dread<float4>(s2, x * 16, y);
    if (f.x != x || f.y != y || f.z != x + y || f.w != x * y) atomicAdd(wrong, 1);
    short2 v = surf3Dread<short2>(s3, x * 4, y, z);
    if (v.x != x - 10 * y || v.y != z) atomicAdd(wrong, 1);
    if (surf2DLayeredread<int>(l2, x * 4, y, z) != 100 * z + 10 * y + x) atomicAdd(wrong, 1);
    /* Outside: nothing, or the nearest. */
    if (surf2DLayeredread<int>(l2, -4, y, z, cudaBoundaryModeZero) != 0) atomicAdd(wrong, 1);
    if (surf2DLayeredread<int>(l2, x * 4, y + 100, z, cudaBoundaryModeClamp) != 100 * z + 30 + x) atomicAdd(wrong, 1);
    surf2DLayeredwrite<int>(-1, l2, 400, y, z, cudaBoundaryModeZero);
}

/* What PTX has and CUDA's headers have not. */
__global__ void reduce_and_ask(cudaSurfaceObject_t s, cudaSurfaceObject_t formatted, cudaTextureObject_t t, unsigned *out)
{
    int zero = 0, one = 1;
    unsigned v = threadIdx.x + 1;
    asm volatile("sured.b.add.1d.u32.trap [%0, {%1}], %2;" ::"l"(s), "r"(zero), "r"(v) : "memory");
    asm volatile("sured.b.max.1d.s32.trap [%0, {%1}], %2;" ::"l"(s), "r"(4), "r"(v - 5) : "memory");
    asm volatile("sured.p.or.1d.b32.trap [%0, {%1}], %2;" ::"l"(s), "r"(2), "r"(1u << threadIdx.x) : "memory");
    if (threadIdx.x) return;
    asm volatile("sust.p.2d.v4.b32.trap [%0, {%1, %2}], {%3, %4, %5, %6};" ::"l"(formatted), "r"(one), "r"(zero),
                 "r"(300), "r"(7), "r"(255), "r"(0)
                 : "memory");
    asm volatile("txq.width.b32 %0, [%1];" : "=r"(out[0]) : "l"(t));
    asm volatile("txq.height.b32 %0, [%1];" : "=r"(out[1]) : "l"(t));
    asm volatile("suq.width.b32 %0, [%1];" : "=r"(out[2]) : "l"(s));
    asm volatile("{ .reg .pred p; istypep.surfref p, %1; selp.u32 %0, 1, 0, p; }" : "=r"(out[3]) : "l"(s));
    asm volatile("{ .reg .pred p; istypep.texref p, %1; selp.u32 %0, 1, 0, p; }" : "=r"(out[4]) : "l"(s));
    float x = 1.5f, y = 0.5f, r[4];
    asm volatile("tex.2d.v4.f32.f32 {%0, %1, %2, %3}, [%4, {%5, %6}], {%7, %8};"
                 : "=f"(r[0]), "=f"(r[1]), "=f"(r[2]), "=f"(r[3])
                 : "l"(t), "f"(x), "f"(y), "r"(one), "r"(one));
    out[5] = (unsigned)r[0];
    bool resident;
    out[6] = (unsigned)tex2D<float>(t, 2.5f, 1.5f, &resident);
    out[7] = resident;
}

static void surfaces()
{
    const cudaExtent extents[] = {make_cudaExtent(8, 0, 0), make_cudaExtent(8, 4, 0), make_cudaExtent(8, 4, 3),
                                  make_cudaExtent(8, 4, 3)};
    const cudaChannelFormatDesc formats[] = {cudaCreateChannelDesc<uchar1>(), cudaCreateChannelDesc<float4>(),
                                             cudaCreateChannelDesc<short2>(), cudaCreateChannelDesc<int>()};
    cudaArray_t arrays[4];
    cudaSurfaceObject_t s[4];
    int wrong = -1, texels[3][4][8];
    for (int i = 0; i < 4; i++) {
        OK(cudaMalloc3DArray(&arrays[i], &formats[i], extents[i],
                             cudaArraySurfaceLoadStore | (i == 3 ? cudaArrayLayered : 0)));
        cudaResourceDesc r = of_array(arrays[i]);
        OK(cudaCreateSurfaceObject(&s[i], &r));
    }
    Buffer<int> count(1);
    OK(cudaMemset(count.p, 0, sizeof(int)));
    write_all<<<1, dim3(8, 4, 3)>>>(s[0], s[1], s[2], s[3]);
    read_all<<<1, dim3(8, 4, 3)>>>(s[0], s[1], s[2], s[3], count.p);
    OK(cudaMemcpy(&wrong, count.p, sizeof wrong, cudaMemcpyDeviceToHost));
    CHECK(wrong == 0);
    cudaMemcpy3DParms p = {};
    p.srcArray = arrays[3];
    p.dstPtr = make_cudaPitchedPtr(texels, 32, 8, 4);
    p.extent = make_cudaExtent(8, 4, 3);
    p.kind = cudaMemcpyDeviceToHost;
    OK(cudaMemcpy3D(&p));
    for (int z = 0; z < 3; z++)
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 8; x++)
                CHECK(texels[z][y][x] == 100 * z + 10 * y + x);
    for (int i = 0; i < 4; i++) {
        OK(cudaDestroySurfaceObject(s[i]));
        OK(cudaFreeArray(arrays[i]));
    }
}

static void ptx_only()
{
    cudaArray_t line, bytes, plane;
    cudaSurfaceObject_t s1, s2;
    cudaTextureObject_t t;
    cudaChannelFormatDesc u32 = cudaCreateChannelDesc<unsigned>(), u8x4 = cudaCreateChannelDesc<uchar4>(),
                          f32 = cudaCreateChannelDesc<float>();
    unsigned zeros[16] = {0}, got[16], answers[8];
    uchar4 pair[2];
    float texels[3][4];
    for (int i = 0; i < 12; i++)
        texels[i / 4][i % 4] = (float)(10 * (i / 4) + i % 4);
    OK(cudaMallocArray(&line, &u32, 16, 0, cudaArraySurfaceLoadStore));
    OK(cudaMallocArray(&bytes, &u8x4, 2, 1, cudaArraySurfaceLoadStore));
    OK(cudaMallocArray(&plane, &f32, 4, 3));
    CHECK(upload(line, zeros, 16, 0, 0) && upload(plane, &texels[0][0], 4, 3, 0));
    cudaResourceDesc r1 = of_array(line), r2 = of_array(bytes), r3 = of_array(plane);
    cudaTextureDesc d = {};
    d.addressMode[0] = d.addressMode[1] = cudaAddressModeClamp;
    OK(cudaCreateSurfaceObject(&s1, &r1));
    OK(cudaCreateSurfaceObject(&s2, &r2));
    OK(cudaCreateTextureObject(&t, &r3, &d, NULL));
    Buffer<unsigned> out(8);
    reduce_and_ask<<<1, 32>>>(s1, s2, t, out.p);
    OK(cudaMemcpy(answers, out.p, sizeof answers, cudaMemcpyDeviceToHost));
    OK(cudaMemcpy2DFromArray(got, sizeof got, line, 0, 0, sizeof got, 1, cudaMemcpyDeviceToHost));
    OK(cudaMemcpy2DFromArray(pair, sizeof pair, bytes, 0, 0, sizeof pair, 1, cudaMemcpyDeviceToHost));
    CHECK(got[0] == 528 && got[1] == 27 && got[2] == 0xffffffff);
    CHECK(pair[1].x == 255 && pair[1].y == 7 && pair[1].z == 255 && pair[1].w == 0);
    CHECK(answers[0] == 4 && answers[1] == 3 && answers[2] == 16 && answers[3] == 1 && answers[4] == 0);
    CHECK(answers[5] == 12 && answers[6] == 12 && answers[7] == 1);
    OK(cudaDestroySurfaceObject(s1));
    OK(cudaDestroySurfaceObject(s2));
    OK(cudaDestroyTextureObject(t));
    OK(cudaFreeArray(line));
    OK(cudaFreeArray(bytes));
    OK(cudaFreeArray(plane));
}

/* ---- copies ---- */

static void copies()
{
    const int w = 37, h = 11, d = 5;
    std::vector<int> from(w * h * d), to(w * h * d, -1);
    for (size_t i = 0; i < from.size(); i++)
        from[i] = (int)i * 7;
    cudaArray_t a, b;
    cudaPitchedPtr linear;
    cudaStream_t stream;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<int>();
    OK(cudaStreamCreate(&stream));
    OK(cudaMalloc3DArray(&a, &format, make_cudaExtent(w, h, d)));
    OK(cudaMalloc3DArray(&b, &format, make_cudaExtent(w, h, d)));
    OK(cudaMalloc3D(&linear, make_cudaExtent(w * sizeof(int), h, d)));
    CHECK(upload(a, from.data(), w, h, d) && upload(b, to.data(), w, h, d));
    /* A box from array to array, on to device memory, and back to the host from there. */
    cudaMemcpy3DParms p = {};
    p.srcArray = a;
    p.srcPos = make_cudaPos(3, 2, 1);
    p.dstArray = b;
    p.dstPos = make_cudaPos(5, 1, 2);
    p.extent = make_cudaExtent(20, 7, 3);
    p.kind = cudaMemcpyDeviceToDevice;
    OK(cudaMemcpy3DAsync(&p, stream));
    p = cudaMemcpy3DParms();
    p.srcArray = b;
    p.dstPtr = linear;
    p.extent = make_cudaExtent(w, h, d);
    p.kind = cudaMemcpyDeviceToDevice;
    OK(cudaMemcpy3DAsync(&p, stream));
    p = cudaMemcpy3DParms();
    p.srcPtr = linear;
    p.dstPtr = make_cudaPitchedPtr(to.data(), w * sizeof(int), w, h);
    p.extent = make_cudaExtent(w * sizeof(int), h, d);
    p.kind = cudaMemcpyDeviceToHost;
    OK(cudaMemcpy3DAsync(&p, stream));
    OK(cudaStreamSynchronize(stream));
    for (int z = 0; z < d; z++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                bool inside = x >= 5 && x < 25 && y >= 1 && y < 8 && z >= 2;
                int want = inside ? from[((z - 1) * h + y + 1) * w + x - 2] : -1;
                CHECK(to[(z * h + y) * w + x] == want);
            }
    /* Beyond an edge nothing is copied. */
    p = cudaMemcpy3DParms();
    p.srcArray = a;
    p.srcPos = make_cudaPos(20, 0, 0);
    p.dstArray = b;
    p.extent = make_cudaExtent(18, 1, 1);
    p.kind = cudaMemcpyDeviceToDevice;
    CHECK(cudaMemcpy3D(&p) == cudaErrorInvalidValue);
    cudaGetLastError();
    OK(cudaStreamDestroy(stream));
    OK(cudaFree(linear.ptr));
    OK(cudaFreeArray(a));
    OK(cudaFreeArray(b));
}

/* ---- what ends the context ---- */

__global__ void use(cudaTextureObject_t t, float *out)
{
    *out = tex1D<float>(t, 0);
}

static void no_such_texture()
{
    Buffer<float> out(1);
    use<<<1, 1>>>(0x123456789abcdef, out.p);
    cudaError_t e = cudaDeviceSynchronize();
    CHECK(e == cudaErrorIllegalAddress);
}

static void destroyed_texture()
{
    cudaArray_t array;
    cudaTextureObject_t t;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    OK(cudaMallocArray(&array, &format, 8));
    cudaResourceDesc r = of_array(array);
    cudaTextureDesc d = {};
    OK(cudaCreateTextureObject(&t, &r, &d, NULL));
    OK(cudaDestroyTextureObject(t));
    Buffer<float> out(1);
    use<<<1, 1>>>(t, out.p);
    CHECK(cudaDeviceSynchronize() != cudaSuccess);
}

static void freed_array()
{
    cudaArray_t array;
    cudaTextureObject_t t;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    OK(cudaMallocArray(&array, &format, 8));
    cudaResourceDesc r = of_array(array);
    cudaTextureDesc d = {};
    OK(cudaCreateTextureObject(&t, &r, &d, NULL));
    OK(cudaFreeArray(array));
    use<<<1, 1>>>(t, NULL);
    CHECK(cudaDeviceSynchronize() != cudaSuccess);
}

__global__ void write_outside(cudaSurfaceObject_t s)
{
    surf1Dwrite<int>(1, s, 1000);
}

static void outside_a_surface()
{
    cudaArray_t array;
    cudaSurfaceObject_t s;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<int>();
    OK(cudaMallocArray(&array, &format, 8, 0, cudaArraySurfaceLoadStore));
    cudaResourceDesc r = of_array(array);
    OK(cudaCreateSurfaceObject(&s, &r));
    write_outside<<<1, 1>>>(s);
    CHECK(cudaDeviceSynchronize() != cudaSuccess);
}

static const struct subtest tests[] = {
    {"filtering", filtering, false},
    {"formats", formats, false},
    {"srgb", srgb, false},
    {"layered", layered, false},
    {"cubes", cubes, false},
    {"gather", gather, false},
    {"mipmaps", mipmaps, false},
    {"memory", memory, false},
    {"surfaces", surfaces, false},
    {"ptx_only", ptx_only, false},
    {"copies", copies, false},
    {"no_such_texture", no_such_texture, true},
    {"destroyed_texture", destroyed_texture, true},
    {"freed_array", freed_array, true},
    {"outside_a_surface", outside_a_surface, true},
};

int main(int argc, char **argv)
{
    return subtests_run(tests, sizeof tests / sizeof *tests, argc, argv);
}
