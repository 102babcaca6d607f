/* The graph engine: nodes are memsets, whose value says which they are. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

enum { MOST = 24 };

static CUgraph graph;
static CUgraphNode node[MOST];
static unsigned char ran[MOST + 1]; /* values in the order in which they were set */
static unsigned n_ran;
static CUstream ran_in;

CUresult hawser_direct_cuMemsetD2D8Async(CUdeviceptr dst, size_t pitch, unsigned char value, size_t width,
                                         size_t height, CUstream stream) {
    (void)dst, (void)pitch, (void)width, (void)height;
    cr_assert_lt(n_ran, MOST + 1);
    ran[n_ran++] = value;
    ran_in = stream;
    return value == 0xff ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuStreamGetFlags(CUstream stream, unsigned *flags) {
    (void)stream;
    *flags = 0;
    return CUDA_SUCCESS;
}

static void start(void) {
    current = (CUcontext)&graph; /* any will do */
    cr_assert_eq(cuGraphCreate(&graph, 0), CUDA_SUCCESS);
}

TestSuite(graph, .init = start);

static CUDA_MEMSET_NODE_PARAMS sets(unsigned value) {
    return (CUDA_MEMSET_NODE_PARAMS){.dst = 0x1000, .value = value, .elementSize = 1, .width = 1, .height = 1};
}

static CUgraphNode add(unsigned value, const CUgraphNode *after, size_t n) {
    CUDA_MEMSET_NODE_PARAMS p = sets(value);
    CUgraphNode made = NULL;
    cr_assert_eq(cuGraphAddMemsetNode(&made, graph, after, n, &p, current), CUDA_SUCCESS);
    return made;
}

static void chain(unsigned n) {
    for (unsigned i = 0; i < n; i++)
        node[i] = add(i, &node[i ? i - 1 : 0], i != 0);
}

static CUgraphExec instantiate(void) {
    CUgraphExec e = NULL;
    cr_assert_eq(cuGraphInstantiateWithFlags(&e, graph, 0), CUDA_SUCCESS);
    return e;
}

static CUresult launch(CUgraphExec e) {
    n_ran = 0;
    return cuGraphLaunch(e, (CUstream)0x55);
}

static size_t nodes_of(CUgraph g) {
    size_t n = 0;
    cr_assert_eq(cuGraphGetNodes(g, NULL, &n), CUDA_SUCCESS);
    return n;
}

static size_t edges_of(CUgraph g) {
    size_t n = 0;
    cr_assert_eq(cuGraphGetEdges(g, NULL, NULL, &n), CUDA_SUCCESS);
    return n;
}

Test(graph, a_launch_runs_every_node_once_in_its_stream) {
    chain(5);
    cr_assert_eq(launch(instantiate()), CUDA_SUCCESS);
    cr_assert_eq(n_ran, 5);
    for (unsigned i = 0; i < 5; i++)
        cr_expect_eq(ran[i], i);
    cr_expect_eq(ran_in, (CUstream)0x55);
}

/* Graphs by chance: an edge goes from any node to any that is later in a shuffled order. */
Test(graph, each_node_runs_after_those_that_it_depends_on) {
    bool edge[MOST][MOST];
    unsigned order[MOST], at[MOST];
    srand(1);
    for (unsigned round = 0; round < 200; round++) {
        cr_assert_eq(cuGraphCreate(&graph, 0), CUDA_SUCCESS);
        memset(edge, 0, sizeof edge);
        for (unsigned i = 0; i < MOST; i++) {
            unsigned j = (unsigned)rand() % (i + 1);
            order[i] = order[j];
            order[j] = i;
            node[i] = add(i, NULL, 0);
        }
        for (unsigned i = 0; i < MOST; i++)
            for (unsigned j = i + 1; j < MOST; j++) {
                edge[order[i]][order[j]] = rand() % 8 == 0;
                if (edge[order[i]][order[j]])
                    cr_assert_eq(cuGraphAddDependencies(graph, &node[order[i]], &node[order[j]], 1), CUDA_SUCCESS);
            }
        CUgraphExec e = instantiate();
        cr_assert_eq(launch(e), CUDA_SUCCESS);
        cr_assert_eq(n_ran, MOST);
        for (unsigned i = 0; i < MOST; i++)
            at[ran[i]] = i;
        for (unsigned i = 0; i < MOST; i++)
            for (unsigned j = 0; j < MOST; j++)
                cr_assert(!edge[i][j] || at[i] < at[j], "%u ran after %u", i, j);
        cr_assert_eq(cuGraphExecDestroy(e), CUDA_SUCCESS);
        cr_assert_eq(cuGraphDestroy(graph), CUDA_SUCCESS);
    }
}

Test(graph, an_edge_that_would_close_a_cycle_is_refused) {
    chain(3);
    cr_expect_eq(cuGraphAddDependencies(graph, &node[2], &node[0], 1), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuGraphAddDependencies(graph, &node[1], &node[1], 1), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(edges_of(graph), 2);
}

Test(graph, the_first_error_ends_the_launch) {
    chain(2);
    node[2] = add(0xff, &node[1], 1);
    add(7, &node[2], 1);
    cr_expect_eq(launch(instantiate()), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(n_ran, 3);
}

Test(graph, an_executable_graph_is_a_copy) {
    chain(3);
    CUgraphExec e = instantiate();
    CUDA_MEMSET_NODE_PARAMS p = sets(40);
    cr_assert_eq(cuGraphMemsetNodeSetParams(node[0], &p), CUDA_SUCCESS);
    add(9, NULL, 0);
    cr_assert_eq(launch(e), CUDA_SUCCESS);
    cr_expect(n_ran == 3 && ran[0] == 0);
    p.value = 50;
    cr_assert_eq(cuGraphExecMemsetNodeSetParams(e, node[1], &p, current), CUDA_SUCCESS);
    cr_assert_eq(launch(e), CUDA_SUCCESS);
    cr_expect(n_ran == 3 && ran[1] == 50);
    cr_assert_eq(cuGraphMemsetNodeGetParams(node[1], &p), CUDA_SUCCESS);
    cr_expect_eq(p.value, 1);
    cr_assert_eq(cuGraphDestroy(graph), CUDA_SUCCESS);
    cr_assert_eq(launch(e), CUDA_SUCCESS);
    cr_expect_eq(n_ran, 3);
}

Test(graph, a_disabled_node_is_passed_over_and_those_behind_it_run) {
    unsigned enabled = 7;
    chain(3);
    CUgraphExec e = instantiate();
    cr_assert_eq(cuGraphNodeSetEnabled(e, node[1], 0), CUDA_SUCCESS);
    cr_assert_eq(launch(e), CUDA_SUCCESS);
    cr_expect(n_ran == 2 && ran[0] == 0 && ran[1] == 2);
    cr_assert_eq(cuGraphNodeGetEnabled(e, node[1], &enabled), CUDA_SUCCESS);
    cr_expect_eq(enabled, 0);
    cr_assert_eq(cuGraphNodeSetEnabled(e, node[1], 1), CUDA_SUCCESS);
    cr_assert_eq(launch(e), CUDA_SUCCESS);
    cr_expect_eq(n_ran, 3);
}

Test(graph, a_clones_nodes_are_found_by_those_they_were_made_from) {
    CUgraph clone;
    CUgraphNode found;
    CUDA_MEMSET_NODE_PARAMS p;
    chain(3);
    cr_assert_eq(cuGraphClone(&clone, graph), CUDA_SUCCESS);
    cr_expect(nodes_of(clone) == 3 && edges_of(clone) == 2);
    cr_assert_eq(cuGraphNodeFindInClone(&found, node[2], clone), CUDA_SUCCESS);
    cr_expect_neq(found, node[2]);
    cr_assert_eq(cuGraphMemsetNodeGetParams(found, &p), CUDA_SUCCESS);
    cr_expect_eq(p.value, 2);
    CUgraphNode late = add(9, NULL, 0);
    cr_expect_eq(cuGraphNodeFindInClone(&found, late, clone), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(nodes_of(clone), 3);
}

Test(graph, with_a_node_its_edges_go) {
    chain(3);
    cr_expect_eq(edges_of(graph), 2);
    cr_assert_eq(cuGraphDestroyNode(node[1]), CUDA_SUCCESS);
    cr_expect(nodes_of(graph) == 2 && edges_of(graph) == 0);
    cr_assert_eq(launch(instantiate()), CUDA_SUCCESS);
    cr_expect_eq(n_ran, 2);
}

Test(graph, an_edge_is_there_once_and_goes_when_it_is_removed) {
    chain(2);
    cr_expect_eq(cuGraphAddDependencies(graph, &node[0], &node[1], 1), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(edges_of(graph), 1);
    cr_expect_eq(cuGraphRemoveDependencies(graph, &node[0], &node[1], 1), CUDA_SUCCESS);
    cr_expect_eq(edges_of(graph), 0);
}

Test(graph, a_child_graph_runs_where_its_node_stands) {
    CUgraph outer;
    CUgraphNode child, first, last;
    CUDA_MEMSET_NODE_PARAMS p;
    chain(2);
    CUgraph inner = graph;
    cr_assert_eq(cuGraphCreate(&outer, 0), CUDA_SUCCESS);
    graph = outer;
    first = add(10, NULL, 0);
    cr_assert_eq(cuGraphAddChildGraphNode(&child, outer, &first, 1, inner), CUDA_SUCCESS);
    last = add(11, &child, 1);
    cr_assert_not_null(last);
    p = sets(77);
    cr_assert_eq(cuGraphMemsetNodeSetParams(node[0], &p), CUDA_SUCCESS); /* the child is a copy */
    cr_assert_eq(launch(instantiate()), CUDA_SUCCESS);
    cr_assert_eq(n_ran, 4);
    cr_expect(ran[0] == 10 && ran[1] == 0 && ran[2] == 1 && ran[3] == 11);
}

Test(graph, an_update_takes_parameters_from_a_graph_of_the_same_form_only) {
    CUgraphExecUpdateResultInfo info = {0};
    chain(3);
    CUgraphExec e = instantiate();
    CUDA_MEMSET_NODE_PARAMS p = sets(60);
    cr_assert_eq(cuGraphMemsetNodeSetParams(node[2], &p), CUDA_SUCCESS);
    cr_assert_eq(cuGraphExecUpdate_v2(e, graph, &info), CUDA_SUCCESS);
    cr_assert_eq(launch(e), CUDA_SUCCESS);
    cr_expect(n_ran == 3 && ran[2] == 60);
    add(9, NULL, 0);
    cr_expect_eq(cuGraphExecUpdate_v2(e, graph, &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
    cr_expect_eq(info.result, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
    cr_assert_eq(launch(e), CUDA_SUCCESS);
    cr_expect_eq(n_ran, 3);
}

Test(graph, handles_that_are_gone_or_foreign_are_refused) {
    size_t n;
    CUDA_MEMSET_NODE_PARAMS p;
    chain(2);
    CUgraphExec e = instantiate();
    cr_assert_eq(cuGraphExecDestroy(e), CUDA_SUCCESS);
    cr_expect_eq(cuGraphExecDestroy(e), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(launch(e), CUDA_ERROR_INVALID_VALUE);
    cr_assert_eq(cuGraphDestroy(graph), CUDA_SUCCESS);
    cr_expect_eq(cuGraphDestroy(graph), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuGraphGetNodes(graph, NULL, &n), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuGraphMemsetNodeGetParams(node[0], &p), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuGraphDestroyNode((CUgraphNode)&p), CUDA_ERROR_INVALID_VALUE);
}
