/* Opening a library of the device's: CUDA's driver, NVML. */
#ifndef HAWSER_LIBRARY_H
#define HAWSER_LIBRARY_H

#include <stddef.h>

/* dlopen's handle, or NULL with a reason in err. The library must have the symbol. Refuses hawser's own guest library,
 * which a search path may put before NVIDIA's: a host that used it would call itself. */
void *library_open(const char *path, const char *symbol, char *err, size_t err_size);

#endif
