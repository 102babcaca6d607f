/* Module images built by hand. */
#include "driver.h"
#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

static struct hawser_image image;

struct fatbin {
    uint32_t magic;
    uint16_t version, header_size;
    uint64_t size;
};
static const struct fatbin small = {0xba55ed50, 1, 16, 0}, large = {0xba55ed50, 1, 16, 4096};

struct wrapper {
    uint32_t magic, version;
    const void *data;
    const void *const *more;
};

Test(image, null_is_an_invalid_value_and_other_bytes_are_no_image) {
    cr_expect(hawser_image_measure(NULL, &image) == CUDA_ERROR_INVALID_VALUE);
    cr_expect(hawser_image_measure("", &image) == CUDA_ERROR_INVALID_IMAGE);
    cr_expect(hawser_image_measure("junk", &image) == CUDA_ERROR_INVALID_IMAGE);
    cr_expect(image.kind == HAWSER_IMAGE_INVALID);
}

Test(image, ptx_may_begin_with_blank_lines) {
    cr_assert(hawser_image_measure("\n\n .version 9.0\n", &image) == CUDA_SUCCESS);
    cr_expect(image.kind == HAWSER_IMAGE_PTX && image.part[0].size == 16);
}

Test(image, a_bare_fat_binary_is_its_header_and_its_entries) {
    cr_assert(hawser_image_measure(&large, &image) == CUDA_SUCCESS);
    cr_expect(image.kind == HAWSER_IMAGE_FATBIN && image.part[0].size == 4112);
}

Test(image, a_fat_binary_of_an_unbelievable_size_is_refused) {
    struct fatbin f = large;
    f.size = UINT64_MAX;
    cr_expect(hawser_image_measure(&f, &image) == CUDA_ERROR_INVALID_IMAGE);
}

Test(image, a_version_2_wrapper_has_its_pre_link_parts) {
    const void *more[] = {&large, &small, NULL};
    struct wrapper w = {0x466243b1, 2, &small, more};
    cr_assert(hawser_image_measure(&w, &image) == CUDA_SUCCESS);
    cr_expect(image.kind == HAWSER_IMAGE_WRAPPER && image.wrapper_version == 2);
    cr_assert(image.n_parts == 3);
    cr_expect(image.part[0].size == 16 && image.part[1].size == 4112 && image.part[2].size == 16);
    w.version = 1;
    cr_assert(hawser_image_measure(&w, &image) == CUDA_SUCCESS && image.n_parts == 1);
}

Test(image, an_elf_ends_where_its_last_section_with_bytes_does) {
    struct {
        Elf64_Ehdr e;
        Elf64_Shdr s[2];
    } elf = {.e = {.e_shoff = sizeof(Elf64_Ehdr), .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 2},
             .s = {{.sh_type = SHT_PROGBITS, .sh_offset = 1000, .sh_size = 24},
                   {.sh_type = SHT_NOBITS, .sh_offset = 5000, .sh_size = 5000}}};
    memcpy(elf.e.e_ident, ELFMAG, SELFMAG);
    elf.e.e_ident[EI_CLASS] = ELFCLASS64;
    cr_assert(hawser_image_measure(&elf, &image) == CUDA_SUCCESS);
    cr_expect(image.kind == HAWSER_IMAGE_ELF && image.part[0].size == 1024);
    elf.s[0].sh_offset = UINT64_MAX;
    cr_expect(hawser_image_measure(&elf, &image) == CUDA_ERROR_INVALID_IMAGE);
}
