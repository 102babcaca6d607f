/* A PTX text: loaded, and every kernel of it prepared to run. */
#include <assert.h>
#include <stdint.h>

#include "ir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_diag diag;
    const struct sg_text text = {(const char *)data, size};
    struct sg_module *module = sg_module_load(&text, 1, &diag);
    if (!module) {
        assert(diag.code != SG_OK && *diag.message);
        return 0;
    }
    for (uint32_t i = 0; i < module->nfunctions; i++)
        if (sg_kernel_prepare(module->functions[i], &diag) != SG_OK) assert(diag.code != SG_OK && *diag.message);
    sg_module_free(module);
    return 0;
}
