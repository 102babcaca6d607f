"""Where whole blocks meet: barriers, memory that they share, and atomics whose order does not matter."""

from functools import reduce
from math import gcd

from language import WORD, Arrival


def together(t, brings=None, results=lambda brings: dict.fromkeys(brings)):
    """All threads of the block meet."""
    return Arrival(range(t.block.count), "barrier", brings, results)


class BlockMeet:
    """A barrier to which the threads of a warp may come on different paths."""

    def lines(self):
        yield "barrier();"

    def run(self, t):
        yield together(t)


class Exchange:
    """Each thread writes one word of shared memory and reads another's; the barrier between may count or vote."""

    KINDS = {
        "__syncthreads": ("__syncthreads()", lambda words: 0),
        "__syncthreads_count": ("__syncthreads_count(t.{v} & 1)", lambda words: sum(w & 1 for w in words)),
        "__syncthreads_and": ("!!__syncthreads_and(t.{v} & 15)", lambda words: all(w & 15 for w in words)),
        "__syncthreads_or": ("!!__syncthreads_or(!(t.{v} & 31))", lambda words: any(not w & 31 for w in words)),
    }

    def __init__(self, random, threads, value, into):
        self.threads, self.value, self.into = threads, value, into
        self.first = self.size(threads) - threads - 1
        self.factor = random.choice([k for k in range(1, threads) if gcd(k, threads) == 1])
        self.offset, self.kind = random.randrange(threads), random.choice(list(self.KINDS))

    @staticmethod
    def size(threads):
        """Words of shared memory: a box for each lane, a word for each thread, one for atomics."""
        return (threads + 31) // 32 * 32 + threads + 1

    def lines(self):
        call = self.KINDS[self.kind][0].format(v=self.into)
        yield f"t.shared[{self.first} + t.tid * {self.factor} % {self.threads}] = {self.value.c};"
        yield f"{call};" if self.kind == "__syncthreads" else f"note(t, t.{self.into}, {call});"
        yield f"note(t, t.{self.into}, t.shared[{self.first} + (t.tid + {self.offset}) % {self.threads}]);"
        yield "__syncthreads();"

    def run(self, t):
        t.block.shared[t.tid * self.factor % self.threads] = self.value.value(t)

        def results(brings):
            return dict.fromkeys(brings, self.KINDS[self.kind][1](brings.values()))

        r = yield together(t, t.vars[self.into], results)
        if self.kind != "__syncthreads":
            t.note(self.kind, self.into, r)
        t.note("shared memory of another thread", self.into, t.block.shared[(t.tid + self.offset) % self.threads])
        yield together(t)


class Atomics:
    """Some threads do an atomic operation on one word, in any order; then all read it. word: of global memory."""

    KINDS = {
        "atomicAdd": lambda x, y: x + y & WORD, "atomicSub": lambda x, y: x - y & WORD, "atomicMin": min,
        "atomicMax": max, "atomicAnd": lambda x, y: x & y, "atomicOr": lambda x, y: x | y,
        "atomicXor": lambda x, y: x ^ y, "by_cas": lambda x, y: x + y & WORD,
    }

    def __init__(self, random, threads, value, into, word=None):
        self.word, self.value, self.into = word or f"t.shared[{Exchange.size(threads) - 1}]", value, into
        self.first, self.kind = random.getrandbits(32), random.choice(list(self.KINDS))
        self.among = random.choice([0, 1, 3, 6])

    def lines(self):
        word = self.word
        yield f"if (t.tid == 0) {word} = {self.first:#x}u;"
        yield "__syncthreads();"
        yield f"if ((t.lane & {self.among}) == 0) {self.kind}(&{word}, {self.value.c});"
        yield "__syncthreads();"
        yield f"note(t, t.{self.into}, {word});"
        yield "__syncthreads();"

    def run(self, t):
        def results(brings):
            values = [v for v in brings.values() if v is not None]
            return dict.fromkeys(brings, reduce(self.KINDS[self.kind], values, self.first))

        r = yield together(t, None if t.lane & self.among else self.value.value(t), results)
        t.note(self.kind, self.into, r)
