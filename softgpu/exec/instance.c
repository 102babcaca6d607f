// Modules in device memory: variables, initializers, kernels.
#include "tier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Functions have no address in device memory; a token stands for one. No allocation lies there.
#define FUNCTION_TOKENS 0x5347000000000000u

static bool is_variable(const struct sg_symbol *sym) {
    return (sym->space == SG_GLOBAL || sym->space == SG_CONST) && sym->definition == sym && !sym->external;
}

// A texture or surface reference is a handle to which nothing is bound yet.
static bool make_references(struct sg_instance *instance) {
    const struct sg_texture unbound = {.kind = SG_UNBOUND};
    struct sg_module *module = instance->module;
    for (uint32_t i = 0; i < module->nsymbols; i++) {
        struct sg_symbol *sym = module->symbols[i];
        if (sym->space != SG_TEX || sym->definition != sym) continue;
        sym->address = sg_texture_add(instance->engine, &unbound);
        if (!sym->address) return false;
    }
    return true;
}

static uint64_t place(struct sg_instance *instance, uint8_t *memory) {
    struct sg_module *module = instance->module;
    uint64_t at = 0;
    instance->const_bytes = 0;
    for (uint32_t i = 0; i < module->nsymbols; i++) {
        struct sg_symbol *sym = module->symbols[i];
        if (sym->space == SG_FUNC) sym->address = FUNCTION_TOKENS + ((uint64_t)i + 1) * 16;
        if (!is_variable(sym)) continue;
        uint64_t align = sym->align > 16 ? sym->align : 16;
        at = (at + align - 1) & ~(align - 1);
        if (memory) sym->address = (uintptr_t)memory + at;
        at += sym->size;
        if (sym->space == SG_CONST) instance->const_bytes += (uint32_t)sym->size;
    }
    return at;
}

static bool initialize(struct sg_symbol *sym, struct sg_diag *diag) {
    uint8_t *memory = (uint8_t *)sym->address;
    memset(memory, 0, sym->size);
    if (sym->init) memcpy(memory, sym->init, sym->init_size < sym->size ? sym->init_size : sym->size);
    for (uint32_t i = 0; i < sym->nrelocs; i++) {
        const struct sg_reloc *reloc = &sym->relocs[i];
        const struct sg_symbol *target = reloc->sym->definition ? reloc->sym->definition : reloc->sym;
        if (!target->address || reloc->offset + reloc->bytes > sym->size) {
            *diag = (struct sg_diag){.code = SG_UNRESOLVED_SYMBOL, .line = sym->line};
            snprintf(diag->message, sizeof diag->message, "the initializer of %s needs %s", sym->name, target->name);
            return false;
        }
        uint64_t value = (target->address + (uint64_t)reloc->addend) >> reloc->shift;
        memcpy(memory + reloc->offset, &value, reloc->bytes);
    }
    return true;
}

struct sg_instance *sg_instance_create(struct sg_engine *engine, struct sg_module *module, struct sg_diag *diag) {
    struct sg_instance *instance = calloc(1, sizeof *instance);
    bool ok = instance != NULL;
    *diag = (struct sg_diag){0};
    if (ok) {
        instance->engine = engine;
        instance->module = module;
        pthread_mutex_init(&instance->lock, NULL);
        instance->memory_bytes = place(instance, NULL);
        uint64_t align = 256;
        for (uint32_t i = 0; i < module->nsymbols; i++)
            if (is_variable(module->symbols[i]) && module->symbols[i]->align > align) align = module->symbols[i]->align;
        if (instance->memory_bytes) {
            instance->memory = engine->config.alloc(engine->config.memory_user, instance->memory_bytes, align);
            ok = instance->memory != NULL;
        }
        if (ok) ok = make_references(instance);
    }
    if (!ok) {
        diag->code = SG_NO_MEMORY;
        snprintf(diag->message, sizeof diag->message, "no device memory for the module's variables");
        sg_instance_destroy(instance);
        return NULL;
    }
    place(instance, instance->memory);
    for (uint32_t i = 0; i < module->nsymbols && ok; i++)
        if (is_variable(module->symbols[i])) ok = initialize(module->symbols[i], diag);
    if (ok) return instance;
    sg_instance_destroy(instance);
    return NULL;
}

static void free_kernel(struct sg_kernel *kernel) {
    kernel->tier->discard(kernel);
    free(kernel);
}

void sg_instance_destroy(struct sg_instance *instance) {
    if (!instance) return;
    while (instance->kernels) {
        struct sg_kernel *kernel = instance->kernels;
        instance->kernels = kernel->next;
        free_kernel(kernel);
    }
    for (uint32_t i = 0; i < instance->module->nsymbols; i++)
        if (instance->module->symbols[i]->space == SG_TEX)
            sg_texture_remove(instance->engine, instance->module->symbols[i]->address);
    if (instance->memory) instance->engine->config.release(instance->engine->config.memory_user, instance->memory);
    pthread_mutex_destroy(&instance->lock);
    free(instance);
}

bool sg_instance_global(struct sg_instance *instance, const char *name, void **address, size_t *bytes, bool *managed) {
    struct sg_symbol *sym = sg_module_symbol(instance->module, name);
    if (sym && sym->definition) sym = sym->definition;
    if (!sym || !is_variable(sym)) return false;
    if (address) *address = (void *)sym->address;
    if (bytes) *bytes = sym->size;
    if (managed) *managed = sym->managed;
    return true;
}

uint64_t sg_instance_texture(struct sg_instance *instance, const char *name) {
    struct sg_symbol *sym = sg_module_symbol(instance->module, name);
    if (sym && sym->definition) sym = sym->definition;
    return sym && sym->space == SG_TEX ? sym->address : 0;
}

// Machine code tells; of a text alone it is an estimate within the limits that its assembler would have kept.
static uint32_t count_registers(const struct sg_function *fn) {
    if (fn->registers) return fn->registers;
    // 32-bit units; PTX has far more names than hardware would use registers.
    uint64_t units = 0;
    for (uint32_t i = 0; i < fn->nregs; i++)
        if (fn->regs[i].type != SG_PRED) units += (fn->regs[i].bytes + 3) / 4;
    uint64_t guess = 16 + units / 4;
    if (guess > 255) guess = 255;
    if (fn->maxnreg && guess > fn->maxnreg) guess = fn->maxnreg;
    if (fn->module->maxnreg && guess > fn->module->maxnreg) guess = fn->module->maxnreg;
    uint64_t threads = fn->maxntid[0] ? (uint64_t)fn->maxntid[0] : 1024;
    if (threads * guess > SG_BLOCK_REGISTERS) guess = SG_BLOCK_REGISTERS / threads;
    return (uint32_t)guess;
}

static void describe(struct sg_kernel *kernel) {
    struct sg_function *fn = kernel->fn;
    struct sg_kernel_info *info = &kernel->info;
    uint64_t most = SG_MAX_BLOCK_THREADS;
    const uint32_t *limits[] = {fn->maxntid, fn->reqntid};
    for (int k = 0; k < 2; k++) {
        uint64_t n = 1;
        for (int i = 0; i < 3; i++)
            n *= limits[k][i] ? limits[k][i] : 1;
        if (limits[k][0] && n < most) most = n;
    }
    // Warps get registers by eights a thread.
    uint64_t per_warp = (fn->registers + 7u) / 8 * 8 * SG_WARP;
    if (per_warp && SG_BLOCK_REGISTERS / per_warp * SG_WARP < most) most = SG_BLOCK_REGISTERS / per_warp * SG_WARP;
    *info = (struct sg_kernel_info){
        .name = fn->name,
        .function = fn,
        .nparams = fn->nparams,
        .param_bytes = (uint32_t)fn->param_bytes,
        .shared_bytes = fn->shared_bytes,
        .const_bytes = kernel->instance->const_bytes,
        .local_bytes = (uint32_t)fn->local_bytes,
        .registers = count_registers(fn),
        .max_threads = (uint32_t)most,
        .architecture = kernel->instance->module->target,
    };
}

static struct sg_kernel *kernel_of(struct sg_instance *instance, struct sg_function *fn, struct sg_diag *diag) {
    pthread_mutex_lock(&instance->lock);
    struct sg_kernel *kernel = instance->kernels;
    while (kernel && kernel->fn != fn)
        kernel = kernel->next;
    if (!kernel && sg_kernel_prepare(fn, diag) == SG_OK) {
        kernel = calloc(1, sizeof *kernel);
        if (kernel) {
            kernel->instance = instance;
            kernel->fn = fn;
            kernel->tier = &sg_interpreter;
            if (kernel->tier->prepare(kernel, diag)) {
                describe(kernel);
                kernel->next = instance->kernels;
                instance->kernels = kernel;
            } else {
                free_kernel(kernel);
                kernel = NULL;
            }
        }
    }
    pthread_mutex_unlock(&instance->lock);
    return kernel;
}

struct sg_kernel *sg_instance_kernel(struct sg_instance *instance, const char *name, struct sg_diag *diag) {
    struct sg_diag own;
    if (!diag) diag = &own;
    *diag = (struct sg_diag){0};
    struct sg_function *fn = sg_module_entry(instance->module, name);
    if (fn) return kernel_of(instance, fn, diag);
    diag->code = SG_INVALID_PTX;
    snprintf(diag->message, sizeof diag->message, "no kernel '%.200s'", name);
    return NULL;
}

struct sg_kernel *sg_instance_kernel_at(struct sg_instance *instance, uint64_t address) {
    const struct sg_module *module = instance->module;
    uint64_t i = (address - FUNCTION_TOKENS) / 16 - 1;
    struct sg_diag diag = {0};
    if (address < FUNCTION_TOKENS || i >= module->nsymbols || module->symbols[i]->space != SG_FUNC) return NULL;
    struct sg_function *fn = module->symbols[i]->definition->function;
    return fn->entry ? kernel_of(instance, fn, &diag) : NULL;
}

const struct sg_kernel_info *sg_kernel_info(const struct sg_kernel *kernel) {
    return &kernel->info;
}
