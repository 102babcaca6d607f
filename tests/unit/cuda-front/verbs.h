/* A library with one device and one kernel, for the front end. */
#include "front.h"

extern struct hawser_kernel kernel; /* its handle is its address */
extern unsigned launched;
extern unsigned char launched_params[64];
extern size_t launched_bytes;
enum { CONTEXTS = 8 };
extern struct hawser_context contexts[CONTEXTS];
extern unsigned started, ended, resets;
extern CUresult start_result;
extern struct hawser_copy copied;     /* the last one */
extern CUDA_ARRAY3D_DESCRIPTOR array; /* its handle is its address */
extern struct hawser_range range;     /* the memory that there is */
