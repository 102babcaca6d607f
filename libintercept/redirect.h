/*
 * Which libraries a program asks for that hawser answers with its own. Needs libc only; thread-safe; safe
 * to call from any place that may call dlopen.
 */
#ifndef HAWSER_REDIRECT_H
#define HAWSER_REDIRECT_H

#include <stddef.h>

/* The file that stands for a library of this name, whatever folder the name has; NULL for all others.
 * The answer is relative to the folder of this object. */
const char *hawser_replacement(const char *name);

/* What dlopen shall open for name: the path of ours, or name itself. */
const char *hawser_redirect(const char *name);

#endif
