// Texture fetches: coordinates to texels, filtering, mipmap levels, queries.
//
// After the CUDA programming guide, "Texture Fetching": point sampling takes texel floor(x), linear
// filtering weighs the texels around x - 0.5 with fractions of 8 bits.
#include "textures.h"

#include <math.h>

// Four channels: floats, or integers of 32 bits where the texture holds those.
union texel {
    float f[4];
    uint32_t u[4];
};

struct fetch {
    struct warp *w;
    const struct op *op;
    uint32_t lane;
    const struct sg_texture *t;
    enum sg_geom geom;
    bool real; // texels are floats
    uint32_t layer;
    float lod;
    int offset[3];
};

// ---- texels -------------------------------------------------------------------------------------

static bool is_integer(const struct sg_texture *t) {
    return t->channel < SG_CHANNEL_F16 && !(t->promote && t->channel % 3 != 2);
}

static float from_srgb(float v) {
    return v <= 0.04045f ? v / 12.92f : powf((v + 0.055f) / 1.055f, 2.4f);
}

static float promoted(enum sg_channel channel, uint32_t u) {
    switch (channel) {
    case SG_CHANNEL_U8:
        return (float)u / 255.0f;
    case SG_CHANNEL_U16:
        return (float)u / 65535.0f;
    case SG_CHANNEL_S8:
        return fmaxf((float)(int32_t)u / 127.0f, -1.0f);
    default:
        return fmaxf((float)(int32_t)u / 32767.0f, -1.0f);
    }
}

static uint32_t channel_bits(enum sg_channel channel, const uint8_t *p) {
    uint16_t h;
    uint32_t u;
    switch (channel) {
    case SG_CHANNEL_U8:
        return *p;
    case SG_CHANNEL_S8:
        return (uint32_t)(int8_t)*p;
    case SG_CHANNEL_U16:
        memcpy(&h, p, 2);
        return h;
    case SG_CHANNEL_S16:
        memcpy(&h, p, 2);
        return (uint32_t)(int16_t)h;
    case SG_CHANNEL_F16:
        memcpy(&h, p, 2);
        return sg_u32(sg_from_f16(h));
    default:
        memcpy(&u, p, 4);
        return u;
    }
}

// Channels that the texture lacks are 0, alpha 1.
static union texel unpack(const struct sg_texture *t, const uint8_t *p, bool real) {
    union texel v = {.u = {0}};
    if (real)
        v.f[3] = 1;
    else
        v.u[3] = 1;
    unsigned size = sg_channel_bytes(t->channel);
    bool promote = real && t->channel < SG_CHANNEL_F16;
    for (unsigned i = 0; i < t->channels; i++) {
        uint32_t bits = channel_bits(t->channel, p + i * size);
        if (promote)
            v.f[i] = promoted(t->channel, bits);
        else
            v.u[i] = bits;
        if (promote && t->srgb && t->channel == SG_CHANNEL_U8 && i < 3) v.f[i] = from_srgb(v.f[i]);
    }
    return v;
}

static union texel border(const struct fetch *f) {
    union texel v;
    for (int i = 0; i < 4; i++) {
        float b = f->t->border[i];
        if (f->real)
            v.f[i] = b;
        else
            v.u[i] = b < 0 ? (uint32_t)(int32_t)b : (uint32_t)b;
    }
    return v;
}

static union texel load(const struct fetch *f, const struct sg_level *l, uint64_t x, uint64_t y, uint64_t z) {
    unsigned bytes = sg_channel_bytes(f->t->channel) * f->t->channels;
    uint64_t at = l->base + z * l->slice + y * l->pitch + x * bytes;
    return unpack(f->t, sg_texel(f->w, f->op, f->lane, at, bytes), f->real);
}

// ---- coordinates --------------------------------------------------------------------------------

// Wrapping and mirroring exist for normalized coordinates only.
static enum sg_address address_of(const struct sg_texture *t, unsigned dim) {
    enum sg_address a = t->address[dim];
    return !t->normalized && (a == SG_ADDRESS_WRAP || a == SG_ADDRESS_MIRROR) ? SG_ADDRESS_CLAMP : a;
}

// The texel that an index means, or -1 for the border.
static int64_t resolve(int64_t i, uint32_t n, enum sg_address a) {
    if (i >= 0 && i < (int64_t)n) return i;
    int64_t m;
    switch (a) {
    case SG_ADDRESS_WRAP:
        m = i % (int64_t)n;
        return m < 0 ? m + n : m;
    case SG_ADDRESS_MIRROR:
        m = i % (2 * (int64_t)n);
        if (m < 0) m += 2 * (int64_t)n;
        return m < (int64_t)n ? m : 2 * (int64_t)n - 1 - m;
    case SG_ADDRESS_CLAMP:
        return i < 0 ? 0 : n - 1;
    default:
        return -1;
    }
}

// A coordinate in texels. What is not a number counts as 0; what is far out is brought near enough to
// be an index, by whole periods where the texture repeats.
static double in_texels(const struct fetch *f, unsigned dim, float coordinate, uint32_t n) {
    double x = coordinate;
    if (x != x) return 0;
    if (f->t->normalized) {
        enum sg_address a = f->t->address[dim];
        if (isfinite(x) && a == SG_ADDRESS_WRAP) x -= floor(x);
        if (isfinite(x) && a == SG_ADDRESS_MIRROR) x -= 2 * floor(x / 2);
        x *= n;
    }
    const double far = 1 << 30;
    return (x < -far ? -far : x > far ? far : x) + f->offset[dim];
}

// Where linear filtering begins: the lower texel and the upper one's weight in 256ths.
static int64_t split(double x, unsigned *weight) {
    int64_t fixed = (int64_t)floor((x - 0.5) * 256 + 0.5);
    *weight = (unsigned)(fixed & 255);
    return fixed >> 8;
}

// ---- cube maps ----------------------------------------------------------------------------------

// The face that a direction meets, and where, from 0 to 1.
static uint32_t cube_face(const float dir[3], float at[2]) {
    float ax = fabsf(dir[0]), ay = fabsf(dir[1]), az = fabsf(dir[2]), m, s, t;
    uint32_t face;
    if (ax >= ay && ax >= az) {
        face = dir[0] < 0;
        m = ax, s = dir[0] < 0 ? dir[2] : -dir[2], t = -dir[1];
    } else if (ay >= az) {
        face = 2 + (dir[1] < 0);
        m = ay, s = dir[0], t = dir[1] < 0 ? -dir[2] : dir[2];
    } else {
        face = 4 + (dir[2] < 0);
        m = az, s = dir[2] < 0 ? -dir[0] : dir[0], t = -dir[1];
    }
    at[0] = m > 0 ? (s / m + 1) / 2 : 0.5f;
    at[1] = m > 0 ? (t / m + 1) / 2 : 0.5f;
    return face;
}

// The direction of a point of a face's plane, which may lie beyond its edges.
static void face_direction(uint32_t face, float s, float t, float dir[3]) {
    s = 2 * s - 1, t = 2 * t - 1;
    float sign = face & 1 ? -1 : 1;
    switch (face / 2) {
    case 0:
        dir[0] = sign, dir[1] = -t, dir[2] = -s * sign;
        break;
    case 1:
        dir[0] = s, dir[1] = sign, dir[2] = t * sign;
        break;
    default:
        dir[0] = s * sign, dir[1] = -t, dir[2] = sign;
        break;
    }
}

// A texel of a cube face; indices one beyond an edge name texels of the neighbouring face.
static union texel load_seamless(const struct fetch *f, const struct sg_level *l, int64_t x, int64_t y,
                                 uint32_t slice) {
    int64_t n = l->width;
    if (x < 0 || y < 0 || x >= n || y >= n) {
        float dir[3], at[2];
        face_direction(slice % 6, ((float)x + 0.5f) / (float)n, ((float)y + 0.5f) / (float)n, dir);
        slice = slice / 6 * 6 + cube_face(dir, at);
        x = resolve((int64_t)(at[0] * (float)n), (uint32_t)n, SG_ADDRESS_CLAMP);
        y = resolve((int64_t)(at[1] * (float)n), (uint32_t)n, SG_ADDRESS_CLAMP);
    }
    return load(f, l, (uint64_t)x, (uint64_t)y, slice);
}

// ---- one level ----------------------------------------------------------------------------------

static unsigned dimensions(enum sg_geom geom) {
    return geom == SG_GEOM_1D || geom == SG_GEOM_A1D ? 1 : geom == SG_GEOM_3D ? 3 : 2;
}

static bool is_cube(enum sg_geom geom) {
    return geom == SG_GEOM_CUBE || geom == SG_GEOM_ACUBE;
}

static union texel texel_at(const struct fetch *f, const struct sg_level *l, const int64_t at[3], uint32_t slice) {
    const struct sg_texture *t = f->t;
    if (t->seamless && is_cube(f->geom)) return load_seamless(f, l, at[0], at[1], slice);
    unsigned dims = dimensions(f->geom);
    const uint32_t extent[] = {l->width, l->height, l->depth};
    int64_t in[3] = {0, 0, slice};
    for (unsigned k = 0; k < dims; k++) {
        in[k] = resolve(at[k], extent[k], address_of(t, k));
        if (in[k] < 0) return border(f);
    }
    return load(f, l, (uint64_t)in[0], (uint64_t)in[1], (uint64_t)in[2]);
}

// Where in a level the coordinates lie, in texels, and in which slice.
static uint32_t locate(const struct fetch *f, const struct sg_level *l, const float *c, double x[3]) {
    uint32_t slices = l->depth, slice = 0;
    const uint32_t extent[] = {l->width, l->height, l->depth};
    float on_face[2];
    if (is_cube(f->geom)) {
        uint32_t layers = slices / 6 ? slices / 6 : 1, layer = f->layer < layers ? f->layer : layers - 1;
        slice = layer * 6 + cube_face(c, on_face);
        if (slice >= slices) slice = slices - 1;
        c = on_face;
        for (unsigned k = 0; k < 2; k++)
            x[k] = (double)c[k] * extent[k];
        return slice;
    }
    if (f->geom == SG_GEOM_A1D || f->geom == SG_GEOM_A2D) slice = f->layer < slices ? f->layer : slices - 1;
    for (unsigned k = 0; k < dimensions(f->geom); k++)
        x[k] = in_texels(f, k, c[k], extent[k]);
    return slice;
}

static union texel sample_level(const struct fetch *f, unsigned level, const float *c) {
    const struct sg_level *l = &f->t->level[level];
    double x[3] = {0};
    uint32_t slice = locate(f, l, c, x);
    unsigned dims = dimensions(f->geom), weight[3] = {0};
    int64_t base[3] = {0}, at[3] = {0};
    bool linear = f->t->filter && f->real && !f->t->linear;
    for (unsigned k = 0; k < dims; k++)
        base[k] = linear ? split(x[k], &weight[k]) : (int64_t)floor(x[k]);
    if (!linear) return texel_at(f, l, base, slice);
    double sum[4] = {0};
    for (unsigned corner = 0; corner < 1u << dims; corner++) {
        double part = 1;
        for (unsigned k = 0; k < dims; k++) {
            unsigned upper = corner >> k & 1;
            at[k] = base[k] + upper;
            part *= (upper ? weight[k] : 256 - weight[k]) / 256.0;
        }
        if (part == 0) continue;
        union texel v = texel_at(f, l, at, slice);
        for (int i = 0; i < 4; i++)
            sum[i] += part * v.f[i];
    }
    union texel v;
    for (int i = 0; i < 4; i++)
        v.f[i] = (float)sum[i];
    return v;
}

// ---- levels -------------------------------------------------------------------------------------

static union texel sample(const struct fetch *f, const float *c) {
    const struct sg_texture *t = f->t;
    float last = (float)(t->nlevels - 1), lod = f->lod + t->bias;
    if (!(lod > t->least_level)) lod = t->least_level;
    if (lod > t->most_level) lod = t->most_level;
    if (!(lod > 0)) lod = 0;
    if (lod > last) lod = last;
    if (!t->mip_filter || !f->real) return sample_level(f, (unsigned)(lod + 0.5f), c);
    unsigned weight = (unsigned)(lod * 256 + 0.5f), lower = weight >> 8;
    union texel v = sample_level(f, lower, c);
    weight &= 255;
    if (!weight) return v;
    union texel next = sample_level(f, lower + 1, c);
    for (int i = 0; i < 4; i++)
        v.f[i] = (float)((v.f[i] * (256.0 - weight) + next.f[i] * (double)weight) / 256);
    return v;
}

// Integer coordinates name a texel of a level, unfiltered.
static union texel fetch_texel(const struct fetch *f, const int32_t *c) {
    const struct sg_texture *t = f->t;
    float last = (float)(t->nlevels - 1), lod = f->lod > 0 ? f->lod : 0;
    const struct sg_level *l = &t->level[(unsigned)(lod < last ? lod : last)];
    uint32_t slice = 0;
    int64_t at[3] = {0};
    if (f->geom == SG_GEOM_A1D || f->geom == SG_GEOM_A2D) slice = f->layer < l->depth ? f->layer : l->depth - 1;
    for (unsigned k = 0; k < dimensions(f->geom); k++)
        at[k] = (int64_t)c[k] + f->offset[k];
    if (t->linear && (at[0] < 0 || at[0] >= (int64_t)l->width)) return (union texel){.u = {0}};
    return texel_at(f, l, at, slice);
}

// Of the longer gradient, in texels of level 0.
static float gradient_lod(const struct fetch *f, const float *g) {
    const struct sg_level *l = &f->t->level[0];
    const uint32_t extent[] = {l->width, l->height, l->depth};
    unsigned dims = is_cube(f->geom) ? 3 : dimensions(f->geom);
    double longest = 0;
    for (int way = 0; way < 2; way++) {
        double sum = 0;
        for (unsigned k = 0; k < dims; k++) {
            double step = g[way * 3 + k];
            if (is_cube(f->geom))
                step *= l->width / 2.0; // a face is two units wide
            else if (f->t->normalized)
                step *= extent[k];
            sum += step * step;
        }
        if (sum > longest) longest = sum;
    }
    return longest > 0 ? (float)(log2(longest) / 2) : -INFINITY;
}

// ---- texels -------------------------------------------------------------------------------------

const struct sg_texture *sg_texture_of(struct warp *w, const struct op *op, uint32_t lane, enum sg_texture_kind kind) {
    uint64_t handle = ((const uint64_t *)(w->R + op->a))[lane];
    const struct sg_texture *t = sg_texture_find(w->blk->launch->engine, handle);
    if (t && t->kind == kind) return t;
    const char *why = !t || t->kind != SG_UNBOUND
                          ? kind == SG_TEXTURE ? "no texture object of that value" : "no surface object of that value"
                          : "a texture or surface reference to which nothing is bound";
    sg_raise(w, op, SG_FAULT_ADDRESS, lane, handle, why);
}

void *sg_texel(struct warp *w, const struct op *op, uint32_t lane, uint64_t address, unsigned bytes) {
    if (__builtin_expect(address - w->lo < w->hi - w->lo - 16, 1)) return (void *)address;
    return sg_translate(w, op, lane, address, bytes, 1);
}

// ---- instructions -------------------------------------------------------------------------------

static uint32_t lane_u32(const struct warp *w, uint32_t slot, uint32_t lane) {
    return slot == NO_SLOT ? 0 : ((const uint32_t *)(w->R + slot))[lane];
}

static void put(struct warp *w, const struct op *op, uint32_t lane, unsigned i, uint64_t v) {
    uint32_t slot = op->list[AT_DST + i], bytes = op->list[AT_DST_BYTES + i];
    if (slot != NO_SLOT) memcpy(w->R + slot + lane * bytes, &v, bytes < 8 ? bytes : 8);
}

static void put_texel(struct warp *w, const struct op *op, uint32_t lane, const union texel *v, bool real) {
    switch (op->form.type) {
    case SG_F16X2:
        for (unsigned i = 0; i < 2; i++)
            put(w, op, lane, i, sg_to_f16(v->f[2 * i]) | (uint32_t)sg_to_f16(v->f[2 * i + 1]) << 16);
        break;
    case SG_F16:
        for (unsigned i = 0; i < 4; i++)
            put(w, op, lane, i, real ? sg_to_f16(v->f[i]) : (uint16_t)v->u[i]);
        break;
    default:
        for (unsigned i = 0; i < 4; i++)
            put(w, op, lane, i, v->u[i]);
    }
    if (op->list[AT_PRED] != NO_SLOT) *(uint32_t *)(w->R + op->list[AT_PRED]) |= 1u << lane; // resident
}

// Reads layer, coordinates and offsets; c gets the coordinates' bits.
static struct fetch begin(struct warp *w, const struct op *op, uint32_t lane, uint32_t c[4]) {
    struct fetch f = {
        .w = w, .op = op, .lane = lane, .geom = op->form.detail, .t = sg_texture_of(w, op, lane, SG_TEXTURE)};
    bool layered = f.geom == SG_GEOM_A1D || f.geom == SG_GEOM_A2D || f.geom == SG_GEOM_ACUBE;
    f.real = !is_integer(f.t);
    if (layered) f.layer = lane_u32(w, op->list[AT_COORDS], lane);
    for (unsigned i = 0; i + layered < 4; i++)
        c[i] = lane_u32(w, op->list[AT_COORDS + i + layered], lane);
    for (unsigned i = 0; i < 3; i++)
        f.offset[i] = (int)lane_u32(w, op->list[AT_OFFSETS + i], lane);
    return f;
}

const struct op *sg_op_tex(struct warp *w, const struct op *op) {
    const struct form *form = &op->form;
    w->pc = op;
    SG_ACTIVE(i, w->exec) {
        uint32_t c[4] = {0}, level = lane_u32(w, op->list[AT_LOD], i);
        struct fetch f = begin(w, op, i, c);
        union texel v;
        if (form->type2 == SG_S32) {
            if (form->mode == SG_TEX_LEVEL) f.lod = (float)(int32_t)level;
            v = fetch_texel(&f, (const int32_t *)c);
        } else {
            float g[6], x[4];
            for (unsigned k = 0; k < 6; k++)
                g[k] = sg_f32(lane_u32(w, op->list[AT_LOD + k], i));
            if (form->mode == SG_TEX_LEVEL) f.lod = sg_f32(level);
            if (form->mode == SG_TEX_GRAD) f.lod = gradient_lod(&f, g);
            memcpy(x, c, sizeof x);
            v = sample(&f, x);
        }
        put_texel(w, op, i, &v, f.real);
    }
    return op + 1;
}

// One component, the n-th, of the four texels that linear filtering would weigh.
const struct op *sg_op_tld4(struct warp *w, const struct op *op) {
    static const uint8_t order[4][2] = {{0, 1}, {1, 1}, {1, 0}, {0, 0}};
    unsigned component = op->n, weight;
    w->pc = op;
    SG_ACTIVE(i, w->exec) {
        uint32_t c[4] = {0};
        struct fetch f = begin(w, op, i, c);
        const struct sg_level *l = &f.t->level[0];
        float coordinates[4];
        double x[3] = {0};
        memcpy(coordinates, c, sizeof coordinates);
        uint32_t slice = locate(&f, l, coordinates, x);
        const int64_t base[2] = {split(x[0], &weight), split(x[1], &weight)};
        union texel v;
        for (unsigned k = 0; k < 4; k++) {
            const int64_t at[3] = {base[0] + order[k][0], base[1] + order[k][1], 0};
            v.u[k] = texel_at(&f, l, at, slice).u[component];
        }
        put_texel(w, op, i, &v, true);
    }
    return op + 1;
}

// Data types and orders are numbered as OpenCL does, address modes as PTX lists them.
static uint32_t data_type(const struct sg_texture *t) {
    static const uint16_t normalized[] = {0x10d2, 0x10d3, 0, 0x10d0, 0x10d1, 0};
    static const uint16_t plain[] = {0x10da, 0x10db, 0x10dc, 0x10d7, 0x10d8, 0x10d9, 0x10dd, 0x10de};
    return t->channel < SG_CHANNEL_F16 && !is_integer(t) ? normalized[t->channel] : plain[t->channel];
}

static uint32_t answer(const struct sg_texture *t, enum sg_query query, uint32_t level) {
    static const uint8_t modes[] = {
        [SG_ADDRESS_WRAP] = 0, [SG_ADDRESS_MIRROR] = 1, [SG_ADDRESS_CLAMP] = 3, [SG_ADDRESS_BORDER] = 4};
    const struct sg_level *l = &t->level[level < t->nlevels ? level : t->nlevels - 1];
    bool slices = t->layered || t->cube;
    switch (query) {
    case SG_QUERY_WIDTH:
        return l->width;
    case SG_QUERY_HEIGHT:
        return l->height;
    case SG_QUERY_DEPTH:
        return slices ? 1 : l->depth;
    case SG_QUERY_CHANNEL_DATA_TYPE:
        return data_type(t);
    case SG_QUERY_CHANNEL_ORDER:
        return t->channels == 1 ? 0x10b0 : t->channels == 2 ? 0x10b2 : 0x10b5;
    case SG_QUERY_NORMALIZED_COORDS:
        return t->normalized;
    case SG_QUERY_ARRAY_SIZE:
        return slices ? t->cube ? l->depth / 6 : l->depth : 1;
    case SG_QUERY_NUM_MIPMAP_LEVELS:
        return t->nlevels;
    case SG_QUERY_NUM_SAMPLES:
        return 1;
    case SG_QUERY_FORCE_UNNORMALIZED_COORDS:
        return !t->normalized;
    case SG_QUERY_FILTER_MODE:
        return t->filter;
    case SG_QUERY_ADDR_MODE_0:
    case SG_QUERY_ADDR_MODE_1:
    case SG_QUERY_ADDR_MODE_2:
        return modes[address_of(t, query - SG_QUERY_ADDR_MODE_0)];
    default:
        return 0; // memory layout: rows
    }
}

// n: enum sg_texture_kind; d2: enum sg_query.
const struct op *sg_op_txq(struct warp *w, const struct op *op) {
    w->pc = op;
    SG_ACTIVE(i, w->exec) {
        const struct sg_texture *t = sg_texture_of(w, op, i, op->n);
        put(w, op, i, 0, answer(t, op->d2, lane_u32(w, op->list[AT_LOD], i)));
    }
    return op + 1;
}

// n: enum sg_texture_kind.
const struct op *sg_op_istypep(struct warp *w, const struct op *op) {
    uint32_t *d = (uint32_t *)(w->R + op->list[AT_DST]);
    SG_ACTIVE(i, w->exec) {
        const struct sg_texture *t = sg_texture_find(w->blk->launch->engine, ((const uint64_t *)(w->R + op->a))[i]);
        *d = (*d & ~(1u << i)) | (uint32_t)(t && t->kind == op->n) << i;
    }
    return op + 1;
}
