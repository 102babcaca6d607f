# Read by bad-arguments.py: what CUDA answers otherwise than by its rules, and pointers that may be NULL: optional ones
# must then change nothing in the answer. What cannot be told apart here is untried.

# NULL is no context to set, and the current one to ask about.
for f in ("cuCtxGetDevice_v2", "cuCtxGetId", "cuCtxSynchronize_v2", "cuCtxSetCurrent"):
    optional(f, "ctx")
optional("cuCtxCreate_v4", "ctxCreateParams")
optional("cuCtxPopCurrent cuCtxPopCurrent_v2", "pctx")
optional("cuCtxGetStreamPriorityRange", "leastPriority")
optional("cuCtxGetStreamPriorityRange", "greatestPriority")
# Affinity and graphics sharing are told apart before anything else is looked at.
for p in ("pctx", "paramsArray", "dev"):
    for kind in ("null", "out of range", "negative"):
        untried("cuCtxCreate_v3", p, kind)
# A limit that there is not is "unsupported", not "invalid".
answers(215, ("cuCtxGetLimit", "limit", "out of range"), ("cuCtxSetLimit", "limit", "out of range"))
# Both devices are the same one here, which comes first.
answers(DEVICE, ("cuDeviceGetP2PAttribute", "attrib", "out of range"))
# Outputs of which one is enough, or whose absence asks for a count.
for f in ("cuGraphGetNodes", "cuGraphGetRootNodes"):
    optional(f, "nodes")
    optional(f, "rootNodes")
for f in ("cuGraphNodeGetDependencies", "cuGraphNodeGetDependencies_v2", "cuGraphNodeGetDependentNodes",
          "cuGraphNodeGetDependentNodes_v2", "cuGraphGetEdges_v2"):
    for p in ("dependencies", "dependentNodes", "edgeData"):
        optional(f, p)
for f in ("cuGraphInstantiate", "cuGraphInstantiate_v2"):
    optional(f, "phErrorNode")
    optional(f, "logBuffer")
optional("cuGraphExecUpdate", "hErrorNode_out")
optional("cuMemGetAddressRange_v2", "pbase")
optional("cuMemGetAddressRange_v2", "psize")
answers(FOUND, ("cuMemGetAddressRange_v2", "dptr", "any"))
optional("cuLogsDumpToFile cuLogsDumpToMemory", "iterator")
for f in ("cuModuleGetGlobal_v2", "cuLibraryGetGlobal", "cuLibraryGetManaged"):
    optional(f, "dptr")
    optional(f, "bytes")
optional("cuLinkAddData cuLinkAddData_v2", "name")
# With no dependencies there is no list of them; graphs answer all that is bad in a node with one error.
for f in dir_of_graph_functions():
    optional(f, "dependencies")
    optional(f, "dependencyData")
    for kind in ("foreign", "wrong kind", "freed", "null"):
        untried(f, "ctx", kind)
        untried(f, "event", kind)
    for p in ("from", "to", "edgeData"): # which are given together
        untried(f, p)
optional("cuStreamEndCapture", "phGraph")
for f in ("cuStreamGetCaptureInfo", "cuStreamGetCaptureInfo_v2", "cuStreamGetCaptureInfo_v3"):
    for p in ("id_out", "graph_out", "dependencies_out", "edgeData_out", "numDependencies_out"):
        optional(f, p)
optional("cuTexObjectCreate", "pResViewDesc")
# The empty description of the copy is bad too, and is looked at first.
for f in ("cuMemcpy2DAsync", "cuMemcpy2DAsync_v2", "cuMemcpy3DAsync", "cuMemcpy3DAsync_v2"):
    for kind in ("foreign", "wrong kind", "freed"):
        untried(f, "hStream", kind)
# The memory is not managed memory, which comes before devices and streams.
for f in ("cuMemAdvise", "cuMemAdvise_v2", "cuMemPrefetchAsync", "cuMemPrefetchAsync_v2"):
    for p in ("device", "dstDevice", "hStream"):
        answers(VALUE, (f, p, "any"))
# An address that is no device address is taken for one of the program, which must then be good.
for f in ("cuMemcpy", "cuMemcpyAsync"):
    for p in ("dst", "src"):
        untried(f, p, "foreign")
        untried(f, p, "freed")
