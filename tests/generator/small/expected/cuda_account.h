/* Generated from cuda.spec by remoting/gen/generate.py. */

#ifndef HAWSER_ACCOUNT_H
#define HAWSER_ACCOUNT_H

#include "cuda_api.h"

void accounted_cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop, unsigned long long flags);

#endif
