#include <criterion/criterion.h>

#include "verbs.h"

static const CUDA_MEMCPY3D between = {.srcMemoryType = CU_MEMORYTYPE_HOST,
                                      .srcHost = (void *)0x10000,
                                      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                                      .dstDevice = 0x20000,
                                      .WidthInBytes = 16,
                                      .Height = 2,
                                      .Depth = 3};

static CUresult copy(CUDA_MEMCPY3D m) {
    return cuMemcpy3D_v2(&m);
}

Test(copy, a_side_begins_at_its_place_and_goes_on_by_pitch_and_rows) {
    CUDA_MEMCPY3D m = between;
    m.dstPitch = 64;
    m.dstHeight = 5;
    m.dstXInBytes = 8;
    m.dstY = 1;
    m.dstZ = 2;
    cr_expect_eq(copy(m), CUDA_SUCCESS);
    cr_expect_eq(copied.dst.address, 0x20000 + 8 + 64 + 2 * 5 * 64);
    cr_expect_eq(copied.dst.pitch, 64);
    cr_expect_eq(copied.dst.slice, 5 * 64);
    cr_expect_eq(copied.src.address, 0x10000);
    cr_expect_eq(copied.src.pitch, 16, "packed where none is given");
    cr_expect_eq(copied.src.slice, 32);
}

Test(copy, rows_that_do_not_fit_their_pitch_are_refused) {
    CUDA_MEMCPY3D m = between;
    m.srcPitch = 24;
    m.srcXInBytes = 8;
    cr_expect_eq(copy(m), CUDA_SUCCESS);
    m.srcXInBytes = 9;
    cr_expect_eq(copy(m), CUDA_ERROR_INVALID_VALUE);
    m.srcXInBytes = 0;
    m.srcPitch = (size_t)1 << 31;
    cr_expect_eq(copy(m), CUDA_ERROR_INVALID_VALUE, "beyond the largest pitch");
}

Test(copy, what_means_nothing_here_must_be_zero) {
    CUDA_MEMCPY3D m = between;
    m.srcLOD = 1;
    cr_expect_eq(copy(m), CUDA_ERROR_INVALID_VALUE);
    m = between;
    m.reserved1 = &m;
    cr_expect_eq(copy(m), CUDA_ERROR_INVALID_VALUE);
    m = between;
    m.dstMemoryType = 0;
    cr_expect_eq(copy(m), CUDA_ERROR_INVALID_VALUE);
}

Test(copy, boxes_lie_inside_their_array_in_whole_texels) {
    CUDA_MEMCPY3D m = between;
    m.Depth = 1;
    m.dstMemoryType = CU_MEMORYTYPE_ARRAY;
    m.dstArray = (CUarray)&array;
    m.dstXInBytes = 48;
    m.dstY = 2;
    cr_expect_eq(copy(m), CUDA_SUCCESS);
    cr_expect_eq(copied.dst.y, 2);
    m.dstXInBytes = 56;
    cr_expect_eq(copy(m), CUDA_ERROR_INVALID_VALUE, "beyond the row");
    m.dstXInBytes = 4;
    cr_expect_eq(copy(m), CUDA_ERROR_INVALID_VALUE, "in the middle of a texel");
    m.dstXInBytes = 0;
    m.dstY = 3;
    cr_expect_eq(copy(m), CUDA_ERROR_INVALID_VALUE, "beyond the last row");
    m.dstArray = (CUarray)&m;
    cr_expect_eq(copy(m), CUDA_ERROR_INVALID_HANDLE);
}

Test(copy, sizes_that_overflow_are_no_memory) {
    size_t bytes;
    struct hawser_side s = {.address = 0x1000, .pitch = 16, .slice = 32};
    struct hawser_copy c = {.width = 16, .height = 2, .depth = 3};
    cr_assert(hawser_side_bytes(&s, &c, &bytes));
    cr_expect_eq(bytes, 32 * 2 + 16 + 16);
    s.pitch = 15;
    cr_expect_not(hawser_side_bytes(&s, &c, &bytes), "rows overlap");
    s.pitch = 16;
    c.depth = SIZE_MAX / 16;
    cr_expect_not(hawser_side_bytes(&s, &c, &bytes));
    c.depth = 1;
    s.address = UINTPTR_MAX - 8;
    cr_expect_not(hawser_side_bytes(&s, &c, &bytes));
}

Test(fill, elements_are_aligned_and_all_of_it_is_reached) {
    cr_expect_eq(cuMemsetD32_v2(0x1000, 1, 1024), CUDA_SUCCESS);
    cr_expect_eq(cuMemsetD32_v2(0x1002, 1, 1), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuMemsetD32_v2(0x1000, 1, 1025), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuMemsetD32_v2(0x1000, 1, SIZE_MAX / 2), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuMemsetD2D16_v2(0x1000, 1024, 1, 512, 4), CUDA_SUCCESS);
    cr_expect_eq(cuMemsetD2D16_v2(0x1000, 1023, 1, 8, 4), CUDA_ERROR_INVALID_VALUE, "rows out of alignment");
    cr_expect_eq(cuMemsetD2D16_v2(0x1000, 1024, 1, 513, 2), CUDA_ERROR_INVALID_VALUE, "rows overlap");
    cr_expect_eq(cuMemsetD2D16_v2(0x1000, 2048, 1, 8, 4), CUDA_ERROR_INVALID_VALUE, "the last row is beyond");
    cr_expect_eq(cuMemsetD2D16_v2(0x1000, 1, 1, 8, 1), CUDA_SUCCESS, "one row has no pitch");
    cr_expect_eq(cuMemsetD8_v2(0, 1, 0), CUDA_SUCCESS);
}

Test(array, levels_are_halves_and_layers_stay) {
    CUDA_ARRAY3D_DESCRIPTOR d = {20, 5, 6, CU_AD_FORMAT_FLOAT, 1, 0};
    d = hawser_array_level(d, 2);
    cr_expect(d.Width == 5 && d.Height == 1 && d.Depth == 1);
    d = (CUDA_ARRAY3D_DESCRIPTOR){20, 0, 6, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_LAYERED};
    d = hawser_array_level(d, 5);
    cr_expect(d.Width == 1 && d.Height == 0 && d.Depth == 6);
}
