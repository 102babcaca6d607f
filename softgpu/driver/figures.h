/*
 * What the software GPU's NVML asks of its driver. Devices are numbered as NVML does, whatever CUDA_VISIBLE_DEVICES
 * says; nothing of it initializes CUDA.
 */
#ifndef SOFTGPU_FIGURES_H
#define SOFTGPU_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

struct hawser_softgpu_facts {
    char name[96];
    unsigned char uuid[16];
    unsigned bus;
    int major, minor; /* compute capability */
    unsigned threads; /* of the CPU */
    size_t memory;    /* bytes */
    unsigned memory_khz;
};

/* Of this process. */
struct hawser_softgpu_use {
    size_t used; /* bytes of the device's memory */
    bool active; /* the primary context is */
};

#pragma GCC visibility push(default)
unsigned hawser_softgpu_count(void);
/* index is less than the count. */
void hawser_softgpu_facts(unsigned index, struct hawser_softgpu_facts *out);
void hawser_softgpu_use(unsigned index, struct hawser_softgpu_use *out);
#pragma GCC visibility pop

#endif
