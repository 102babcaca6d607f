/*
 * The PTX test set: small kernels, one behaviour each, through the driver API alone, so that the same set runs on
 * the software GPU, through hawser and on a real GPU. What is expected is computed here on the host by other means
 * than a PTX interpreter's.
 */
#ifndef PTX_H
#define PTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the device (device.c) ---- */

bool device_open(void);
/* 10 * major + minor of its compute capability. */
unsigned device_sm(void);
/* Loads the module text and finds its kernel "test"; false with the reason on stdout's line. */
bool device_load(const char *ptx);
void device_unload(void);
/* After a failed launch: a fresh context. */
bool device_reset(void);
/* Runs "test" with the parameters (out, in, n): out has out_bytes zeroed (or filled with what it held), in has
 * in_bytes. The result of the synchronization, 0 for success. */
int device_run(void *out, size_t out_bytes, const void *in, size_t in_bytes, unsigned n, const unsigned grid[3],
               const unsigned block[3], unsigned shared);

/* ---- cases ---- */

/* One operation on three values per thread. The body computes from the views of the inputs
 *   %a %b %c (b32)   %A %B %C (b64)   %fa %fb %fc (f32)   %da %db %dc (f64)   %ha %hb %hc (b16)
 * into the register that `out` names: r %d, R %D, f %fd, g %dd, h %hd, p %pd. It may declare more. */
struct op_case {
    const char *name;
    char in; /* i 32-bit, l 64-bit, f f32, d f64, h f16, b bf16, s 32-bit with shift counts as b */
    char out;
    const char *body;
    uint64_t (*expect)(uint64_t a, uint64_t b, uint64_t c);
    double tolerance; /* 0: bit for bit; else |difference| <= tolerance * max(1, |expected|), f32 and f64 only */
    unsigned sm;      /* .target; 0: 70 */
};

/* A whole kernel on n threads; out and in are words of 32 bits. */
struct kernel_case {
    const char *name;
    const char *text; /* module text behind the header; kernel test(.param .u64 out, .u64 in, .u32 n) */
    unsigned grid[3], block[3];
    unsigned n_out, n_in; /* words */
    void (*expect)(uint32_t *out, const uint32_t *in);
    unsigned shared; /* dynamic, bytes */
    unsigned sm;
    int result; /* 0, or minus the error that the launch must end with; the context is made anew then */
};

extern const struct op_case int_cases[], bit_cases[], float_cases[], double_cases[], half_cases[], convert_cases[],
    carry_cases[];
extern const struct kernel_case memory_cases[], atomic_cases[], warp_cases[], control_cases[], tile_cases[],
    async_cases[], meeting_cases[];

#endif
