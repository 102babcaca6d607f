// Module images: what may be handed to cuModuleLoadData and its kin, and the PTX inside.
//
// Layouts were established by experiment on nvcc 13.0's output and NVIDIA's libraries (docs of the
// containers do not exist); every size read from an image is checked against the bytes given.
// Thread-safe: no state.
#ifndef SOFTGPU_PTX_FATBIN_H
#define SOFTGPU_PTX_FATBIN_H

#include "machine.h"

#define SG_WRAPPER_MAGIC 0x466243b1u
#define SG_FATBIN_MAGIC 0xba55ed50u

// What __cudaRegisterFatBinary and cuLibraryLoadData receive: pointers into the process.
struct sg_fat_wrapper {
    uint32_t magic, version;
    const void *fatbin;
    const void *const *more; // version 2: NULL-terminated list of the pre-link fat binaries
};

enum sg_image_kind { SG_IMAGE_UNKNOWN, SG_IMAGE_WRAPPER, SG_IMAGE_FATBIN, SG_IMAGE_ELF, SG_IMAGE_PTX };

// By the first bytes; `size` may be as little as 4.
enum sg_image_kind sg_image_kind(const void *image, size_t size);

// The size of an image that is passed without one: fat binary, ELF file or NUL-terminated text, by
// its own account. 0 if that account is impossible. Reads as far as the image says that it goes.
size_t sg_image_size(const void *image);

// PTX texts to be linked into one module. Texts stored plainly point into the bytes given, the
// others into memory of this structure's own.
struct sg_image {
    struct sg_text *texts;
    size_t count;
    void **owned;
    struct sg_registers registers; // of machine code beside them; the caller's to fill, closed with the rest
    uint32_t maxnreg;              // the limit that a linker was given, the caller's too
};

// The texts of `parts`: each a fat binary, of which the best entry is taken, or a PTX text.
// `capability` is 10 * major + minor: the highest SM not above it wins; entries for one
// architecture only ("a") need that very one, entries for a family ("f") the same major and no
// higher minor. SG_NO_BINARY_FOR_GPU if a part has no PTX for the device, SG_INVALID_IMAGE if it is
// corrupt.
enum sg_code sg_image_open(const struct sg_text *parts, size_t nparts, unsigned capability, struct sg_image *image,
                           struct sg_diag *diag);
// The same for an image in this process, with or without its wrapper.
enum sg_code sg_image_open_memory(const void *data, unsigned capability, struct sg_image *image, struct sg_diag *diag);
void sg_image_close(struct sg_image *image);

// Adds what the machine code in a fat binary for the highest SM not above the capability tells, if there is any.
void sg_fatbin_registers(const struct sg_text *fatbin, unsigned capability, struct sg_registers *registers);

// One entry of a fat binary, for tools that list them.
struct sg_fat_entry {
    uint16_t kind; // 1 PTX, 2 ELF, 8 LTO-IR
    uint32_t sm;
    unsigned version; // 10 * major + minor of the PTX ISA
    uint64_t flags;
    const uint8_t *payload;
    uint64_t stored, compressed, uncompressed; // bytes; the latter two 0 if stored plainly
};
// Steps through the entries: *offset starts at 0. 1 with *entry filled, 0 at the end, -1 if
// corrupt.
int sg_fatbin_next(const void *fatbin, size_t size, uint64_t *offset, struct sg_fat_entry *entry);

#endif
