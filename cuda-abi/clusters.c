/* Clusters of blocks: what a launch asks for beside what its kernel allows. */
#include <string.h>

#include "cuda_abi.h"

CUresult hawser_abi_cluster(const struct hawser_clusters *k, const CUlaunchConfig *l, unsigned cluster[3], bool *fits) {
    const unsigned grid[3] = {l->gridDimX, l->gridDimY, l->gridDimZ};
    bool given = k->required[0] != 0;
    for (int i = 0; i < 3; i++)
        cluster[i] = given && k->required[i] ? k->required[i] : 1;
    for (unsigned i = 0; i < l->numAttrs; i++) {
        if (l->attrs[i].id != CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) continue;
        unsigned wanted[3] = {l->attrs[i].value.clusterDim.x, l->attrs[i].value.clusterDim.y,
                              l->attrs[i].value.clusterDim.z};
        if (given && memcmp(wanted, cluster, sizeof wanted)) return CUDA_ERROR_INVALID_CLUSTER_SIZE;
        memcpy(cluster, wanted, sizeof wanted);
        given = true;
    }
    if (!given && k->must_be_set) return CUDA_ERROR_INVALID_CLUSTER_SIZE;
    unsigned long long blocks = 1;
    for (int i = 0; i < 3; i++) {
        if (!cluster[i] || grid[i] % cluster[i]) return CUDA_ERROR_INVALID_CLUSTER_SIZE;
        if (blocks <= HAWSER_MAX_CLUSTER) blocks *= cluster[i];
    }
    *fits = blocks <= HAWSER_MAX_CLUSTER;
    return blocks > HAWSER_PORTABLE_CLUSTER && !k->large ? CUDA_ERROR_INVALID_CLUSTER_SIZE : CUDA_SUCCESS;
}
