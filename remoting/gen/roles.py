"""What the generators of all APIs share: parameters, message names, the protobuf file."""

import os

from lock import Field
from spec import plain_type

NOTICE = "/* Generated from {} by remoting/gen/generate.py. */\n"

SCALARS = {"unsigned int": "uint64", "unsigned char": "uint64", "unsigned short": "uint64",
           "unsigned long long": "uint64", "int": "sint64", "float": "float"}


# ---- names as protoc-c makes them

def camel(name):
    return "".join(w[:1].upper() + w[1:] for w in name.split("_"))


def lower(camel_name):
    out, was_upper = "", True
    for c in camel_name:
        if c.isupper() and not was_upper:
            out += "_"
        out += c.lower()
        was_upper = c.isupper()
    return out


class Names:
    """The C names of one message."""

    def __init__(self, name):
        self.message = camel(name)
        low = lower(self.message)
        self.struct = f"Hawser__{self.message}"
        self.init = f"HAWSER__{low.upper()}__INIT"
        self.descriptor = f"hawser__{low}__descriptor"


# ---- what a parameter is

class Role:
    """How one parameter of a generated function travels. Kinds: in and out (scalars), handle, new (a handle that the
    guest mints), value (a structure as its bytes), block (a structure or an array that is read), fill (one that is
    written), both (read and written), versioned (a structure that holds its own size, read and written), capacity
    (the count of an array, which becomes the number that there are)."""

    def __init__(self, spec, function, param):
        self.param, self.name = param, param.name
        self.field = param.name.lower()
        t = plain_type(param.type)
        self.base = t.rstrip("*").replace("const ", "").strip()
        self.pointer = t.endswith("*")
        self.count = function.counts.get(param.name)
        self.count, _, less = (self.count or "").partition("-")
        self.count, self.minus = self.count or None, int(less or 0)
        scalar = SCALARS.get(self.base) or spec.scalars.get(self.base)
        if self.base == "char" and self.pointer and "const" in t:
            self.kind, self.wire, self.pointer = "text", "string", True
        elif self.base == "void" and param.name in spec.addresses:
            self.kind, self.wire, self.pointer, self.base = "in", "uint64", False, "void *"
        elif "*" + param.name in function.counts.values():
            self.kind, self.wire = "capacity", scalar
        elif self.base in spec.versioned:
            self.kind, self.wire = "versioned", "bytes"
        elif param.name in spec.both and self.count:
            self.kind, self.wire = "both", "bytes"
        elif self.count or (self.base in spec.structs and self.pointer):
            self.kind = "block" if "const" in t or param.name in spec.reads else "fill"
            self.wire = "bytes"
        elif self.base in spec.structs:
            self.kind, self.wire = "value", "bytes"
        elif self.base in spec.handles:
            self.kind = "new" if self.pointer else "handle"
            self.object = f"HAWSER_{spec.handles[self.base].upper()}"
            self.wire = "uint64"
        elif scalar:
            self.kind = "out" if self.pointer else "in"
            self.wire = scalar
        else:
            spec.fail(f"{function.name}: parameter {param.name} has the type {param.type}, which is "
                      "neither scalar nor handle: say 'scalar' or 'struct' or write the function by hand",
                      function.line)
        self.gone = self.kind == "handle" and function.name in spec.gone

    @property
    def to_host(self):
        return self.kind in ("in", "handle", "new", "value", "block", "text", "both", "versioned", "capacity")

    @property
    def to_guest(self):
        return self.kind in ("out", "fill", "both", "versioned", "capacity")

    @property
    def bytes(self):
        """C expression: the size of a value, block or fill."""
        return f"sizeof({self.base})" + (f" * {self.elements(self.count)}" if self.count else "")

    @property
    def fixed(self):
        return self.count is not None and self.count.isdigit()

    def elements(self, count):
        if self.fixed:
            return self.count
        return f"((size_t){count} - {self.minus})" if self.minus else f"(size_t){count}"

    @property
    def host_bytes(self):
        count = self.count and "m->" + self.count.strip("*").lower()
        return f"sizeof({self.base})" + (f" * {self.elements(count)}" if self.count else "")

    def too_many(self, count):
        """C condition: the count is none that can be."""
        return f"{count} > HAWSER_MAX_ELEMENTS" + (f" || {count} < {self.minus}" if self.minus else "")


def roles_of(spec, function):
    return [Role(spec, function, p) for p in function.params]


# ---- the protobuf file

def messages_of(spec):
    """{name: [Field]} of all messages of the spec, whatever this toolkit's header has."""
    out = {}
    for m in spec.messages.values():
        out[m.name] = [Field(*f) for f in m.fields]
        if m.number:
            out[m.name + "Reply"] = [Field(*f) for f in m.reply]
    for f in spec.functions.values():
        if not f.number:
            continue
        roles = roles_of(spec, f)
        out[camel(f.name)] = [Field(r.field, r.wire) for r in roles if r.to_host]
        status = [Field("status", "uint64")] if spec.api == "nvml" else []  # CUDA's is the envelope's
        out[camel(f.name) + "Reply"] = status + [Field(r.field, r.wire) for r in roles if r.to_guest]
    return out


# The wire's function numbers are parted among the APIs; those of a spec count from the first of its own.
RANGES = {"cuda": (0, 999), "nvml": (1000, 1999)}


def numbers_of(spec):
    """{number on the wire: name} of all that has one."""
    first, last = RANGES[spec.api]
    out = {first + x.number: x.name for x in [*spec.functions.values(), *spec.messages.values()] if x.number}
    for number, name in out.items():
        if number > last:
            spec.fail(f"{name}: the numbers of {spec.api} end with {last - first}")
    return out


def emit_proto(spec, lock):
    out = ['syntax = "proto3";', "package hawser;"]
    for name, fields in messages_of(spec).items():
        out.append(f"message {name} {{")
        out += [f"    {f.kind} {f.name} = {f.number};" for f in lock.numbered(name, fields)]
        out += [f'    reserved {f.number};\n    reserved "{f.name}";' for f in lock.reserved(name)]
        out.append("}")
    return "\n".join(out) + "\n"


def emit_retired(spec, lock):
    """The retired fields of the messages that are still there: whoever sends one is an earlier release."""
    out = [f"\nconst struct hawser_retired_field hawser_{spec.api}_retired[] = {{"]
    out += [f"    {{&{Names(name).descriptor}, {f.number}}}, /* {f.name} */"
            for name in messages_of(spec) for f in lock.reserved(name)]
    return out + ["    {NULL, 0}", "};"]


def numbered(spec, functions):
    """Everything that has a number on the wire: functions and wire calls."""
    return sorted([f for f in functions if f.number] + [m for m in spec.messages.values() if m.number],
                  key=lambda x: x.number)


def write(path, text):
    """Leaves an unchanged file alone, so that nothing is compiled again for it."""
    if os.path.exists(path) and open(path).read() == text:
        return
    with open(path, "w") as f:
        f.write(text)
