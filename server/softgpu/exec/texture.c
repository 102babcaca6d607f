// Textures and surfaces: what handles stand for, addressing, filtering, conversion. Formulas as in the CUDA
// Programming Guide, "Texture Fetching": coordinates of linear filtering have 8 fractional bits.
#include "decode.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define MAX_TEXTURES (1u << 16)
#define TAG ((uint64_t)0x5e << 56) // no address has it

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sg_texture *_Atomic table[MAX_TEXTURES]; // written under lock
static uint32_t next_index;                            // lock

uint64_t sg_texture_add(const struct sg_texture *t) {
    struct sg_texture *copy = malloc(sizeof *copy);
    uint64_t handle = 0;
    if (!copy) return 0;
    *copy = *t;
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < MAX_TEXTURES && !handle; i++) {
        uint32_t at = next_index++ % MAX_TEXTURES; // in turn, so that a stale handle is not soon another's
        if (at == 0 || atomic_load(&table[at])) continue;
        atomic_store(&table[at], copy);
        handle = TAG | at;
    }
    pthread_mutex_unlock(&lock);
    if (!handle) free(copy);
    return handle;
}

static struct sg_texture *find(uint64_t handle) {
    if ((handle & ~(uint64_t)(MAX_TEXTURES - 1)) != TAG) return NULL;
    return atomic_load_explicit(&table[handle & (MAX_TEXTURES - 1)], memory_order_acquire);
}

bool sg_texture_remove(uint64_t handle) {
    pthread_mutex_lock(&lock);
    struct sg_texture *t = find(handle);
    if (t) atomic_store(&table[handle & (MAX_TEXTURES - 1)], NULL);
    pthread_mutex_unlock(&lock);
    free(t);
    return t != NULL;
}

// ---- texels -------------------------------------------------------------------------------------

struct texel {
    union {
        float f[4];
        uint32_t u[4];
    };
};

static float from_srgb(float v) {
    return v <= 0.04045f ? v / 12.92f : powf((v + 0.055f) / 1.055f, 2.4f);
}

static float half_to_float(uint16_t h) {
    _Float16 v;
    memcpy(&v, &h, sizeof v);
    return (float)v;
}

static uint32_t raw_channel(const struct sg_texture *t, const uint8_t *p) {
    uint32_t v = 0;
    memcpy(&v, p, t->channel_bytes);
    if (t->channel == SG_CHANNEL_SINT && t->channel_bytes < 4) {
        unsigned shift = 32 - 8u * t->channel_bytes;
        v = (uint32_t)((int32_t)(v << shift) >> shift);
    }
    return v;
}

static float float_channel(const struct sg_texture *t, uint32_t raw, int channel) {
    float v;
    if (t->channel == SG_CHANNEL_FLOAT) {
        if (t->channel_bytes == 2) return half_to_float((uint16_t)raw);
        memcpy(&v, &raw, sizeof v);
        return v;
    }
    double largest = (double)((1ull << (8u * t->channel_bytes - (t->channel == SG_CHANNEL_SINT))) - 1);
    v = t->channel == SG_CHANNEL_SINT ? (float)((int32_t)raw / largest) : (float)(raw / largest);
    if (v < -1) v = -1;
    return t->srgb && channel < 3 ? from_srgb(v) : v;
}

// Whether fetches give floats; else raw integers.
static bool gives_float(const struct sg_texture *t) {
    return t->channel == SG_CHANNEL_FLOAT || t->to_float;
}

static struct texel load(const struct sg_texture *t, const struct sg_level *l, uint32_t x, uint32_t y, uint32_t z) {
    struct texel out = {.u = {0, 0, 0, 0}};
    const uint8_t *p = l->base + z * l->slice + y * l->pitch + (size_t)x * t->channels * t->channel_bytes;
    for (int c = 0; c < t->channels; c++) {
        uint32_t raw = raw_channel(t, p + c * t->channel_bytes);
        if (gives_float(t))
            out.f[c] = float_channel(t, raw, c);
        else
            out.u[c] = raw;
    }
    if (t->channels < 4) {
        if (gives_float(t)) out.f[3] = 1;
        else out.u[3] = 1;
    }
    return out;
}

// ---- addressing ---------------------------------------------------------------------------------

// The texel index that an index beyond the edge means; false: the border's colour.
static bool resolve(const struct sg_texture *t, int axis, int64_t *i, uint32_t n) {
    unsigned mode = t->address[axis];
    if (!t->normalized && (mode == SG_ADDRESS_WRAP || mode == SG_ADDRESS_MIRROR)) mode = SG_ADDRESS_CLAMP;
    if (*i >= 0 && *i < n) return true;
    switch (mode) {
    case SG_ADDRESS_WRAP:
        *i = (*i % n + n) % n;
        return true;
    case SG_ADDRESS_MIRROR: {
        int64_t period = 2 * (int64_t)n, at = (*i % period + period) % period;
        *i = at < n ? at : period - 1 - at;
        return true;
    }
    case SG_ADDRESS_CLAMP:
        *i = *i < 0 ? 0 : (int64_t)n - 1;
        return true;
    default:
        return false;
    }
}

static struct texel border(const struct sg_texture *t) {
    struct texel out;
    if (gives_float(t)) memcpy(out.f, t->border, sizeof out.f);
    else
        for (int c = 0; c < 4; c++) out.u[c] = (uint32_t)(int32_t)t->border[c];
    return out;
}

static struct texel texel_at(const struct sg_texture *t, const struct sg_level *l, int dims, const int64_t index[3],
                             uint32_t layer) {
    int64_t at[3] = {index[0], dims > 1 ? index[1] : 0, dims > 2 ? index[2] : 0};
    const uint32_t size[3] = {l->width, l->height, l->depth};
    for (int a = 0; a < dims; a++)
        if (!resolve(t, a, &at[a], size[a])) return border(t);
    return load(t, l, (uint32_t)at[0], (uint32_t)at[1], dims > 2 ? (uint32_t)at[2] : layer);
}

// A coordinate in texels of the level. NaN reads as 0.
static double scaled(const struct sg_texture *t, float c, uint32_t n) {
    double v = c == c ? (double)c : 0;
    if (t->normalized) v *= n;
    return v > 1e9 ? 1e9 : v < -1e9 ? -1e9 : v;
}

static struct texel sample_level(const struct sg_texture *t, uint32_t level, int dims, const float c[3],
                                 uint32_t layer) {
    const struct sg_level *l = &t->levels[level];
    const uint32_t size[3] = {l->width, l->height, l->depth};
    int64_t index[3] = {0, 0, 0};
    if (!t->linear || !gives_float(t)) {
        for (int a = 0; a < dims; a++)
            index[a] = (int64_t)floor(scaled(t, c[a], size[a]));
        return texel_at(t, l, dims, index, layer);
    }
    float weight[3];
    for (int a = 0; a < dims; a++) {
        double v = scaled(t, c[a], size[a]) - 0.5, whole = floor(v);
        index[a] = (int64_t)whole;
        weight[a] = (float)(rint((v - whole) * 256) / 256);
    }
    struct texel out = {.f = {0, 0, 0, 0}};
    for (int corner = 0; corner < 1 << dims; corner++) {
        float w = 1;
        int64_t at[3];
        for (int a = 0; a < dims; a++) {
            bool upper = corner >> a & 1;
            at[a] = index[a] + upper;
            w *= upper ? weight[a] : 1 - weight[a];
        }
        if (w == 0) continue;
        struct texel s = texel_at(t, l, dims, at, layer);
        for (int k = 0; k < 4; k++) out.f[k] += w * s.f[k];
    }
    return out;
}

static struct texel sample(const struct sg_texture *t, float level, int dims, const float c[3], uint32_t layer) {
    float most = (float)(t->nlevels - 1);
    level += t->bias;
    if (!(level > t->min_level)) level = t->min_level;
    if (level > t->max_level) level = t->max_level;
    if (!(level > 0)) level = 0;
    if (level > most) level = most;
    uint32_t low = (uint32_t)(t->mip_linear ? floorf(level) : floorf(level + 0.5f));
    struct texel a = sample_level(t, low, dims, c, layer);
    float f = t->mip_linear ? rintf((level - (float)low) * 256) / 256 : 0;
    if (f == 0 || low + 1 >= t->nlevels || !gives_float(t)) return a;
    struct texel b = sample_level(t, low + 1, dims, c, layer);
    for (int k = 0; k < 4; k++) a.f[k] = (1 - f) * a.f[k] + f * b.f[k];
    return a;
}

// The face of a cube that a direction points to, and the place on it.
static uint32_t cube_face(const float d[3], float st[2]) {
    float x = d[0], y = d[1], z = d[2], ax = fabsf(x), ay = fabsf(y), az = fabsf(z), m, s, t;
    uint32_t face;
    if (ax >= ay && ax >= az) face = x >= 0 ? 0 : 1, m = ax, s = x >= 0 ? -z : z, t = -y;
    else if (ay >= az) face = y >= 0 ? 2 : 3, m = ay, s = x, t = y >= 0 ? z : -z;
    else face = z >= 0 ? 4 : 5, m = az, s = z >= 0 ? x : -x, t = -y;
    if (m == 0) m = 1;
    st[0] = (s / m + 1) / 2;
    st[1] = (t / m + 1) / 2;
    return face;
}

// ---- one lane's instruction ---------------------------------------------------------------------

struct access {
    const struct sg_insn *insn;
    const struct sg_texture *t;
    uint32_t word[4];    // coordinates
    float extra[6];      // level of detail, or gradients
    int dims;            // that are filtered
    uint32_t layer;
    float c[3];
};

static int dimensions(enum sg_geometry g) {
    switch (g) {
    case SG_GEOM_1D:
    case SG_GEOM_A1D: return 1;
    case SG_GEOM_3D: return 3;
    default: return 2;
    }
}

static bool array(enum sg_geometry g) {
    return g == SG_GEOM_A1D || g == SG_GEOM_A2D || g == SG_GEOM_ACUBE;
}

static float as_float(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static void place(struct access *a) {
    enum sg_geometry g = a->insn->mode;
    unsigned first = array(g);
    const struct sg_level *l = &a->t->levels[0];
    bool integers = a->insn->type2 == SG_S32;
    a->dims = dimensions(g);
    for (int i = 0; i < a->dims; i++)
        a->c[i] = integers ? (float)(int32_t)a->word[first + (unsigned)i] : as_float(a->word[first + (unsigned)i]);
    uint32_t per = g == SG_GEOM_ACUBE ? 6 : 1, layers = l->depth / per;
    a->layer = 0;
    if (first) a->layer = (a->word[0] < layers ? a->word[0] : (int32_t)a->word[0] < 0 ? 0 : layers - 1) * per;
    if (g != SG_GEOM_CUBE && g != SG_GEOM_ACUBE) return;
    float d[3] = {as_float(a->word[first]), as_float(a->word[first + 1]), as_float(a->word[first + 2])};
    a->layer += cube_face(d, a->c);
}

// From gradients: of the direction in which the texture shrinks most.
static float gradient_level(const struct access *a) {
    const struct sg_level *l = &a->t->levels[0];
    const uint32_t size[3] = {l->width, l->height, l->depth};
    double dx = 0, dy = 0;
    for (int i = 0; i < a->dims; i++) {
        double scale = a->t->normalized ? size[i] : 1;
        dx += pow(a->extra[i] * scale, 2);
        dy += pow(a->extra[3 + i] * scale, 2);
    }
    double longest = dx > dy ? dx : dy;
    return longest > 0 ? (float)(0.5 * log2(longest)) : 0;
}

// Integer coordinates name texels; outside there is nothing.
static struct texel fetch(const struct access *a) {
    const struct sg_level *l = &a->t->levels[0];
    unsigned first = array(a->insn->mode);
    const uint32_t size[3] = {l->width, l->height, l->depth};
    uint32_t at[3] = {0, 0, a->layer};
    for (int i = 0; i < a->dims; i++) {
        at[i] = a->word[first + (unsigned)i];
        if (at[i] >= size[i]) return (struct texel){.u = {0, 0, 0, 0}};
    }
    return load(a->t, l, at[0], at[1], at[2]);
}

// One component of the four texels that linear filtering would mix.
static struct texel gather_four(const struct access *a) {
    static const int order[4][2] = {{0, 1}, {1, 1}, {1, 0}, {0, 0}};
    const struct sg_level *l = &a->t->levels[0];
    int64_t x = (int64_t)floor(scaled(a->t, a->c[0], l->width) - 0.5);
    int64_t y = (int64_t)floor(scaled(a->t, a->c[1], l->height) - 0.5);
    struct texel out;
    for (int k = 0; k < 4; k++) {
        int64_t at[3] = {x + order[k][0], y + order[k][1], 0};
        out.u[k] = texel_at(a->t, l, 2, at, a->layer).u[a->insn->n & 3];
    }
    return out;
}

static struct texel texture(struct access *a) {
    place(a);
    if (a->insn->op == SG_OP_TLD4) return gather_four(a);
    if (a->insn->type2 == SG_S32) return fetch(a);
    float level = a->insn->rnd == SG_LOD_LEVEL ? a->extra[0]
                  : a->insn->rnd == SG_LOD_GRAD ? gradient_level(a)
                                                : 0;
    return sample(a->t, level, a->dims, a->c, a->layer);
}

static uint32_t query(const struct sg_texture *t, unsigned what) {
    const struct sg_level *l = &t->levels[0];
    switch (what) {
    case SG_QUERY_WIDTH: return l->width;
    case SG_QUERY_HEIGHT: return l->height;
    case SG_QUERY_DEPTH: return t->layered ? 0 : l->depth;
    case SG_QUERY_DATA_TYPE: return t->query_type;
    case SG_QUERY_ORDER: return t->query_order;
    case SG_QUERY_ARRAY_SIZE: return t->layered ? l->depth : 0;
    default: return t->nlevels;
    }
}

// ---- surfaces -----------------------------------------------------------------------------------

// The bytes that a surface access of `bytes` means; NULL: outside, and nothing happens. `columns`: the first
// coordinate counts texels, not bytes.
static uint8_t *surface_place(struct warp *w, const struct op *op, uint32_t lane, const struct access *a,
                              uint32_t bytes, bool columns) {
    const struct sg_level *l = &a->t->levels[0];
    unsigned first = array(a->insn->mode), unit = columns ? a->t->channels * a->t->channel_bytes : 1;
    int64_t x = (int64_t)(int32_t)a->word[first] * unit, row = (int64_t)l->width * a->t->channels * a->t->channel_bytes;
    int64_t y = dimensions(a->insn->mode) > 1 ? (int32_t)a->word[first + 1] : 0;
    int64_t z = first ? (int32_t)a->word[0] : a->insn->mode == SG_GEOM_3D ? (int32_t)a->word[2] : 0;
    bool inside = x >= 0 && x + bytes <= row && y >= 0 && y < l->height && z >= 0 && z < l->depth;
    if (!inside) switch (a->insn->cmp) {
        case SG_BOUNDS_ZERO: return NULL;
        case SG_BOUNDS_CLAMP:
            x = x < 0 ? 0 : x + bytes > row ? row - bytes : x;
            y = y < 0 ? 0 : y >= l->height ? l->height - 1 : y;
            z = z < 0 ? 0 : z >= l->depth ? l->depth - 1 : z;
            break;
        default: sg_raise(w, op, SG_FAULT_ADDRESS, lane, (uint64_t)x, "surface access outside its bounds");
        }
    return l->base + (size_t)z * l->slice + (size_t)y * l->pitch + (size_t)x;
}

// sust.p: values in registers of 32 bits, converted to the surface's format.
static void store_formatted(const struct sg_texture *t, uint8_t *to, const uint32_t *value, unsigned n) {
    for (unsigned c = 0; c < n && c < t->channels; c++) {
        uint32_t raw = value[c];
        if (t->channel == SG_CHANNEL_FLOAT && t->channel_bytes == 2) {
            _Float16 h = (_Float16)as_float(raw);
            uint16_t bits;
            memcpy(&bits, &h, sizeof bits);
            raw = bits;
        }
        memcpy(to + c * t->channel_bytes, &raw, t->channel_bytes);
    }
}

// ---- the handlers -------------------------------------------------------------------------------

// op->list: slots of the handle, the coordinates (4), level of detail or gradients (6), values (4) and their
// registers' widths (4); UINT32_MAX for those that are not there.
enum { HANDLE, COORDINATES, EXTRA = COORDINATES + 4, VALUES = EXTRA + 6, WIDTHS = VALUES + 4, SLOTS = WIDTHS + 4 };

static uint32_t word_at(const struct warp *w, uint32_t slot, uint32_t lane) {
    return slot == UINT32_MAX ? 0 : ((const uint32_t *)(w->R + slot))[lane];
}

static struct access prepare(struct warp *w, const struct op *op, uint32_t lane) {
    struct access a = {.insn = op->insn};
    uint64_t handle = ((const uint64_t *)(w->R + op->list[HANDLE]))[lane];
    w->pc = op;
    a.t = find(handle);
    bool surface = a.insn->op == SG_OP_SULD || a.insn->op == SG_OP_SUST || a.insn->op == SG_OP_SUQ;
    if (!a.t || a.t->surface != surface)
        sg_raise(w, op, SG_FAULT_ADDRESS, lane, handle, "no texture or surface has this handle");
    for (int i = 0; i < 4; i++) a.word[i] = word_at(w, op->list[COORDINATES + i], lane);
    for (int i = 0; i < 6; i++) a.extra[i] = as_float(word_at(w, op->list[EXTRA + i], lane));
    return a;
}

static void put(struct warp *w, const struct op *op, int i, uint32_t lane, const void *value, uint32_t bytes) {
    uint32_t slot = op->list[VALUES + i], width = op->list[WIDTHS + i];
    uint8_t wide[16] = {0};
    if (slot == UINT32_MAX) return;
    memcpy(wide, value, bytes);
    memcpy(w->R + slot + (size_t)lane * width, wide, width);
}

static const struct op *op_texture(struct warp *w, const struct op *op) {
    SG_ACTIVE(lane, w->exec) {
        struct access a = prepare(w, op, lane);
        struct texel v = texture(&a);
        for (int i = 0; i < 4; i++) {
            if (op->insn->type != SG_F16) {
                put(w, op, i, lane, &v.u[i], 4);
                continue;
            }
            _Float16 h = (_Float16)v.f[i];
            put(w, op, i, lane, &h, 2);
        }
    }
    return op + 1;
}

static const struct op *op_query(struct warp *w, const struct op *op) {
    SG_ACTIVE(lane, w->exec) {
        struct access a = prepare(w, op, lane);
        uint32_t v = query(a.t, op->insn->n);
        put(w, op, 0, lane, &v, 4);
    }
    return op + 1;
}

static const struct op *op_surface_load(struct warp *w, const struct op *op) {
    uint32_t bytes = sg_type_bytes(op->insn->type), n = op->insn->vec;
    SG_ACTIVE(lane, w->exec) {
        struct access a = prepare(w, op, lane);
        uint8_t value[32] = {0};
        const uint8_t *from = surface_place(w, op, lane, &a, bytes * n, false);
        if (from) memcpy(value, from, bytes * n);
        for (uint32_t i = 0; i < n; i++) put(w, op, (int)i, lane, value + i * bytes, bytes);
    }
    return op + 1;
}

static const struct op *op_surface_store(struct warp *w, const struct op *op) {
    uint32_t bytes = sg_type_bytes(op->insn->type), n = op->insn->vec;
    bool formatted = op->insn->flags & SG_F_FORMATTED;
    SG_ACTIVE(lane, w->exec) {
        struct access a = prepare(w, op, lane);
        uint32_t size = formatted ? a.t->channels * a.t->channel_bytes : bytes * n;
        uint8_t *to = surface_place(w, op, lane, &a, size, formatted), value[32];
        for (uint32_t i = 0; i < n; i++)
            memcpy(value + i * bytes, w->R + op->list[VALUES + i] + (size_t)lane * op->list[WIDTHS + i], bytes);
        if (!to) continue;
        if (formatted) store_formatted(a.t, to, (const uint32_t *)(void *)value, n);
        else memcpy(to, value, size);
    }
    return op + 1;
}

// ---- decoding -----------------------------------------------------------------------------------

static void slots_of(struct decoder *d, const struct sg_operand *o, uint32_t *slots, unsigned most, unsigned bytes,
                     uint32_t *widths) {
    unsigned n = o->kind == SG_OPND_VEC ? o->n : 1;
    if (n > most) sg_decode_fail(d, "a texture operand of this many elements");
    for (unsigned i = 0; i < n; i++) {
        const struct sg_operand *e = o->kind == SG_OPND_VEC ? &o->vec[i] : o;
        if (e->kind == SG_OPND_SINK) continue;
        bool reg = e->kind == SG_OPND_REG;
        slots[i] = reg ? d->code->reg_slot[e->reg] : sg_constant(d, e->imm, bytes);
        if (widths) widths[i] = reg ? d->fn->regs[e->reg].bytes : bytes;
    }
}

bool sg_decode_texture(struct decoder *d, const struct sg_insn *insn) {
    static const sg_handler handlers[] = {
        [SG_OP_TEX - SG_OP_TEX] = op_texture,       [SG_OP_TLD4 - SG_OP_TEX] = op_texture,
        [SG_OP_TXQ - SG_OP_TEX] = op_query,         [SG_OP_SULD - SG_OP_TEX] = op_surface_load,
        [SG_OP_SUST - SG_OP_TEX] = op_surface_store, [SG_OP_SUQ - SG_OP_TEX] = op_query,
    };
    if (insn->op < SG_OP_TEX || insn->op > SG_OP_SUQ) return false;
    bool store = insn->op == SG_OP_SUST;
    unsigned bytes = sg_type_bytes(insn->type);
    if (store && (insn->flags & SG_F_FORMATTED) && bytes != 4) sg_decode_fail(d, "sust.p of this type");
    uint32_t index = sg_new_list(d, SLOTS), *list = d->code->lists[index];
    for (unsigned i = 0; i < SLOTS; i++) list[i] = UINT32_MAX;
    list[HANDLE] = sg_source(d, &insn->src[0], 8);
    if (insn->nsrc > 1) slots_of(d, &insn->src[1], list + COORDINATES, 4, 4, NULL);
    if (store) {
        slots_of(d, &insn->src[2], list + VALUES, 4, bytes, list + WIDTHS);
    } else {
        if (insn->nsrc > 2) slots_of(d, &insn->src[2], list + EXTRA, insn->rnd == SG_LOD_GRAD ? 3 : 1, 4, NULL);
        if (insn->nsrc > 3) slots_of(d, &insn->src[3], list + EXTRA + 3, 3, 4, NULL);
        slots_of(d, &insn->dst[0], list + VALUES, 4, bytes, list + WIDTHS);
    }
    struct op *op = sg_emit(d, handlers[insn->op - SG_OP_TEX]);
    op->list = list;
    op->insn = insn;
    return true;
}
