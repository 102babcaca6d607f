/* Generated from cuda.spec by remoting/gen/generate.py. */

#ifndef HAWSER_CUDA_SERVE_H
#define HAWSER_CUDA_SERVE_H

#include "cuda_api.h"
#include "served.h"

struct launch_args {
    struct object function;
    unsigned int grid[3];
    CUstream stream;
    size_t n_attributes;
    CUlaunchAttribute *attributes;
    ProtobufCBinaryData params;
    bool cooperative;
};
CUresult serve_Launch(struct served *c, const struct launch_args *a);

struct get_global_args {
    struct object owner;
    const char *name;
};
CUresult serve_GetGlobal(struct served *c, const struct get_global_args *a, Hawser__GetGlobalReply *reply);

struct make_args {
    CUmodule parent;
    size_t n_sizes;
    const uint64_t *sizes;
};
CUresult serve_Make(struct served *c, const struct make_args *a, CUmodule *object);

CUresult serve_MakeEither(struct served *c, struct object *object);

struct drop_args {
    CUlibrary object;
    size_t n_parts;
    const uint64_t *parts;
    CUdeviceptr memory;
    size_t bytes;
};
CUresult serve_Drop(struct served *c, const struct drop_args *a);

struct node_args {
    struct launch_args *launch;
    const Hawser__Part *part;
    CUtensorMap *how;
};
CUresult serve_Node(struct served *c, const struct node_args *a, CUresult wrong);

struct done_args {
    uint64_t turn;
};
CUresult serve_Done(struct served *c, const struct done_args *a);

CUresult serve_Flush(struct served *c);

#endif
