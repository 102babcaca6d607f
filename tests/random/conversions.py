"""Kernels of conversions: cvt between all types, in all roundings, of values where a wrong one shows.

A number is here (negative, magnitude) with an exact magnitude, infinity, or None for NaN; one rounding serves all.
"""

from fractions import Fraction
from math import floor, inf

from carries import number, signed, words
from frame import Kernel, table

PRELUDE = r"""
typedef unsigned short u16;
typedef unsigned u32;
// Which NaN comes out is the machine's own matter, and so is the sign of a saturated zero.
template <class T> static __device__ T canonical(T x, T infinity, T kept) {
    return (x & (T)~((T)1 << (sizeof(T) * 8 - 1))) > infinity ? (T)~((T)1 << (sizeof(T) * 8 - 1)) : (T)(x & kept);
}
"""

THREADS = 32
PARTS = 5  # kernels that share the conversions
INTEGERS = [sign + bits for bits in ("8", "16", "32", "64") for sign in "us"]
ROUNDINGS = ["rn", "rz", "rm", "rp"]


class Format:
    """A binary floating-point format: its width, and the bits of its fraction."""

    def __init__(self, width, fraction):
        self.width, self.fraction = width, fraction
        self.exponents = (1 << (width - 1 - fraction)) - 1
        self.bias = self.exponents >> 1
        self.infinity, self.sign = self.exponents << fraction, 1 << (width - 1)
        self.nan = self.sign - 1

    def decode(self, bits):
        negative, rest = bool(bits & self.sign), bits & ~self.sign
        if rest >= self.infinity:
            return None if rest > self.infinity else (negative, inf)
        exponent, fraction = rest >> self.fraction, rest & (1 << self.fraction) - 1
        if exponent:
            fraction |= 1 << self.fraction
        return negative, fraction * Fraction(2) ** (max(exponent, 1) - self.bias - self.fraction)

    def encode(self, x, rounding):
        if x is None:
            return self.nan
        negative, magnitude = x
        sign = self.sign if negative else 0
        if magnitude == inf:
            return sign | self.infinity
        exponent = max(exponent_of(magnitude), 1 - self.bias)
        count = integral((negative, magnitude / Fraction(2) ** (exponent - self.fraction)), rounding)
        # Whole units in the last place, from the format's smallest exponent up: the bits themselves.
        bits = count + (exponent - 1 + self.bias << self.fraction) if magnitude else 0
        if bits < self.infinity:
            return sign | bits
        down = rounding == "rz" or rounding == ("rp" if negative else "rm")
        return sign | self.infinity - down


FLOATS = {"f16": Format(16, 10), "bf16": Format(16, 7), "f32": Format(32, 23), "f64": Format(64, 52)}


def exponent_of(magnitude):
    """The power of two at or below it."""
    if not magnitude:
        return -10000
    n, d = magnitude.numerator, magnitude.denominator
    e = n.bit_length() - d.bit_length()
    return e if Fraction(2) ** e <= magnitude else e - 1


def integral(x, rounding):
    """The magnitude as a whole number. rna: to nearest, ties away from zero."""
    negative, magnitude = x
    whole = floor(magnitude)
    rest, mode = magnitude - whole, rounding[:2]
    if rounding == "rna":
        return whole + (rest >= Fraction(1, 2))
    if mode == "rn":
        return whole + (rest > Fraction(1, 2) or rest == Fraction(1, 2) and whole & 1)
    return whole + (rest > 0 and mode == ("rm" if negative else "rp"))


def limits(integer):
    bits = int(integer[1:])
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if integer[0] == "s" else (0, (1 << bits) - 1)


def to_integer(x, to, rounding, wide_source):
    least, most = limits(to)
    bits = int(to[1:])
    if x is None:
        return least or 1 << bits - 1 if wide_source or bits == 64 else 0
    negative, magnitude = x
    if magnitude == inf:
        return least if negative else most
    whole = integral(x, rounding)
    return min(max(-whole if negative else whole, least), most)


def saturated(x):
    """Into 0 to 1."""
    if x is None or x[0]:
        return False, Fraction(0)
    return False, min(x[1], Fraction(1))


class Conversion:
    def __init__(self, to, source, rounding="", modifier=""):
        self.to, self.source, self.rounding, self.modifier = to, source, rounding, modifier
        self.name = ".".join(["cvt", *filter(None, [rounding, modifier]), to, source])

    def value(self, bits):
        """The bits of the result in its register."""
        if self.source in INTEGERS:
            width = int(self.source[1:])
            whole = bits & (1 << width) - 1
            whole = signed(whole, width) if self.source[0] == "s" else whole
            x = whole < 0, Fraction(abs(whole))
        else:
            x = FLOATS[self.source].decode(bits)
            if self.modifier == "ftz" and self.source == "f32":
                x = flushed(x)
        if self.to in INTEGERS and self.source in INTEGERS:
            return self.between(whole)
        if self.to in INTEGERS:
            return to_integer(x, self.to, self.rounding, self.source == "f64")
        return self.to_float(x)

    def between(self, whole):
        least, most = limits(self.to)
        if self.modifier == "sat":
            return min(max(whole, least), most)
        whole &= (1 << int(self.to[1:])) - 1
        return signed(whole, int(self.to[1:])) if self.to[0] == "s" else whole

    def to_float(self, x):
        if self.rounding.endswith("i") and x and x[1] != inf:
            x = x[0], Fraction(integral(x, self.rounding))
        if self.modifier == "sat":
            x = saturated(x)
        f = FLOATS[self.to]
        bits = f.encode(x, self.rounding or "rn")
        if self.modifier == "ftz" and self.to == "f32" and 0 < bits & f.nan < 1 << f.fraction:
            bits &= f.sign
        return bits

    # ---- the same in C

    def line(self, source):
        to, width = register(self.to)
        call = f'asm("{self.name} %0, %1;" : "={to}"(r) : "{register(self.source)[0]}"({source}));'
        shown = "r"
        if self.to in FLOATS:
            f = FLOATS[self.to]
            kept = f.nan if self.modifier == "sat" else f.nan | f.sign
            shown = f"canonical<u{width}>(r, {f.infinity:#x}, {kept:#x})"
        return f"{{ u{width} r; {call} put(out, {shown}); }}"

    def notes(self, bits):
        width = max(register(self.to)[1], 32)
        value = self.value(bits)
        if self.to[0] == "s" and self.to != "s16" or self.to[0] == "u":
            value &= (1 << width) - 1
        elif self.to == "s16":
            value &= 0xffff
        return self.name, words(value, width)


class Pack:
    """Two singles into halves of a word, or one into a TF32."""

    def __init__(self, to, rounding):
        self.to, self.rounding, self.source = to, rounding, "f32"
        self.name = f"cvt.{rounding}.{to}.f32"

    def line(self, source):
        other = f"({source} ^ 0x80000001u)"
        if self.to == "tf32":
            return f'{{ u32 r; asm("{self.name} %0, %1;" : "=r"(r) : "r"({source})); put(out, ' \
                   "canonical<u32>(r, 0x7f800000, 0xffffe000)); }"
        limit = hex(FLOATS[self.to[:-2]].infinity)
        return f'{{ u32 r; asm("{self.name} %0, %1, %2;" : "=r"(r) : "r"({source}), "r"{other}); ' \
               f"put(out, (u32)canonical<u16>(r >> 16, {limit}, 0xffff) << 16 | canonical<u16>(r, {limit}, 0xffff)); }}"

    def notes(self, bits):
        x = FLOATS["f32"].decode(bits)
        if self.to == "tf32":
            return self.name, [Format(19, 10).encode(x, self.rounding) << 13 if x else 0x7fffffff]
        f, y = FLOATS[self.to[:-2]], FLOATS["f32"].decode(bits ^ 0x80000001)
        return self.name, [f.encode(x, self.rounding) << 16 | f.encode(y, self.rounding)]


def flushed(x):
    return (x[0], Fraction(0)) if x and x[1] < Fraction(2) ** -126 else x


def register(kind):
    """The letter of its asm constraint and the register's width."""
    width = int(kind.lstrip("usbf"))
    return ("h", 16) if width == 16 else ("l", 64) if width == 64 else ("r", 32)


def all_conversions():
    for to in INTEGERS:
        for source in INTEGERS:
            yield Conversion(to, source)
            if limits(source)[0] < limits(to)[0] or limits(source)[1] > limits(to)[1]:
                yield Conversion(to, source, modifier="sat")
    for f in FLOATS:
        for integer in INTEGERS:
            if f == "bf16" and integer[1:] == "8":
                continue
            for r in ROUNDINGS:
                yield Conversion(integer, f, r + "i")
                yield Conversion(f, integer, r)
                if f != "bf16":
                    yield Conversion(f, integer, r, "sat")
                if f == "f32":
                    yield Conversion(integer, f, r + "i", "ftz")
        for r in ROUNDINGS:
            yield Conversion(f, f, r + "i")
            if f != "bf16":
                yield Conversion(f, f, r + "i", "sat")
    yield from between_floats()
    for to in ("f16x2", "bf16x2", "tf32"):
        yield from (Pack(to, r) for r in ("rn", "rz"))
    yield Pack("tf32", "rna")


def between_floats():
    for to, source in [("f32", "f64"), ("f16", "f64"), ("f16", "f32")]:
        for r in ROUNDINGS:
            yield Conversion(to, source, r)
            yield Conversion(to, source, r, "sat")
        yield Conversion(source, to)
        yield Conversion(source, to, modifier="sat")
    for to, source in [("bf16", "f64"), ("bf16", "f32"), ("bf16", "f16"), ("f16", "bf16")]:
        yield from (Conversion(to, source, r) for r in ROUNDINGS)
    yield from (Conversion("f32", "f64", r, "ftz") for r in ROUNDINGS)
    yield from (Conversion(to, "bf16") for to in ("f32", "f64"))
    yield from (Conversion(to, "f32", modifier="ftz") for to in ("f32", "f64"))


ALL = list(all_conversions())


# ---- values

def single_value(random, f):
    """Bits of a number of the format."""
    kind = random.random()
    sign = random.choice([0, f.sign])
    if kind < 0.25:
        one = f.bias << f.fraction
        return sign | random.choice([0, 1, (1 << f.fraction) - 1, 1 << f.fraction, f.infinity - 1, f.infinity,
                                     f.infinity + 1, f.infinity | 1 << (f.fraction - 1), f.nan, one, one - 1, one + 1])
    if kind < 0.45:  # at halves
        return f.encode((bool(sign), Fraction(random.randrange(0, 40), random.choice([2, 4]))), "rz")
    if kind < 0.65:  # at the ends of integers
        end = Fraction(2) ** random.choice([7, 8, 15, 16, 31, 32, 63, 64]) + Fraction(random.randrange(-4, 5), 4)
        return max(f.encode((bool(sign), end), "rn") + random.randrange(-1, 2), 0)
    if kind < 0.85:  # halfway between numbers of a narrower format
        g = random.choice([g for g in FLOATS.values() if g.fraction <= f.fraction])
        bits = random.randrange(g.infinity)
        x, y = g.decode(bits), g.decode(bits + 1)
        middle = x[1] if y[1] == inf else (x[1] + y[1]) / 2
        return max(f.encode((bool(sign), middle), "rz") + random.randrange(-1, 2), 0)
    return random.getrandbits(f.width)


def integer_value(random, width):
    """Bits of an integer, often one that lies halfway between numbers of some format."""
    if random.random() < 0.5:
        return number(random, width)
    shift = random.randrange(1, max(width - 8, 2))
    return (random.getrandbits(width - shift) << shift | 1 << shift - 1) + random.randrange(-1, 2) & (1 << width) - 1


def values(random, source):
    if source in FLOATS:
        return [single_value(random, FLOATS[source]) for _ in range(THREADS)]
    width = int(source[1:])
    above = random.getrandbits(24) << 8 if width == 8 else 0  # what is above a byte in its register is not looked at
    return [integer_value(random, width) | above for _ in range(THREADS)]


def kernel(random, name, number):
    chosen = ALL[number::PARTS]
    pools = {source: values(random, source) for source in [*INTEGERS, *FLOATS]}
    notes = [[c.notes(pools[c.source][lane]) for c in chosen] for lane in range(THREADS)]

    def text(slots):
        tables = "\n".join(table(f"u{register(s)[1]}", f"{name}_{s}", row) for s, row in pools.items())
        body = "\n".join("    " + c.line(f"{name}_{c.source}[lane]") for c in chosen)
        return f"{tables}\n__global__ void {name}(unsigned *out) {{\n    unsigned lane = threadIdx.x;\n" \
               f"    out += lane * {slots};\n{body}\n}}\n"

    return Kernel(name, text, THREADS, notes)
