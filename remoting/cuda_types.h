/*
 * cuda.h with every exported name visible as such: without the macros that turn, say, cuMemAlloc into
 * cuMemAlloc_v2, and with the functions marked as exported.
 */
#ifndef HAWSER_CUDA_TYPES_H
#define HAWSER_CUDA_TYPES_H

#ifndef __CUDA_API_VERSION_INTERNAL
#define __CUDA_API_VERSION_INTERNAL
#endif
#pragma GCC visibility push(default)
#include <cuda.h>
#include <cudaProfiler.h>
#pragma GCC visibility pop

#endif
