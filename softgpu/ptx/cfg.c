// Basic blocks, and the order in which they are scheduled.
//
// The order is a weak topological order: strongly connected components in topological order, and
// inside each its head first and then, with the edges to the head cut, the rest in the same manner.
// So every loop is contiguous, whether the graph is reducible or not.
#include "parser.h"
#include "table.h"

enum { MAX_LOOP_DEPTH = 256, NO_BLOCK = UINT32_MAX };

static bool ends_block(const struct sg_insn *insn) {
    return insn->is & SG_P_ENDS_BLOCK;
}

// A body may run off its end, or have a label there: both mean ret.
static void close_body(struct sg_parser *p) {
    struct sg_function *fn = p->fn;
    bool open = fn->ninsns == 0 || fn->insns[fn->ninsns - 1].guard >= 0 || !ends_block(&fn->insns[fn->ninsns - 1]);
    for (uint32_t i = 0; i < p->nfixups && !open; i++)
        open = p->fixups[i].operand->kind == SG_OPND_LABEL && p->fixups[i].operand->block == fn->ninsns;
    if (!open) return;
    fn->insns = sgp_grow(p, fn->insns, fn->ninsns, &p->insn_capacity, sizeof *fn->insns);
    uint16_t is = (uint16_t)sg_rows[SG_OP_RET].is;
    fn->insns[fn->ninsns] = (struct sg_insn){.op = SG_OP_RET, .is = is, .guard = -1, .vec = 1};
    fn->insns[fn->ninsns].line = fn->ninsns ? fn->insns[fn->ninsns - 1].line : fn->line;
    fn->ninsns++;
}

// Blocks in program order; block_at[i] is the block that begins at instruction i.
struct layout {
    struct sg_block *blocks;
    uint32_t n, *block_at;
};

static struct layout split(struct sg_parser *p) {
    struct sg_function *fn = p->fn;
    struct layout layout = {.block_at = sgp_scratch(p, fn->ninsns, sizeof(uint32_t))};
    uint8_t *leader = sgp_scratch(p, fn->ninsns + 1, 1);
    leader[0] = 1;
    for (uint32_t i = 0; i < fn->ninsns; i++)
        if (ends_block(&fn->insns[i])) leader[i + 1] = 1;
    for (uint32_t i = 0; i < p->nfixups; i++)
        if (p->fixups[i].operand->kind == SG_OPND_LABEL) leader[p->fixups[i].operand->block] = 1;
    for (uint32_t i = 0; i < fn->ninsns; i++)
        layout.n += leader[i];
    layout.blocks = sgp_scratch(p, layout.n, sizeof *layout.blocks);
    uint32_t block = 0;
    for (uint32_t i = 0; i < fn->ninsns; i++) {
        if (leader[i]) layout.blocks[block++].first = i;
        layout.block_at[i] = block - 1;
        layout.blocks[block - 1].count++;
    }
    return layout;
}

static void add_succ(struct sg_block *block, uint32_t succ) {
    // A brx may name a target many times; one edge says it.
    for (uint32_t i = 0; i < block->nsucc; i++)
        if (block->succ[i] == succ && block->nsucc > 1) return;
    block->succ[block->nsucc++] = succ;
}

static void connect(struct sg_parser *p, struct layout *layout) {
    struct sg_function *fn = p->fn;
    for (uint32_t b = 0; b < layout->n; b++) {
        struct sg_block *block = &layout->blocks[b];
        const struct sg_insn *last = &fn->insns[block->first + block->count - 1];
        // Labels are the last operand of those that have some.
        const struct sg_operand *to = last->nsrc ? &last->src[last->nsrc - 1] : NULL;
        bool list = to && ends_block(last) && to->kind == SG_OPND_VEC;
        uint32_t targets = list ? to->n : to && to->kind == SG_OPND_LABEL;
        block->succ = sgp_alloc(p, targets + 1, sizeof *block->succ);
        for (uint32_t t = 0; t < targets; t++)
            add_succ(block, layout->block_at[list ? to->vec[t].block : to->block]);
        bool falls_through = !ends_block(last) || last->guard >= 0;
        if (falls_through && b + 1 < layout->n) add_succ(block, b + 1);
    }
}

// ---- order ----------------------------------------------------------------------------------

struct sorter {
    const struct sg_block *blocks;
    uint32_t *part;        // of each block: which sub-graph it is in, 0 when placed
    uint32_t *index, *low; // Tarjan's; index 0 = not visited
    uint32_t *edge;        // next successor to visit
    uint32_t *path, *open; // stacks: the walk, the nodes without a component
    bool *is_open;
    uint32_t *sorted; // components of the sub-graph at hand, filled from the end
    uint32_t next_part, *order, norder;
};

// Visits what can be reached from `root` in its part. Components end up in sorted[..*top), the
// later in topological order the later, each with its root first.
static void tarjan(struct sorter *s, uint32_t root, uint32_t *counter, uint32_t *top) {
    uint32_t depth = 0, nopen = 0, part = s->part[root];
    s->path[depth++] = root;
    while (depth) {
        uint32_t v = s->path[depth - 1];
        const struct sg_block *block = &s->blocks[v];
        if (s->index[v] == 0) {
            s->index[v] = s->low[v] = ++*counter;
            s->edge[v] = block->nsucc;
            s->open[nopen++] = v;
            s->is_open[v] = true;
        }
        if (s->edge[v] > 0) {
            // Last successor first, so that what falls through comes after what is branched to.
            uint32_t w = block->succ[--s->edge[v]];
            if (s->part[w] != part) continue;
            if (s->index[w] == 0)
                s->path[depth++] = w;
            else if (s->is_open[w] && s->index[w] < s->low[v])
                s->low[v] = s->index[w];
            continue;
        }
        depth--;
        if (depth && s->low[v] < s->low[s->path[depth - 1]]) s->low[s->path[depth - 1]] = s->low[v];
        if (s->low[v] != s->index[v]) continue;
        uint32_t w;
        do {
            w = s->open[--nopen];
            s->is_open[w] = false;
            s->sorted[--*top] = w;
        } while (w != v);
    }
}

// Orders nodes[0..n), all of one part; nodes[0] is its entry.
static void sort_part(struct sorter *s, uint32_t *nodes, uint32_t n, unsigned depth) {
    uint32_t counter = 0, top = n;
    for (uint32_t i = 0; i < n; i++)
        s->index[nodes[i]] = 0;
    for (uint32_t i = 0; i < n; i++)
        if (s->index[nodes[i]] == 0) tarjan(s, nodes[i], &counter, &top);
    memcpy(nodes, s->sorted, n * sizeof *nodes);
    // low[] equals its root's index throughout a component only after this pass: a component runs
    // from a root (low == index) to the next.
    uint32_t *starts = s->edge; // free again
    for (uint32_t i = 0; i < n; i++)
        starts[nodes[i]] = s->low[nodes[i]] == s->index[nodes[i]];
    for (uint32_t i = 0; i < n;) {
        uint32_t end = i + 1;
        while (end < n && !starts[nodes[end]])
            end++;
        s->order[s->norder++] = nodes[i];
        s->part[nodes[i]] = 0;
        if (end - i > 1 && depth < MAX_LOOP_DEPTH) {
            uint32_t part = ++s->next_part;
            for (uint32_t j = i + 1; j < end; j++)
                s->part[nodes[j]] = part;
            // The recursion uses edge[] of its own nodes alone, all before `end`.
            sort_part(s, nodes + i + 1, end - i - 1, depth + 1);
        } else {
            for (uint32_t j = i + 1; j < end; j++)
                s->order[s->norder++] = nodes[j];
        }
        i = end;
    }
}

// Fills order[] with the blocks reachable from the first; returns how many.
static uint32_t sort_blocks(struct sg_parser *p, const struct layout *layout, uint32_t *order) {
    uint32_t n = layout->n;
    uint32_t *numbers = sgp_scratch(p, 7 * (size_t)n, sizeof *numbers);
    struct sorter s = {
        .blocks = layout->blocks,
        .part = numbers,
        .index = numbers + n,
        .low = numbers + 2 * (size_t)n,
        .edge = numbers + 3 * (size_t)n,
        .path = numbers + 4 * (size_t)n,
        .open = numbers + 5 * (size_t)n,
        .sorted = numbers + 6 * (size_t)n,
        .is_open = sgp_scratch(p, n, sizeof(bool)),
        .next_part = 1,
        .order = order,
    };
    uint32_t *nodes = sgp_scratch(p, n, sizeof *nodes), reachable = 0;
    nodes[reachable++] = 0;
    s.part[0] = 1;
    for (uint32_t i = 0; i < reachable; i++)
        for (uint32_t e = 0; e < layout->blocks[nodes[i]].nsucc; e++) {
            uint32_t succ = layout->blocks[nodes[i]].succ[e];
            if (s.part[succ]) continue;
            s.part[succ] = 1;
            nodes[reachable++] = succ;
        }
    sort_part(&s, nodes, reachable, 0);
    return s.norder;
}

static bool only_leaves(const struct sg_function *fn, const struct sg_block *block) {
    const struct sg_insn *insn = &fn->insns[block->first];
    return block->count == 1 && insn->guard < 0 && (insn->is & SG_P_ENDS_BLOCK) && (insn->is & SG_P_LEAVES);
}

// Blocks that only leave come right behind the entry. Lanes that fail a kernel's bounds check then
// leave at once instead of waiting at its end, pending, while all the rest runs.
static void leave_early(struct sg_parser *p, const struct layout *layout, uint32_t *order, uint32_t n) {
    uint32_t *sorted = sgp_scratch(p, n, sizeof *sorted), count = 0;
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || only_leaves(p->fn, &layout->blocks[order[i]])) sorted[count++] = order[i];
    for (uint32_t i = 1; i < n; i++)
        if (!only_leaves(p->fn, &layout->blocks[order[i]])) sorted[count++] = order[i];
    memcpy(order, sorted, n * sizeof *order);
}

void sgp_build_cfg(struct sg_parser *p) {
    struct sg_function *fn = p->fn;
    close_body(p);
    struct layout layout = split(p);
    connect(p, &layout);
    uint32_t *order = sgp_scratch(p, layout.n, sizeof *order);
    uint32_t *number = sgp_scratch(p, layout.n, sizeof *number);
    fn->nblocks = sort_blocks(p, &layout, order);
    leave_early(p, &layout, order, fn->nblocks);
    fn->blocks = sgp_alloc(p, fn->nblocks, sizeof *fn->blocks);
    for (uint32_t i = 0; i < layout.n; i++)
        number[i] = NO_BLOCK;
    for (uint32_t i = 0; i < fn->nblocks; i++) {
        fn->blocks[i] = layout.blocks[order[i]];
        number[order[i]] = i;
    }
    for (uint32_t i = 0; i < fn->nblocks; i++)
        for (uint32_t e = 0; e < fn->blocks[i].nsucc; e++) {
            uint32_t succ = number[fn->blocks[i].succ[e]];
            fn->blocks[i].succ[e] = succ;
            if (succ <= i) fn->blocks[succ].loop_head = true;
        }
    for (uint32_t i = 0; i < p->nfixups; i++) {
        struct sg_operand *operand = p->fixups[i].operand;
        if (operand->kind != SG_OPND_LABEL) continue;
        uint32_t block = number[layout.block_at[operand->block]];
        operand->block = block == NO_BLOCK ? 0 : block; // named by unreachable code alone
    }
}
