/*
 * libhawser-trace.so: stands before hawser's libcuda and libnvidia-ml and writes down every call that the program
 * makes. Its functions are generated (gen_trace.py); this is what they are made of.
 *
 * The records go to the file PID in the folder that HAWSER_TRACE names, a line each, fields separated by tabs. Times
 * are nanoseconds of the monotonic clock, of the guest's machine but in "host" lines:
 *
 *   process  PID  PROGRAM
 *   call     ID  THREAD  START  END  WAITED  SENT  ANSWERED  CALLS  POSTS  RESULT  NAME  ARGUMENTS  KERNEL
 *   frame    ID  TEXT                     with HAWSER_TRACE_BACKTRACE=1, the innermost first
 *   host     ID  FUNCTION  POST  RECEIVED  STARTED  ENDED  DEVICE_START  DEVICE_END  RESULT
 *
 * CALLS and POSTS: messages to the host; POST: 1 for one that nobody waited for; SENT and ANSWERED: the first one's
 * leaving and the last answer's coming. Tabs, line ends and backslashes in texts are escaped as in C. Everything is
 * thread-safe.
 */
#ifndef HAWSER_TRACE_H
#define HAWSER_TRACE_H

#include <stdint.h>

#include "../shim-gpu/trace.h"

enum { TRACE_CUDA, TRACE_NVML };

struct trace_function {
    const char *name;
    int api;
    void *real; /* filled at the first call */
};

/* How a parameter is shown: the letter is unsigned, signed, hexadecimal or floating, the number its bits. */
enum trace_kind {
    TRACE_U8,
    TRACE_U16,
    TRACE_U32,
    TRACE_U64,
    TRACE_S32,
    TRACE_S64,
    TRACE_X32,
    TRACE_X64,
    TRACE_F32,
    TRACE_ENUM,
    TRACE_KERNEL,
    TRACE_TEXT,
    TRACE_TEXT_POINTER,
    TRACE_POINTER,
    TRACE_OPAQUE
};

struct trace_name {
    long long value;
    const char *name;
};

struct trace_param {
    const char *name;
    enum trace_kind kind;
    int result;                     /* a pointer to where the function writes such a value */
    const struct trace_name *names; /* of an enumeration, ends with NULL */
};

struct trace_wrapper {
    const char *name;
    void *function;
};
extern const struct trace_wrapper hawser_trace_wrappers[];

/* One call, on the caller's stack. */
struct trace_call {
    int on;
    uint64_t id, start;
    struct hawser_guest_calls before; /* of a call around this one */
};

/* hawser's function, NULL if it has none. */
void *hawser_trace_begin(struct trace_call *c, struct trace_function *f, const void *caller);
void hawser_trace_end(struct trace_call *c, const struct trace_function *f, int result,
                      const struct trace_param *params, unsigned n, const uint64_t *values);
/* After cuGetProcAddress: the function of this library that stands for the one found. */
void hawser_trace_replace(const char *name, void **function);

/* show.c: a value as text; returns what snprintf would. */
int hawser_trace_show(char *out, unsigned long size, const struct trace_param *p, uint64_t value, int succeeded);
const char *hawser_trace_kernel_name(uint64_t function);
void *hawser_trace_real(const char *name);

static inline uint64_t hawser_trace_float(float f) {
    union {
        float f;
        uint32_t bits;
    } u = {f};
    return u.bits;
}

#endif
