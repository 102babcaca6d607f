/* Stands for XLA's plugin: names of flags among its strings, not all that there are, and what XLA_FLAGS says. */
#include <stdlib.h>

const char *const names[] = {"xla_gpu_autotune_level", "xla_gpu_cuda_data_dir", "xla_gpu_enable_libnvptxcompiler_too"};

const char *flags(void) {
    return getenv("XLA_FLAGS");
}
