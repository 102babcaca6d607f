"""What a parameter of a generated function is, and the C that takes it from the program to the driver and back."""

from spec import SCALARS, plain_type


class Role:
    """One parameter. p is the API's profile; a method that has nothing to say returns none."""

    kind = ""
    to_host = to_guest = False

    def __init__(self, function, param, base, wire, count=""):
        self.function, self.param, self.name, self.base, self.wire = function, param, param.name, base, wire
        self.field = param.name.lower()
        self.count, _, less = count.partition("-")
        self.minus = int(less or 0)
        self.words = function.words.get(param.name, set())

    @property
    def optional(self):
        return "optional" in self.words

    # ---- the size of an array, by a parameter or a number

    @property
    def fixed(self):
        return self.count.isdigit()

    def elements(self, count):
        if self.fixed or not count:
            return self.count or None
        return f"((size_t){count} - {self.minus})" if self.minus else f"(size_t){count}"

    def size(self, count):
        """C: the bytes that travel."""
        return f"sizeof({self.base})" + (f" * {self.elements(count)}" if self.count else "")

    def too_many(self, count):
        """C conditions: the count is none that can be."""
        if not self.count or self.fixed:
            return []
        return [f"(uint64_t){count} > HAWSER_MAX_ELEMENTS"] + ([f"{count} < {self.minus}"] if self.minus else [])

    @property
    def told(self):
        """C, on the host: the count that came."""
        return f"m->{self.count.strip('*').lower()}"

    def said(self, p):
        """What api.h's enum hawser_role says of it."""
        return (["address"] if self.base in p.addresses or "address" in self.words else []) + \
            sorted(self.words & {"takes", "frees"})

    # ---- C, in the guest

    def refuses(self, p):
        """Conditions under which the arguments are wrong."""
        return ([f"!{self.name}"] if self.pointer and not self.optional else []) + self.too_many(self.count)

    pointer = False

    def fill(self, p):
        return []

    def take(self, p):
        """What is done with a successful reply."""
        return []

    # ---- C, on the host

    def declare(self, p):
        return []

    def look_up(self, p):
        """An expression that gives the API's result."""
        return None

    def wrong(self, p):
        return []

    def arg(self, p):
        raise NotImplementedError

    def answer(self, p):
        return []


class In(Role):
    kind, to_host = "in", True

    @property
    def cast(self):
        return "(uintptr_t)" if self.base == "void *" else ""

    def fill(self, p):
        return [f"m.{self.field} = {self.cast}{self.name};"]

    def arg(self, p):
        return f"({self.base}){self.cast}m->{self.field}"


class Out(Role):
    kind, to_guest, pointer = "out", True, True

    def take(self, p):
        return [(f"if ({self.name}) " if self.optional else "") + f"*{self.name} = ({self.base})reply->{self.field};"]

    def declare(self, p):
        return [f"{self.base} {self.name} = {{0}};"]

    def arg(self, p):
        return f"&{self.name}"

    def answer(self, p):
        return [f"reply.{self.field} = {self.name};"]


class Handle(Role):
    kind, to_host = "handle", True

    @property
    def gone(self):
        return "gone" in self.words

    def said(self, p):
        return ["gone" if self.gone else "handle"]

    def fill(self, p):
        return [f"r = {p.handle_number(self)};", f"if (r != {p.ok}) return r;"]

    def declare(self, p):
        return [f"{self.base} {self.name} = {{0}};"]

    def look_up(self, p):
        return p.handle(self)

    def arg(self, p):
        return self.name


class New(Out):
    """A handle that the guest mints: its number goes to the host, which gives it its meaning."""

    kind, to_host, to_guest = "new", True, False

    def said(self, p):
        return ["new"]

    def fill(self, p):
        return [f"made = shim_object_new({self.object}, &c);", f"if (!made) return {p.no_memory};",
                f"m.{self.field} = made->id;"]

    def take(self, p):
        return []

    def answer(self, p):
        return [f"if (r == {p.ok}) r = served_bind(c, {self.object}, m->{self.field}, (void *)(uintptr_t){self.name});"]


class Text(In):
    kind, pointer = "text", True

    def fill(self, p):
        return [f"m.{self.field} = (char *){self.name};"]

    def arg(self, p):
        return f"m->{self.field}"


class Value(Role):
    """A structure as its bytes."""

    kind, to_host = "value", True
    of = "&"

    def fill(self, p):
        return [f"m.{self.field} = (ProtobufCBinaryData){{{self.size(self.count)}, (uint8_t *){self.of}{self.name}}};"]

    def wrong(self, p):
        return self.too_many(self.told) + [f"m->{self.field}.len != {self.size(self.told)}"]

    def arg(self, p):
        return f"*({self.base} *)m->{self.field}.data"


class Block(Value):
    """A structure or an array that is read."""

    kind, pointer, of = "block", True, ""

    def arg(self, p):
        return f"({self.base} *)m->{self.field}.data"


class Fill(Role):
    """A structure or an array that is written. With a[*n] the array may be missing where *n is 0."""

    kind, to_guest = "fill", True

    @property
    def pointer(self):
        return not self.count.startswith("*")

    def refuses(self, p):
        return super().refuses(p) + ([] if self.pointer else [f"({self.count} && !{self.name})"])

    def take(self, p):
        present = f"{self.name} && " if self.optional else ""
        return [f"if ({present}!shim_take({self.name}, {self.size(self.count)}, &reply->{self.field})) r = {p.unknown};"]

    @property
    def counted(self):
        return self.count and not self.fixed

    def declare(self, p):
        if self.counted:
            return [f"{self.base} *{self.name} = NULL;"]
        return [f"{self.base} {self.name}{f'[{self.count}]' if self.count else ''} = {{0}};"]

    def wrong(self, p):
        return self.too_many(self.told)

    @property
    def allocate(self):
        """C: the room for it, of the call's memory."""
        return f"{self.name} = served_alloc(c, ((size_t){self.told} + 1) * sizeof *{self.name})" if self.counted else None

    def arg(self, p):
        return self.name if self.count else f"&{self.name}"

    def answer(self, p):
        of = "" if self.count else "&"
        return [f"reply.{self.field} = (ProtobufCBinaryData){{{self.size(self.told)}, (uint8_t *){of}{self.name}}};"]


class Both(Block):
    """An array that is read and written."""

    kind, to_guest = "both", True
    take = Fill.take

    def arg(self, p):
        return f"(void *)m->{self.field}.data"

    def answer(self, p):
        return [f"reply.{self.field} = m->{self.field};"]


class Versioned(Both):
    """A structure that holds its own size in its first word, read and written."""

    kind = "versioned"

    def size(self, count):
        return f"nvml_sized({self.name})"

    def fill(self, p):
        return [f"if (!nvml_sized({self.name})) return {p.mismatch};", *super().fill(p)]

    def wrong(self, p):
        return [f"m->{self.field}.len < sizeof(unsigned)", f"nvml_sized(m->{self.field}.data) != m->{self.field}.len"]


class Capacity(Out):
    """The count of an array, which becomes the number that there are, told also where the array had too little room."""

    kind, to_host = "capacity", True

    def fill(self, p):
        return [f"m.{self.field} = *{self.name};"]

    def take(self, p):
        return []

    def take_last(self, p):
        return [f"if (r == {p.ok} || r == {p.too_small}) *{self.name} = ({self.base})reply->{self.field};"]

    def declare(self, p):
        return [f"{self.base} {self.name} = ({self.base})m->{self.field};"]


def role_of(spec, function, param):
    t = plain_type(param.type)
    base, pointer, const = t.rstrip("*").replace("const ", "").strip(), t.endswith("*"), "const" in t
    count = function.counts.get(param.name, "")
    scalar = SCALARS.get(base) or spec.scalars.get(base)
    words = function.words.get(param.name, set())

    def make(role, wire, base=base, count=""):
        return role(function, param, base, wire, count)

    if base == "char" and pointer and const:
        return make(Text, "string")
    if base == "void" and "address" in words:
        return make(In, "uint64", "void *")
    if "*" + param.name in function.counts.values():
        return make(Capacity, scalar)
    if base in spec.versioned:
        return make(Versioned, "bytes")
    if "both" in words and count:
        return make(Both, "bytes", count=count)
    if count or (base in spec.structs and pointer):
        return make(Block if const or "reads" in words else Fill, "bytes", count=count)
    if base in spec.structs:
        return make(Value, "bytes")
    if base in spec.handles:
        r = make(New if pointer else Handle, "uint64")
        r.object = f"HAWSER_{spec.handles[base].upper()}"
        return r
    if scalar:
        return make(Out if pointer else In, scalar)
    spec.fail(f"{function.name}: parameter {param.name} has the type {param.type}, which is neither scalar nor handle: "
              "say 'scalar' or 'struct' or write the function by hand", function.line)


def roles_of(spec, function):
    return [role_of(spec, function, p) for p in function.params]
