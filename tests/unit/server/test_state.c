/* What a session consists of, its ledger and its layers, with a driver that hands out whatever the test wants. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "inbox.h"
#include "layers.h"
#include "ledger.h"

static struct session session;
static struct served call;
static CUdeviceptr next_address;
static CUresult result; /* of what gives back */
static unsigned unloaded, destroyed, links_ended, released, freed_addresses;
static size_t unmapped;

static CUresult alloc(CUdeviceptr *p, size_t size) {
    (void)size;
    *p = next_address;
    return result;
}
static CUresult give_back(CUdeviceptr p) {
    (void)p;
    return result;
}
static CUresult create(CUmemGenericAllocationHandle *h, size_t size, const CUmemAllocationProp *prop,
                       unsigned long long flags) {
    (void)size, (void)prop, (void)flags;
    *h = 0x77;
    return CUDA_SUCCESS;
}
static CUresult release(CUmemGenericAllocationHandle h) {
    released += h == 0x77;
    return CUDA_SUCCESS;
}
static CUresult map(CUdeviceptr p, size_t size, size_t offset, CUmemGenericAllocationHandle h,
                    unsigned long long flags) {
    (void)p, (void)size, (void)offset, (void)h, (void)flags;
    return CUDA_SUCCESS;
}
static CUresult unmap(CUdeviceptr p, size_t size) {
    (void)p;
    unmapped += size;
    return CUDA_SUCCESS;
}
static CUresult reserve(CUdeviceptr *p, size_t size, size_t align, CUdeviceptr at, unsigned long long flags) {
    (void)size, (void)align, (void)at, (void)flags;
    *p = next_address;
    return CUDA_SUCCESS;
}
static CUresult free_addresses(CUdeviceptr p, size_t size) {
    (void)p, (void)size;
    freed_addresses++;
    return CUDA_SUCCESS;
}
static CUresult retain(CUmemGenericAllocationHandle *h, void *p) {
    (void)p;
    *h = 0x77;
    return CUDA_SUCCESS;
}
static CUresult load(CUlibrary *library, const void *code, CUjit_option *o, void **v, unsigned n, CUlibraryOption *lo,
                     void **lv, unsigned ln) {
    (void)code, (void)o, (void)v, (void)n, (void)lo, (void)lv, (void)ln;
    *library = (CUlibrary)0x55;
    return CUDA_SUCCESS;
}
static CUresult global(CUdeviceptr *p, size_t *size, CUlibrary library, const char *name) {
    (void)library, (void)name;
    *p = 0x9000;
    *size = 48;
    return CUDA_SUCCESS;
}
static CUresult unload(CUlibrary library) {
    (void)library;
    unloaded++;
    return CUDA_SUCCESS;
}
static CUresult end_link(CUlinkState link) {
    (void)link;
    links_ended++;
    return CUDA_SUCCESS;
}
static CUresult begin_link(unsigned n, CUjit_option *o, void **v, CUlinkState *out) {
    (void)n, (void)o, (void)v;
    *out = (CUlinkState)0x33;
    return CUDA_SUCCESS;
}
static CUresult set_current(CUcontext c) {
    (void)c;
    return CUDA_SUCCESS;
}
static CUresult synchronize(void) {
    return CUDA_SUCCESS;
}
static CUresult device_of(CUdevice *d) {
    *d = 0;
    return CUDA_SUCCESS;
}
static CUresult destroy(CUcontext c) {
    (void)c;
    destroyed++;
    return CUDA_SUCCESS;
}
static CUresult stream_state;
static CUresult query(CUstream s) {
    return s == (CUstream)0x44 ? stream_state : CUDA_SUCCESS;
}

static void start(void) {
    session.driver = (struct cuda_driver){.cuMemAlloc_v2 = alloc,
                                          .cuMemFree_v2 = give_back,
                                          .cuMemCreate = create,
                                          .cuMemRelease = release,
                                          .cuMemMap = map,
                                          .cuMemUnmap = unmap,
                                          .cuMemAddressReserve = reserve,
                                          .cuMemAddressFree = free_addresses,
                                          .cuMemRetainAllocationHandle = retain,
                                          .cuLibraryLoadData = load,
                                          .cuLibraryUnload = unload,
                                          .cuLibraryGetGlobal = global,
                                          .cuLinkCreate_v2 = begin_link,
                                          .cuLinkDestroy = end_link,
                                          .cuCtxSetCurrent = set_current,
                                          .cuCtxSynchronize = synchronize,
                                          .cuCtxGetDevice = device_of,
                                          .cuCtxDestroy_v2 = destroy,
                                          .cuStreamQuery = query};
    layers_install(&session.driver);
    cr_assert(session_begin(&session));
    call = (struct served){.session = &session, .driver = &session.driver, .thread = 1, .context = 0x100};
    cr_assert_eq(served_bind(&call, HAWSER_CONTEXT, 0x100, &call), CUDA_SUCCESS);
    session_serves(&call);
    next_address = 0x4000;
}

TestSuite(state, .init = start);

static char *dump(void) {
    static char text[4096];
    FILE *out = fmemopen(text, sizeof text, "w");
    session_dump(&session, out);
    fclose(out);
    return text;
}

Test(state, an_allocation_is_in_the_ledger_until_it_is_given_back) {
    CUdeviceptr p;
    cr_assert_eq(session.driver.cuMemAlloc_v2(&p, 1000), CUDA_SUCCESS);
    cr_expect_eq(ledger_in_use(&session), 1000);
    cr_expect(strstr(dump(), "plain memory at 0x4000, 1000 bytes, context 256"), "%s", dump());
    cr_assert_eq(session.driver.cuMemFree_v2(p), CUDA_SUCCESS);
    cr_expect_eq(ledger_in_use(&session), 0);
    cr_expect_eq(ledger_peak(&session), 1000);
}

Test(state, what_fails_changes_nothing) {
    CUdeviceptr p;
    result = CUDA_ERROR_OUT_OF_MEMORY;
    session.driver.cuMemAlloc_v2(&p, 1000);
    cr_expect_eq(ledger_in_use(&session), 0);
    result = CUDA_SUCCESS;
    session.driver.cuMemAlloc_v2(&p, 1000);
    result = CUDA_ERROR_INVALID_VALUE;
    session.driver.cuMemFree_v2(p);
    cr_expect_eq(ledger_in_use(&session), 1000);
    result = CUDA_SUCCESS;
    session.driver.cuMemFree_v2(p);
    cr_expect_eq(ledger_in_use(&session), 0);
}

Test(state, many_allocations_are_told_apart) {
    CUdeviceptr p;
    for (next_address = 0x10000; next_address < 0x10000 + 5000 * 256; next_address += 256)
        session.driver.cuMemAlloc_v2(&p, 256);
    cr_expect_eq(ledger_in_use(&session), 5000 * 256);
    for (p = 0x10000; p < 0x10000 + 5000 * 256; p += 512)
        session.driver.cuMemFree_v2(p);
    cr_expect_eq(ledger_in_use(&session), 2500 * 256);
}

Test(state, physical_memory_counts_until_handles_and_mappings_are_gone) {
    CUmemGenericAllocationHandle h, again;
    const struct cuda_driver *d = &session.driver;
    d->cuMemCreate(&h, 4096, NULL, 0);
    d->cuMemMap(0x100000, 4096, 0, h, 0);
    d->cuMemMap(0x200000, 4096, 0, h, 0);
    cr_expect_eq(ledger_in_use(&session), 4096);
    d->cuMemRelease(h);
    d->cuMemUnmap(0x100000, 4096);
    cr_expect_eq(ledger_in_use(&session), 4096);
    d->cuMemRetainAllocationHandle(&again, (void *)0x200010);
    d->cuMemUnmap(0x200000, 4096);
    cr_expect_eq(ledger_in_use(&session), 4096);
    d->cuMemRelease(again);
    cr_expect_eq(ledger_in_use(&session), 0);
}

Test(state, an_image_takes_its_variables_along) {
    CUlibrary library;
    CUdeviceptr p;
    size_t size;
    struct hawser_frame frames[] = {{.size = 300}, {.size = 21}};
    call.frames = frames;
    call.n_frames = 2;
    session.driver.cuLibraryLoadData(&library, NULL, NULL, NULL, 0, NULL, NULL, 0);
    for (int i = 0; i < 2; i++)
        session.driver.cuLibraryGetGlobal(&p, &size, library, "x");
    cr_expect_eq(ledger_in_use(&session), 321);
    char *first = strstr(dump(), "global variable at 0x9000, 48 bytes");
    cr_assert(first);
    cr_expect_null(strstr(first + 1, "global variable"));
    session.driver.cuLibraryUnload(library);
    cr_expect_null(strstr(dump(), "global variable"));
    cr_expect_eq(ledger_in_use(&session), 0);
}

Test(state, a_context_takes_its_memory_and_its_links_along) {
    CUdeviceptr p;
    CUmemGenericAllocationHandle h;
    struct link_create_args args = {0};
    struct object link = {.id = 0x200, .kind = HAWSER_LINKER};
    session.driver.cuMemAlloc_v2(&p, 1000);
    session.driver.cuMemCreate(&h, 4096, NULL, 0);
    cr_assert_eq(serve_LinkCreate(&call, &args, &link), CUDA_SUCCESS);
    cr_assert_eq(served_bind_entry(&call, &link), CUDA_SUCCESS);
    session_end_context(&call, &(struct object){.id = 0x100});
    cr_expect_eq(links_ended, 1);
    cr_expect_eq(ledger_in_use(&session), 4096);
    cr_expect(strstr(dump(), "2 things, 4096 bytes of device memory\n"), "%s", dump());
}

Test(state, a_session_ends_what_belongs_to_no_context) {
    CUdeviceptr p;
    session.driver.cuMemAddressReserve(&p, 8192, 0, 0, 0);
    session.driver.cuMemMap(p, 4096, 0, 0x77, 0);
    served_bind(&call, HAWSER_LIBRARY, 0x201, (void *)0x55);
    served_bind(&call, HAWSER_MEMORY, 0x202, (void *)0x77);
    session_end_context(&call, &(struct object){.id = 0x999});
    session_serves(NULL);
    session_end(&session);
    cr_expect_eq(destroyed, 1);
    cr_expect_eq(unloaded, 1);
    cr_expect_eq(unmapped, 4096);
    cr_expect_eq(freed_addresses, 1);
    cr_expect_null(session.objects);
    cr_expect_null(session.ledger);
}

Test(state, a_session_is_idle_when_its_streams_are_and_nothing_is_being_served) {
    served_bind(&call, HAWSER_STREAM, 0x203, (void *)0x44);
    cr_expect(session_idle(&session));
    stream_state = CUDA_ERROR_NOT_READY;
    cr_expect_not(session_idle(&session));
    stream_state = CUDA_SUCCESS;
    session.serving = 1;
    cr_expect_not(session_idle(&session));
}

Test(state, what_the_session_does_by_itself_is_in_no_account) {
    CUdeviceptr p;
    session_serves(NULL);
    session.driver.cuMemAlloc_v2(&p, 1000);
    session.driver.cuMemFree_v2(p);
    cr_expect_eq(ledger_in_use(&session), 0);
}

Test(state, an_object_remembers_what_made_it) {
    Hawser__CuStreamCreate args = HAWSER__CU_STREAM_CREATE__INIT;
    args.phstream = 0x204;
    args.flags = 1;
    call.api = hawser_api_function(HAWSER_FN_cuStreamCreate);
    call.args = &args.base;
    served_bind(&call, HAWSER_STREAM, 0x204, (void *)0x44);
    args.flags = 7; /* the message is freed, and used again, after the call */
    cr_expect(strstr(dump(), "stream 516 at 0x44, context 256, by cuStreamCreate(phstream=new stream 516, flags=1)"),
              "%s", dump());
}
