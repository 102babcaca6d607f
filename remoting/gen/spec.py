"""Reads an API spec (api/*.spec) and checks it against the installed header."""

import re
import sys
from dataclasses import dataclass, field


SCALARS = {"unsigned int": "uint64", "unsigned char": "uint64", "unsigned short": "uint64",
           "unsigned long long": "uint64", "int": "sint64", "float": "float"}
PLAIN = {"u64": "uint64", "i64": "sint64", "bool": "bool", "bytes": "bytes", "string": "string"}
FIELD_WORDS = {"optional", "whole", "orders", "takes", "frees"}
MEMORY_WORDS = {"plain", "pooled", "reserved", "physical"}  # kinds of memory in the ledger (server/worker/ledger.h)
PARAMETER_WORDS = {"reads", "optional", "address", "both", "gone", "takes", "frees", "told", *MEMORY_WORDS}


class SpecError(Exception):
    pass


@dataclass
class Param:
    type: str  # C type as written, without the name
    name: str

    @property
    def decl(self):
        return f"{self.type}{'' if self.type.endswith('*') else ' '}{self.name}"


@dataclass
class Function:
    kind: str  # local, post, call, via
    name: str
    params: list
    line: int
    number: int = 0
    flags: set = field(default_factory=set)
    wires: list = field(default_factory=list)
    counts: dict = field(default_factory=dict)  # array parameter -> the parameter that counts its elements (or "n-1")
    words: dict = field(default_factory=dict)   # parameter -> what is said of it

    @property
    def signature(self):
        return ", ".join(p.decl for p in self.params) or "void"


@dataclass
class MessageField:
    """A field of a message of our own: form is plain, scalar, address, message, struct, structs, in, new, gone or id."""

    name: str
    repeated: bool = False
    form: str = ""
    wire: str = ""    # its type in the message
    type: str = ""    # in C, of a scalar or struct; the other message
    kinds: list = field(default_factory=list)  # of a handle
    exactly: int = 0  # how many numbers
    most: int = 0     # structs
    words: set = field(default_factory=set)

    @property
    def whole(self):
        """The handler has to do with the entry of the handle table, not with the driver's handle."""
        return "whole" in self.words or len(self.kinds) > 1

    @property
    def optional(self):
        return "optional" in self.words

    def said(self):
        """What api.h's enum hawser_role says of it."""
        forms = {"in": ["handle"], "id": ["handle"], "new": ["new"], "gone": ["gone"], "address": ["address"]}
        return forms.get(self.form, []) + sorted(self.words & {"takes", "frees", "orders"})


@dataclass
class Message:
    name: str
    number: int = 0  # 0: a plain message, not a call
    kind: str = ""
    flags: set = field(default_factory=set)
    fields: list = field(default_factory=list)
    reply: list = field(default_factory=list)


class Spec:
    def __init__(self, path):
        self.path = path
        self.api, self.version = None, 0
        self.handles, self.scalars, self.structs = {}, {}, set()
        self.functions, self.messages = {}, {}
        self.later, self.aliases, self.shared = {}, {}, {}
        self.versioned, self.refused, self.driver = set(), {}, []
        self.holding, self.account = set(), set()  # kinds of handles that hold memory; functions with a written account
        self.last_message = None
        with open(path) as f:
            for number, line in enumerate(f, 1):
                self.line = number
                text = line.split("#")[0].rstrip()
                if text.strip():
                    self.read(text)
        self.check()

    def fail(self, message, line=None):
        raise SpecError(f"{self.path}:{line or self.line}: {message}")

    # ---- one line

    def read(self, text):
        if text[0] == " ":
            return self.read_field(text.split())
        self.last_message = None
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        readers = {"api": self.read_api, "handle": self.read_handle, "scalar": self.read_scalar,
                   "wire": self.read_wire, "message": self.read_message, "local": self.read_function,
                   "post": self.read_function, "call": self.read_function, "via": self.read_function}
        if word in readers:
            readers[word](word, rest)
        elif word in ("later", "alias", "shared", "refused"):
            names = {"later": self.later, "alias": self.aliases, "shared": self.shared,
                     "refused": self.refused}[word]
            names.update((n, self.line) for n in rest.split())
        elif word in ("struct", "versioned"):
            (self.structs if word == "struct" else self.versioned).update(rest.split())
        elif word == "driver":
            self.driver += rest.split()
        elif word == "account":
            self.account.update(rest.split())
        else:
            self.fail(f"unknown word '{word}'")

    def read_api(self, _, rest):
        self.api, version = rest.split()
        self.version = int(version)

    def read_handle(self, _, rest):
        c_type, kind, *words = rest.split()
        if words not in ([], ["holds"]):
            self.fail(f"unknown word {' '.join(words)} of the handle {c_type}")
        self.handles[c_type] = kind
        if words:
            self.holding.add(c_type)

    def read_scalar(self, _, rest):
        sign, _, names = rest.partition(":")
        for name in names.split():
            self.scalars[name] = {"unsigned": "uint64", "signed": "sint64"}[sign]

    def read_wire(self, _, rest):
        words = rest.split()
        if words[0] not in ("post", "call") or not words[-2].isdigit():
            self.fail("expected: wire post|call [flags] NUMBER NAME")
        self.add_message(Message(words[-1], int(words[-2]), words[0], set(words[1:-2])))

    def read_message(self, _, rest):
        self.add_message(Message(rest))

    def add_message(self, m):
        if m.name in self.messages:
            self.fail(f"{m.name} stands twice")
        self.messages[m.name] = self.last_message = m

    def read_field(self, words):
        m = self.last_message
        if not m:
            self.fail("a field outside a wire call or message")
        target = m.fields
        if words[0] == "->":
            target, words = m.reply, words[1:]
        f = MessageField(words[0], words[1] == "repeated")
        words = words[2:] if f.repeated else words[1:]
        rest = words[1:]
        shape = re.match(r"(\w+)\[(\d+)\]$", words[0])
        if words[0] in PLAIN:
            f.form, f.wire = "plain", PLAIN[words[0]]
        elif words[0] == "address":
            f.form, f.wire = "address", "uint64"
        elif words[0] in ("message", "struct", "structs") and rest:
            f.form, f.type, rest = words[0], rest[0], rest[1:]
            f.wire = f.type if f.form == "message" else "bytes"
            if f.form == "structs" and rest and rest[0].isdigit():
                f.most, rest = int(rest[0]), rest[1:]
        elif words[0] in ("in", "new", "gone", "id") and rest:
            f.form, f.wire, f.kinds, rest = words[0], "uint64", rest[0].split("|"), rest[1:]
            if unknown := set(f.kinds) - set(self.handles.values()):
                self.fail(f"no kind of handle: {', '.join(unknown)}")
        else:
            f.form, f.type = "scalar", plain_type(shape.group(1) if shape else words[0])
            f.wire = SCALARS.get(f.type) or self.scalars.get(f.type)
            f.exactly = int(shape.group(2)) if shape else 0
            f.repeated = f.repeated or bool(shape)
        if not f.wire:
            self.fail(f"unknown field type '{words[0]}'")
        f.words = set(rest)
        if unknown := f.words - FIELD_WORDS:
            self.fail(f"unknown word {', '.join(unknown)} of {f.name}")
        target.append(f)

    def read_function(self, word, rest):
        m = re.match(r"(.*?)\b((?:cu|nvml)\w+)\((.*)\)((?: +\w+(?:\[[*\w-]+\]|:[\w,]+))*)$", rest)
        if not m:
            self.fail("expected a signature, name(type name, ...), and what is said of its parameters")
        words, name = m.group(1).split(), m.group(2)
        if name in self.functions:
            self.fail(f"{name} stands twice")
        f = Function(word, name, split_params(m.group(3)), self.line)
        f.counts = dict(re.findall(r"(\w+)\[([*\w-]+)\]", m.group(4)))
        for array, count in f.counts.items():
            names = {p.name for p in f.params}
            if array not in names or not (count.isdigit() or count.strip("*").partition("-")[0] in names):
                self.fail(f"{name} has no parameters {array} and {count}")
        self.read_words(f, m.group(4))
        if word == "via":
            f.wires = words[0].split(",")
        elif word in ("post", "call"):
            if not words or not words[-1].isdigit():
                self.fail(f"{name} needs its number")
            f.number, f.flags = int(words[-1]), set(words[:-1])
        self.functions[name] = f

    def read_words(self, f, text):
        for parameter, words in re.findall(r"(\w+):([\w,]+)", text):
            f.words[parameter] = set(words.split(","))
            if parameter not in {p.name for p in f.params}:
                self.fail(f"{f.name} has no parameter {parameter}")
            if unknown := f.words[parameter] - PARAMETER_WORDS:
                self.fail(f"{f.name}: unknown word {', '.join(unknown)} of {parameter}")

    # ---- the whole

    def check(self):
        known = {"waits", "syncs", "work", "check", "note", "outside", "at-once", "late"}
        numbers = {}
        for f in list(self.functions.values()) + list(self.messages.values()):
            line = getattr(f, "line", 0)
            if f.flags - known:
                self.fail(f"{f.name}: unknown flag {', '.join(f.flags - known)}", line)
            if f.number and numbers.setdefault(f.number, f.name) != f.name:
                self.fail(f"{f.name} and {numbers[f.number]} share the number {f.number}", line)
        for m in self.messages.values():
            if "work" in m.flags and not any("orders" in f.words for f in m.fields):
                self.fail(f"{m.name} puts work into a stream, but no field is the stream that orders it")
        for f in self.functions.values():
            for w in f.wires:
                if w not in self.messages:
                    self.fail(f"{f.name} goes via {w}, which is no wire call", f.line)

    def accounted(self, name, params):
        """The driver's function says of all memory that it hands out what it is."""
        f = self.functions.get(name)
        for t, param in params:
            base = plain_type(t)
            if base == "CUdeviceptr*" or base.rstrip("*") in self.holding and base.endswith("*"):
                words = f.words.get(param, set()) if f else set()
                if name not in self.account and not words & {"told", *MEMORY_WORDS}:
                    self.fail(f"{name} hands out {param}: say which memory it is ({', '.join(sorted(MEMORY_WORDS))}), "
                              "'told' if it was there before, or name the function in an 'account' line", f.line if f else 0)

    def check_header(self, header, header_version):
        """Every signature as the header has it; no function of this header version forgotten."""
        for f in self.functions.values():
            real = header.get(f.name)
            if real is None:
                if header_version < self.version:
                    continue  # an older toolkit: the function is left out
                self.fail(f"{f.name} is not in the header", f.line)
            want = [plain_type(t) for t, _ in real.params]
            have = [plain_type(p.type) for p in f.params]
            if want != have:
                self.fail(f"{f.name}({', '.join(have)}), but the header says "
                          f"{f.name}({', '.join(want)})", f.line)
        for name, line in {**self.later, **self.aliases, **self.shared, **self.refused}.items():
            if name not in header and header_version >= self.version:
                self.fail(f"{name} is not in the header", line)
        missing = sorted(n for n in header if n not in self.functions and n not in self.later and n not in self.refused
                         and n not in self.aliases and n not in self.shared
                         and not re.search(r"_pt[sd][sz]$", n))
        if missing and header_version == self.version:
            self.fail(f"the header declares {', '.join(missing)}: the spec must name every function")
        if missing:
            print(f"note: the header is newer than {self.path}; exported as not supported: "
                  f"{', '.join(missing)}", file=sys.stderr)

    def present(self, header):
        """The functions that this header has (all, unless the toolkit is older than the spec)."""
        return [f for f in self.functions.values() if f.name in header]


def split_params(text):
    text = text.strip()
    if text in ("", "void"):
        return []
    params = []
    for part in text.split(","):
        m = re.match(r"(.*?)(\w+)$", part.strip())
        params.append(Param(m.group(1).strip(), m.group(2)))
    return params


def plain_type(c_type):
    """A type spelled in one way: unsigned is unsigned int, no blanks around stars."""
    t = re.sub(r"\s*\*\s*", "*", " ".join(c_type.split()))
    return re.sub(r"\bunsigned\b(?! (int|long|char|short))", "unsigned int", t)
