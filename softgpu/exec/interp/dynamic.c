// Dynamic parallelism: kernels launched by kernels. Programs carry NVIDIA's device runtime (libcudadevrt) as PTX, which
// comes down to the functions below; what they take and give was read there, see docs/private-abi.md.
#include "ops.h"

// ---- launching ----------------------------------------------------------------------------------

static struct sg_kernel *kernel_at(struct warp *w, uint64_t address) {
    return sg_instance_kernel_at(w->blk->launch->kernel->instance, address);
}

// (kernel, grid, block, shared bytes) -> buffer
HANDLER(get_parameter_buffer) {
    SG_ACTIVE(i, w->exec) {
        struct child c = {.kernel = kernel_at(w, sg_argument(w, op, 0, i))};
        memcpy(c.p.grid, sg_argument_bytes(w, op, 1, i, sizeof c.p.grid), sizeof c.p.grid);
        memcpy(c.p.block, sg_argument_bytes(w, op, 2, i, sizeof c.p.block), sizeof c.p.block);
        c.p.dynamic_shared = (uint32_t)sg_argument(w, op, 3, i);
        sg_give_result(w, op, i, c.kernel ? sg_offer_child(w->blk->launch, c, c.kernel->fn->param_bytes) : 0);
    }
    return op + 1;
}

// (buffer, stream) -> error
HANDLER(launch_device) {
    SG_ACTIVE(i, w->exec) {
        uint64_t buffer = sg_argument(w, op, 0, i);
        uint32_t error =
            buffer ? sg_launch_child(w->blk->launch, buffer, sg_argument(w, op, 1, i), NULL) : TOO_MANY_PENDING;
        sg_give_result(w, op, i, error);
    }
    return op + 1;
}

// (alignment, bytes) -> buffer; the older way, in which the launch brings all the rest
HANDLER(get_plain_buffer) {
    SG_ACTIVE(i, w->exec) {
        struct child c = {0};
        sg_give_result(w, op, i, sg_offer_child(w->blk->launch, c, sg_argument(w, op, 1, i)));
    }
    return op + 1;
}

// (kernel, buffer, address of the grid, address of the block, shared bytes, stream) -> error
HANDLER(launch_plain) {
    SG_ACTIVE(i, w->exec) {
        struct child c = {.kernel = kernel_at(w, sg_argument(w, op, 0, i))};
        w->pc = op;
        memcpy(c.p.grid, sg_translate(w, op, i, sg_argument(w, op, 2, i), sizeof c.p.grid, 4), sizeof c.p.grid);
        memcpy(c.p.block, sg_translate(w, op, i, sg_argument(w, op, 3, i), sizeof c.p.block, 4), sizeof c.p.block);
        c.p.dynamic_shared = (uint32_t)sg_argument(w, op, 4, i);
        uint64_t buffer = sg_argument(w, op, 1, i);
        uint32_t error =
            buffer ? sg_launch_child(w->blk->launch, buffer, sg_argument(w, op, 5, i), &c) : TOO_MANY_PENDING;
        sg_give_result(w, op, i, error);
    }
    return op + 1;
}

// ---- errors, streams, events, the device --------------------------------------------------------

HANDLER(get_last_error) {
    SG_ACTIVE(i, w->exec) sg_give_result(w, op, i, w->last_error[i]);
    return op + 1;
}

HANDLER(set_last_error) {
    SG_ACTIVE(i, w->exec) {
        w->last_error[i] = (uint32_t)sg_argument(w, op, 0, i);
        sg_give_result(w, op, i, w->last_error[i]);
    }
    return op + 1;
}

static void store(struct warp *w, const struct op *op, uint32_t lane, uint64_t value, size_t bytes) {
    w->pc = op;
    memcpy(sg_translate(w, op, lane, sg_argument(w, op, 0, lane), bytes, bytes), &value, bytes);
    sg_give_result(w, op, lane, NO_ERROR);
}

// (address of the handle, flags) -> error. Streams and events are names only: the order of launches is theirs already.
HANDLER(create) {
    SG_ACTIVE(i, w->exec) store(w, op, i, 0x100 + atomic_fetch_add(&w->blk->launch->engine->grid_ids, 1), 8);
    return op + 1;
}

HANDLER(nothing) {
    SG_ACTIVE(i, w->exec) sg_give_result(w, op, i, NO_ERROR);
    return op + 1;
}

HANDLER(get_device_count) {
    SG_ACTIVE(i, w->exec) store(w, op, i, 1, 4);
    return op + 1;
}

// Device 0, and no preference for caches or banks.
HANDLER(get_zero) {
    SG_ACTIVE(i, w->exec) store(w, op, i, 0, 4);
    return op + 1;
}

// (address of the value, attribute, device) -> error
HANDLER(get_attribute) {
    const struct sg_engine_config *config = &w->blk->launch->engine->config;
    SG_ACTIVE(i, w->exec) {
        int value = config->attribute ? config->attribute(config->memory_user, (int)sg_argument(w, op, 1, i)) : -1;
        if (value < 0)
            sg_give_result(w, op, i, INVALID_VALUE);
        else
            store(w, op, i, (uint64_t)value, 4);
    }
    return op + 1;
}

// What programs have not been seen to call. It must not keep the others from running: an indirect call may reach all.
HANDLER(unknown) {
    SG_ACTIVE(i, w->exec)
    sg_raise(w, op, SG_FAULT_INSTRUCTION, i, 0, "a call of the device runtime that is not supported");
    return op + 1;
}

sg_handler sg_device_runtime(const char *name) {
    static const char prefix[] = "__cuda_syscall_cnpv2";
    static const struct {
        const char *name;
        sg_handler fn;
    } table[] = {{"GetParameterBufferV2", get_parameter_buffer},
                 {"LaunchDeviceV2", launch_device},
                 {"GetParameterBuffer", get_plain_buffer},
                 {"LaunchDevice", launch_plain},
                 {"GetLastError", get_last_error},
                 {"SetLastError", set_last_error},
                 {"StreamCreate", create},
                 {"StreamDestroy", nothing},
                 {"StreamWaitEvent", nothing},
                 {"EventCreate", create},
                 {"EventRecord", nothing},
                 {"EventDestroy", nothing},
                 {"GetCacheConfig", get_zero},
                 {"GetSharedMemConfig", get_zero},
                 {"GetDeviceCount", get_device_count},
                 {"GetDevice", get_zero},
                 {"DeviceGetAttribute", get_attribute}};
    bool ours = !strncmp(name, prefix, sizeof prefix - 1);
    for (size_t i = 0; ours && i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].name, name + sizeof prefix - 1)) return table[i].fn;
    return ours || !strncmp(name, "cnp", 3) || !strncmp(name, "__cuda_syscall_cnp", 18) ? unknown : NULL;
}
