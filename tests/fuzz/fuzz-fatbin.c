/* A module's image: its entries, and the texts that are taken from it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "fatbin.h"

/* Every byte is there. */
static void read_all(const void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        (void)((const volatile uint8_t *)bytes)[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_fat_entry entry;
    struct sg_image image;
    struct sg_diag diag;
    struct sg_registers registers = {0};
    const struct sg_text part = {(const char *)data, size};
    uint64_t offset = 0, before = 0;
    while (size >= 4 && sg_fatbin_next(data, size, &offset, &entry) == 1) {
        assert(offset > before);
        before = offset;
        read_all(entry.payload, entry.stored);
    }
    if (size < 4) return 0;
    for (unsigned capability = 75; capability <= 120; capability += 45) {
        if (sg_image_open(&part, 1, capability, &image, &diag) != SG_OK) continue;
        for (size_t i = 0; i < image.count; i++)
            read_all(image.texts[i].bytes, image.texts[i].size);
        sg_image_close(&image);
    }
    sg_fatbin_registers(&part, 90, &registers);
    sg_registers_free(&registers);
    return 0;
}
