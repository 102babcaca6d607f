/*
 * Which libraries a program asks for that hawser answers with its own. Needs libc only; thread-safe; safe
 * to call from any place that may call dlopen.
 */
#ifndef HAWSER_REDIRECT_H
#define HAWSER_REDIRECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

/* The file that stands for a library of this name, whatever folder the name has; NULL for all others.
 * The answer is relative to the folder of this object. */
const char *hawser_replacement(const char *name);

/* What dlopen shall open for name: the path of ours, or name itself. */
const char *hawser_redirect(const char *name);

/* libc's dlsym; set by the constructor, or by the first look-up before it. */
extern __attribute__((visibility("hidden"))) void *(*hawser_real_dlsym)(void *handle, const char *name);

__attribute__((visibility("hidden"))) void hawser_find_dlsym(void);

/* libc's dlopen; set by the constructor, or by the first dlopen before it. */
extern __attribute__((visibility("hidden"))) void *(*hawser_real_dlopen)(const char *name, int flags);

/* dlopen of a path (patch.c). */
__attribute__((visibility("hidden"))) void *hawser_open_path(const char *name, int flags);

/* The address that a look-up is answered with, or NULL when it is libc's affair: of any name, of one that begins with
 * nvrtc, of one that begins with nvJitLink or __nvJitLink. */
__attribute__((visibility("hidden"))) void *hawser_find_symbol(void *handle, const char *name);
__attribute__((visibility("hidden"))) void *hawser_nvrtc_symbol(void *handle, const char *name);
__attribute__((visibility("hidden"))) void *hawser_nvjitlink_symbol(void *handle, const char *name);

/* The function of that name which the code at caller would have got, had it not got ours: of the library that its own
 * needs, of the global scope, or of a loaded library whose file name begins so. NULL: there is none. */
__attribute__((visibility("hidden"))) void *hawser_find_for(const void *caller, const char *name, const void *ours,
                                                            const char *file);
/* A handle, for dlclose, of the library that an address lies in; NULL for none. */
__attribute__((visibility("hidden"))) void *hawser_owner(const void *address);

/* XLA's flags for the software GPU: whether an object of this name is looked at, and what is done once it is there. */
__attribute__((visibility("hidden"))) bool hawser_is_xla(const char *name);
__attribute__((visibility("hidden"))) void hawser_xla_opened(const struct dl_phdr_info *object);

#endif
