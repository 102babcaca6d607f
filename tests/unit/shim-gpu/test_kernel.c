#include <criterion/criterion.h>

#include "shim.h"

Test(kernel, layout_and_attributes_come_from_the_host) {
    Hawser__KernelInfo info = HAWSER__KERNEL_INFO__INIT;
    uint64_t offsets[] = {0, 8, 16}, sizes[] = {8, 4, 12};
    int64_t attributes[] = {256, 48};
    info.name = "k";
    info.n_param_offset = info.n_param_size = 3;
    info.param_offset = offsets;
    info.param_size = sizes;
    info.n_attributes = 2;
    info.attributes = attributes;
    struct shim_kernel *k = shim_kernel_new(&info);
    cr_assert(k);
    cr_expect_eq(k->facts.param_bytes, 28);
    cr_expect_eq(hawser_kernel_attribute(&k->facts, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK), 256);
    cr_expect_eq(hawser_kernel_attribute(&k->facts, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES), 48);
    cr_expect_eq(hawser_kernel_attribute(&k->facts, CU_FUNC_ATTRIBUTE_NUM_REGS), 0, "what the host did not tell is 0");
    attributes[1] = 64;
    shim_kernel_update(k, &info);
    cr_expect_eq(hawser_kernel_attribute(&k->facts, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES), 64);
    shim_kernel_free(k);
}
