/* Generated from nvml.spec by remoting/gen/generate.py. */

#ifndef HAWSER_NVML_SERVE_H
#define HAWSER_NVML_SERVE_H

#include "nvml_api.h"
#include "served.h"

#endif
