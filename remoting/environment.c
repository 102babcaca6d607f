#include "environment.h"

#include <stdio.h>
#include <string.h>

const char *const hawser_environment[] = {
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_CACHE_DISABLE",
    "CUDA_FORCE_PTX_JIT",
    "CUDA_DISABLE_PTX_JIT",
    "CUDA_FORCE_JIT",
    "CUDA_DISABLE_JIT",
    "CUDA_FORCE_PRELOAD_LIBRARIES",
    "CUDA_MODULE_LOADING",
    "CUDA_MODULE_DATA_LOADING",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUDA_DEVICE_MAX_COPY_CONNECTIONS",
    "CUDA_SCALE_LAUNCH_QUEUES",
    "CUDA_GRAPHS_USE_NODE_PRIORITY",
    "CUDA_DEVICE_DEFAULT_PERSISTING_L2_CACHE_PERCENTAGE_LIMIT",
    "CUDA_DISABLE_PERF_BOOST",
    NULL,
};

bool hawser_environment_split(const char *text, char *name, size_t size, const char **value) {
    size_t n = strcspn(text, "=");
    if (!text[n] || strlen(text + n + 1) > HAWSER_ENVIRONMENT_VALUE) return false;
    *value = text + n + 1;
    for (const char *const *known = hawser_environment; *known; known++)
        if (strlen(*known) == n && !strncmp(*known, text, n)) return (size_t)snprintf(name, size, "%s", *known) < size;
    return false;
}
