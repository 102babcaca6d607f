"""Layers over the host's table of driver functions: what each does is written once, here, for all of them."""

from spec import MEMORY_WORDS, plain_type

HEAD = """/* Generated from {}.spec by remoting/gen/generate.py. */

#include "layers.h"
#include "cuda_account.h"
#include "ledger.h"

"""


def arguments(params):
    return ", ".join(name for _, name in params)


def declaration(params):
    return ", ".join(f"{t}{'' if t.endswith('*') else ' '}{name}" for t, name in params) or "void"


def key(name):
    return f"(uint64_t)(uintptr_t){name}"


class Layer:
    """One layer: the functions that it has to do with, and what it does."""

    def __init__(self, p):
        self.p, self.spec = p, p.spec

    def concerns(self, name, params):
        return True

    def body(self, name, params):
        raise NotImplementedError

    def emit(self, table):
        mine = {n: ps for n, ps in table.items() if self.concerns(n, ps)}
        out = [f"/* ---- {self.name}: {self.purpose} ---- */\n",
               f"static struct {self.p.api}_driver {self.name}_next; /* one per process, as the driver is; set at the start */\n"]
        for n, ps in mine.items():
            out += [f"static {self.p.result} {self.name}_{n}({declaration(ps)})", "{",
                    *(f"    {line}" for line in self.body(n, ps)), "}\n"]
        out += [f"void layer_{self.name}(struct {self.p.api}_driver *d)", "{", f"    {self.name}_next = *d;"]
        out += [f"    if (d->{n}) d->{n} = {self.name}_{n};" for n in mine]
        return out + ["}\n"]


class Trace(Layer):
    name, purpose = "trace", "every call of the driver, for the log"

    def body(self, name, params):
        return ["uint64_t begin = layer_begins();",
                f"{self.p.result} r = trace_next.{name}({arguments(params)});",
                f'layer_ends("{name}", r, begin);', "return r;"]


class Account(Layer):
    """Functions by which memory comes or goes, as the spec's words on their parameters say."""

    name, purpose = "account", "what device memory the session has"

    def words(self, name, param):
        f = self.spec.functions.get(name)
        return f.words.get(param, set()) if f else set()

    def kept(self, name, params):
        """Statements after success."""
        if name in self.spec.account:
            return [f"accounted_{name}({arguments(params)});"]
        sizes = [p for _, p in params if "takes" in self.words(name, p)]
        out = []
        for t, p in params:
            words = self.words(name, p)
            for kind in sorted(words & MEMORY_WORDS):
                size = " * ".join(f"(uint64_t){s}" for s in sizes)
                out.append(f"ledger_add(LEDGER_{kind.upper()}, {key('*' + p)}, {size});")
        return out

    def goes(self, name, params):
        """The parameter whose memory goes."""
        return next((p for t, p in params if "frees" in self.words(name, p) or
                     "gone" in self.words(name, p) and plain_type(t) in self.spec.holding), None)

    def concerns(self, name, params):
        return bool(self.kept(name, params) or self.goes(name, params))

    def body(self, name, params):
        call = f"{self.p.result} r = account_next.{name}({arguments(params)});"
        if gone := self.goes(name, params):  # taken out first: the driver may give its address to another thread at once
            return [f"struct ledger_entry *gone = ledger_take({key(gone)});", call,
                    f"ledger_settle(gone, r == {self.p.ok});", "return r;"]
        return [call, *(f"if (r == {self.p.ok}) {line}" for line in self.kept(name, params)), "return r;"]

    def prototypes(self, table):
        return [f"void accounted_{n}({declaration(ps)});" for n, ps in table.items() if n in self.spec.account]


def emit_header(p, table):
    """What is written by hand for the account, called after success."""
    return "\n".join([f"/* Generated from {p.api}.spec by remoting/gen/generate.py. */\n", "#ifndef HAWSER_ACCOUNT_H",
                      "#define HAWSER_ACCOUNT_H\n", f'#include "{p.api}_api.h"\n', *Account(p).prototypes(table), "",
                      "#endif\n"])


def emit(p, table):
    """table: {name: [(type, name)]} of the driver's functions."""
    for name, params in table.items():
        p.spec.accounted(name, params)
    layers = [line for layer in (Trace(p), Account(p)) for line in layer.emit(table)]
    return HEAD.format(p.api) + "\n".join(layers).rstrip() + "\n"
