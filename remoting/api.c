#include "api.h"

#include "cuda_api.h"
#include "nvml_api.h"

const struct hawser_api_function *hawser_api_function(uint32_t number)
{
    const struct hawser_api_function *f = NULL;
    if (number < HAWSER_FN_LIMIT)
        f = &hawser_cuda_api[number];
    else if (number >= HAWSER_NVML_FIRST && number < HAWSER_NVML_LIMIT)
        f = &hawser_nvml_api[number - HAWSER_NVML_FIRST];
    return f && f->name ? f : NULL;
}
