/* Memory of a graph's allocation nodes: what the program frees is the graph's mark, not the library's memory. */
#include "../graph/graph.h"
#include "layers.h"

bool layer_graph_memory_freed(CUdeviceptr dptr, CUresult *r) {
    return graph_memory_freed(dptr, r);
}
