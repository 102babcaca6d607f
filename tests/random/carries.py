"""Kernels of extended-precision integers: chains over the carry flag, and 128-bit arithmetic.

The one carry flag is the carry-out of an adder. Subtracting adds the complement, so that after it the flag says that
nothing was borrowed, and subc borrows where the flag is 0; nvcc's own 128-bit division reads it with addc.
"""

from frame import Kernel, table

PRELUDE = r"""
typedef unsigned long long u64;
typedef unsigned __int128 u128;
typedef __int128 s128;
template <class T> static __device__ void put(unsigned *&out, T value) {
    for (size_t k = 0; k < sizeof(T); k += 4, value = (T)((u128)value >> 32)) *out++ = (unsigned)value;
}
"""

THREADS = 32
FIRST = ["add.cc", "sub.cc", "mad.lo.cc", "mad.hi.cc"]
LATER = ["addc.cc", "subc.cc", "madc.lo.cc", "madc.hi.cc", "addc", "subc", "madc.lo", "madc.hi", *FIRST]


def signed(x, width):
    return x - (1 << width) if x >> (width - 1) else x


def number(random, width):
    """A number in which carries, borrows and quotients of every length are likely."""
    kind = random.random()
    if kind < 0.3:
        return random.choice([0, 0, 1, 2, (1 << width) - 1, (1 << width) - 2, 1 << (width - 1), (1 << (width - 1)) - 1])
    x = random.getrandbits(random.randrange(1, width + 1))
    return x if kind < 0.8 else x ^ (1 << width) - 1


def words(value, width):
    return [value >> k & 0xffffffff for k in range(0, width, 32)]


class Link:
    """One instruction of a chain. Operands are names: x0.. are inputs, d0.. earlier results, of its width."""

    def __init__(self, random, place, earlier):
        self.width, self.place = random.choice([32, 32, 64]), place
        self.operation = random.choice(LATER if place else FIRST)
        self.sign = random.choice("us")
        self.guard = random.choice(["", "", "@p ", "@!p "]) if place else ""
        known = [f"x{k}" for k in range(3)] + [f"d{k.place}" for k in earlier if k.width == self.width]
        self.operands = [random.choice(known) if random.random() < 0.9 else "0"
                         for _ in range(3 if "mad" in self.operation else 2)]
        self.name = f"{self.operation}.{self.sign}{self.width}"

    def text(self):
        operands = ", ".join(o + f"_{self.width}" if o[0] == "x" else o for o in self.operands)
        return f"{self.guard}{self.name} d{self.place}, {operands};"

    def result(self, x, y, z, carry):
        """The result and the flag behind it."""
        mask, takes = (1 << self.width) - 1, self.operation.split(".")[0].endswith("c")
        if self.operation.startswith("add"):
            total = x + y + (carry if takes else 0)
        elif self.operation.startswith("sub"):
            total = x + (y ^ mask) + (carry if takes else 1)
        else:
            product = signed(x, self.width) * signed(y, self.width) if self.sign == "s" else x * y
            part = product >> self.width if ".hi" in self.operation else product
            total = (part & mask) + z + (carry if takes else 0)
        return total & mask, total >> self.width if self.operation.endswith(".cc") else carry


class Chain:
    """A block of assembly; its last link adds the flag to nothing."""

    def __init__(self, random):
        self.links = []
        for place in range(random.randrange(2, 8)):
            self.links.append(Link(random, place, self.links))
        last = Link(random, len(self.links), [])
        last.operation, last.guard, last.operands = "addc", "", ["0", "0"]
        last.name = f"addc.{last.sign}{last.width}"
        self.links.append(last)

    def lines(self, inputs):
        n = len(self.links)
        registers = "".join(f".reg .b{k.width} d{k.place}; mov.b{k.width} d{k.place}, 0; " for k in self.links)
        text = " ".join(k.text() for k in self.links)
        for k in range(3):
            text = text.replace(f"x{k}_32", f"%{n + k}").replace(f"x{k}_64", f"%{n + 3 + k}")
        ends = " ".join(f"mov.b{k.width} %{k.place}, d{k.place};" for k in self.links)
        out = ", ".join(f'"={"r" if k.width == 32 else "l"}"(r{k.place})' for k in self.links)
        yield "{"
        yield "    " + " ".join(f"{'unsigned' if k.width == 32 else 'u64'} r{k.place};" for k in self.links)
        yield f'    asm volatile("{{ .reg .pred p; setp.ne.u32 p, %{n + 6}, 0; {registers}"'
        yield f'                 "{text} {ends} }}" : {out}'
        yield "                 : " + ", ".join(
            [f'"r"((unsigned){i})' for i in inputs] + [f'"l"({i})' for i in inputs] + ['"r"(lane & 1)']) + ");"
        yield "    " + " ".join(f"put(out, r{k.place});" for k in self.links)
        yield "}"

    def notes(self, lane, inputs):
        carry, results, path = 0, {"0": 0}, []
        for k in self.links:
            d, mask = f"d{k.place}", (1 << k.width) - 1
            results[d] = 0
            path.append(k.guard + k.name)
            if k.guard in ("", "@p " if lane & 1 else "@!p "):
                x, y, z = [inputs[int(o[1])] & mask if o[0] == "x" else results[o] for o in [*k.operands, "0"][:3]]
                results[d], carry = k.result(x, y, z, carry)
            yield " ".join(path[-3:]), words(results[d], k.width)


def low_signed(x):
    return signed(x & (1 << 64) - 1, 64)


def quotient(x, y):
    """C's division truncates."""
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


# name: (bits of the result, C of u128 x and y and s128 sx and sy (sy is neither 0 nor -1), the same here)
WIDE = {
    "128-bit *": (128, "x * y", lambda x, y, sx, sy: x * y),
    "128-bit + of two differences": (128, "(x - y) + (x << 3) - (y << 7)",
                                     lambda x, y, sx, sy: x - y + (x << 3) - (y << 7)),
    "unsigned 128-bit /": (128, "y ? x / y : x", lambda x, y, sx, sy: x // y if y else x),
    "unsigned 128-bit %": (128, "y ? x % y : x", lambda x, y, sx, sy: x % y if y else x),
    "signed 128-bit /": (128, "(u128)(sx / sy)", lambda x, y, sx, sy: quotient(sx, sy)),
    "signed 128-bit %": (128, "(u128)(sx % sy)", lambda x, y, sx, sy: sx - quotient(sx, sy) * sy),
    "128-bit / by 64 bits": (128, "x / ((u64)y | 1)", lambda x, y, sx, sy: x // (y & (1 << 64) - 1 | 1)),
    "128-bit % by 32 bits": (128, "x % ((unsigned)y | 1)", lambda x, y, sx, sy: x % (y & 0xffffffff | 1)),
    "128-bit <<": (128, "x << (y & 127)", lambda x, y, sx, sy: x << (y & 127)),
    "unsigned 128-bit >>": (128, "x >> (y & 127)", lambda x, y, sx, sy: x >> (y & 127)),
    "signed 128-bit >>": (128, "(u128)(sx >> (y & 127))", lambda x, y, sx, sy: sx >> (y & 127)),
    "128-bit comparisons": (32, "(x < y) | (sx < sy) << 1 | (x == y) << 2 | (sx <= sy) << 3",
                            lambda x, y, sx, sy: (x < y) | (sx < sy) << 1 | (x == y) << 2 | (sx <= sy) << 3),
    "64-bit high half": (64, "__umul64hi((u64)x, (u64)y)",
                         lambda x, y, sx, sy: (x & (1 << 64) - 1) * (y & (1 << 64) - 1) >> 64),
    "signed 64-bit high half": (64, "(u64)__mul64hi((long long)x, (long long)y)",
                                lambda x, y, sx, sy: low_signed(x) * low_signed(y) >> 64),
    "64-bit / and %": (64, "(u64)x / ((u64)y | 1) ^ (u64)(x >> 64) % ((u64)y | 2)",
                       lambda x, y, sx, sy: (x & (1 << 64) - 1) // (y & (1 << 64) - 1 | 1)
                       ^ (x >> 64) % (y & (1 << 64) - 1 | 2)),
    "signed 64-bit /": (64, "(u64)((long long)x / ((long long)y & 0x7fffffffffffff | 2))",
                        lambda x, y, sx, sy: quotient(low_signed(x), y & 0x7fffffffffffff | 2)),
}


class Wide:
    def __init__(self, random):
        self.name = random.choice(list(WIDE))
        self.bits, self.c, self.value = WIDE[self.name]

    def lines(self, inputs):
        kind = {32: "unsigned", 64: "u64", 128: "u128"}[self.bits]
        yield "{"
        yield f"    u128 x = (u128){inputs[0]} << 64 | {inputs[1]}, y = (u128){inputs[2]} << 64 | {inputs[0]};"
        yield f"    if ({inputs[1]} & 1) y = {inputs[2]};"
        yield "    s128 sx = (s128)x, sy = (s128)y < 0 && (s128)y >= -2 || !y ? 3 : (s128)y;"
        yield f"    put(out, ({kind})({self.c}));"
        yield "}"

    def notes(self, lane, inputs):
        a, b, c = inputs
        x, y = a << 64 | b, c if b & 1 else c << 64 | a
        sx, sy = signed(x, 128), 3 if y == 0 or signed(y, 128) in (-1, -2) else signed(y, 128)
        yield self.name, words(int(self.value(x, y, sx, sy)) & (1 << self.bits) - 1, self.bits)


def kernel(random, name, _):
    items = [(Chain if random.random() < 0.6 else Wide)(random) for _ in range(12)]
    numbers = [[number(random, 64) for _ in range(THREADS)] for _ in range(5)]
    chosen = [random.sample(range(len(numbers)), 3) for _ in items]
    notes = [[note for item, c in zip(items, chosen) for note in item.notes(lane, [numbers[k][lane] for k in c])]
             for lane in range(THREADS)]

    def text(slots):
        body = "\n".join("    " + line for item, c in zip(items, chosen) for line in item.lines([f"n{k}" for k in c]))
        tables = "\n".join(table("u64", f"{name}_n{k}", row) for k, row in enumerate(numbers))
        loads = ", ".join(f"n{k} = {name}_n{k}[lane]" for k in range(len(numbers)))
        return f"{tables}\n__global__ void {name}(unsigned *out) {{\n    unsigned lane = threadIdx.x;\n" \
               f"    u64 {loads};\n    out += lane * {slots};\n{body}\n}}\n"

    return Kernel(name, text, THREADS, notes)
