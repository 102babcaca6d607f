#include "fatbin.h"

#include <elf.h>
#include <lz4.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { HEADER_BYTES = 16, ENTRY_BYTES = 64, KIND_PTX = 1, KIND_ELF = 2 };
enum { MAX_PARTS = 1 << 16 };
#define FLAG_OLD_COMPRESSION 0x1000u
#define FLAG_LZ4 0x2000u
#define FLAG_ZSTD 0x8000u
#define FLAG_ARCH_SPECIFIC 0x100000u
#define FLAG_FAMILY 0x200000u

static enum sg_code fail(struct sg_diag *diag, enum sg_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum sg_code fail(struct sg_diag *diag, enum sg_code code, const char *format, ...) {
    *diag = (struct sg_diag){.code = code};
    va_list args;
    va_start(args, format);
    vsnprintf(diag->message, sizeof diag->message, format, args);
    va_end(args);
    return code;
}

static uint16_t get16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t get32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t get64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

enum sg_image_kind sg_image_kind(const void *image, size_t size) {
    const uint8_t *p = image;
    if (size >= 4 && get32(p) == SG_WRAPPER_MAGIC) return SG_IMAGE_WRAPPER;
    if (size >= 4 && get32(p) == SG_FATBIN_MAGIC) return SG_IMAGE_FATBIN;
    if (size >= 4 && !memcmp(p, ELFMAG, SELFMAG)) return SG_IMAGE_ELF;
    for (size_t i = 0; i < size; i++) {
        if (strchr(" \t\r\n\f\v", p[i]) && p[i]) continue;
        return p[i] == '.' || p[i] == '/' ? SG_IMAGE_PTX : SG_IMAGE_UNKNOWN;
    }
    return size ? SG_IMAGE_PTX : SG_IMAGE_UNKNOWN;
}

static size_t elf_size(const uint8_t *image) {
    Elf64_Ehdr header;
    memcpy(&header, image, sizeof header);
    uint64_t end = sizeof header;
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shoff > SG_MAX_TEXT_BYTES ||
        header.e_phoff > SG_MAX_TEXT_BYTES)
        return 0;
    uint64_t sections = header.e_shoff + (uint64_t)header.e_shnum * sizeof(Elf64_Shdr);
    uint64_t segments = header.e_phoff + (uint64_t)header.e_phnum * sizeof(Elf64_Phdr);
    if (sections > end) end = sections;
    if (segments > end) end = segments;
    for (unsigned i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section;
        memcpy(&section, image + header.e_shoff + i * sizeof section, sizeof section);
        if (section.sh_type == SHT_NOBITS) continue;
        if (section.sh_offset > SG_MAX_TEXT_BYTES || section.sh_size > SG_MAX_TEXT_BYTES) return 0;
        if (section.sh_offset + section.sh_size > end) end = section.sh_offset + section.sh_size;
    }
    return end > SG_MAX_TEXT_BYTES ? 0 : end;
}

size_t sg_image_size(const void *image) {
    const uint8_t *p = image;
    // Text may be shorter than a magic number.
    size_t first = strnlen(image, 4);
    if (first < 4) return first;
    switch (sg_image_kind(image, 4)) {
    case SG_IMAGE_FATBIN: {
        uint64_t body = get64(p + 8), header = get16(p + 6);
        return body > SG_MAX_TEXT_BYTES || header < HEADER_BYTES ? 0 : header + body;
    }
    case SG_IMAGE_ELF:
        return elf_size(p);
    case SG_IMAGE_PTX:
        return strnlen(image, SG_MAX_TEXT_BYTES);
    default:
        return 0;
    }
}

// ---- entries --------------------------------------------------------------------------------

int sg_fatbin_next(const void *fatbin, size_t size, uint64_t *offset, struct sg_fat_entry *entry) {
    const uint8_t *p = fatbin;
    if (size < HEADER_BYTES || get32(p) != SG_FATBIN_MAGIC) return -1;
    uint64_t header = get16(p + 6), body = get64(p + 8);
    if (header < HEADER_BYTES || header > size || body > size - header) return -1;
    if (*offset == body) return 0;
    if (*offset > body || body - *offset < ENTRY_BYTES) return -1;
    const uint8_t *e = p + header + *offset;
    uint64_t left = body - *offset, entry_header = get32(e + 4), stored = get64(e + 8);
    if (entry_header < ENTRY_BYTES || entry_header > left || stored > left - entry_header) return -1;
    *entry = (struct sg_fat_entry){
        .kind = get16(e),
        .sm = get32(e + 28),
        .version = get16(e + 26) * 10u + get16(e + 24),
        .flags = get64(e + 40),
        .payload = e + entry_header,
        .stored = stored,
        .compressed = get32(e + 16),
        .uncompressed = get64(e + 56),
    };
    if (entry->compressed > stored) return -1;
    *offset += entry_header + stored;
    return 1;
}

static bool runs_on(const struct sg_fat_entry *entry, unsigned capability) {
    if (entry->kind != KIND_PTX || entry->sm > capability) return false;
    if (entry->flags & FLAG_ARCH_SPECIFIC) return entry->sm == capability;
    if (entry->flags & FLAG_FAMILY) return entry->sm / 10 == capability / 10;
    return true;
}

static bool better(const struct sg_fat_entry *a, const struct sg_fat_entry *b) {
    return a->sm > b->sm || (a->sm == b->sm && a->version > b->version);
}

// ---- payloads -------------------------------------------------------------------------------

static enum sg_code unpack(const struct sg_fat_entry *entry, struct sg_text *text, void **owned, struct sg_diag *diag) {
    uint64_t flags = entry->flags & (FLAG_OLD_COMPRESSION | FLAG_LZ4 | FLAG_ZSTD);
    if (flags == 0) {
        *text = (struct sg_text){(const char *)entry->payload, entry->stored};
        return SG_OK;
    }
    if (flags == FLAG_OLD_COMPRESSION)
        return fail(diag, SG_INVALID_IMAGE, "the PTX is compressed in a form older than CUDA 11");
    if (entry->uncompressed == 0 || entry->uncompressed > SG_MAX_TEXT_BYTES || entry->compressed == 0)
        return fail(diag, SG_INVALID_IMAGE, "PTX of %llu bytes compressed to %llu",
                    (unsigned long long)entry->uncompressed, (unsigned long long)entry->compressed);
    char *memory = malloc(entry->uncompressed);
    if (!memory) return fail(diag, SG_NO_MEMORY, "out of memory");
    bool ok;
    if (flags & FLAG_ZSTD) {
        size_t got = ZSTD_decompress(memory, entry->uncompressed, entry->payload, entry->compressed);
        ok = !ZSTD_isError(got) && got == entry->uncompressed;
    } else {
        int got =
            LZ4_decompress_safe((const char *)entry->payload, memory, (int)entry->compressed, (int)entry->uncompressed);
        ok = got >= 0 && (uint64_t)got == entry->uncompressed;
    }
    if (!ok) {
        free(memory);
        return fail(diag, SG_INVALID_IMAGE, "compressed PTX is corrupt");
    }
    *owned = memory;
    *text = (struct sg_text){memory, entry->uncompressed};
    return SG_OK;
}

static enum sg_code choose(const struct sg_text *part, unsigned capability, struct sg_text *text, void **owned,
                           struct sg_diag *diag) {
    struct sg_fat_entry entry, best = {0};
    uint64_t offset = 0;
    unsigned highest = 0;
    int more;
    while ((more = sg_fatbin_next(part->bytes, part->size, &offset, &entry)) > 0) {
        if (entry.kind == KIND_PTX && entry.sm > highest) highest = entry.sm;
        if (runs_on(&entry, capability) && (best.kind == 0 || better(&entry, &best))) best = entry;
    }
    if (more < 0) return fail(diag, SG_INVALID_IMAGE, "a fat binary's entries overrun it");
    if (best.kind) return unpack(&best, text, owned, diag);
    if (highest)
        return fail(diag, SG_NO_BINARY_FOR_GPU, "its PTX is for sm_%u, the device is sm_%u", highest, capability);
    return fail(diag, SG_NO_BINARY_FOR_GPU, "it holds machine code only");
}

void sg_fatbin_registers(const struct sg_text *fatbin, unsigned capability, struct sg_registers *registers) {
    struct sg_fat_entry entry, best = {0};
    struct sg_text elf;
    struct sg_diag unused;
    uint64_t offset = 0;
    void *owned = NULL;
    while (sg_fatbin_next(fatbin->bytes, fatbin->size, &offset, &entry) > 0)
        if (entry.kind == KIND_ELF && entry.sm <= capability && (best.kind == 0 || better(&entry, &best))) best = entry;
    if (best.kind && unpack(&best, &elf, &owned, &unused) == SG_OK) sg_registers_add(registers, elf.bytes, elf.size);
    free(owned);
}

static enum sg_code open_part(const struct sg_text *part, unsigned capability, struct sg_text *text, void **owned,
                              struct sg_diag *diag) {
    switch (sg_image_kind(part->bytes, part->size)) {
    case SG_IMAGE_PTX:
        *text = *part;
        return SG_OK;
    case SG_IMAGE_FATBIN:
        return choose(part, capability, text, owned, diag);
    case SG_IMAGE_ELF:
        return fail(diag, SG_NO_BINARY_FOR_GPU, "it holds machine code only");
    default:
        return fail(diag, SG_INVALID_IMAGE, "neither fat binary nor cubin nor PTX");
    }
}

enum sg_code sg_image_open(const struct sg_text *parts, size_t nparts, unsigned capability, struct sg_image *image,
                           struct sg_diag *diag) {
    *diag = (struct sg_diag){0};
    *image = (struct sg_image){0};
    if (nparts == 0 || nparts > MAX_PARTS) return fail(diag, SG_INVALID_IMAGE, "an image of %zu parts", nparts);
    image->texts = calloc(nparts, sizeof *image->texts);
    image->owned = calloc(nparts, sizeof *image->owned);
    image->count = nparts;
    enum sg_code code = SG_OK;
    if (!image->texts || !image->owned) code = fail(diag, SG_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < nparts && code == SG_OK; i++)
        code = open_part(&parts[i], capability, &image->texts[i], &image->owned[i], diag);
    if (code != SG_OK) sg_image_close(image);
    return code;
}

static enum sg_code open_list(const void *const *list, unsigned capability, struct sg_image *image,
                              struct sg_diag *diag) {
    size_t n = 0;
    while (list[n] && n < MAX_PARTS)
        n++;
    struct sg_text *parts = calloc(n ? n : 1, sizeof *parts);
    if (!parts) return fail(diag, SG_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++)
        parts[i] = (struct sg_text){list[i], sg_image_size(list[i])};
    enum sg_code code = sg_image_open(parts, n, capability, image, diag);
    free(parts);
    return code;
}

enum sg_code sg_image_open_memory(const void *data, unsigned capability, struct sg_image *image, struct sg_diag *diag) {
    const void *list[2] = {data, NULL};
    *image = (struct sg_image){0};
    if (!data) return fail(diag, SG_INVALID_IMAGE, "no image");
    // The magic's lowest byte cannot begin a text, so that a short text is not read past its end.
    const struct sg_fat_wrapper *wrapper = data;
    if (*(const uint8_t *)data != (SG_WRAPPER_MAGIC & 0xff) || wrapper->magic != SG_WRAPPER_MAGIC)
        return open_list(list, capability, image, diag);
    if (wrapper->version == 2 && wrapper->more && wrapper->more[0])
        return open_list(wrapper->more, capability, image, diag);
    if (!wrapper->fatbin) return fail(diag, SG_INVALID_IMAGE, "a wrapper around nothing");
    list[0] = wrapper->fatbin;
    return open_list(list, capability, image, diag);
}

void sg_image_close(struct sg_image *image) {
    for (size_t i = 0; i < image->count && image->owned; i++)
        free(image->owned[i]);
    free(image->texts);
    free(image->owned);
    sg_registers_free(&image->registers);
    *image = (struct sg_image){0};
}
