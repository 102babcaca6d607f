#include "trace.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cuda.h>
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "clock.h"

#define LINE_MOST 8192
#define FRAMES_MOST 32

static atomic_int file = -1;
static _Atomic uint64_t next_id = 1;
static bool backtraces;
static __thread int thread;

/* ---- records ---- */

struct line {
    char text[LINE_MOST];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *l, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(l->text + l->size, sizeof l->text - l->size, format, ap);
    va_end(ap);
    if (n > 0) l->size += (size_t)n;
    if (l->size > sizeof l->text - 1) l->size = sizeof l->text - 1;
}

/* A text as a field. */
static void add_text(struct line *l, const char *text) {
    for (; *text; text++) {
        const char *special = "\t\n\r\\", *letters = "tnr\\", *found = strchr(special, *text);
        if (found)
            add(l, "\\%c", letters[found - special]);
        else
            add(l, "%c", *text);
    }
}

/* One write, so that lines of several threads do not mix. */
static void put(struct line *l) {
    if (l->size == sizeof l->text - 1) l->size--;
    l->text[l->size++] = '\n';
    int fd = atomic_load(&file);
    if (fd < 0 || write(fd, l->text, l->size) >= 0) return;
    if (atomic_exchange(&file, -1) >= 0) fprintf(stderr, "hawser trace: the record ends here: %s\n", strerror(errno));
}

static void on_timing(const struct hawser_guest_timing *t) {
    struct line l = {.size = 0};
    if (atomic_load(&file) < 0) return;
    add(&l, "host\t%llu\t%s\t%d\t%llu\t%llu\t%llu\t%llu\t%llu\t%d", (unsigned long long)t->id, t->function, t->post,
        (unsigned long long)t->received, (unsigned long long)t->started, (unsigned long long)t->ended,
        (unsigned long long)t->device_start, (unsigned long long)t->device_end, t->result);
    put(&l);
}

/* ---- the file ---- */

static void open_file(void) {
    const char *folder = getenv("HAWSER_TRACE");
    char path[PATH_MAX], program[PATH_MAX] = "?";
    struct line l = {.size = 0};
    int before = atomic_load(&file);
    if (!folder || !*folder) return;
    snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
    atomic_store(&file, open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (before >= 0) close(before); /* the parent's */
    if (atomic_load(&file) < 0) return;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n > 0) program[n] = 0;
    add(&l, "process\t%d\t", (int)getpid());
    add_text(&l, program);
    put(&l);
}

static void in_child(void) {
    thread = 0;
    open_file();
}

__attribute__((constructor)) static void start(void) {
    const char *want = getenv("HAWSER_TRACE_BACKTRACE");
    backtraces = want && !strcmp(want, "1");
    open_file();
    if (atomic_load(&file) < 0) return;
    pthread_atfork(NULL, NULL, in_child);
    hawser_guest_trace(on_timing);
}

__attribute__((destructor)) static void finish(void) {
    if (atomic_load(&file) >= 0) hawser_guest_trace_flush();
}

/* ---- hawser's functions ---- */

void *hawser_trace_real(const char *name) {
    static void *library;
    if (!library) library = dlopen("libhawser-cuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    return library ? dlsym(library, name) : NULL;
}

static struct replacement { void *from, *to; } * replacements;
static size_t n_replacements;

static int by_address(const void *a, const void *b) {
    const struct replacement *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static void find_replacements(void) {
    size_t n = 0, found = 0;
    while (hawser_trace_wrappers[n].name)
        n++;
    struct replacement *all = calloc(n, sizeof *all);
    if (!all) return;
    for (size_t i = 0; i < n; i++) {
        void *from = hawser_trace_real(hawser_trace_wrappers[i].name);
        if (from) all[found++] = (struct replacement){from, hawser_trace_wrappers[i].function};
    }
    qsort(all, found, sizeof *all, by_address);
    replacements = all;
    n_replacements = found;
}

void hawser_trace_replace(const char *name, void **function) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)name;
    pthread_once(&once, find_replacements);
    if (!function || !*function || !replacements) return;
    struct replacement key = {*function, NULL};
    struct replacement *found = bsearch(&key, replacements, n_replacements, sizeof key, by_address);
    if (found) *function = found->to;
}

/* ---- calls ---- */

void *hawser_trace_begin(struct trace_call *c, struct trace_function *f, const void *caller) {
    if (!f->real) f->real = hawser_trace_real(f->name);
    c->on = atomic_load_explicit(&file, memory_order_relaxed) >= 0;
    if (!c->on) return f->real;
    struct hawser_guest_calls *calls = hawser_guest_trace_calls();
    c->before = *calls;
    c->id = atomic_fetch_add(&next_id, 1);
    *calls = (struct hawser_guest_calls){.id = c->id, .caller = caller};
    c->start = hawser_now_ns();
    return f->real;
}

static const char *result_name(const struct trace_function *f, int result) {
    static CUresult (*cuda)(CUresult, const char **);
    static const char *(*nvml)(unsigned);
    const char *name = NULL;
    if (!cuda) *(void **)&cuda = hawser_trace_real("cuGetErrorName");
    if (!nvml) *(void **)&nvml = hawser_trace_real("nvmlErrorString");
    if (f->api == TRACE_NVML) return nvml((unsigned)result);
    return cuda((CUresult)result, &name) == CUDA_SUCCESS ? name : "?";
}

static void put_backtrace(uint64_t id) {
    unw_context_t context;
    unw_cursor_t cursor;
    if (unw_getcontext(&context) != 0 || unw_init_local(&cursor, &context) != 0) return;
    /* The first is hawser_trace_end, the second the function that the program called. */
    for (int i = 0; i < FRAMES_MOST && unw_step(&cursor) > 0; i++) {
        unw_word_t ip = 0, offset = 0;
        char name[256] = "";
        Dl_info info = {0};
        struct line l = {.size = 0};
        if (i < 1) continue;
        unw_get_reg(&cursor, UNW_REG_IP, &ip);
        dladdr((void *)ip, &info);
        add(&l, "frame\t%llu\t", (unsigned long long)id);
        const char *object = info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
        if (unw_get_proc_name(&cursor, name, sizeof name, &offset) == 0) {
            add_text(&l, name);
            add(&l, "+%#lx", (unsigned long)offset);
        } else {
            add(&l, "%#lx", (unsigned long)(ip - (unw_word_t)info.dli_fbase));
        }
        add(&l, " (");
        add_text(&l, object ? object + 1 : info.dli_fname ? info.dli_fname : "?");
        add(&l, ")");
        put(&l);
    }
}

void hawser_trace_end(struct trace_call *c, const struct trace_function *f, int result,
                      const struct trace_param *params, unsigned n, const uint64_t *values) {
    if (!c->on) return;
    uint64_t end = hawser_now_ns();
    struct hawser_guest_calls *calls = hawser_guest_trace_calls(), made = *calls;
    const char *kernel = NULL;
    struct line l = {.size = 0};
    calls->id = 0; /* what is asked for the record is not traced */
    if (!thread) thread = gettid();
    add(&l, "call\t%llu\t%d\t%llu\t%llu\t%llu\t%llu\t%llu\t%u\t%u\t%s\t%s\t", (unsigned long long)c->id, thread,
        (unsigned long long)c->start, (unsigned long long)end, (unsigned long long)made.waited,
        (unsigned long long)made.sent, (unsigned long long)made.answered, made.calls, made.posts,
        result_name(f, result), f->name);
    for (unsigned i = 0; i < n; i++) {
        char text[512];
        hawser_trace_show(text, sizeof text, &params[i], values[i], result == 0);
        add(&l, "%s%s=", i ? ", " : "", params[i].name);
        add_text(&l, text);
        if (params[i].kind == TRACE_KERNEL && !params[i].result && !strncmp(f->name, "cuLaunch", 8))
            kernel = hawser_trace_kernel_name(values[i]);
    }
    add(&l, "\t");
    add_text(&l, kernel ? kernel : "");
    put(&l);
    if (backtraces) put_backtrace(c->id);
    *calls = c->before;
}
