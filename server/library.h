/* Opening a library with the CUDA driver ABI. */
#ifndef HAWSER_LIBRARY_H
#define HAWSER_LIBRARY_H

#include <stddef.h>

/* dlopen's handle, or NULL with a reason in err. Refuses hawser's own guest library, which a search path may
 * put before NVIDIA's: a host that used it would call itself. */
void *library_open(const char *path, char *err, size_t err_size);

#endif
