"""Kernels whose warps talk under divergent control.

In each round the lanes of a warp are parted into groups. The lanes of a group do the same steps in the same order,
each with the group's mask, but on paths of their own: on both sides of branches, in loops left early, in functions
called directly, through pointers and by themselves. Between rounds whole blocks meet.
"""

from barriers import Atomics, BlockMeet, Exchange
from frame import Kernel
from language import (Binary, Block, Call, Const, End, For, Function, If, Late, Set, Table, Thread, Var,
                      indented)
from meetings import WARP, Meet, mask_of

FULL = frozenset(range(32))
NAMES = "abcd"
LANE, INDEX, EXIST = Var("lane"), Var("i"), Var("exist")


class Repeat:
    """A step that is done several times, with t.i as its number."""

    def __init__(self, step, times):
        self.step, self.times = step, times


class Conversation:
    """Makes the statements of one kernel."""

    def __init__(self, random, name, threads):
        self.random, self.name, self.threads = random, name, threads
        self.definitions, self.count = [], 0

    # ---- small things

    def fresh(self, kind):
        self.count += 1
        return f"{self.name}_{kind}{self.count}"

    def variable(self):
        return Var(self.random.choice(NAMES))

    def expression(self, depth=2):
        r = self.random
        if depth == 0 or r.random() < 0.2:
            return r.choice([self.variable(), self.variable(), LANE, INDEX, Var("tid"), Const(r.getrandbits(32))])
        operator = r.choice("+-*^&|")
        if r.random() < 0.2:
            return Binary(r.choice(["<<", ">>"]), self.expression(depth - 1), Const(r.randrange(32)))
        return Binary(operator, self.expression(depth - 1), self.expression(depth - 1))

    def noise(self, depth=2):
        """Statements without a meeting, which make lanes late."""
        r, out = self.random, []
        for _ in range(r.randrange(3)):
            kind = r.random()
            if depth and kind < 0.2:
                out.append(If(self.condition()[0], self.noise(depth - 1), self.noise(depth - 1)))
            elif depth and kind < 0.4:
                out.append(For(f"n{depth}", Binary("&", self.expression(1), Const(3)),
                               [Set(r.choice(NAMES), self.expression())]))
            else:
                out.append(Set(r.choice(NAMES), self.expression()))
        return out

    def condition(self):
        """A condition, and the lanes for which it holds if that is known."""
        r = self.random
        if r.random() < 0.35:
            return Binary("==", Binary("&", self.variable(), Const(r.choice([1, 3]))), Const(r.randrange(2))), None
        kind = r.choice(["one", "below", "bit", "any"])
        if kind == "one":
            k = r.choice([0, 0, 31, r.randrange(32)])
            return Binary("==", LANE, Const(k)), frozenset([k])
        if kind == "below":
            k = r.randrange(1, 32)
            return Binary("<", LANE, Const(k)), frozenset(range(k))
        if kind == "bit":
            k = 1 << r.randrange(5)
            return Binary("&", LANE, Const(k)), frozenset(x for x in FULL if x & k)
        mask = r.getrandbits(32)
        return (Binary("&", Binary(">>", Const(mask), LANE), Const(1)), frozenset(x for x in FULL if mask >> x & 1))

    # ---- groups

    def partition(self):
        """Groups of lanes, and the mask of its group as an expression of the lane."""
        r = self.random
        kind = r.choice(["full", "full", "tiles", "alone", "labels"])
        if kind == "full":
            return [FULL], Const(mask_of(FULL))
        if kind == "tiles":
            size = r.choice([2, 4, 8, 16])
            groups = [frozenset(range(x, x + size)) for x in range(0, 32, size)]
            return groups, Binary("<<", Const((1 << size) - 1), Binary("&", LANE, Const(32 - size)))
        if kind == "alone":
            k = r.randrange(32)
            groups = [frozenset([k]), FULL - {k}]
        else:
            labels = [r.randrange(r.choice([2, 3, 5])) for _ in range(32)]
            groups = [frozenset(x for x in FULL if labels[x] == label) for label in set(labels)]
        table = Lookup(self.fresh("masks"), [mask_of(next(g for g in groups if x in g)) for x in range(32)])
        self.definitions.append(table)
        return groups, table.at(LANE)

    def step(self):
        r = self.random
        if r.random() < 0.12:
            return Barrier()
        name = r.choice(list(WARP))
        value = r.choice([self.variable(), self.expression()])
        parameter = r.choice([Const(1 << r.randrange(5)), Binary(">>", Const(16), INDEX), self.expression(1)])
        step = name, value, parameter, r.choice(NAMES)
        return Repeat(step, r.randrange(2, 6)) if r.random() < 0.35 else step

    # ---- paths

    def paths(self, steps, groups, lanes, depth=3):
        """Statements in which the lanes (None: whichever they are) do all the steps in their order."""
        r = self.random
        if len(steps) > 1 and r.random() < 0.75:
            k = r.randrange(1, len(steps))
            return [*self.paths(steps[:k], groups, lanes, depth), *self.noise(),
                    *self.paths(steps[k:], groups, lanes, depth)]
        if depth and (len(steps) > 1 or r.random() < 0.6):
            shape = r.choice([self.branch, self.branch, self.late, self.call, self.pointers])
            return shape(steps, groups, lanes, depth - 1)
        return [s for step in steps for s in self.straight(step, groups, lanes)]

    def branch(self, steps, groups, lanes, depth):
        condition, true = self.condition()
        known = lanes is not None and true is not None
        yes = self.paths(steps, groups, lanes & true if known else None, depth)
        return [If(condition, yes, [*self.noise(), *self.paths(steps, groups, lanes - true if known else None, depth)])]

    def late(self, steps, groups, lanes, depth):
        turns = Binary("&", self.random.choice([LANE, self.variable()]), Const(3))
        return [Late(self.fresh("late"), turns, self.noise(1), self.paths(steps, groups, lanes, depth))]

    def function(self, statements):
        self.definitions.append(Function(self.fresh("f"), statements))
        return self.definitions[-1]

    def call(self, steps, groups, lanes, depth):
        return [Call([self.function(self.paths(steps, groups, lanes, depth))])]

    def pointers(self, steps, groups, lanes, depth):
        functions = [self.function(self.paths(steps, groups, None, depth)) for _ in range(2)]
        table = Table(self.fresh("table"), functions)
        self.definitions.append(table)
        return [Call(functions, Binary("&", self.random.choice([LANE, self.variable()]), Const(1)), table.name)]

    def straight(self, step, groups, lanes):
        r = self.random
        if isinstance(step, Barrier):
            return [BlockMeet()]
        if not isinstance(step, Repeat):
            return [self.meet(step, groups, lanes)]
        shape = r.choice(["loop", "unrolled", "recursion"])
        if shape == "loop":
            return [For("i", Const(step.times), [*self.noise(1), self.meet(step.step, groups, lanes)])]
        if shape == "unrolled":
            return [s for i in range(step.times) for s in (Set("i", Const(i)), self.meet(step.step, groups, lanes))] + [
                Set("i", Const(step.times))]
        f = Function(self.fresh("recursion"))
        again = [*self.noise(1), self.meet(step.step, groups, lanes), Set("i", Binary("+", INDEX, Const(1))), Call([f])]
        f.body = [If(Binary("<", INDEX, Const(step.times)), again)]
        self.definitions.append(f)
        return [Set("i", Const(0)), Call([f])]

    def meet(self, step, groups, lanes):
        name, value, parameter, into = step
        mask = Var("mask")
        if lanes is not None and self.random.random() < 0.5:
            mine = [g for g in groups if lanes and lanes <= g]
            mask = Const(mask_of(mine[0])) if mine else mask
        return Meet(name, mask, value, parameter, into)

    # ---- rounds

    def round(self, block):
        groups, mask = self.partition()
        begin = [Set("mask", mask), Set("live", Binary("&", mask, EXIST))]
        steps = [self.step() for _ in range(self.random.randrange(2, 5))]
        if not block:
            steps = [s for s in steps if not isinstance(s, Barrier)] or [("vote.sync.ballot", LANE, LANE, "a")]
        return begin + self.noise() + self.paths(steps, groups, FULL)

    def whole_block(self):
        """All threads meet, and tell each other something through memory."""
        r, value, into = self.random, self.expression(1), self.random.choice(NAMES)
        if r.random() < 0.5:
            return [*self.noise(), Exchange(r, self.threads, value, into)]
        word = r.choice([None, Word(self.fresh("word"))])
        self.definitions += [word] if word else []
        return [*self.noise(), Atomics(r, self.threads, value, into, word and word.name)]

    def ending(self):
        """Some lanes end, and stay in the masks of the others."""
        condition, lanes = self.condition()
        if lanes is None or len(lanes) > 24:
            return []
        stay = Const(~mask_of(lanes))
        return [If(condition, [*self.noise(), End()]), Set("exist", Binary("&", EXIST, stay))]

    def body(self):
        r, out = self.random, []
        for _ in range(r.randrange(2, 4)):
            out += self.round(True)
            if r.random() < 0.5:
                out += self.whole_block()
        return out + self.ending() + self.round(False)


class Barrier:
    """A step of a round in which the whole block meets, from wherever its threads are."""


class Word:
    """A word of global memory."""

    def __init__(self, name):
        self.name = name

    def lines(self):
        yield f"static __device__ unsigned {self.name};"


class Lookup:
    """A constant table with a word for each lane."""

    def __init__(self, name, words):
        self.name, self.words = name, words

    def lines(self):
        yield f"static __device__ const unsigned {self.name}[32] = {{{', '.join(f'{w:#x}' for w in self.words)}}};"

    def at(self, index):
        return Element(self, index)


class Element:
    def __init__(self, table, index):
        self.table, self.index, self.c = table, index, f"{table.name}[{index.c}]"

    def value(self, t):
        return self.table.words[self.index.value(t)]


FRAME = """
__global__ void {name}(unsigned *out) {{
    __shared__ unsigned shared[{shared}];
    unsigned x = threadIdx.x, lane = x & 31, exist = {threads}u - (x & ~31u);
    Thread t = {{x, lane, x >> 5, 0, 0, exist < 32 ? (1u << exist) - 1 : ~0u, {start}, out + x * {slots}, shared}};
{body}
}}
"""


def kernel(random, name, _):
    threads = random.choice([32, 32, 64, 96, 7, 20, 50, 97])
    made = Conversation(random, name, threads)
    body = made.body()
    factors = [(random.getrandbits(32), random.getrandbits(32) | 1) for _ in NAMES]
    block = Block(threads)
    for tid in range(threads):
        lanes = min(32, threads - (tid & ~31))
        block.threads.append(Thread(block, tid, {
            "tid": tid, "lane": tid % 32, "warp": tid // 32, "mask": 0, "live": 0, "exist": (1 << lanes) - 1, "i": 0,
            **{n: (k + tid * f) & 0xffffffff for n, (k, f) in zip(NAMES, factors)}}))
    block.execute(body)
    start = ", ".join(f"{k:#x}u + x * {f:#x}u" for k, f in factors)

    def text(slots):
        definitions = "\n".join(line for d in made.definitions for line in d.lines())
        return definitions + FRAME.format(name=name, shared=Exchange.size(threads), threads=threads, start=start,
                                          slots=slots, body="\n".join(indented(body)))

    return Kernel(name, text, threads, [t.notes for t in block.threads])
