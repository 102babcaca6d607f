"""What sets one API apart from another: its numbers, its results, how its functions begin and how its handles are found.

A further API is a spec, a profile here, and what its handles are made of in the guest and on the host.
"""

import cuda_header


MISSING = """/* Generated from nvml.spec by remoting/gen/generate.py. */

#include "nvml_room.h"

#define MISSING(name, error) \\
    __attribute__((weak, visibility("default"))) nvmlReturn_t name(void); \\
    nvmlReturn_t name(void) \\
    { \\
        nvmlReturn_t r = hawser_nvml_ready(); \\
        return r == NVML_SUCCESS ? error : r; \\
    }

"""


class Profile:
    api = ""
    numbers = (0, 0)        # the first and the last of its functions on the wire; those of the spec count from the first
    types = ""              # the header that declares its types
    result = ok = ""        # the type of its results, and success
    invalid = no_memory = missing = unknown = ""  # errors: an argument, memory, no such function, none of these
    status = False          # its result is no CUresult and travels in the reply, as the field "status"
    guest, host = "", ""    # the headers of what the generated functions are made of
    driver = ""             # C: the host's table of functions
    addresses = set()       # types that are addresses of the device
    odd = []                # declarations of functions that have another kind of result

    def __init__(self, spec, header=None):
        self.spec, self.header = spec, header

    @classmethod
    def of(cls, spec, cc, include):
        """With the installed header, where the API has one, and then the two agree."""
        return cls(spec)

    # ---- from the spec

    def functions(self):
        """Those that the installed header has; all where none is needed."""
        return [f for f in self.spec.functions.values() if self.header is None or f.name in self.header]

    def calls(self):
        return [f for f in self.functions() if f.number]

    def wires(self):
        return [m for m in self.spec.messages.values() if m.number]

    def numbered(self):
        return sorted(self.calls() + self.wires(), key=lambda x: x.number)

    def flags(self, function):
        return function.flags

    def signatures(self):
        """name -> parameters, of the functions that the host may call."""
        names = {f.name for f in self.calls()} | set(self.spec.driver)
        return {n: self.parameters(n) for n in sorted(names) if self.parameters(n) is not None}

    # ---- C, in any place

    def declarations(self):
        """Where no installed header has them."""
        if self.header is not None:
            return []
        return ["#pragma GCC visibility push(default)",
                *(f"{self.result} {f.name}({f.signature});" for f in self.functions()), *self.odd,
                "#pragma GCC visibility pop\n"]

    def assertions(self):
        if self.header is None:
            return []
        return ["\n/* The spec's signatures against the header's. */"] + [
            f"_Static_assert(__builtin_types_compatible_p(__typeof__(&{f.name}), {self.result} (*)({f.signature})), "
            f'"{f.name}: {self.api}.spec line {f.line} and the header disagree");' for f in self.functions()]

    # ---- C, in the guest

    def others(self):
        """What is in the guest's file besides the functions that travel."""
        return []

    def enter(self, function, roles):
        raise NotImplementedError

    def call(self, reply):
        raise NotImplementedError

    def handle_number(self, role):
        raise NotImplementedError

    # ---- C, on the host

    def has(self, function):
        return f"{self.driver}->{function.name}"

    def handle(self, role):
        raise NotImplementedError

    # ---- files of its own

    def more(self):
        return {}


class Cuda(Profile):
    api = "cuda"
    numbers = (0, 999)
    types = "cuda_types.h"
    result, ok = "CUresult", "CUDA_SUCCESS"
    invalid, no_memory = "CUDA_ERROR_INVALID_VALUE", "CUDA_ERROR_OUT_OF_MEMORY"
    missing, unknown = "CUDA_ERROR_NOT_SUPPORTED", "CUDA_ERROR_UNKNOWN"
    guest, host = "shim.h", "served.h"
    driver = "c->driver"
    addresses = {"CUdeviceptr"}

    @classmethod
    def of(cls, spec, cc, include):
        if not include:
            return cls(spec)
        header = cuda_header.load(cc, include)
        spec.check_header(header, cuda_header.version(include))
        return cls(spec, header)

    def declarations(self):
        kinds = dict.fromkeys(self.spec.handles.values())
        return ["enum hawser_object_kind {", "    HAWSER_NO_OBJECT,", *(f"    HAWSER_{k.upper()}," for k in kinds),
                "    HAWSER_OBJECT_KINDS", "};\n"]

    def parameters(self, name):
        f = self.header.get(name)
        return ", ".join(t for t, _ in f.params) or "void" if f else None

    def enter(self, function, roles):
        stream = next((r.name for r in roles if r.kind == "handle" and r.object == "HAWSER_STREAM"), None)
        number = f"HAWSER_FN_{function.name}"
        if "outside" in function.flags:
            return f"shim_enter(&c, {number}, false)"
        return f"shim_enter_stream(&c, {number}, {stream})" if stream else f"shim_enter(&c, {number}, true)"

    def call(self, reply):
        return f"shim_call(&c, &m.base, NULL, 0, {reply})"

    def handle_number(self, role):
        return f"shim_handle({role.object}, (const void *)(uintptr_t){role.name}, &m.{role.field})"

    def handle_type(self, kind):
        """The C type of the driver's handles of a kind."""
        return next(t for t, k in self.spec.handles.items() if k == kind)

    def handle(self, role):
        return f"served_handle(c, {role.object}, m->{role.field}, (void **)&{role.name})"


FUNCTIONS = """/* Generated from nvml.spec by remoting/gen/generate.py. */

#ifndef HAWSER_NVML_FUNCTIONS_H
#define HAWSER_NVML_FUNCTIONS_H

#include "nvml_abi.h"

{}
#endif
"""


class Nvml(Profile):
    """Its functions have no contexts, streams or posts, and tell things even when they fail."""

    api = "nvml"
    numbers = (1000, 1999)
    types = "nvml_abi.h"
    result, ok = "nvmlReturn_t", "NVML_SUCCESS"
    invalid, no_memory = "NVML_ERROR_INVALID_ARGUMENT", "NVML_ERROR_MEMORY"
    missing, unknown = "NVML_ERROR_FUNCTION_NOT_FOUND", "NVML_ERROR_UNKNOWN"
    mismatch, too_small = "NVML_ERROR_ARGUMENT_VERSION_MISMATCH", "NVML_ERROR_INSUFFICIENT_SIZE"
    status = True
    guest, host = "nvml_guest.h", "nvml_host.h"
    driver = "c->nvml"
    odd = ["const char *nvmlErrorString(nvmlReturn_t result);"]

    def flags(self, function):
        return function.flags | {"waits"}

    def others(self):
        return [f"NVML_LATER({n})" for n in sorted(self.spec.later)] + \
               [f"NVML_REFUSED({n})" for n in sorted(self.spec.refused)]

    def parameters(self, name):
        return self.spec.functions[name].signature

    def enter(self, function, roles):
        return f"nvml_enter(&c, HAWSER_FN_{function.name})"

    def call(self, reply):
        return f"nvml_call(&c, &m.base, {reply})"

    def handle_number(self, role):
        return f"nvml_device({role.name}, &m.{role.field})"

    def has(self, function):
        return f"served_nvml(c) && {self.driver}->{function.name}"

    def handle(self, role):
        return f"served_nvml_device(c, m->{role.field}, &{role.name})"

    def declarations(self):
        return ['#include "nvml_functions.h"\n']

    def more(self):
        """The functions of the API, and what the software GPU's library does not define: both without the wire."""
        names = {n: "NVML_ERROR_NOT_SUPPORTED" for n in {**self.spec.functions, **self.spec.later}}
        names |= {n: "NVML_ERROR_NO_PERMISSION" for n in self.spec.refused}
        declared = "\n".join(super().declarations())
        return {"nvml_functions.h": FUNCTIONS.format(declared),
                "nvml_missing.c": MISSING + "".join(f"MISSING({n}, {error})\n" for n, error in sorted(names.items()))}


PROFILES = {p.api: p for p in (Cuda, Nvml)}
