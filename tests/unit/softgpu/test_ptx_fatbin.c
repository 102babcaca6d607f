#include <criterion/criterion.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "fatbin.h"

#define PTX_FLAGS 0x11u
#define TEXT_75 "\n.version 9.0\n.target sm_75\n.address_size 64\n"
#define TEXT_90 "\n.version 9.0\n.target sm_90\n.address_size 64\n"

struct image {
    uint8_t bytes[4096];
    size_t size;
};

static void put(uint8_t *at, uint64_t value, size_t bytes) {
    memcpy(at, &value, bytes);
}

static void begin(struct image *image) {
    memset(image, 0, sizeof *image);
    put(image->bytes, 0xba55ed50, 4);
    put(image->bytes + 4, 1, 2);
    put(image->bytes + 6, 16, 2);
    image->size = 16;
}

static uint8_t *add(struct image *image, unsigned kind, unsigned sm, uint64_t flags, const void *payload, size_t stored,
                    size_t uncompressed) {
    uint8_t *entry = image->bytes + image->size;
    size_t padded = (stored + 7) & ~(size_t)7;
    put(entry, kind, 2);
    put(entry + 2, 0x0101, 2);
    put(entry + 4, 64, 4);
    put(entry + 8, padded, 8);
    put(entry + 16, uncompressed ? stored : 0, 4);
    put(entry + 26, 9, 2);
    put(entry + 28, sm, 4);
    put(entry + 40, flags, 8);
    put(entry + 56, uncompressed, 8);
    memcpy(entry + 64, payload, stored);
    image->size += 64 + padded;
    put(image->bytes + 8, image->size - 16, 8);
    return entry;
}

static enum sg_code open_image(const struct image *image, unsigned capability, struct sg_image *out) {
    struct sg_diag diag;
    struct sg_text part = {(const char *)image->bytes, image->size};
    return sg_image_open(&part, 1, capability, out, &diag);
}

static void expect_text(const struct image *image, unsigned capability, const char *text) {
    struct sg_image out;
    cr_assert_eq(open_image(image, capability, &out), SG_OK);
    cr_expect_eq(out.count, 1);
    cr_expect_eq(strncmp(out.texts[0].bytes, text, strlen(text)), 0);
    sg_image_close(&out);
}

static void add_text(struct image *image, unsigned sm, uint64_t flags, const char *text) {
    add(image, 1, sm, flags, text, strlen(text), 0);
}

Test(ptx_fatbin, highest_ptx_the_device_can_run_is_taken) {
    struct image image;
    begin(&image);
    add(&image, 2, 75, PTX_FLAGS, "\177ELF", 4, 0);
    add_text(&image, 75, PTX_FLAGS, TEXT_75);
    add_text(&image, 90, PTX_FLAGS, TEXT_90);
    expect_text(&image, 130, TEXT_90);
    expect_text(&image, 89, TEXT_75);
    struct sg_image out;
    cr_expect_eq(open_image(&image, 70, &out), SG_NO_BINARY_FOR_GPU);
}

Test(ptx_fatbin, architecture_specific_ptx_needs_that_architecture) {
    struct image image;
    begin(&image);
    add_text(&image, 75, PTX_FLAGS, TEXT_75);
    add_text(&image, 90, PTX_FLAGS | 0x100000, TEXT_90);
    expect_text(&image, 130, TEXT_75);
    expect_text(&image, 90, TEXT_90);
}

Test(ptx_fatbin, zstd_and_lz4_are_unpacked) {
    char packed[512];
    struct image image;
    begin(&image);
    size_t n = ZSTD_compress(packed, sizeof packed, TEXT_90, strlen(TEXT_90), 3);
    add(&image, 1, 90, PTX_FLAGS | 0x8000, packed, n, strlen(TEXT_90));
    expect_text(&image, 130, TEXT_90);
    begin(&image);
    n = (size_t)LZ4_compress_default(TEXT_75, packed, (int)strlen(TEXT_75), sizeof packed);
    add(&image, 1, 75, PTX_FLAGS | 0x2000, packed, n, strlen(TEXT_75));
    expect_text(&image, 130, TEXT_75);
}

Test(ptx_fatbin, corrupt_sizes_are_refused) {
    char packed[512];
    size_t n = ZSTD_compress(packed, sizeof packed, TEXT_90, strlen(TEXT_90), 3);
    static const struct {
        unsigned offset, bytes;
        uint64_t value;
    } damages[] = {{8, 8, UINT64_MAX},         // payload larger than the image
                   {4, 4, 8},                  // entry header too small
                   {4, 4, UINT32_MAX},         // or too large
                   {16, 4, UINT32_MAX},        // compressed size beyond the payload
                   {56, 8, (uint64_t)1 << 40}, // a decompression bomb
                   {56, 8, 3},                 // less than what comes out
                   {64, 8, 0}};                // no zstd frame
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct image image;
        struct sg_image out;
        begin(&image);
        uint8_t *entry = add(&image, 1, 90, PTX_FLAGS | 0x8000, packed, n, strlen(TEXT_90));
        put(entry + damages[i].offset, damages[i].value, damages[i].bytes);
        cr_expect_eq(open_image(&image, 130, &out), SG_INVALID_IMAGE, "damage %zu", i);
    }
}

Test(ptx_fatbin, every_truncation_is_refused) {
    struct image image;
    begin(&image);
    add_text(&image, 75, PTX_FLAGS, TEXT_75);
    for (size_t size = 4; size < image.size; size++) {
        uint8_t *copy = malloc(size); // exact, so that a sanitizer sees reads beyond it
        memcpy(copy, image.bytes, size);
        struct sg_diag diag;
        struct sg_image out;
        struct sg_text part = {(const char *)copy, size};
        cr_expect_eq(sg_image_open(&part, 1, 130, &out, &diag), SG_INVALID_IMAGE, "%zu", size);
        free(copy);
    }
}

Test(ptx_fatbin, machine_code_alone_has_no_binary) {
    struct image image;
    struct sg_image out;
    begin(&image);
    add(&image, 2, 75, PTX_FLAGS, "\177ELF", 4, 0);
    cr_expect_eq(open_image(&image, 130, &out), SG_NO_BINARY_FOR_GPU);
    struct sg_diag diag;
    cr_expect_eq(sg_image_open(&(struct sg_text){"\177ELF", 4}, 1, 130, &out, &diag), SG_NO_BINARY_FOR_GPU);
    cr_expect_eq(sg_image_open(&(struct sg_text){"\1\2\3\4", 4}, 1, 130, &out, &diag), SG_INVALID_IMAGE);
}

Test(ptx_fatbin, a_wrapper_of_separate_objects_gives_all_their_texts) {
    struct image linked, first, second;
    begin(&linked);
    add(&linked, 2, 75, PTX_FLAGS, "\177ELF", 4, 0);
    begin(&first);
    add_text(&first, 75, PTX_FLAGS, TEXT_75);
    begin(&second);
    add_text(&second, 90, PTX_FLAGS, TEXT_90);
    const void *more[] = {first.bytes, second.bytes, NULL};
    struct sg_fat_wrapper wrapper = {SG_WRAPPER_MAGIC, 2, linked.bytes, more};
    struct sg_image out;
    struct sg_diag diag;
    cr_assert_eq(sg_image_open_memory(&wrapper, 130, &out, &diag), SG_OK);
    cr_assert_eq(out.count, 2);
    cr_expect_eq(strncmp(out.texts[1].bytes, TEXT_90, strlen(TEXT_90)), 0);
    sg_image_close(&out);
    wrapper.version = 1;
    cr_expect_eq(sg_image_open_memory(&wrapper, 130, &out, &diag), SG_NO_BINARY_FOR_GPU);
}

Test(ptx_fatbin, bare_text_is_taken_as_it_is) {
    struct sg_image out;
    struct sg_diag diag;
    cr_assert_eq(sg_image_open_memory(TEXT_75, 130, &out, &diag), SG_OK);
    cr_expect_eq(out.texts[0].size, strlen(TEXT_75));
    sg_image_close(&out);
    cr_expect_eq(sg_image_open_memory("", 130, &out, &diag), SG_INVALID_IMAGE);
}
