// What the machine code beside a PTX text tells of its kernels and the text cannot: how many registers the assembler
// gave them. Layout of the note sections by experiment (nvcc 11.8 to 13.0) and from what cuobjdump -elf prints.
// Thread-safe: no state.
#ifndef SOFTGPU_PTX_MACHINE_H
#define SOFTGPU_PTX_MACHINE_H

#include "ir.h"

// Registers of functions by name.
struct sg_registers {
    struct sg_register_count {
        char *name;
        uint32_t count; // 32-bit registers a thread
    } * function;
    size_t n, room;
};

// Adds what a cubin of `size` bytes tells; of one that is not whole, nothing or a part.
void sg_registers_add(struct sg_registers *r, const void *elf, size_t size);
void sg_registers_free(struct sg_registers *r);
// Tells a module's functions.
void sg_registers_tell(const struct sg_registers *r, struct sg_module *module);

#endif
