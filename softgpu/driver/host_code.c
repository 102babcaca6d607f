/* Host objects, and libraries of them: the fat binaries that nvcc puts into their sections. */
#include "driver.h"

#include <ar.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "fatbin.h"

typedef CUresult (*sink)(void *arg, const void *fatbin);

struct bytes {
    const char *at;
    size_t size;
};

/* [offset, offset + size) of b; false when it does not lie in it. */
static bool part(struct bytes b, uint64_t offset, uint64_t size, struct bytes *out) {
    if (offset > b.size || size > b.size - offset) return false;
    *out = (struct bytes){b.at + offset, size};
    return true;
}

/* The fat binaries of a section stand one behind the other, at multiples of 8 bytes. */
static CUresult section(struct bytes b, sink found, void *arg) {
    struct {
        uint32_t magic;
        uint16_t version, header;
        uint64_t body;
    } head;
    CUresult r = CUDA_SUCCESS;
    while (r == CUDA_SUCCESS && b.size >= sizeof head) {
        memcpy(&head, b.at, sizeof head);
        if (head.magic != SG_FATBIN_MAGIC || head.header < sizeof head || head.header > b.size ||
            head.body > b.size - head.header)
            return CUDA_ERROR_INVALID_IMAGE;
        size_t whole = head.header + head.body;
        void *aligned = malloc(whole); /* a library's members begin anywhere */
        if (!aligned) return CUDA_ERROR_OUT_OF_MEMORY;
        memcpy(aligned, b.at, whole);
        r = found(arg, aligned);
        free(aligned);
        whole = (whole + 7) & ~(size_t)7;
        if (!part(b, whole, b.size > whole ? b.size - whole : 0, &b)) break;
    }
    return r;
}

static CUresult object(struct bytes b, sink found, void *arg) {
    Elf64_Ehdr file;
    Elf64_Shdr header, names;
    struct bytes table, name, body;
    CUresult r = CUDA_SUCCESS;
    if (b.size < sizeof file || memcmp(b.at, ELFMAG, SELFMAG)) return CUDA_SUCCESS; /* a library's table of symbols */
    memcpy(&file, b.at, sizeof file);
    if (file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_shentsize != sizeof header ||
        !part(b, file.e_shoff, (uint64_t)file.e_shnum * sizeof header, &table) || file.e_shstrndx >= file.e_shnum)
        return CUDA_ERROR_INVALID_IMAGE;
    memcpy(&names, table.at + file.e_shstrndx * sizeof names, sizeof names);
    for (unsigned i = 0; r == CUDA_SUCCESS && i < file.e_shnum; i++) {
        memcpy(&header, table.at + i * sizeof header, sizeof header);
        if (header.sh_type == SHT_NOBITS || header.sh_name >= names.sh_size ||
            !part(b, names.sh_offset + header.sh_name, names.sh_size - header.sh_name, &name))
            continue;
        bool ours = (name.size > 10 && !strncmp(name.at, ".nv_fatbin", 11)) ||
                    (name.size > 14 && !strncmp(name.at, "__nv_relfatbin", 15));
        if (ours && part(b, header.sh_offset, header.sh_size, &body)) r = section(body, found, arg);
    }
    return r;
}

/* Every member: which of them are needed, nobody asks. */
static CUresult library(struct bytes b, sink found, void *arg) {
    struct ar_hdr header;
    struct bytes member;
    CUresult r = CUDA_SUCCESS;
    for (size_t at = SARMAG; r == CUDA_SUCCESS && b.size - at >= sizeof header;) {
        char digits[sizeof header.ar_size + 1] = "";
        memcpy(&header, b.at + at, sizeof header);
        memcpy(digits, header.ar_size, sizeof header.ar_size);
        at += sizeof header;
        uint64_t size = strtoull(digits, NULL, 10);
        if (memcmp(header.ar_fmag, ARFMAG, 2) || !part(b, at, size, &member)) return CUDA_ERROR_INVALID_IMAGE;
        r = object(member, found, arg);
        at += size + size % 2;
        if (at > b.size) break;
    }
    return r;
}

CUresult sd_host_code(const void *data, size_t size, CUresult (*found)(void *arg, const void *fatbin), void *arg) {
    struct bytes b = {data, size};
    if (size >= SARMAG && !memcmp(data, ARMAG, SARMAG)) return library(b, found, arg);
    return object(b, found, arg);
}
