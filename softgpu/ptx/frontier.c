// Thread frontiers: which blocks may hold pending lanes while a block runs, given that the lowest
// block with pending lanes always runs first. Hence also which definitions need blending.
#include "parser.h"

enum { MAX_BLOCKS = 16384 }; // beyond, every later block is taken to be pending: true, if slow

struct frontiers {
    struct sg_function *fn;
    size_t words;
    uint64_t *sets;    // F(b), words each
    uint64_t *pending; // one set
    bool *dirty;
};

static bool has(const uint64_t *set, uint32_t b) {
    return set[b / 64] >> (b & 63) & 1;
}

// F(c) |= {x in pending, x > c}
static bool merge_above(struct frontiers *f, uint32_t c) {
    uint64_t *set = f->sets + f->words * c, changed = 0;
    uint64_t mask = (c & 63) == 63 ? 0 : ~(uint64_t)0 << ((c & 63) + 1);
    for (size_t w = c / 64; w < f->words; w++) {
        uint64_t added = f->pending[w] & mask & ~set[w];
        set[w] |= added;
        changed |= added;
        mask = ~(uint64_t)0;
    }
    return changed != 0;
}

// What runs after `b` when f->pending holds lanes; `certain` surely does (or NO such block).
static bool spread(struct frontiers *f, uint32_t certain) {
    bool changed = false;
    for (size_t w = 0; w < f->words; w++)
        for (uint64_t rest = f->pending[w]; rest; rest &= rest - 1) {
            uint32_t c = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(rest);
            if (merge_above(f, c)) changed = f->dirty[c] = true;
            if (c == certain) return changed;
        }
    return changed;
}

// Lanes may leave for good inside the block, so that its successors may stay empty.
static bool may_exit(const struct sg_function *fn, const struct sg_block *block) {
    for (uint32_t i = 0; i < block->count; i++)
        if (fn->insns[block->first + i].is & SG_P_LEAVES) return true;
    return false;
}

static bool visit_block(struct frontiers *f, uint32_t b) {
    const struct sg_block *block = &f->fn->blocks[b];
    const uint64_t *own = f->sets + f->words * b;
    bool certain = !may_exit(f->fn, block), changed = false;
    if (block->uniform_branch && block->nsucc) {
        for (uint32_t e = 0; e < block->nsucc; e++) {
            memcpy(f->pending, own, f->words * sizeof *own);
            f->pending[block->succ[e] / 64] |= (uint64_t)1 << (block->succ[e] & 63);
            changed |= spread(f, certain ? block->succ[e] : UINT32_MAX);
        }
        return changed;
    }
    memcpy(f->pending, own, f->words * sizeof *own);
    for (uint32_t e = 0; e < block->nsucc; e++)
        f->pending[block->succ[e] / 64] |= (uint64_t)1 << (block->succ[e] & 63);
    return spread(f, UINT32_MAX);
}

static void iterate(struct frontiers *f) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t b = 0; b < f->fn->nblocks; b++) {
            if (!f->dirty[b]) continue;
            f->dirty[b] = false;
            changed |= visit_block(f, b);
        }
    }
    for (uint32_t b = 0; b < f->fn->nblocks; b++) {
        uint32_t n = 0;
        for (size_t w = 0; w < f->words; w++)
            n += (uint32_t)__builtin_popcountll(f->sets[f->words * b + w]);
        f->fn->blocks[b].nfrontier = n;
    }
}

static void list_frontiers(struct sg_parser *p, struct frontiers *f) {
    for (uint32_t b = 0; b < f->fn->nblocks; b++) {
        struct sg_block *block = &f->fn->blocks[b];
        if (block->nfrontier == 0) continue;
        block->frontier = sgp_alloc(p, block->nfrontier, sizeof *block->frontier);
        uint32_t n = 0;
        for (uint32_t x = b + 1; x < f->fn->nblocks; x++)
            if (has(f->sets + f->words * b, x)) block->frontier[n++] = x;
    }
}

static void assume_all(struct sg_parser *p) {
    struct sg_function *fn = p->fn;
    uint32_t *all = sgp_alloc(p, fn->nblocks, sizeof *all);
    for (uint32_t b = 0; b < fn->nblocks; b++) {
        all[b] = b;
        fn->blocks[b].frontier = all + b + 1;
        fn->blocks[b].nfrontier = fn->nblocks - b - 1;
    }
    sgp_lower_uniformity(fn);
}

// ---- blending -------------------------------------------------------------------------------

struct blending {
    const uint64_t *live;
    bool needed;
};

static void check_blend(void *context, int32_t reg) {
    struct blending *blending = context;
    if (blending->live[reg / 64] >> (reg & 63) & 1) blending->needed = true;
}

static void mark_blends(struct sg_parser *p) {
    struct sg_function *fn = p->fn;
    size_t words = ((size_t)fn->nregs + 63) / 64;
    uint64_t *live = sgp_scratch(p, words + 1, sizeof *live);
    for (uint32_t b = 0; b < fn->nblocks; b++) {
        const struct sg_block *block = &fn->blocks[b];
        if (block->nfrontier == 0) continue;
        memset(live, 0, words * sizeof *live);
        for (uint32_t x = 0; x < block->nfrontier; x++)
            for (size_t w = 0; w < words; w++)
                live[w] |= fn->blocks[block->frontier[x]].live_in[w];
        for (uint32_t i = 0; i < block->count; i++) {
            struct sg_insn *insn = &fn->insns[block->first + i];
            struct blending blending = {live, false};
            sgp_visit_defs(insn, check_blend, &blending);
            insn->blend = blending.needed;
        }
    }
}

void sgp_compute_frontiers(struct sg_parser *p) {
    struct sg_function *fn = p->fn;
    for (uint32_t r = 0; r < fn->nregs; r++)
        fn->regs[r].uniform = true;
    for (uint32_t i = 0; i < fn->nparams; i++)
        if (fn->params[i].reg >= 0) fn->regs[fn->params[i].reg].uniform = false;
    for (uint32_t b = 0; b < fn->nblocks; b++)
        fn->blocks[b].uniform_branch = true;
    if (fn->nblocks > MAX_BLOCKS) {
        assume_all(p);
    } else {
        struct frontiers f = {.fn = fn, .words = ((size_t)fn->nblocks + 63) / 64};
        f.sets = sgp_scratch(p, f.words * fn->nblocks, sizeof *f.sets);
        f.pending = sgp_scratch(p, f.words, sizeof *f.pending);
        f.dirty = sgp_scratch(p, fn->nblocks, sizeof *f.dirty);
        do { // less uniformity makes larger frontiers and the reverse, so this ends
            for (uint32_t b = 0; b < fn->nblocks; b++)
                f.dirty[b] = true;
            iterate(&f);
        } while (sgp_lower_uniformity(fn));
        list_frontiers(p, &f);
    }
    mark_blends(p);
}
