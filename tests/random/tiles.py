"""Kernels of cooperative groups: tiles of 2 to 128 threads, partitions by label, and the program's own shared memory
beside what tiles of several warps reserve."""

from functools import reduce
from itertools import accumulate

from frame import Kernel
from language import WORD

HEADERS = ["<cooperative_groups.h>", "<cooperative_groups/reduce.h>", "<cooperative_groups/scan.h>"]
PRELUDE = """
namespace cg = cooperative_groups;
"""

OWN = 300  # words of the program's own shared memory


def folded(operation):
    return lambda rank, v: reduce(operation, v) & WORD


def bits(flags):
    return sum(1 << k for k, flag in enumerate(flags) if flag)


# name: (C, what the thread of a rank gets from the values of its group, by rank)
ANY_GROUP = {
    "cg::reduce plus": ("cg::reduce({g}, v, cg::plus<unsigned>())", folded(lambda x, y: x + y)),
    "cg::reduce less": ("cg::reduce({g}, v, cg::less<unsigned>())", folded(min)),
    "cg::reduce greater": ("cg::reduce({g}, v, cg::greater<unsigned>())", folded(max)),
    "cg::reduce bit_and": ("cg::reduce({g}, v | v >> 7, cg::bit_and<unsigned>())",
                           lambda rank, v: reduce(lambda x, y: x & y, (x | x >> 7 for x in v))),
    "cg::reduce bit_or": ("cg::reduce({g}, v & v >> 7, cg::bit_or<unsigned>())",
                          lambda rank, v: reduce(lambda x, y: x | y, (x & x >> 7 for x in v))),
    "cg::reduce bit_xor": ("cg::reduce({g}, v, cg::bit_xor<unsigned>())", folded(lambda x, y: x ^ y)),
    "cg::inclusive_scan": ("cg::inclusive_scan({g}, v)", lambda rank, v: sum(v[:rank + 1]) & WORD),
    "cg::exclusive_scan": ("cg::exclusive_scan({g}, v)", lambda rank, v: sum(v[:rank]) & WORD),
    "cg::inclusive_scan greater": ("cg::inclusive_scan({g}, v, cg::greater<unsigned>())",
                                   lambda rank, v: list(accumulate(v, max))[rank]),
    "group.any": ("(unsigned){g}.any(v % 5 == 0)", lambda rank, v: any(x % 5 == 0 for x in v)),
    "group.all": ("(unsigned){g}.all(v % 5 != 0)", lambda rank, v: all(x % 5 for x in v)),
    "group.thread_rank": ("({g}.sync(), (unsigned){g}.thread_rank() << 16 | (unsigned){g}.num_threads())",
                          lambda rank, v: rank << 16 | len(v)),
}
ONE_WARP = {
    "group.shfl": ("{g}.shfl(v, v % {g}.num_threads())", lambda rank, v: v[v[rank] % len(v)]),
    "group.shfl_down": ("{g}.shfl_down(v, 1)", lambda rank, v: v[min(rank + 1, len(v) - 1)]),
    "group.shfl_up": ("{g}.shfl_up(v, 1)", lambda rank, v: v[max(rank - 1, 0)]),
    "group.ballot": ("(unsigned){g}.ballot(v & 1)", lambda rank, v: bits(x & 1 for x in v)),
    "group.match_any": ("(unsigned){g}.match_any(v & 3)", lambda rank, v: bits(x & 3 == v[rank] & 3 for x in v)),
    **ANY_GROUP,
}
STATIC_TILE = {
    "group.shfl_xor": ("{g}.shfl_xor(v, {g}.num_threads() / 2)", lambda rank, v: v[rank ^ len(v) // 2]),
    **ONE_WARP,
}
SIZES = [2, 4, 8, 16, 32, 64, 128]


class Operation:
    """A collective of one kind of group: tiles of a size, or the parts of a warp with one label."""

    def __init__(self, random, most, threads):
        sizes = [s for s in SIZES if s <= most and threads % s == 0]
        self.size = random.choice(sizes + [s for s in sizes if s >= 64] * 2)
        self.labels = self.size == 32 and random.random() < 0.7 and random.choice([2, 4])
        rows = ANY_GROUP if self.size > 32 else ONE_WARP if self.labels else STATIC_TILE
        self.name = random.choice(list(rows))
        self.c, self.result = rows[self.name]
        kind = f"labels below {self.labels}" if self.labels else f"tiles of {self.size}"
        self.what = f"{self.name} of {kind}"

    def lines(self):
        if self.labels == 2:
            yield "{ auto part = cg::binary_partition(tile32, v >> 8 & 1);"
        elif self.labels:
            yield "{ auto part = cg::labeled_partition(tile32, v >> 8 & 3);"
        else:
            yield "{"
        yield f"  r = {self.c.format(g='part' if self.labels else f'tile{self.size}')};"
        yield "  *out++ = r; v = v * 31 + r; }"

    def groups(self, values, among):
        for first in range(0, len(values), self.size):
            threads = [k for k in range(first, first + self.size) if k in among]
            labels = {k: values[k] >> 8 & self.labels - 1 if self.labels else 0 for k in threads}
            for label in sorted(set(labels.values())):
                yield [k for k in threads if labels[k] == label]

    def run(self, values, notes, among):
        for group in self.groups(values, among):
            brought = [values[k] for k in group]
            for rank, k in enumerate(group):
                r = int(self.result(rank, brought)) & WORD
                notes[k].append((self.what, [r]))
                values[k] = values[k] * 31 + r & WORD


class Split:
    """Every other tile of a size goes its own way."""

    def __init__(self, random, threads):
        self.size = random.choice([s for s in SIZES if threads % s == 0 and s < threads])
        self.ways = [[Operation(random, self.size, threads) for _ in range(random.randrange(1, 4))] for _ in range(2)]

    def lines(self):
        for condition, way in zip((f"if (x / {self.size} & 1) {{", "} else {"), self.ways):
            yield condition
            for operation in way:
                yield from ("    " + line for line in operation.lines())
        yield "}"

    def run(self, values, notes, among):
        for odd, way in zip((1, 0), self.ways):
            mine = {k for k in among if k // self.size & 1 == odd}
            for operation in way:
                operation.run(values, notes, mine)


def kernel(random, name, _):
    threads = random.choice([64, 128, 128, 192, 256])
    items = [Split(random, threads) if random.random() < 0.4 else Operation(random, 128, threads) for _ in range(10)]
    start, factor = random.getrandbits(32), random.getrandbits(32) | 1
    values, notes = [(start + k * factor) & WORD for k in range(threads)], [[] for _ in range(threads)]
    for item in items:
        item.run(values, notes, set(range(threads)))
    for k in range(threads):
        notes[k].append(("the program's own shared memory", [sum(w * factor for w in range(k, OWN, threads)) & WORD]))

    def text(slots):
        tiles = "\n".join(f"    auto tile{s} = cg::tiled_partition<{s}>(block);" for s in SIZES if threads % s == 0)
        body = "\n".join("    " + line for item in items for line in item.lines())
        return f"""
__global__ void {name}(unsigned *out) {{
    __shared__ cg::block_tile_memory<{threads}> memory;
    __shared__ unsigned own[{OWN}];
    unsigned x = threadIdx.x, v = {start:#x}u + x * {factor:#x}u, r, sum = 0;
    for (unsigned k = x; k < {OWN}; k += {threads}) own[k] = k * {factor:#x}u;
    cg::thread_block block = cg::this_thread_block(memory);
    block.sync();
{tiles}
    out += x * {slots};
{body}
    block.sync();
    for (unsigned k = x; k < {OWN}; k += {threads}) sum += own[k];
    *out++ = sum;
}}
"""

    return Kernel(name, text, threads, notes)
