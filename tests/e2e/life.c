/*
 * What happens to a process in its life, with CUDA in it:   life WHAT
 * Prints "WHAT ok", or what went wrong, with exit status 1. The exceptions: "pending" and "pending-quick" print
 * nothing and exit with 3 while a kernel runs.
 */
#define _GNU_SOURCE
#include <cuda.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static const char ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                          ".visible .entry fill(.param .u64 out, .param .u32 value)\n{\n"
                          "    .reg .b32 %r<4>;\n    .reg .b64 %rd<4>;\n"
                          "    ld.param.u64 %rd1, [out];\n    ld.param.u32 %r1, [value];\n"
                          "    mov.u32 %r2, %tid.x;\n    add.s32 %r3, %r1, %r2;\n"
                          "    mul.wide.u32 %rd2, %r2, 4;\n    add.s64 %rd3, %rd1, %rd2;\n"
                          "    st.global.u32 [%rd3], %r3;\n    ret;\n}\n"
                          /* a second or so on the software GPU, milliseconds on a GPU */
                          ".visible .entry busy(.param .u64 out, .param .u32 turns)\n{\n"
                          "    .reg .pred %p<2>;\n    .reg .b32 %r<4>;\n    .reg .b64 %rd<2>;\n"
                          "    ld.param.u64 %rd1, [out];\n    ld.param.u32 %r1, [turns];\n    mov.u32 %r2, 1;\n"
                          "again:\n    mad.lo.u32 %r2, %r2, 1664525, 1013904223;\n    sub.u32 %r1, %r1, 1;\n"
                          "    setp.ne.u32 %p1, %r1, 0;\n    @%p1 bra again;\n"
                          "    st.global.u32 [%rd1], %r2;\n    ret;\n}\n";

#define NEED(call) need(call, #call, __LINE__)
static void need(CUresult r, const char *what, int line) {
    if (r == CUDA_SUCCESS) return;
    printf("line %d: %s returned %d\n", line, what, r);
    exit(1);
}

static void wrong(const char *what) {
    printf("%s\n", what);
    exit(1);
}

static CUcontext context;
static CUmodule module;

static void start(void) {
    CUdevice device;
    NEED(cuInit(0));
    NEED(cuDeviceGet(&device, 0));
    NEED(cuDevicePrimaryCtxRetain(&context, device));
    NEED(cuCtxSetCurrent(context));
    NEED(cuModuleLoadData(&module, ptx));
}

static void launch(const char *name, CUdeviceptr out, unsigned value, unsigned threads, CUstream stream) {
    CUfunction f;
    void *params[] = {&out, &value};
    NEED(cuModuleGetFunction(&f, module, name));
    NEED(cuLaunchKernel(f, 1, 1, 1, threads, 1, 1, 0, stream, params, NULL));
}

/* One round trip of everything: memory, a kernel, a copy back. */
static void work(unsigned value, CUstream stream) {
    unsigned got[64];
    CUdeviceptr out;
    NEED(cuMemAlloc(&out, sizeof got));
    launch("fill", out, value, 64, stream);
    NEED(cuMemcpyDtoHAsync(got, out, sizeof got, stream));
    NEED(cuStreamSynchronize(stream));
    for (unsigned i = 0; i < 64; i++)
        if (got[i] != value + i) wrong("a kernel's result is wrong");
    NEED(cuMemFree(out));
}

/* ---- threads ---- */

#define THREADS 250

static void *thread_of_many(void *arg) {
    CUstream stream;
    unsigned number = (unsigned)(uintptr_t)arg;
    NEED(cuCtxSetCurrent(context));
    NEED(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (unsigned i = 0; i < 8; i++)
        work(number * 1000 + i, i % 2 ? stream : CU_STREAM_PER_THREAD);
    NEED(cuStreamDestroy(stream));
    return NULL;
}

static void threads(void) {
    pthread_t all[THREADS];
    start();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < THREADS; i++)
            if (pthread_create(&all[i], NULL, thread_of_many, (void *)i) != 0) wrong("pthread_create failed");
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(all[i], NULL);
    }
}

/* ---- children ---- */

static void expect_child(pid_t pid, int status_wanted) {
    int status = -1;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != status_wanted)
        wrong("a child did not end as it should");
}

/* Children that are forked before CUDA is used have it for themselves, several at once. */
static void children(void) {
    pid_t pids[5];
    for (int i = 0; i < 5; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            start();
            work((unsigned)i * 100, NULL);
            _exit(0);
        }
    }
    start();
    work(7, NULL);
    for (int i = 0; i < 5; i++)
        expect_child(pids[i], 0);
    pid_t pid = fork();
    if (pid == 0) {
        int n;
        CUresult r = cuDeviceGetCount(&n);
        _exit(r == CUDA_ERROR_NOT_INITIALIZED ? 0 : 1);
    }
    expect_child(pid, 0);
    pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "life", "quietly", (char *)NULL);
        _exit(1);
    }
    expect_child(pid, 0);
    pid = vfork();
    if (pid == 0) {
        execl("/proc/self/exe", "life", "quietly", (char *)NULL);
        _exit(1);
    }
    expect_child(pid, 0);
    work(9, NULL);
}

static void quietly(void) {
    start();
    work(1, NULL);
    exit(0);
}

/* ---- signals ---- */

static atomic_int n_signals, n_astray;
static atomic_int own_threads[4];

static void on_signal(int number) {
    int saved = errno, me = gettid();
    bool known = false;
    (void)number;
    for (int i = 0; i < 4; i++)
        known |= atomic_load(&own_threads[i]) == me;
    atomic_fetch_add(known ? &n_signals : &n_astray, 1);
    errno = saved;
}

static atomic_bool stop;

static void *shooter(void *arg) {
    pthread_t target = *(pthread_t *)arg;
    atomic_store(&own_threads[1], gettid());
    while (!atomic_load(&stop)) {
        pthread_kill(target, SIGUSR1);
        kill(getpid(), SIGUSR2); /* to any thread that takes it */
        usleep(200);
    }
    return NULL;
}

static void signals(void) {
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: calls are interrupted */
    struct itimerval timer = {{0, 500}, {0, 500}};
    pthread_t me = pthread_self(), other;
    atomic_store(&own_threads[0], gettid());
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    start();
    pthread_create(&other, NULL, shooter, &me);
    while (!atomic_load(&own_threads[1])) /* before it is known, a signal that comes to it is taken for astray */
        sched_yield();
    setitimer(ITIMER_REAL, &timer, NULL);
    for (unsigned i = 0; i < 300; i++)
        work(i, NULL);
    atomic_store(&stop, true);
    pthread_join(other, NULL);
    timer = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    if (atomic_load(&n_signals) < 20) wrong("too few signals came");
    if (atomic_load(&n_astray)) wrong("a signal came to a thread that is not the program's");
}

/* ---- the end ---- */

static CUdeviceptr kept;

static void at_the_end(void) {
    if (!kept) return;
    NEED(cuMemFree(kept));
    work(3, NULL);
    puts("atexit ok");
}

__attribute__((destructor)) static void destructor(void) {
    int n;
    if (!kept) return;
    NEED(cuDeviceGetCount(&n)); /* as a runtime's destructors do */
    NEED(cuDevicePrimaryCtxRelease(0));
}

static void leave_work_to_atexit(void) {
    start();
    atexit(at_the_end);
    NEED(cuMemAlloc(&kept, 4096));
    exit(0);
}

static void leave_while_busy(bool quick) {
    CUdeviceptr out;
    start();
    NEED(cuMemAlloc(&out, 4));
    launch("busy", out, 200000000, 32, NULL);
    launch("busy", out, 200000000, 32, NULL);
    if (quick) _exit(3);
    exit(3);
}

/* ---- libraries ---- */

static void reload(void) {
    start();
    for (unsigned i = 0; i < 100; i++) {
        void *library = dlopen("libcuda.so.1", i % 2 ? RTLD_NOW : RTLD_LAZY | RTLD_GLOBAL);
        CUresult (*count)(int *) = library ? (CUresult(*)(int *))dlsym(library, "cuDeviceGetCount") : NULL;
        int n = 0;
        if (!count || count(&n) != CUDA_SUCCESS || n < 1) wrong("dlopen or dlsym failed");
        if (i % 10 == 0) work(i, NULL);
        if (dlclose(library) != 0) wrong("dlclose failed");
    }
    work(5, NULL);
}

/* ---- descriptors ---- */

/* How many there are that are not in the table, which they enter. */
static int descriptors(bool *open, bool check) {
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; (e = readdir(d));) {
        int fd = atoi(e->d_name);
        if (e->d_name[0] == '.' || fd == dirfd(d) || fd >= 1024) continue;
        if (open[fd]) continue;
        open[fd] = true;
        n++;
        if (check && !(fcntl(fd, F_GETFD) & FD_CLOEXEC)) printf("descriptor %d is not close-on-exec\n", fd), exit(1);
    }
    closedir(d);
    return n;
}

static void few_descriptors(void) {
    static bool before[1024], after[1024];
    descriptors(before, false);
    memcpy(after, before, sizeof after);
    start();
    work(1, NULL);
    int more = descriptors(after, true);
    if (more > 16) {
        printf("%d more descriptors\n", more);
        exit(1);
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"threads", threads},
                 {"children", children},
                 {"quietly", quietly},
                 {"signals", signals},
                 {"atexit", leave_work_to_atexit},
                 {"reload", reload},
                 {"descriptors", few_descriptors}};
    const char *what = argc > 1 ? argv[1] : "";
    if (!strncmp(what, "pending", 7)) leave_while_busy(!strcmp(what, "pending-quick"));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strcmp(parts[i].name, what)) {
            parts[i].run();
            printf("%s ok\n", what);
            return 0;
        }
    fprintf(stderr, "usage: life WHAT\n");
    return 2;
}
