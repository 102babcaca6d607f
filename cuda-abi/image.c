/* How long is a module image that came without a length? Each kind of image says so in its headers. */
#include "abi_internal.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#define MAGIC_WRAPPER 0x466243b1u
#define MAGIC_FATBIN 0xba55ed50u
#define MAX_IMAGE ((size_t)1 << 32) /* bytes; a header that says more is not believed */

struct wrapper {
    uint32_t magic, version;
    const void *data;
    const void *const *more; /* version 2: NULL-terminated */
};

struct fatbin {
    uint32_t magic;
    uint16_t version, header_size;
    uint64_t size;
};

static size_t fatbin_size(const void *data) {
    struct fatbin f;
    memcpy(&f, data, sizeof f);
    if (f.magic != MAGIC_FATBIN || f.header_size < sizeof f || f.size > MAX_IMAGE) return 0;
    return f.header_size + f.size;
}

/* The end of whatever lies farthest back: section headers, program headers or a section. */
static size_t elf_size(const char *data) {
    Elf64_Ehdr e;
    memcpy(&e, data, sizeof e);
    if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_shentsize != sizeof(Elf64_Shdr)) return 0;
    uint64_t end = e.e_shoff + (uint64_t)e.e_shnum * sizeof(Elf64_Shdr);
    uint64_t programs = e.e_phoff + (uint64_t)e.e_phnum * sizeof(Elf64_Phdr);
    if (programs > end) end = programs;
    if (e.e_shoff > MAX_IMAGE || e.e_phoff > MAX_IMAGE) return 0;
    for (unsigned i = 0; i < e.e_shnum; i++) {
        Elf64_Shdr s;
        memcpy(&s, data + e.e_shoff + i * sizeof s, sizeof s);
        if (s.sh_type == SHT_NOBITS) continue;
        if (s.sh_offset > MAX_IMAGE || s.sh_size > MAX_IMAGE) return 0;
        if (s.sh_offset + s.sh_size > end) end = s.sh_offset + s.sh_size;
    }
    return end;
}

static CUresult add(struct hawser_image *out, const void *data, size_t size) {
    if (!size || out->n_parts == HAWSER_IMAGE_MAX_PARTS) return CUDA_ERROR_INVALID_IMAGE;
    out->part[out->n_parts].data = data;
    out->part[out->n_parts++].size = size;
    return CUDA_SUCCESS;
}

static CUresult measure_wrapper(const void *image, struct hawser_image *out) {
    struct wrapper w;
    memcpy(&w, image, sizeof w);
    out->kind = HAWSER_IMAGE_WRAPPER;
    out->wrapper_version = w.version;
    if ((w.version != 1 && w.version != 2) || !w.data) return CUDA_ERROR_INVALID_IMAGE;
    CUresult r = add(out, w.data, fatbin_size(w.data));
    for (const void *const *p = w.version == 2 ? w.more : NULL; r == CUDA_SUCCESS && p && *p; p++)
        r = add(out, *p, fatbin_size(*p));
    return r;
}

/* PTX begins, after blank lines and comments, with a directive. */
static bool is_text(const char *s) {
    s += strspn(s, " \t\r\n");
    return *s == '.' || *s == '/';
}

CUresult hawser_image_measure(const void *image, struct hawser_image *out) {
    memset(out, 0, offsetof(struct hawser_image, part));
    if (!image) return CUDA_ERROR_INVALID_VALUE;
    /* Byte by byte: an image may be text shorter than the magic. */
    const unsigned char *b = image;
    uint32_t magic = b[0];
    for (unsigned i = 1; i < 4 && b[i - 1]; i++)
        magic |= (uint32_t)b[i] << (8 * i);
    CUresult r;
    if (magic == MAGIC_WRAPPER) {
        r = measure_wrapper(image, out);
    } else if (magic == MAGIC_FATBIN) {
        out->kind = HAWSER_IMAGE_FATBIN;
        r = add(out, image, fatbin_size(image));
    } else if (!memcmp(&magic, ELFMAG, SELFMAG)) {
        out->kind = HAWSER_IMAGE_ELF;
        r = add(out, image, elf_size(image));
    } else {
        out->kind = HAWSER_IMAGE_PTX;
        r = is_text(image) ? add(out, image, strlen(image)) : CUDA_ERROR_INVALID_IMAGE;
    }
    if (r != CUDA_SUCCESS) out->kind = HAWSER_IMAGE_INVALID;
    return r;
}
