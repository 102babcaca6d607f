/* A size that both ends of an NVML call check. */
#ifndef HAWSER_NVML_SIZE_H
#define HAWSER_NVML_SIZE_H

#include <stddef.h>
#include <string.h>

/* The size of a structure that holds it in the low 24 bits of its first word; 0 when that makes no sense. */
static inline size_t nvml_sized(const void *p) {
    unsigned version;
    memcpy(&version, p, sizeof version);
    size_t size = version & 0xffffff;
    return size >= sizeof version && size <= 65536 ? size : 0;
}

#endif
