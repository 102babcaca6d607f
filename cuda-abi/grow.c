/* The one growable array of these rooms. */
#include <stdlib.h>

#include "cuda_abi.h"

bool hawser_abi_grow(void **array, size_t *capacity, size_t n, size_t element) {
    if (n <= *capacity) return true;
    size_t more = *capacity ? *capacity * 2 : 8;
    void *p = realloc(*array, more * element);
    if (!p) return false;
    *array = p;
    *capacity = more;
    return true;
}
