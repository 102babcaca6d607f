// Decoding of a kernel: the functions it may call, their frames, and how deep calls go.
#include "decode.h"

#include <stdlib.h>
#include <string.h>

static void place_registers(struct decoder *d) {
    const struct sg_function *fn = d->fn;
    struct code *code = d->code;
    uint32_t at = SCRATCH_SLOTS * SCRATCH_BYTES;
    for (uint32_t i = 0; i < fn->nregs; i++) {
        if (fn->regs[i].type == SG_PRED) continue;
        code->reg_slot[i] = at;
        at += (32u * fn->regs[i].bytes + 63) & ~63u;
    }
    for (uint32_t i = 0; i < fn->nregs; i++) {
        if (fn->regs[i].type != SG_PRED) continue;
        code->reg_slot[i] = at;
        at += 4;
    }
    code->const_start = (at + 63) & ~63u;
    code->local_offset = 0;
    uint64_t align = fn->frame_align > 16 ? fn->frame_align : 16;
    code->local_align = (uint32_t)(fn->local_align > align ? fn->local_align : align);
    code->param_offset = (uint32_t)((fn->local_bytes + align - 1) & ~(align - 1));
    code->stack_bytes = (uint32_t)((code->param_offset + fn->frame_bytes + 15) & ~(uint64_t)15);
}

static void settle(struct decoder *d) {
    struct code *code = d->code;
    code->const_bytes = d->const_used;
    code->consts = aligned_alloc(64, d->const_used + 64);
    code->units = calloc(code->nunits, sizeof *code->units);
    if (!code->consts || !code->units) sg_decode_fail(d, "out of memory");
    for (uint32_t i = 0; i < d->nconstants; i++) {
        const struct constant *c = &d->constants[i];
        uint8_t *at = code->consts + (c->slot - code->const_start);
        memset(at, 0, 32u * c->bytes);
        SG_LANES(lane) memcpy(at + (unsigned)lane * c->bytes, &c->value, c->bytes < 8 ? c->bytes : 8);
    }
    for (uint32_t u = 0; u < code->nunits; u++) {
        uint32_t full = d->unit_op[0][u], masked = d->unit_op[1][u];
        code->units[u].full = &code->ops[full == MASKED_ONLY ? masked : full];
        code->units[u].masked = &code->ops[masked];
    }
    code->pend_offset = (code->const_start + code->const_bytes + 63) & ~63u;
    code->total_bytes =
        code->pend_offset + ((code->nunits * 4 + 7) & ~7u) + (code->nunits + 63) / 64 * 8 + code->nunits;
}

static bool decode_function(struct program *program, struct code *code, struct sg_diag *diag) {
    struct decoder d = {.program = program,
                        .fn = code->fn,
                        .code = code,
                        .diag = diag,
                        .isa = sg_ops_table(program->kernel->instance->engine->isa)};
    const struct sg_function *fn = code->fn;
    struct decoder *volatile self = &d;
    if (sigsetjmp(d.fail, 0) == 0) {
        d.crossing = calloc((fn->nregs + 63) / 64 + 1, 8);
        d.block_unit = calloc(fn->nblocks + 1, 4);
        code->reg_slot = calloc(fn->nregs + 1, 4);
        if (!d.crossing || !d.block_unit || !code->reg_slot) sg_decode_fail(&d, "out of memory");
        if (fn->nblocks == 0) sg_decode_fail(&d, "a function without a body");
        place_registers(&d);
        sg_survey(&d);
        for (int variant = 0; variant < 2; variant++) {
            d.unit_op[variant] = calloc(code->nunits + 1, 4);
            if (!d.unit_op[variant]) sg_decode_fail(&d, "out of memory");
            d.masked = variant;
            for (uint32_t i = 0; i < fn->nblocks; i++)
                sg_decode_block(&d, i);
        }
        settle(&d);
    }
    bool ok = diag->code == SG_OK;
    free(self->crossing);
    free(self->block_unit);
    free(self->unit_op[0]);
    free(self->unit_op[1]);
    free(self->constants);
    return ok;
}

static size_t frame_size(const struct code *code) {
    return sizeof(struct frame) + ((code->total_bytes + 63) & ~(size_t)63);
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

// A callee that was entered and not left stands above in the chain: recursion.
static void measure_calls(struct program *program, struct code *code) {
    code->measured = true;
    for (uint32_t i = 0; i < code->ncalls; i++) {
        struct code *callee = code->calls[i]->callee;
        if (!callee || callee->entered) {
            program->open_calls = true;
            continue;
        }
        if (!callee->measured) {
            callee->entered = true;
            measure_calls(program, callee);
            callee->entered = false;
        }
        code->below_frames = larger(code->below_frames, frame_size(callee) + callee->below_frames);
        code->below_local = larger(code->below_local, callee->stack_bytes + callee->local_align + callee->below_local);
    }
}

// A call through a pointer may begin any of the chains.
static void measure_kernel(struct program *program) {
    for (uint32_t i = 0; i < program->ncodes; i++) {
        struct code *code = program->codes[i];
        code->entered = true;
        if (!code->measured) measure_calls(program, code);
        code->entered = false;
        program->largest_frame = larger(program->largest_frame, frame_size(code));
        size_t frames = frame_size(code) + code->below_frames, local = code->stack_bytes + code->below_local;
        program->call_frames = larger(program->call_frames, code == program->main ? code->below_frames : frames);
        program->call_local = larger(program->call_local, code == program->main ? code->below_local : local);
    }
}

bool sg_decode_kernel(struct sg_kernel *kernel, struct sg_diag *diag) {
    const struct sg_function *fn = kernel->fn;
    struct program *program = kernel->code = calloc(1, sizeof *program);
    if (!program) return false;
    program->kernel = kernel;
    program->codes = calloc(fn->nclosure + 1, sizeof *program->codes);
    if (!program->codes) return false;
    for (uint32_t i = 0; i <= fn->nclosure; i++) {
        const struct sg_function *f = i ? fn->closure[i - 1] : fn;
        if (f->nblocks == 0 && i) continue; // one of the device library's built in here
        struct code *code = calloc(1, sizeof *code);
        if (!code) return false;
        code->fn = f;
        code->program = program;
        program->codes[program->ncodes++] = code;
    }
    program->main = program->codes[0];
    program->calls = program->ncodes > 1;
    for (uint32_t i = 0; i < program->ncodes; i++)
        if (!decode_function(program, program->codes[i], diag)) return false;
    measure_kernel(program);
    return true;
}

struct code *sg_find_code(const struct program *program, uint64_t token) {
    for (uint32_t i = 0; i < program->ncodes; i++)
        if (program->codes[i]->fn->sym && program->codes[i]->fn->sym->address == token) return program->codes[i];
    return NULL;
}

static void free_code(struct code *code) {
    for (uint32_t i = 0; i < code->nlists; i++)
        free(code->lists[i]);
    for (uint32_t i = 0; i < code->ncalls; i++) {
        free(code->calls[i]->args);
        free(code->calls[i]->results);
        free(code->calls[i]);
    }
    free(code->lists);
    free(code->calls);
    free(code->ops);
    free(code->units);
    free(code->consts);
    free(code->reg_slot);
    free(code);
}

void sg_discard_program(struct sg_kernel *kernel) {
    struct program *program = kernel->code;
    if (!program) return;
    for (uint32_t i = 0; i < program->ncodes; i++)
        free_code(program->codes[i]);
    free(program->codes);
    free(program);
}
