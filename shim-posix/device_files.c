/*
 * The device files of NVIDIA's driver. A guest has none, and some programs look whether there is one before they ask
 * CUDA anything (JAX). So questions about /dev/nvidiactl, /dev/nvidia-uvm and /dev/nvidia0 to one less than the number
 * of the host's devices are answered as for a character device that all may read and write. Only questions: opening
 * one fails with ENOENT, for there is no driver here to talk to.
 *
 * libc's function is asked first, and only where it finds no such file is the name looked at: real files stay what
 * they are, and a bad pointer is the kernel's affair. Part of the preload object: libc only; thread-safe; errno is
 * libc's. Numbers of devices: 195 is NVIDIA's major number in Linux's Documentation/admin-guide/devices.txt, 255 the
 * minor of the control device; nvidia-uvm's major is given at run time, by habit from 511 downwards.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "redirect.h"

#define EXPORT __attribute__((visibility("default")))
#define MODEL "/dev/null" /* a character device that all may read and write */

enum { MAJOR = 195, MINOR_CONTROL = 255, MAJOR_UVM = 511 };

/* In libhawser-cuda.so.1: how many devices the host lends, 0 when it cannot be asked. Opens the session. */
int hawser_guest_devices(void);

/* Whether a path that is not there stands for a device of the host, and for which. */
static bool is_device_file(const char *path, unsigned *major, unsigned *minor) {
    static const char prefix[] = "/dev/nvidia";
    if (strncmp(path, prefix, sizeof prefix - 1)) return false;
    const char *rest = path + sizeof prefix - 1;
    unsigned n = 0, digits = 0;
    while (rest[digits] >= '0' && rest[digits] <= '9' && digits < 3)
        n = 10 * n + (unsigned)(rest[digits++] - '0');
    bool numbered = digits && !rest[digits] && (digits == 1 || rest[0] != '0');
    bool control = !strcmp(rest, "ctl"), uvm = !strcmp(rest, "-uvm");
    if ((!numbered && !control && !uvm) || n >= MINOR_CONTROL) return false;
    *major = uvm ? MAJOR_UVM : MAJOR;
    *minor = control ? MINOR_CONTROL : n;
    return (unsigned)hawser_guest_devices() > n;
}

static bool stands_for_device(const char *path, unsigned *major, unsigned *minor) {
    if (errno != ENOENT) return false;
    bool found = is_device_file(path, major, minor);
    errno = ENOENT; /* asking the host may have changed it */
    return found;
}

/* libc's function. The old ones of version GLIBC_2.2.5 are hidden from dlsym. */
static void *libc_function(const char *name) {
    void *f = dlvsym(RTLD_NEXT, name, "GLIBC_2.2.5");
    if (!f && !hawser_real_dlsym) hawser_find_dlsym();
    return f ? f : hawser_real_dlsym(RTLD_NEXT, name);
}

#define ABOUT_DEVICE(buf) ((buf)->st_rdev = makedev(major, minor), (buf)->st_ino = (major << 8 | minor) + 1)
#define ABOUT_DEVICE_X(buf)                                                                                            \
    ((buf)->stx_rdev_major = major, (buf)->stx_rdev_minor = minor, (buf)->stx_ino = (major << 8 | minor) + 1)

/* A function of libc's that asks about a path; "become" makes the answer for MODEL into the device's. */
#define QUESTION(name, parameters, arguments, become)                                                                  \
    EXPORT int name parameters;                                                                                        \
    EXPORT int name parameters {                                                                                       \
        static int(*real) parameters;                                                                                  \
        unsigned major, minor;                                                                                         \
        if (!real) real = (int(*) parameters)libc_function(#name);                                                     \
        if (!real) {                                                                                                   \
            errno = ENOSYS;                                                                                            \
            return -1;                                                                                                 \
        }                                                                                                              \
        int r = real arguments;                                                                                        \
        if (r == 0 || !stands_for_device(path, &major, &minor)) return r;                                              \
        path = MODEL;                                                                                                  \
        r = real arguments;                                                                                            \
        if (r == 0) become;                                                                                            \
        return r;                                                                                                      \
    }

QUESTION(access, (const char *path, int mode), (path, mode), (void)0)
QUESTION(eaccess, (const char *path, int mode), (path, mode), (void)0)
QUESTION(euidaccess, (const char *path, int mode), (path, mode), (void)0)
QUESTION(faccessat, (int dir, const char *path, int mode, int flags), (dir, path, mode, flags), (void)0)
QUESTION(stat, (const char *path, struct stat *buf), (path, buf), ABOUT_DEVICE(buf))
QUESTION(lstat, (const char *path, struct stat *buf), (path, buf), ABOUT_DEVICE(buf))
QUESTION(fstatat, (int dir, const char *path, struct stat *buf, int flags), (dir, path, buf, flags), ABOUT_DEVICE(buf))
QUESTION(stat64, (const char *path, struct stat64 *buf), (path, buf), ABOUT_DEVICE(buf))
QUESTION(lstat64, (const char *path, struct stat64 *buf), (path, buf), ABOUT_DEVICE(buf))
QUESTION(fstatat64, (int dir, const char *path, struct stat64 *buf, int flags), (dir, path, buf, flags),
         ABOUT_DEVICE(buf))
QUESTION(statx, (int dir, const char *path, int flags, unsigned mask, struct statx *buf), (dir, path, flags, mask, buf),
         ABOUT_DEVICE_X(buf))
/* As programs built for glibc before 2.33 call them. */
QUESTION(__xstat, (int version, const char *path, struct stat *buf), (version, path, buf), ABOUT_DEVICE(buf))
QUESTION(__lxstat, (int version, const char *path, struct stat *buf), (version, path, buf), ABOUT_DEVICE(buf))
QUESTION(__fxstatat, (int version, int dir, const char *path, struct stat *buf, int flags),
         (version, dir, path, buf, flags), ABOUT_DEVICE(buf))
QUESTION(__xstat64, (int version, const char *path, struct stat64 *buf), (version, path, buf), ABOUT_DEVICE(buf))
QUESTION(__lxstat64, (int version, const char *path, struct stat64 *buf), (version, path, buf), ABOUT_DEVICE(buf))
QUESTION(__fxstatat64, (int version, int dir, const char *path, struct stat64 *buf, int flags),
         (version, dir, path, buf, flags), ABOUT_DEVICE(buf))
