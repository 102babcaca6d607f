/* A plugin that is linked against an NVRTC: what the one that it reaches is, 0 where it is not the same one throughout.
 */
#include <stddef.h>
#include <string.h>

int nvrtcCompileProgram(void *program, int n, const char *const *options);
int nvrtcGetCUBINSize(void *program, size_t *size);
int nvrtcGetCUBIN(void *program, char *out);

int reached(void);

int reached(void) {
    const char *option = "-arch=sm_120a";
    char compiled[64] = "", code = 0;
    size_t size = 0;
    int release = nvrtcCompileProgram(compiled, 1, &option);
    if (nvrtcGetCUBINSize(compiled, &size) || nvrtcGetCUBIN(compiled, &code)) return 0;
    return size == (size_t)release && code == release ? release : 0;
}
