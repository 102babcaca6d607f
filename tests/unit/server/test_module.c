/* Loading, look-ups and launches with a driver that says what it was given. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "served.h"

#include "cuda_abi.h"

static struct session session;
static struct served call;
static struct hawser_frame frames[4];
static int module, library, kernels[3]; /* their addresses are handles */

/* ---- the driver ---- */

static char loaded[4][100]; /* the parts of the last image, as texts */
static unsigned parts, wrapper_version;
static CUresult load_result;
static unsigned n_options;
static CUjit_option first_option;

static CUresult load(CUmodule *out, const void *image, unsigned n, CUjit_option *options, void **values) {
    const struct {
        uint32_t magic, version;
        const char *data;
        const char *const *more;
    } *wrapper = image;
    *out = (CUmodule)&module;
    n_options = n;
    first_option = options[0];
    for (unsigned i = 0; i < n; i++)
        if (load_result != CUDA_SUCCESS && options[i] == CU_JIT_ERROR_LOG_BUFFER)
            strcpy(values[i], "line 3: no such thing");
    parts = 0;
    if (wrapper->magic != 0x466243b1) {
        strcpy(loaded[parts++], image);
        return load_result;
    }
    wrapper_version = wrapper->version;
    strcpy(loaded[parts++], wrapper->data);
    for (unsigned i = 0; wrapper->more && wrapper->more[i]; i++)
        strcpy(loaded[parts++], wrapper->more[i]);
    return load_result;
}

static CUresult count_functions(unsigned *n, CUmodule m) {
    (void)m;
    *n = 3;
    return CUDA_SUCCESS;
}

static CUresult enumerate(CUfunction *out, unsigned n, CUmodule m) {
    (void)m;
    for (unsigned i = 0; i < n; i++)
        out[i] = (CUfunction)&kernels[i];
    return CUDA_SUCCESS;
}

static CUresult name_of(const char **out, CUfunction f) {
    static const char *const names[] = {"first", "second", "third"};
    *out = names[(int *)f - kernels];
    return CUDA_SUCCESS;
}

static bool third_is_bad;

static CUresult attribute(int *value, CUfunction_attribute a, CUfunction f) {
    if (third_is_bad && f == (CUfunction)&kernels[2]) return CUDA_ERROR_INVALID_IMAGE;
    *value = a == CU_FUNC_ATTRIBUTE_NUM_REGS ? 17 : 0;
    return CUDA_SUCCESS;
}

/* The n-th kernel has n parameters. */
static CUresult param(CUfunction f, size_t i, size_t *offset, size_t *size) {
    if (i >= (size_t)((int *)f - kernels)) return CUDA_ERROR_INVALID_VALUE;
    *offset = i * 8;
    *size = 4;
    return CUDA_SUCCESS;
}

static CUresult get_function(CUfunction *out, CUmodule m, const char *name) {
    *out = (CUfunction)&kernels[1];
    return m == (CUmodule)&module && !strcmp(name, "second") ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

static CUresult library_global(CUdeviceptr *address, size_t *size, CUlibrary l, const char *name) {
    (void)l;
    *address = 0x7000;
    *size = 4;
    return strcmp(name, "plain") ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

static CUresult library_managed(CUdeviceptr *address, size_t *size, CUlibrary l, const char *name) {
    (void)l;
    *address = 0x8000;
    *size = 8;
    return strcmp(name, "managed") ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

static unsigned launches, attributes_given;
static size_t params_given;

static CUresult launch(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned shared, CUstream stream, void **params, void **extra) {
    cr_expect(f == (CUfunction)&kernels[0] && gx == 1 && gy == 2 && gz == 3 && bx == 4 && by == 5 && bz == 6 &&
              shared == 7);
    cr_expect(stream == (CUstream)0x55 && !params);
    params_given = extra ? *(size_t *)extra[3] : 0;
    launches++;
    return CUDA_SUCCESS;
}

static CUresult launch_with_attributes(const CUlaunchConfig *config, CUfunction f, void **params, void **extra) {
    (void)f, (void)params, (void)extra;
    attributes_given = config->numAttrs;
    cr_expect(config->attrs[config->numAttrs - 1].id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
    return CUDA_SUCCESS;
}

static void start(void) {
    session.driver.cuModuleLoadDataEx = load;
    session.driver.cuModuleGetFunctionCount = count_functions;
    session.driver.cuModuleEnumerateFunctions = enumerate;
    session.driver.cuFuncGetName = name_of;
    session.driver.cuFuncGetAttribute = attribute;
    session.driver.cuFuncGetParamInfo = param;
    session.driver.cuModuleGetFunction = get_function;
    session.driver.cuLibraryGetGlobal = library_global;
    session.driver.cuLibraryGetManaged = library_managed;
    session.driver.cuLaunchKernel = launch;
    call = (struct served){.session = &session, .driver = &session.driver, .thread = 1, .frames = frames};
}

TestSuite(module, .init = start);

static void bulk(const char *bytes) {
    frames[call.n_frames++] = (struct hawser_frame){.data = (char *)bytes, .size = strlen(bytes)};
}

static CUresult serve_load(const struct load_args *a, Hawser__LoadReply *reply) {
    struct object made = {0};
    hawser__load_reply__init(reply);
    CUresult r = serve_Load(&call, a, &made, reply);
    if (r == CUDA_SUCCESS) cr_expect(made.handle == &module && made.kind == HAWSER_MODULE);
    return r;
}

/* ---- loading ---- */

Test(module, an_image_of_several_frames_is_put_together_and_ends_with_a_nul) {
    Hawser__LoadReply reply;
    bulk(".version ");
    bulk("7.0");
    cr_assert_eq(serve_load(&(struct load_args){.n_sizes = 1, .sizes = (uint64_t[]){12}}, &reply), CUDA_SUCCESS);
    cr_expect(parts == 1 && !strcmp(loaded[0], ".version 7.0"));
}

Test(module, a_wrapper_is_built_anew_around_its_parts) {
    Hawser__LoadReply reply;
    bulk("one");
    bulk("two");
    bulk("three");
    const struct load_args a = {.kind = HAWSER_IMAGE_WRAPPER, .wrapper_version = 2};
    cr_assert_eq(serve_load(&a, &reply), CUDA_SUCCESS);
    cr_expect(parts == 3 && wrapper_version == 2);
    cr_expect(!strcmp(loaded[0], "one") && !strcmp(loaded[1], "two") && !strcmp(loaded[2], "three"));
}

Test(module, sizes_that_the_frames_do_not_have_are_refused) {
    static const uint64_t sizes[][2] = {{5, 4}, {3, 6}, {9, 1}, {0, 9}, {UINT64_MAX, 10}};
    Hawser__LoadReply reply;
    bulk("four");
    bulk("five5");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        cr_expect_eq(serve_load(&(struct load_args){.n_sizes = 2, .sizes = sizes[i]}, &reply), CUDA_ERROR_INVALID_VALUE,
                     "%zu", i);
    cr_expect_eq(serve_load(&(struct load_args){.n_sizes = 1, .sizes = (uint64_t[]){4}}, &reply),
                 CUDA_ERROR_INVALID_VALUE);
    call.n_frames = 0;
    cr_expect_eq(serve_load(&(struct load_args){0}, &reply), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(parts, 0);
}

Test(module, the_reply_tells_of_the_kernels_and_their_layouts) {
    Hawser__LoadReply reply;
    bulk("image");
    cr_assert_eq(serve_load(&(struct load_args){0}, &reply), CUDA_SUCCESS);
    cr_assert(reply.complete && reply.n_kernels == 3);
    for (size_t i = 0; i < 3; i++) {
        const Hawser__KernelInfo *k = reply.kernels[i];
        cr_expect(k->n_param_offset == i && k->n_param_size == i);
        cr_expect_eq(k->attributes[CU_FUNC_ATTRIBUTE_NUM_REGS], 17);
    }
    cr_expect_str_eq(reply.kernels[2]->name, "third");
    cr_expect(reply.kernels[2]->param_offset[1] == 8 && reply.kernels[2]->param_size[1] == 4);
}

Test(module, a_kernel_that_cannot_be_described_makes_the_list_incomplete) {
    Hawser__LoadReply reply;
    third_is_bad = true;
    bulk("image");
    cr_assert_eq(serve_load(&(struct load_args){0}, &reply), CUDA_SUCCESS);
    cr_expect(!reply.complete && reply.n_kernels == 2);
}

Test(module, the_compilers_words_go_to_the_guest_as_far_as_it_has_room) {
    Hawser__LoadReply reply;
    load_result = CUDA_ERROR_INVALID_PTX;
    bulk("image");
    cr_expect_eq(serve_load(&(struct load_args){.error_log = 6}, &reply), CUDA_ERROR_INVALID_PTX);
    cr_expect(reply.error_log.len == 6 && !memcmp(reply.error_log.data, "line 3", 6));
    cr_expect_eq(serve_load(&(struct load_args){0}, &reply), CUDA_ERROR_INVALID_PTX);
    cr_expect_eq(reply.error_log.len, 0);
}

Test(module, options_reach_the_driver_before_the_logs_buffers) {
    Hawser__LoadReply reply;
    const struct load_args a = {.n_options = 1,
                                .options = (int64_t[]){CU_JIT_MAX_REGISTERS},
                                .n_values = 1,
                                .values = (uint64_t[]){32},
                                .info_log = 10};
    bulk("image");
    cr_assert_eq(serve_load(&a, &reply), CUDA_SUCCESS);
    cr_expect(n_options == 5 && first_option == CU_JIT_MAX_REGISTERS);
}

/* ---- look-ups ---- */

Test(module, a_kernel_is_found_by_its_name) {
    struct object found = {0};
    Hawser__GetKernelReply reply = HAWSER__GET_KERNEL_REPLY__INIT;
    struct get_kernel_args a = {.owner = {.kind = HAWSER_MODULE, .handle = &module}, .name = "second"};
    cr_assert_eq(serve_GetKernel(&call, &a, &found, &reply), CUDA_SUCCESS);
    cr_expect(found.handle == &kernels[1] && !found.is_kernel);
    cr_expect(reply.kernel && reply.kernel->n_param_offset == 1);
    a.name = "fourth";
    cr_expect_eq(serve_GetKernel(&call, &a, &found, &reply), CUDA_ERROR_NOT_FOUND);
}

Test(module, a_librarys_managed_variable_is_found_as_a_global) {
    Hawser__GetGlobalReply reply = HAWSER__GET_GLOBAL_REPLY__INIT;
    struct get_global_args a = {.owner = {.kind = HAWSER_LIBRARY, .handle = &library}, .name = "managed"};
    cr_assert_eq(serve_GetGlobal(&call, &a, &reply), CUDA_SUCCESS);
    cr_expect(reply.address == 0x8000 && reply.size == 8);
    a.name = "plain";
    cr_assert_eq(serve_GetGlobal(&call, &a, &reply), CUDA_SUCCESS);
    cr_expect_eq(reply.address, 0x7000);
    a.only_managed = true;
    cr_expect_eq(serve_GetGlobal(&call, &a, &reply), CUDA_ERROR_NOT_FOUND);
    a.owner = (struct object){.kind = HAWSER_MODULE, .handle = &module};
    cr_expect_eq(serve_GetGlobal(&call, &a, &reply), CUDA_ERROR_INVALID_HANDLE);
}

/* ---- launches ---- */

static struct launch_args launch_args(size_t params) {
    static uint8_t bytes[16];
    return (struct launch_args){.function = {.handle = &kernels[0]},
                                .grid = {1, 2, 3},
                                .block = {4, 5, 6},
                                .shared = 7,
                                .stream = (CUstream)0x55,
                                .params = {params, bytes}};
}

Test(module, a_launch_has_its_shape_and_its_packed_parameters) {
    struct launch_args a = launch_args(12);
    cr_expect_eq(serve_Launch(&call, &a), CUDA_SUCCESS);
    cr_expect_eq(params_given, 12);
    a = launch_args(0);
    cr_expect_eq(serve_Launch(&call, &a), CUDA_SUCCESS);
    cr_expect(params_given == 0 && launches == 2);
}

Test(module, a_cooperative_launch_has_one_attribute_more) {
    CUlaunchAttribute given = {.id = CU_LAUNCH_ATTRIBUTE_PRIORITY};
    struct launch_args a = launch_args(0);
    a.cooperative = true;
    a.n_attributes = 1;
    a.attributes = &given;
    cr_expect_eq(serve_Launch(&call, &a), CUDA_ERROR_NOT_SUPPORTED); /* the driver has no function for it */
    session.driver.cuLaunchKernelEx = launch_with_attributes;
    cr_expect_eq(serve_Launch(&call, &a), CUDA_SUCCESS);
    cr_expect(attributes_given == 2 && launches == 0);
}
