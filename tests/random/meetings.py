"""Where threads meet: the warp instructions with a member mask, and barriers of the block.

Each row of WARP says how an instruction is written in CUDA C and what one of the threads gets, from the values of all
that meet there. {m} is the member mask, {v} the thread's value, {p} its parameter; lanes that have ended, or never
were, may be in the mask. What would come from them, or from lanes outside the mask, is undefined, so t.live (the
members that are there) decides in PRELUDE whether a result is looked at.
"""

from functools import reduce

from language import WORD, Arrival

PRELUDE = r"""
struct Thread {
    unsigned tid, lane, warp, mask, live, exist, a, b, c, d, *out, *shared;
    unsigned i, n1, n2; // counters
};
static __device__ void note(Thread &t, unsigned &into, unsigned word) {
    *t.out++ = word;
    into = into * 31 + word;
}
static __device__ unsigned member(unsigned set, unsigned k) {
    for (k %= __popc(set); k; k--) set &= set - 1;
    return __ffs(set) - 1;
}
static __device__ unsigned if_live(Thread &t, unsigned lane, unsigned word) {
    return t.live >> (lane & 31) & 1 ? word : 0;
}
static __device__ unsigned pick(Thread &t, unsigned m, unsigned v, unsigned p) {
    return __shfl_sync(m, v, member(t.live, p & 31));
}
static __device__ unsigned pick_wide(Thread &t, unsigned m, unsigned v, unsigned p) {
    unsigned long long r = __shfl_sync(m, (unsigned long long)v << 32 | ~v, member(t.live, p & 31));
    return (unsigned)(r >> 32) * 3 + (unsigned)r;
}
static __device__ unsigned pick_guarded(Thread &t, unsigned m, unsigned v, unsigned p) {
    unsigned r;
    asm volatile("{ .reg .pred q; setp.lt.u32 q, %4, 3; @q shfl.sync.idx.b32 %0, %1, %2, 31, %3;"
                 "  @!q shfl.sync.idx.b32 %0, %1, %2, 31, %3; }"
                 : "=r"(r) : "r"(v), "r"(member(t.live, p & 31)), "r"(m), "r"(t.lane & 7));
    return r;
}
static __device__ unsigned ballot_guarded(Thread &t, unsigned m, unsigned v) {
    unsigned r;
    asm volatile("{ .reg .pred p, q; setp.ne.u32 p, %1, 0; setp.eq.u32 q, %3, 1; @q vote.sync.ballot.b32 %0, p, %2;"
                 "  @!q vote.sync.ballot.b32 %0, p, %2; }"
                 : "=r"(r) : "r"(v & 1), "r"(m), "r"(t.lane));
    return r;
}
static __device__ unsigned bfly(Thread &t, unsigned m, unsigned v, unsigned p) {
    unsigned r;
    asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, %3;" : "=r"(r) : "r"(v), "r"(p & 31), "r"(m));
    return if_live(t, t.lane ^ (p & 31), r);
}
static __device__ unsigned up(Thread &t, unsigned m, unsigned v, unsigned p) {
    unsigned r = __shfl_up_sync(m, v, p & 7, 8), own = (t.lane & 7) < (p & 7);
    return if_live(t, own ? t.lane : t.lane - (p & 7), r);
}
static __device__ unsigned down(Thread &t, unsigned m, unsigned v, unsigned p) {
    unsigned r, in;
    asm volatile("{ .reg .pred q; shfl.sync.down.b32 %0|q, %2, %3, 31, %4; selp.u32 %1, 1, 0, q; }"
                 : "=r"(r), "=r"(in) : "r"(v), "r"(p & 31), "r"(m));
    return if_live(t, in ? t.lane + (p & 31) : t.lane, r) + in;
}
static __device__ unsigned match_all(unsigned m, unsigned v) {
    int p;
    unsigned r = __match_all_sync(m, v, &p);
    return p ? r : ~r;
}
static __device__ unsigned elect(unsigned m) {
    unsigned leader, elected;
    asm volatile("{ .reg .pred q; elect.sync %0|q, %2; selp.u32 %1, 1, 0, q; }"
                 : "=r"(leader), "=r"(elected) : "r"(m));
    return leader << 1 | elected;
}
static __device__ unsigned exchange(Thread &t, unsigned m, unsigned v, unsigned p) {
    volatile unsigned *box = t.shared + (t.warp << 5);
    box[t.lane] = v;
    __syncwarp(m);
    unsigned r = box[member(t.live, p & 31)];
    __syncwarp(m);
    return r;
}
static __device__ void by_cas(unsigned *word, unsigned v) {
    for (unsigned old = *(volatile unsigned *)word, seen;; old = seen)
        if ((seen = atomicCAS(word, old, old + v)) == old) break;
}
static __device__ void barrier() { asm volatile("barrier.sync 0;" ::: "memory"); }
"""


def signed(word):
    return word - (1 << 32) if word >> 31 else word


def member(live, k):
    lanes = sorted(live)
    return lanes[(k & 31) % len(lanes)]


def mask_of(lanes):
    return sum(1 << lane for lane in lanes)


def up(lane, v, p):
    delta = p & 7
    return v.get(lane if lane & 7 < delta else lane - delta, 0)


def down(lane, v, p):
    source = lane + (p & 31)
    return v.get(source, 0) + 1 if source < 32 else v[lane]


def reduction(operation, brought=lambda lane, x: x):
    return lambda lane, v, p: reduce(operation, (brought(k, x) for k, x in v.items())) & WORD


def ballot(v):
    return mask_of(lane for lane in v if v[lane] & 1)


def match_all(lane, v, p):
    same = len({x & 1 for x in v.values()}) == 1
    return mask_of(v) if same else WORD


# name: (C, what a lane gets from its lane number, the values of all that are there, and its own parameter)
WARP = {
    "shfl.sync.idx": ("pick(t, {m}, {v}, {p})", lambda lane, v, p: v[member(v, p)]),
    "shfl.sync.idx of 64 bits": ("pick_wide(t, {m}, {v}, {p})",
                                 lambda lane, v, p: v[member(v, p)] * 3 + (~v[member(v, p)] & WORD)),
    "shfl.sync.idx under guards": ("pick_guarded(t, {m}, {v}, {p})", lambda lane, v, p: v[member(v, p)]),
    "shfl.sync.bfly": ("bfly(t, {m}, {v}, {p})", lambda lane, v, p: v.get(lane ^ p & 31, 0)),
    "shfl.sync.up": ("up(t, {m}, {v}, {p})", up),
    "shfl.sync.down": ("down(t, {m}, {v}, {p})", down),
    "vote.sync.ballot": ("__ballot_sync({m}, {v} & 1)", lambda lane, v, p: ballot(v)),
    "vote.sync.ballot under guards": ("ballot_guarded(t, {m}, {v})", lambda lane, v, p: ballot(v)),
    "vote.sync.all": ("(unsigned)__all_sync({m}, {v} & 3)", lambda lane, v, p: all(x & 3 for x in v.values())),
    "vote.sync.any": ("(unsigned)__any_sync({m}, !({v} & 7))",
                      lambda lane, v, p: any(not x & 7 for x in v.values())),
    "vote.sync.uni": ("(unsigned)__uni_sync({m}, {v} & 1)", lambda lane, v, p: len({x & 1 for x in v.values()}) == 1),
    "redux.sync.add": ("__reduce_add_sync({m}, {v})", reduction(lambda x, y: x + y)),
    "redux.sync.min.s32": ("(unsigned)__reduce_min_sync({m}, (int){v})", reduction(min, lambda lane, x: signed(x))),
    "redux.sync.max.u32": ("__reduce_max_sync({m}, {v})", reduction(max)),
    "redux.sync.and": ("__reduce_and_sync({m}, {v} | 0xffu << (t.lane & 7))",
                       reduction(lambda x, y: x & y, lambda lane, x: x | 0xff << (lane & 7))),
    "redux.sync.or": ("__reduce_or_sync({m}, {v} & {v} >> 5 & {v} >> 11)",
                      reduction(lambda x, y: x | y, lambda lane, x: x & x >> 5 & x >> 11)),
    "redux.sync.xor": ("__reduce_xor_sync({m}, {v})", reduction(lambda x, y: x ^ y)),
    "match.any.sync": ("__match_any_sync({m}, {v} & 3)",
                       lambda lane, v, p: mask_of(x for x in v if v[x] & 3 == v[lane] & 3)),
    "match.all.sync": ("match_all({m}, {v} & 1)", match_all),
    "elect.sync": ("elect({m})", lambda lane, v, p: min(v) << 1 | (lane == min(v))),
    "bar.warp.sync": ("exchange(t, {m}, {v}, {p})", lambda lane, v, p: v[member(v, p)]),
}

class Meet:
    """A warp instruction: its result is noted and goes into one of the variables."""

    def __init__(self, name, mask, value, parameter, into):
        self.name, self.mask, self.parameter, self.into = name, mask, parameter, into
        self.value, (self.template, self.result) = value, WARP[name]

    def lines(self):
        call = self.template.format(m=self.mask.c, v=self.value.c, p=self.parameter.c)
        yield f"note(t, t.{self.into}, {call});"

    def run(self, t):
        members = [t.warp * 32 + lane for lane in range(32) if self.mask.value(t) >> lane & 1]
        assert t.tid in members

        def results(brings):
            values = {tid % 32: v for tid, (v, p) in brings.items()}
            return {tid: self.result(tid % 32, values, p) & WORD for tid, (v, p) in brings.items()}

        r = yield Arrival(members, self.name, (self.value.value(t), self.parameter.value(t)), results)
        t.note(self.name, self.into, r)
