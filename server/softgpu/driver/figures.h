/* What the software GPU's NVML asks of its driver beside CUDA's own functions. */
#ifndef SOFTGPU_FIGURES_H
#define SOFTGPU_FIGURES_H

#include <cuda.h>

/* Bytes of the device's memory that this process has allocated. 0 for no such device. */
__attribute__((visibility("default"))) size_t hawser_softgpu_used(CUdevice device);

#endif
