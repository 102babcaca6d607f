// Textures and surfaces: what a kernel's 64-bit handle stands for.
//
// An engine keeps a table of them. A handle names one place in it for one lifetime: what was removed,
// or never was, faults the kernel that uses it. Removing or replacing one that a running kernel uses
// gives that kernel old or new contents, never a crash.
#ifndef SOFTGPU_EXEC_TEXTURE_H
#define SOFTGPU_EXEC_TEXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sg_engine;

enum sg_channel {
    SG_CHANNEL_U8,
    SG_CHANNEL_U16,
    SG_CHANNEL_U32,
    SG_CHANNEL_S8,
    SG_CHANNEL_S16,
    SG_CHANNEL_S32,
    SG_CHANNEL_F16,
    SG_CHANNEL_F32,
};
static inline unsigned sg_channel_bytes(enum sg_channel channel) {
    return channel == SG_CHANNEL_F16 ? 2 : channel == SG_CHANNEL_F32 ? 4 : 1u << channel % 3;
}

// As CUaddress_mode.
enum sg_address { SG_ADDRESS_WRAP, SG_ADDRESS_CLAMP, SG_ADDRESS_MIRROR, SG_ADDRESS_BORDER };

enum { SG_MAX_LEVELS = 18, SG_MAX_TEXTURES = 1 << 20 };

// Rows of texels. Layers and cube faces (six a layer) are slices.
struct sg_level {
    uintptr_t base;
    size_t pitch, slice;           // bytes from row to row, slice to slice
    uint32_t width, height, depth; // texels; depth counts slices. None is 0.
};

enum sg_texture_kind { SG_UNBOUND, SG_TEXTURE, SG_SURFACE };

struct sg_texture {
    enum sg_texture_kind kind;
    uint8_t channel, channels; // enum sg_channel; 1, 2 or 4
    bool linear;               // a range of memory: integer coordinates beyond it read zero
    bool layered, cube;
    // What a texture does to coordinates and texels; surfaces have none of it.
    uint8_t address[3];      // enum sg_address
    bool filter, mip_filter; // linear, else nearest
    bool normalized;         // coordinates from 0 to 1
    bool promote;            // 8- and 16-bit integers become 0..1 or -1..1
    bool srgb, seamless;
    float bias, least_level, most_level, border[4];
    uint32_t nlevels;
    struct sg_level level[SG_MAX_LEVELS];
};

// The new handle, 0 when memory is short.
uint64_t sg_texture_add(struct sg_engine *engine, const struct sg_texture *texture);
// False when there is no such handle.
bool sg_texture_set(struct sg_engine *engine, uint64_t handle, const struct sg_texture *texture);
bool sg_texture_remove(struct sg_engine *engine, uint64_t handle);

#endif
