"""The files that both ends of the wire are made of, from a spec and its profile."""

from handlers import Handler
from lock import Field
from roles import roles_of

NOTICE = "/* Generated from {} by remoting/gen/generate.py. */\n"


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


def reply_names(name):
    return Names(camel(name) + "Reply")


def indented(lines, by=1):
    return ["    " * by + line for line in lines]


def notice(p):
    return NOTICE.format(p.api + ".spec")


# ---- messages

def messages_of(p):
    """{name: [Field]} of all messages of the spec, whatever this toolkit's header has."""
    out = {}
    for m in p.spec.messages.values():
        out[m.name] = [Field(f.name, f.wire, f.repeated) for f in m.fields]
        if m.number:
            out[m.name + "Reply"] = [Field(f.name, f.wire, f.repeated) for f in m.reply]
    for f in p.spec.functions.values():
        if not f.number:
            continue
        roles = roles_of(p.spec, f)
        out[camel(f.name)] = [Field(r.field, r.wire) for r in roles if r.to_host]
        status = [Field("status", "uint64")] if p.status else []
        out[camel(f.name) + "Reply"] = status + [Field(r.field, r.wire) for r in roles if r.to_guest]
    return out


def numbers_of(p):
    """{number on the wire: name} of all that has one."""
    first, last = p.numbers
    out = {first + x.number: x.name for x in [*p.spec.functions.values(), *p.spec.messages.values()] if x.number}
    for number, name in out.items():
        if number > last:
            p.spec.fail(f"{name}: the numbers of {p.api} end with {last - first}")
    return out


def emit_proto(p, lock):
    out = ['syntax = "proto3";', "package hawser;"]
    for name, fields in messages_of(p).items():
        out.append(f"message {name} {{")
        out += [f"    {f.kind} {f.name} = {f.number};" for f in lock.numbered(name, fields)]
        out += [f'    reserved {f.number};\n    reserved "{f.name}";' for f in lock.reserved(name)]
        out.append("}")
    return "\n".join(out) + "\n"


# ---- what both ends know

def emit_header(p):
    calls, up = p.numbered(), p.api.upper()
    out = [notice(p), f"#ifndef HAWSER_{up}_API_H\n#define HAWSER_{up}_API_H\n", "#include <stddef.h>\n",
           f'#include "{p.types}"\n#include "api.h"\n#include "{p.api}.pb-c.h"\n', "enum {",
           f"    HAWSER_{up}_FIRST = {p.numbers[0]},"]
    out += [f"    HAWSER_FN_{c.name} = HAWSER_{up}_FIRST + {c.number}," for c in calls]
    out += [f"    HAWSER_{up}_LIMIT = HAWSER_{up}_FIRST + {calls[-1].number + 1}", "};\n",
            f"extern const struct hawser_api hawser_{p.api}_api;",
            f"extern const struct hawser_api_name hawser_{p.api}_names[];\n"]
    out += p.declarations()
    out += [f"/* The functions of the host's library; NULL where it has none. */\nstruct {p.api}_driver {{"]
    out += [f"    {p.result} (*{name})({params});" for name, params in p.signatures().items()]
    return "\n".join(out + ["};", f"extern const struct hawser_symbol {p.api}_driver_symbols[];\n", "#endif\n"])


def field_roles(p, x):
    """[(field, [role], kinds)] of what travels as a request."""
    if x in p.spec.messages.values():
        return [(f.name, f.said(), "|".join(f.kinds)) for f in x.fields if f.said()]
    out = [(r.field, r.said(p), p.spec.handles.get(r.base, "")) for r in roles_of(p.spec, x) if r.to_host and r.said(p)]
    for _, said, kinds in out:
        if kinds == "stream" and said == ["handle"]:
            said.append("orders")
            break
    return out


def role_table(p, lock, x):
    numbers = {f.name: f.number for f in lock.numbered(camel(x.name), messages_of(p)[camel(x.name)])}
    rows = [f'{{{numbers[name]}, {" | ".join("HAWSER_ROLE_" + s.upper() for s in said)}, "{kinds}"}}'
            for name, said, kinds in field_roles(p, x)]
    return f"(const struct hawser_field_role[]){{{', '.join(rows)}, {{0}}}}" if rows else "NULL"


def emit_common(p, lock):
    up = p.api.upper()
    out = [notice(p), f'#include "{p.api}_api.h"\n',
           f"static const struct hawser_api_function functions[HAWSER_{up}_LIMIT - HAWSER_{up}_FIRST] = {{"]
    for c in p.numbered():
        words = [c.kind, *sorted(p.flags(c) & {"waits", "syncs", "work", "at-once"})]
        flags = " | ".join(f"HAWSER_API_{w.upper().replace('-', '_')}" for w in words)
        out.append(f'    [{c.number}] = {{"{c.name}", {flags}, &{Names(c.name).descriptor}, '
                   f'&{reply_names(c.name).descriptor}, {role_table(p, lock, c)}}},')
    out.append(f"}};\n\nconst struct hawser_api_name hawser_{p.api}_names[] = {{")
    spec = p.spec
    carried = {*spec.functions, *spec.aliases, *spec.shared}
    out += [f'    {{"{n}", {int(n in carried)}}},' for n in sorted(carried | set(spec.later) | set(spec.refused))]
    out += ["    {NULL, 0}\n};\n", "static const struct hawser_retired_field retired[] = {"]
    out += [f"    {{&{Names(name).descriptor}, {f.number}}}, /* {f.name} */"
            for name in messages_of(p) for f in lock.reserved(name)]
    out += ["    {NULL, 0}\n};\n", f"const struct hawser_api hawser_{p.api}_api = {{",
            f"    HAWSER_{up}_FIRST, HAWSER_{up}_LIMIT, functions, retired", "};"]
    return "\n".join(out + p.assertions()) + "\n"


# ---- the guest

def hook_arguments(roles):
    return ", ".join((["made"] if any(r.kind == "new" for r in roles) else []) + [r.name for r in roles])


def guest_reply(p, roles):
    """From the reply, in the order of the parameters; counts last, because they tell the room of the arrays."""
    out = [f"if (r == {p.ok}) r = ({p.result})reply->status;"] if p.status else []
    takes = [line for r in roles for line in r.take(p)]
    if len(takes) == 1 and not takes[0].startswith("if"):
        out.append(f"if (r == {p.ok}) {takes[0]}")
    elif takes:
        out += [f"if (r == {p.ok}) {{", *indented(takes), "}"]
    return out + [line for r in roles if r.kind == "capacity" for line in r.take_last(p)] + ["shim_free_reply(reply);"]


def guest_function(p, f):
    roles, n, reply = roles_of(p.spec, f), Names(f.name), reply_names(f.name)
    made = next((r for r in roles if r.kind == "new"), None)
    replies = p.status or any(r.to_guest for r in roles)
    body = ["struct shim_call c;", f"{n.struct} m = {n.init};"]
    body += [f"{reply.struct} *reply = NULL;"] if replies else []
    body += ["struct shim_object *made = NULL;"] if made else []
    body += [f"{p.result} r = {p.enter(f, roles)};", f"if (r != {p.ok}) return r;"]
    wrong = dict.fromkeys(c for r in roles for c in r.refuses(p))
    if wrong := sorted(wrong, key=lambda c: not c.startswith("!")):  # pointers before what they point to
        body.append(f"if ({' || '.join(wrong)}) return {p.invalid};")
    body += [line for r in sorted(roles, key=lambda r: r.kind == "new") for line in r.fill(p)]
    if "check" in f.flags:
        body += [f"r = shim_check_{f.name}({hook_arguments(roles)});",
                 f"if (r != {p.ok}) {'goto out' if made else 'return r'};"]
    if f.kind == "post":
        body.append("r = shim_post(&c, &m.base, NULL, 0);")
    else:
        body.append(f"r = {p.call('(ProtobufCMessage **)&reply' if replies else 'NULL')};")
        body += guest_reply(p, roles) if replies else []
    body += [f"if (r == {p.ok}) shim_object_gone((void *)(uintptr_t){r.name});"
             for r in roles if r.kind == "handle" and r.gone]
    if "note" in f.flags:
        body.append(f"if (r == {p.ok}) shim_note_{f.name}({hook_arguments(roles)});")
    out = [f"{p.result} {f.name}({f.signature})", "{", *indented(body)]
    if made:
        out += ["out:"] if "check" in f.flags else []
        out += indented([f"if (r == {p.ok})", f"    *{made.name} = ({made.base})made;", "else",
                         "    shim_object_gone(made);"])
    return "\n".join(out + ["    return r;", "}\n"])


def emit_hooks(p):
    """For shim.h, so that the compiler holds the written hooks against the generated calls."""
    out = [notice(p)]
    for f in p.functions():
        made = f.number and any(r.kind == "new" for r in roles_of(p.spec, f))
        params = ", ".join((["struct shim_object *"] if made else []) + [x.type for x in f.params])
        for word, result in (("check", p.result), ("note", "void")):
            if word in f.flags:
                out.append(f"{result} shim_{word}_{f.name}({params});")
    return "\n".join(out) + "\n"


def emit_guest(p):
    out = [notice(p), f'#include "{p.guest}"\n'] + [guest_function(p, f) for f in p.calls()] + p.others()
    return "\n".join(out) + "\n"


# ---- the host

def host_function(p, f):
    roles, n, reply = roles_of(p.spec, f), Names(f.name), reply_names(f.name)
    replies = p.status or any(r.to_guest for r in roles)
    body = [f"const {n.struct} *m = (const {n.struct} *)msg;"]
    body += [f"{reply.struct} reply = {reply.init};"] if replies else []
    body += [line for r in roles for line in r.declare(p)]
    body.append(f"{p.result} r = {p.has(f)} ? {p.ok} : {p.missing};")
    body += [] if any(r.to_host for r in roles) else ["(void)m;"]
    body += [f"if (r == {p.ok}) r = {r.look_up(p)};" for r in roles if r.look_up(p)]
    if wrong := list(dict.fromkeys(c for r in roles for c in r.wrong(p))):
        body.append(f"if (r == {p.ok} && ({' || '.join(wrong)})) r = {p.invalid};")
    body += [f"if (r == {p.ok} && !({r.allocate})) r = {p.no_memory};" for r in roles if r.kind == "fill" and r.allocate]
    inner = [f"r = {p.driver}->{f.name}({', '.join(r.arg(p) for r in roles)});"]
    inner += [f"served_unbind(c, m->{r.field});" for r in roles if r.kind == "handle" and r.gone]
    inner += [line for r in roles for line in r.answer(p)]
    body += [f"if (r == {p.ok}) {inner[0]}"] if len(inner) == 1 else [f"if (r == {p.ok}) {{", *indented(inner), "}"]
    body += ["reply.status = r;"] if p.status else []
    body += ["served_reply(c, &reply.base);"] if replies else []
    body.append("return CUDA_SUCCESS;" if p.status else "return r;")
    return "\n".join([f"static CUresult run_{f.name}(struct served *c, const ProtobufCMessage *msg)", "{",
                      *indented(body), "}\n"])


def handlers_of(p):
    return [Handler(p, m, Names, lower) for m in p.wires()]


def emit_serve(p):
    """The handlers that are written by hand, and what they get."""
    up = p.api.upper()
    out = [notice(p), f"#ifndef HAWSER_{up}_SERVE_H\n#define HAWSER_{up}_SERVE_H\n",
           f'#include "{p.api}_api.h"\n#include "served.h"\n']
    for h in handlers_of(p):
        out += [*h.structure(), h.prototype() + ";\n"]
    return "\n".join(out + ["#endif\n"])


def emit_host(p):
    up = p.api.upper()
    handlers = sorted(handlers_of(p), key=lambda h: any(f.form == "message" for f in h.fields))  # after their parts
    out = [notice(p), f'#include "{p.host}"\n']
    out += [line for h in handlers for line in h.reader() + h.dispatcher()]
    out += [host_function(p, f) for f in p.calls()]
    out.append(f"const serve_function hawser_{p.api}_serve[HAWSER_{up}_LIMIT - HAWSER_{up}_FIRST] = {{")
    out += [f"    [{c.number}] = run_{c.name}," for c in p.numbered()]
    out += ["};\n", f"const struct hawser_symbol {p.api}_driver_symbols[] = {{"]
    out += [f'    {{"{name}", offsetof(struct {p.api}_driver, {name})}},' for name in p.signatures()]
    return "\n".join(out + ["    {NULL, 0}", "};"]) + "\n"


def files(p, lock):
    hooks = any(f.flags & {"check", "note"} for f in p.functions())
    files = {".proto": emit_proto(p, lock), "_api.h": emit_header(p), "_api.c": emit_common(p, lock),
             "_guest.c": emit_guest(p), "_host.c": emit_host(p), "_serve.h": emit_serve(p),
             **({"_hooks.h": emit_hooks(p)} if hooks else {})}
    return {p.api + end: text for end, text in files.items()}
