/* Stands for a release of NVRTC: RELEASE is what its compiler returns and its machine code says. */
#include <stddef.h>
#include <string.h>

#define SUCCESS 0
#define EXPORT __attribute__((visibility("default")))

EXPORT int nvrtcCompileProgram(void *program, int n, const char *const *options) {
    (void)n;
    strcpy(program, options[0]);
    return RELEASE;
}

EXPORT int nvrtcGetCUBINSize(void *program, size_t *size) {
    (void)program;
    *size = RELEASE;
    return SUCCESS;
}

EXPORT int nvrtcGetCUBIN(void *program, char *out) {
    (void)program;
    *out = RELEASE;
    return SUCCESS;
}

EXPORT int nvrtcGetPTXSize(void *program, size_t *size) {
    return nvrtcGetCUBINSize(program, size);
}

EXPORT int nvrtcGetPTX(void *program, char *out) {
    return nvrtcGetCUBIN(program, out);
}

EXPORT int nvrtcGetNumSupportedArchs(int *n) {
    *n = 1;
    return SUCCESS;
}

EXPORT int nvrtcGetSupportedArchs(int *list) {
    *list = RELEASE;
    return SUCCESS;
}
