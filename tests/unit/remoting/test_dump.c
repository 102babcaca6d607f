/* Calls as text for the log. */
#include <criterion/criterion.h>

#include "cuda_api.h"
#include "dump.h"

static char text[200];

static const char *dumped(uint32_t function, const ProtobufCMessage *m) {
    return hawser_dump(text, sizeof text, hawser_api_function(function), m);
}

Test(dump, fields_are_told_as_what_they_are) {
    Hawser__Launch m = HAWSER__LAUNCH__INIT;
    uint64_t grid[] = {1, 2, 3};
    m.function = 258;
    m.n_grid = 3;
    m.grid = grid;
    m.stream = 260;
    m.params = (ProtobufCBinaryData){16, (uint8_t *)grid};
    m.cooperative = true;
    cr_assert_str_eq(dumped(HAWSER_FN_Launch, &m.base),
                     "Launch(function=function 258, grid=[1 2 3], stream=stream 260, "
                     "params=16 bytes, cooperative=yes)");
}

Test(dump, handles_that_come_and_go_and_addresses) {
    Hawser__CuStreamCreate made = HAWSER__CU_STREAM_CREATE__INIT;
    Hawser__CuStreamDestroyV2 gone = HAWSER__CU_STREAM_DESTROY_V2__INIT;
    Hawser__MemFree freed = HAWSER__MEM_FREE__INIT;
    Hawser__GetGlobal owned = HAWSER__GET_GLOBAL__INIT;
    made.phstream = gone.hstream = owned.owner = 300;
    freed.address = 0xabc000;
    cr_expect_str_eq(dumped(HAWSER_FN_cuStreamCreate, &made.base), "cuStreamCreate(phstream=new stream 300)");
    cr_expect_str_eq(dumped(HAWSER_FN_cuStreamDestroy_v2, &gone.base), "cuStreamDestroy_v2(hstream=gone stream 300)");
    cr_expect_str_eq(dumped(HAWSER_FN_MemFree, &freed.base), "MemFree(address=0xabc000)");
    cr_expect_str_eq(dumped(HAWSER_FN_GetGlobal, &owned.base), "GetGlobal(owner=module|library 300)");
}

Test(dump, messages_in_messages_and_signed_numbers) {
    Hawser__GraphNode node = HAWSER__GRAPH_NODE__INIT;
    Hawser__Launch launch = HAWSER__LAUNCH__INIT;
    Hawser__SetAttribute set = HAWSER__SET_ATTRIBUTE__INIT;
    launch.shared = 48;
    node.launch = &launch;
    set.value = -1;
    cr_expect_str_eq(dumped(HAWSER_FN_GraphNode, &node.base), "GraphNode(launch=(shared=48))");
    cr_expect_str_eq(dumped(HAWSER_FN_SetAttribute, &set.base), "SetAttribute(value=-1)");
    cr_expect_str_eq(dumped(HAWSER_FN_TraceFlush, &((Hawser__TraceFlush)HAWSER__TRACE_FLUSH__INIT).base),
                     "TraceFlush()");
}

Test(dump, text_of_the_guests_begins_no_line) {
    Hawser__GetKernel m = HAWSER__GET_KERNEL__INIT;
    m.name = "a\nhawserd error: \"b\"";
    cr_assert_str_eq(dumped(HAWSER_FN_GetKernel, &m.base), "GetKernel(name=\"a?hawserd error: ?b?\")");
}

Test(dump, what_is_long_is_cut_off) {
    Hawser__ListKernels none = HAWSER__LIST_KERNELS__INIT;
    Hawser__HostChanges m = HAWSER__HOST_CHANGES__INIT;
    uint64_t runs[100] = {1};
    m.n_runs = 100;
    m.runs = runs;
    cr_expect_str_eq(dumped(HAWSER_FN_HostChanges, &m.base), "HostChanges(runs=[1 0 0 0 0 0 0 0 ... of 100])");
    cr_expect_str_eq(hawser_dump(text, 6, hawser_api_function(HAWSER_FN_ListKernels), &none.base), "ListK");
}
