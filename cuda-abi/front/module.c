/* Modules, libraries and link inputs from files, and the forms of loading that say the same. */
#include "front.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file's bytes with a NUL behind them, so that PTX text ends; NULL when it cannot be read. size may be NULL. */
static char *file_bytes(const char *name, size_t *size) {
    struct stat st;
    char *data = NULL;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && (data = calloc(1, (size_t)st.st_size + 1))) {
        size_t got = 0;
        ssize_t n;
        while (got < (size_t)st.st_size && (n = read(fd, data + got, (size_t)st.st_size - got)) > 0)
            got += (size_t)n;
        if (size) *size = got;
    }
    if (fd >= 0) close(fd);
    return data;
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    return cuModuleLoadDataEx(module, image, 0, NULL, NULL);
}

CUresult cuModuleLoadFatBinary(CUmodule *module, const void *fatCubin) {
    return cuModuleLoadDataEx(module, fatCubin, 0, NULL, NULL);
}

CUresult cuModuleLoad(CUmodule *module, const char *fname) {
    if (!module || !fname) return CUDA_ERROR_INVALID_VALUE;
    char *data = file_bytes(fname, NULL);
    if (!data) return CUDA_ERROR_FILE_NOT_FOUND;
    CUresult r = cuModuleLoadData(module, data);
    free(data);
    return r;
}

CUresult cuLibraryLoadFromFile(CUlibrary *library, const char *fileName, CUjit_option *jitOptions,
                               void **jitOptionsValues, unsigned int numJitOptions, CUlibraryOption *libraryOptions,
                               void **libraryOptionValues, unsigned int numLibraryOptions) {
    if (!library || !fileName) return CUDA_ERROR_INVALID_VALUE;
    char *data = file_bytes(fileName, NULL);
    if (!data) return CUDA_ERROR_FILE_NOT_FOUND;
    CUresult r = cuLibraryLoadData(library, data, jitOptions, jitOptionsValues, numJitOptions, libraryOptions,
                                   libraryOptionValues, numLibraryOptions);
    free(data);
    return r;
}

CUresult cuLinkAddFile_v2(CUlinkState state, CUjitInputType type, const char *path, unsigned int numOptions,
                          CUjit_option *options, void **optionValues) {
    size_t size;
    if (!path) return CUDA_ERROR_INVALID_VALUE;
    char *data = file_bytes(path, &size);
    if (!data) return CUDA_ERROR_FILE_NOT_FOUND;
    if (type == CU_JIT_INPUT_PTX) size++; /* text ends with its NUL */
    CUresult r = cuLinkAddData_v2(state, type, data, size, path, numOptions, options, optionValues);
    free(data);
    return r;
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode) {
    if (!mode) return CUDA_ERROR_INVALID_VALUE;
    *mode = hawser_front_eager() ? CU_MODULE_EAGER_LOADING : CU_MODULE_LAZY_LOADING;
    return CUDA_SUCCESS;
}
