/* Values of parameters as text. */
#include <cuda.h>
#include <stdio.h>
#include <string.h>

#include "trace.h"

#define TEXT_MOST 120 /* characters of a string */

const char *hawser_trace_kernel_name(uint64_t function) {
    static CUresult (*of_function)(const char **, CUfunction), (*of_kernel)(const char **, CUkernel);
    const char *name = NULL;
    if (!of_function) *(void **)&of_function = hawser_trace_real("cuFuncGetName");
    if (!of_kernel) *(void **)&of_kernel = hawser_trace_real("cuKernelGetName");
    if (of_function && of_function(&name, (CUfunction)(uintptr_t)function) == CUDA_SUCCESS) return name;
    if (of_kernel && of_kernel(&name, (CUkernel)(uintptr_t)function) == CUDA_SUCCESS) return name;
    return NULL;
}

static const char *name_of(const struct trace_name *names, long long value) {
    for (; names && names->name; names++)
        if (names->value == value) return names->name;
    return NULL;
}

static int show_text(char *out, unsigned long size, const char *text) {
    char part[TEXT_MOST + 1];
    if (!text) return snprintf(out, size, "NULL");
    unsigned long n = strnlen(text, TEXT_MOST + 1);
    memcpy(part, text, n > TEXT_MOST ? TEXT_MOST : n);
    part[n > TEXT_MOST ? TEXT_MOST : n] = 0;
    return snprintf(out, size, "\"%s\"%s", part, n > TEXT_MOST ? "..." : "");
}

static int show_value(char *out, unsigned long size, const struct trace_param *p, uint64_t v) {
    float f;
    uint32_t low = (uint32_t)v;
    const char *name;
    switch (p->kind) {
    case TRACE_U8:
    case TRACE_U16:
    case TRACE_U32:
    case TRACE_U64:
        return snprintf(out, size, "%llu", (unsigned long long)v);
    case TRACE_S32:
        return snprintf(out, size, "%d", (int)v);
    case TRACE_S64:
        return snprintf(out, size, "%lld", (long long)v);
    case TRACE_F32:
        memcpy(&f, &low, sizeof f);
        return snprintf(out, size, "%g", (double)f);
    case TRACE_ENUM:
        name = name_of(p->names, (int)v);
        return name ? snprintf(out, size, "%s", name) : snprintf(out, size, "%d", (int)v);
    case TRACE_KERNEL:
        name = hawser_trace_kernel_name(v);
        return snprintf(out, size, name ? "0x%llx (%s)" : "0x%llx", (unsigned long long)v, name);
    case TRACE_TEXT:
        return show_text(out, size, (const char *)(uintptr_t)v);
    case TRACE_OPAQUE:
        return snprintf(out, size, "{...}");
    default:
        return v ? snprintf(out, size, "0x%llx", (unsigned long long)v) : snprintf(out, size, "0");
    }
}

/* What a function wrote. */
static uint64_t written(const struct trace_param *p, const void *at) {
    uint64_t wide = 0;
    static const unsigned char bytes[] = {
        [TRACE_U8] = 1,     [TRACE_U16] = 2,  [TRACE_U32] = 4,          [TRACE_U64] = 8,     [TRACE_S32] = 4,
        [TRACE_S64] = 8,    [TRACE_X32] = 4,  [TRACE_X64] = 8,          [TRACE_F32] = 4,     [TRACE_ENUM] = 4,
        [TRACE_KERNEL] = 8, [TRACE_TEXT] = 0, [TRACE_TEXT_POINTER] = 8, [TRACE_POINTER] = 0, [TRACE_OPAQUE] = 0};
    memcpy(&wide, at, bytes[p->kind]);
    return wide;
}

int hawser_trace_show(char *out, unsigned long size, const struct trace_param *p, uint64_t value, int succeeded) {
    const void *at = (const void *)(uintptr_t)value;
    struct trace_param plain = *p;
    if (!p->result) return show_value(out, size, p, value);
    if (!at || !succeeded) return snprintf(out, size, at ? "%p" : "NULL", at);
    if (p->kind == TRACE_TEXT) return show_text(out, size, at);
    if (p->kind == TRACE_TEXT_POINTER) plain.kind = TRACE_TEXT;
    int n = snprintf(out, size, "-> ");
    return n + show_value(out + n, size - (unsigned long)n, &plain, written(p, at));
}
