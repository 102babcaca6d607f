/*
 * CUDA's semantics beyond launches and copies: host functions, capture, graphs, host memory that kernels reach,
 * virtual memory, memory of other processes, several devices, links, textures, operations in streams, old and
 * composed functions. One file for each kind of thing.
 *
 *   semantics            runs all; exit status 1 if any failed
 *   semantics NAME       runs one
 *
 * Built twice, the second time with the per-thread default stream. Every expected value is computed here.
 */
#ifndef SEMANTICS_H
#define SEMANTICS_H

#include <cuda.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../subtest.h"

#define N 1000u

extern CUcontext context;
extern CUdevice device;
extern const char ptx[]; /* with the kernels and variables of "module" */
extern CUmodule module;
extern CUfunction add; /* x[i] += v for i < n */

CUresult run_add(CUdeviceptr x, unsigned v, CUstream s);
/* The same as a node of a graph; params: x, v, n. */
CUDA_KERNEL_NODE_PARAMS add_params(void **params);
bool all_are(const unsigned *x, unsigned v);
/* What device memory holds. */
bool device_is(CUdeviceptr x, unsigned v);
/* N zeros in device memory, 0 when there is none. */
CUdeviceptr zeros(void);
/* Whether the device is the software GPU. */
bool software(void);

/* Host functions: one that notes the last of N numbers, one that after a while fills N with 5. */
struct note {
    unsigned *data;
    unsigned seen, times;
};
void look(void *note);
void fill_later(void *numbers);

/* This program again, in another process. */
int descriptor_child(int fd);
int ipc_child(char **texts);
int pool_child(int fd, const char *text);

/* The name, the function, whether it runs only when it is named. */
#define SUBTESTS(X)                                                                                                    \
    X("copies are there for other streams", copies_are_there_for_other_streams, false)                                 \
    X("host functions", host_functions, false)                                                                         \
    X("capture: fork and join", capture_fork_join, false)                                                              \
    X("capture: errors", capture_errors, false)                                                                        \
    X("calls in callbacks", calls_in_callbacks, false)                                                                 \
    X("calls beside a callback", calls_beside_a_callback, false)                                                       \
    X("capture and the legacy stream", capture_and_the_legacy_stream, false)                                           \
    X("capture modes", capture_modes, false)                                                                           \
    X("capture and waits for its context", capture_and_waits_for_its_context, false)                                   \
    X("capture with a pool of host memory", capture_with_a_pool_of_host_memory, false)                                 \
    X("host pools", host_pools, false)                                                                                 \
    X("graph pictures", graph_pictures, false)                                                                         \
    X("graph of all kinds", graph_of_all_kinds, false)                                                                 \
    X("graph with other children", graph_with_other_children, false)                                                   \
    X("graph copies what its host function wrote", graph_copies_what_its_host_function_wrote, false)                   \
    X("graph memory", graph_memory, false)                                                                             \
    X("graph conditions", graph_conditions, false)                                                                     \
    X("graph conditions inside others", graph_conditions_inside_others, false)                                         \
    X("graph conditions and host functions", graph_conditions_and_host_functions, false)                               \
    X("graph launched again", graph_launched_again, false)                                                             \
    X("graph in a row", graph_in_a_row, false)                                                                         \
    X("user objects", user_objects, false)                                                                             \
    X("managed memory", managed_memory, false)                                                                         \
    X("mapped memory", mapped_memory, false)                                                                           \
    X("registered memory", registered_memory, false)                                                                   \
    X("managed variables", managed_variables, false)                                                                   \
    X("beyond the end", beyond_the_end, false)                                                                         \
    X("virtual memory", virtual_memory, false)                                                                         \
    X("memory as a descriptor", memory_as_a_descriptor, false)                                                         \
    X("several devices", several_devices, true)                                                                        \
    X("graph of two devices", graph_of_two_devices, true)                                                              \
    X("notifications", notifications, true)                                                                            \
    X("other processes", other_processes, false)                                                                       \
    X("descriptors that are closed", descriptors_that_are_closed, true)                                                \
    X("pools of other processes", pools_of_other_processes, false)                                                     \
    X("links", links, false)                                                                                           \
    X("textures", textures, false)                                                                                     \
    X("texture of memory", texture_of_memory, false)                                                                   \
    X("surfaces", surfaces, false)                                                                                     \
    X("stream values", stream_values, false)                                                                           \
    X("events without a context", events_without_a_context, false)                                                     \
    X("pools", pools, false)                                                                                           \
    X("pools keep memory", pools_keep_memory, false)                                                                   \
    X("composed functions", composed_functions, false)                                                                 \
    X("attributes and states", attributes_and_states, false)

#define DECLARED(name, function, by_name) void function(void);
SUBTESTS(DECLARED)

#endif
