"""What the host's written handlers of a spec's own messages get: arguments with the types of C, handles looked up."""

PLAIN = {"uint64": "uint64_t", "sint64": "int64_t", "bool": "bool", "string": "const char *",
         "bytes": "ProtobufCBinaryData"}

REPEATED = {"uint64": "const uint64_t *", "sint64": "const int64_t *", "string": "char *const *"}


def declared(c_type, name):
    return f"{c_type}{'' if c_type.endswith('*') else ' '}{name}"


def object_kind(kind):
    return f"HAWSER_{kind.upper()}"


class Handler:
    """One message of a spec; names are the C names of messages."""

    def __init__(self, profile, message, names, low):
        self.p, self.m, self.names = profile, message, names
        self.name, self.struct = message.name, f"struct {low(message.name)}_args"
        self.low = low
        self.late = "late" in message.flags
        self.new = next((f for f in message.fields if f.form == "new"), None)
        self.fields = [f for f in message.fields if f.form != "new"]

    def is_call(self, message):
        return self.p.spec.messages[message].number != 0

    # ---- the arguments

    def member(self, f):
        """Declarations in the structure of arguments."""
        if f.form == "scalar" and f.exactly:
            return [f"{f.type} {f.name}[{f.exactly}]"]
        if f.repeated:
            return [f"size_t n_{f.name}", declared(REPEATED[f.wire], f.name)]
        if f.form == "structs":
            return [f"size_t n_{f.name}", f"{f.type} *{f.name}"]
        if f.form == "message":
            return [f"struct {self.low(f.type)}_args *{f.name}" if self.is_call(f.type) else
                    f"const {self.names(f.type).struct} *{f.name}"]
        if f.form in ("in", "gone"):
            return [declared("struct object" if f.whole else self.p.handle_type(f.kinds[0]), f.name)]
        return [declared({"struct": f"{f.type} *", "scalar": f.type, "address": "CUdeviceptr",
                          "id": "uint64_t"}.get(f.form) or PLAIN[f.wire], f.name)]

    def wrong(self, f):
        """Conditions under which the message makes no sense."""
        size = f"m->{f.name}.len"
        if f.exactly:
            return [f"m->n_{f.name} != {f.exactly}"]
        if f.form == "struct":
            return [f"{size} != sizeof({f.type})" if not f.optional else f"({size} && {size} != sizeof({f.type}))"]
        if f.form == "structs":
            return [f"{size} % sizeof({f.type})"] + ([f"{size} / sizeof({f.type}) > {f.most}"] if f.most else [])
        return []

    def read(self, f):
        if f.exactly:
            return [f"for (size_t i = 0; i < {f.exactly}; i++)", f"    a->{f.name}[i] = ({f.type})m->{f.name}[i];"]
        if f.form == "struct":
            value = f"({f.type} *)m->{f.name}.data"
            return [f"a->{f.name} = {f'm->{f.name}.len ? {value} : NULL' if f.optional else value};"]
        if f.form == "structs":
            return [f"a->n_{f.name} = m->{f.name}.len / sizeof({f.type});",
                    f"a->{f.name} = ({f.type} *)m->{f.name}.data;"]
        if f.form == "message" and self.is_call(f.type):
            return []
        if f.form in ("in", "gone"):
            return []
        if f.repeated:
            return [f"a->n_{f.name} = m->n_{f.name};", f"a->{f.name} = m->{f.name};"]
        return [f"a->{f.name} = {f'({f.type})' if f.form == 'scalar' else ''}m->{f.name};"]

    def look_up(self, f):
        """Statements after which r is the result."""
        if_there = f" && m->{f.name}" if f.optional else ""
        if f.form == "message" and self.is_call(f.type):
            return [f"if (r == CUDA_SUCCESS && m->{f.name}) {{",
                    f"    a->{f.name} = served_alloc(c, sizeof *a->{f.name});",
                    f"    r = a->{f.name} ? read_{f.type}(c, m->{f.name}, a->{f.name}) : CUDA_ERROR_OUT_OF_MEMORY;",
                    "}"]
        if f.form not in ("in", "gone"):
            return []
        if f.whole:
            kinds = " | ".join(f"1u << {object_kind(k)}" for k in f.kinds)
            found = f"served_entry(c, {kinds}, m->{f.name}, &a->{f.name})"
        else:
            found = f"served_handle(c, {object_kind(f.kinds[0])}, m->{f.name}, (void **)&a->{f.name})"
        return [f"if (r == CUDA_SUCCESS{if_there}) r = {found};"]

    # ---- C

    def prototype(self):
        params = ["struct served *c"] + ([f"const {self.struct} *a"] if self.fields else [])
        if self.new:
            made = "struct object *" if self.new.whole else self.p.handle_type(self.new.kinds[0]) + " *"
            params.append(declared(made, self.new.name))
        if self.m.reply:
            params.append(f"{self.names(self.name + 'Reply').struct} *reply")
        params += ["CUresult wrong"] if self.late else []
        return f"CUresult serve_{self.name}({', '.join(params)})"

    def structure(self):
        members = [f"    {d};" for f in self.fields for d in self.member(f)]
        return [f"{self.struct} {{", *members, "};"] if members else []

    def reader(self):
        if not self.fields:
            return []
        body = [f"*a = ({self.struct}){{0}};"]
        sized = [f for f in self.fields if f.exactly or f.form in ("struct", "structs")]
        body += [line for f in self.fields if f not in sized for line in self.read(f)]
        if wrong := [w for f in sized for w in self.wrong(f)]:
            body.append(f"if ({' || '.join(wrong)}) return CUDA_ERROR_INVALID_VALUE;")
        body += [f'_Static_assert(_Alignof({f.type}) <= _Alignof(max_align_t), "a message is not aligned so");'
                 for f in sized if not f.exactly]
        body += [line for f in sized for line in self.read(f)]
        lookups = [line for f in self.fields for line in self.look_up(f)]
        body += ["CUresult r = CUDA_SUCCESS;", *lookups, "return r;"] if lookups else ["return CUDA_SUCCESS;"]
        unused = ["(void)c;"] if not lookups else []
        message = self.names(self.name).struct
        return [f"static CUresult read_{self.name}(struct served *c, const {message} *m, {self.struct} *a)", "{", *(f"    {line}" for line in unused + body), "}", ""]

    def new_object(self):
        """The handler's place for what it makes."""
        name, kinds = self.new.name, self.new.kinds
        if not self.new.whole:
            return declared(self.p.handle_type(kinds[0]), name) + " = {0};"
        kind = object_kind(kinds[0]) if len(kinds) == 1 else "HAWSER_NO_OBJECT"
        return f"struct object {name} = {{.id = m->{name}, .kind = {kind}}};"

    def bound(self):
        name = self.new.name
        if self.new.whole:
            return f"served_bind_entry(c, &{name})"
        return f"served_bind(c, {object_kind(self.new.kinds[0])}, m->{name}, (void *)(uintptr_t){name})"

    def dispatcher(self):
        """What the table of functions has: reads, calls, binds and answers."""
        n, reply = self.names(self.name), self.names(self.name + "Reply")
        body, args = [], ["c"]
        if self.fields or self.new:
            body.append(f"const {n.struct} *m = (const {n.struct} *)msg;")
        if self.fields:
            body.append(f"{self.struct} a;")
            args.append("&a")
        if self.new:
            args.append(f"&{self.new.name}")
            body.append(self.new_object())
        if self.m.reply:
            args.append("&reply")
            body.append(f"{reply.struct} reply = {reply.init};")
        body += [] if self.fields or self.new else ["(void)msg;"]
        if self.fields:
            body.append(f"CUresult r = read_{self.name}(c, m, &a);")
            body += [f"if (r == CUDA_SUCCESS) served_unbind(c, m->{f.name});" for f in self.fields if f.form == "gone"]
            served = f"serve_{self.name}({', '.join(args + ['r'] * self.late)})"
            body.append(f"{'' if self.late else 'if (r == CUDA_SUCCESS) '}r = {served};")
        else:
            body.append(f"CUresult r = serve_{self.name}({', '.join(args)});")
        if self.new:
            body.append(f"if (r == CUDA_SUCCESS) r = {self.bound()};")
        body += ["served_reply(c, &reply.base);"] if self.m.reply else []
        return [f"static CUresult run_{self.name}(struct served *c, const ProtobufCMessage *msg)", "{",
                *(f"    {line}" for line in body), "    return r;", "}", ""]
