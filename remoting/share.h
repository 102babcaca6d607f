/*
 * Memory that guest and worker share: a file in /dev/shm that the guest makes and the worker opens by its name,
 * mapped at one address in both. Where the two do not see one /dev/shm (other machines, most containers and VMs)
 * opening fails, and they keep copies instead (diff.h).
 */
#ifndef HAWSER_SHARE_H
#define HAWSER_SHARE_H

#include <stdbool.h>
#include <stddef.h>

#define HAWSER_SHARE_NAME 48

/* Makes a shared file of `size` bytes (whole pages); its descriptor, or -1. name is unguessable. */
int hawser_share_create(size_t size, char name[HAWSER_SHARE_NAME]);
/* Opens another process's; -1 when there is none, it is not of that size, or the name is not one of ours. */
int hawser_share_open(const char *name, size_t size);
/* Takes the name away; the memory stays as long as it is mapped. */
void hawser_share_unlink(const char *name);

#endif
