/* Pools of host and managed memory: what the functions that know other pools too ask first. Each answer is true when the
 * call was about such a pool, and *r is its result. */
#ifndef HAWSER_HOST_POOLS_H
#define HAWSER_HOST_POOLS_H

#include "../abi_internal.h"

bool hawser_host_pool_allocate(CUdeviceptr *dptr, size_t size, CUmemoryPool pool, CUstream stream, CUresult *r);
/* in_stream: when the stream has come to it; else at once. */
bool hawser_host_pool_free(CUdeviceptr dptr, CUstream stream, bool in_stream, CUresult *r);
/* A location's pool, or its default one; and the choice of one. */
bool hawser_host_pool_of(const CUmemLocation *l, CUmemAllocationType type, bool standard, CUmemoryPool *out, CUresult *r);
bool hawser_host_pool_choose(const CUmemLocation *l, CUmemAllocationType type, CUmemoryPool pool, CUresult *r);

#endif
