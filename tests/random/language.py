"""The small language of the programs: what a statement is in CUDA C, and what it does to one thread.

A program is executed here the plain way: every thread runs by itself as a coroutine over its own variables, and stops
only where it meets others (a warp instruction with a member mask, a barrier). A meeting takes place when every thread
that is to come has come or has ended. Nothing here knows of warps that run in step, of branches or of convergence.
"""

WORD = 0xffffffff


class Const:
    def __init__(self, number):
        self.number = number & WORD
        self.c = f"{self.number:#x}u" if self.number > 9 else f"{self.number}u"

    def value(self, t):
        return self.number


class Var:
    """A field of struct Thread, or with local=True a variable of the C function."""

    def __init__(self, name, local=False):
        self.name = name
        self.c = name if local else f"t.{name}"

    def value(self, t):
        return t.vars[self.name]


class Binary:
    OPERATORS = {
        "+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y, "^": lambda x, y: x ^ y,
        "&": lambda x, y: x & y, "|": lambda x, y: x | y, "%": lambda x, y: x % y, "<<": lambda x, y: x << y,
        ">>": lambda x, y: x >> y, "<": lambda x, y: int(x < y), "==": lambda x, y: int(x == y),
    }

    def __init__(self, operator, x, y):
        self.operator, self.x, self.y = operator, x, y
        self.c = f"({x.c} {operator} {y.c})"

    def value(self, t):
        return self.OPERATORS[self.operator](self.x.value(t), self.y.value(t)) & WORD


class Set:
    def __init__(self, name, expression):
        self.name, self.expression = name, expression

    def lines(self):
        yield f"t.{self.name} = {self.expression.c};"

    def run(self, t):
        t.vars[self.name] = self.expression.value(t)
        return
        yield


class If:
    def __init__(self, condition, yes, no=()):
        self.condition, self.yes, self.no = condition, yes, no

    def lines(self):
        yield f"if ({self.condition.c}) {{"
        yield from indented(self.yes)
        if self.no:
            yield "} else {"
            yield from indented(self.no)
        yield "}"

    def run(self, t):
        yield from run(self.yes if self.condition.value(t) else self.no, t)


class For:
    """The variable, a field of struct Thread, counts from 0 while it is below the limit."""

    def __init__(self, name, limit, body):
        self.name, self.limit, self.body = name, limit, body

    def lines(self):
        yield f"for (t.{self.name} = 0; t.{self.name} < {self.limit.c}; t.{self.name}++) {{"
        yield from indented(self.body)
        yield "}"

    def run(self, t):
        t.vars[self.name] = 0
        while t.vars[self.name] < self.limit.value(t):
            yield from run(self.body, t)
            t.vars[self.name] += 1


class Late:
    """A loop that a thread leaves after as many turns as it wants, doing the body on its way out."""

    def __init__(self, name, turns, each, body):
        self.name, self.turns, self.each, self.body = name, turns, each, body

    def lines(self):
        yield f"for (unsigned {self.name} = 0, turns = {self.turns.c};; {self.name}++) {{"
        yield f"    if ({self.name} == turns) {{"
        yield from indented(self.body, 2)
        yield "        break;"
        yield "    }"
        yield from indented(self.each)
        yield "}"

    def run(self, t):
        for _ in range(self.turns.value(t)):
            yield from run(self.each, t)
        yield from run(self.body, t)


class Function:
    """A device function that is really called."""

    def __init__(self, name, body=()):
        self.name, self.body = name, body

    def lines(self):
        yield f"static __device__ __noinline__ void {self.name}(Thread &t) {{"
        yield from indented(self.body)
        yield "}"


class Call:
    """A call of one of the functions: by its name where there is one, else through a table of pointers."""

    def __init__(self, functions, index=None, table=None):
        self.functions, self.index, self.table = functions, index, table

    def lines(self):
        yield f"{self.table}[{self.index.c}](t);" if self.table else f"{self.functions[0].name}(t);"

    def run(self, t):
        yield from run(self.functions[self.index.value(t) if self.table else 0].body, t)


class Table:
    """The pointers for Call, a definition beside the functions."""

    def __init__(self, name, functions):
        self.name, self.functions = name, functions

    def lines(self):
        names = ", ".join(f.name for f in self.functions)
        yield f"static __device__ void (*const {self.name}[])(Thread &) = {{{names}}};"


class Exit(Exception):
    """The thread has ended."""


class End:
    """The thread ends here, wherever this is."""

    def lines(self):
        yield 'asm volatile("exit;" ::: "memory");'

    def run(self, t):
        raise Exit
        yield


def indented(statements, depth=1):
    for s in statements:
        for line in s.lines():
            yield "    " * depth + line


def run(statements, t):
    for s in statements:
        yield from s.run(t)


class Thread:
    """One thread: its variables, and what it has noted."""

    def __init__(self, block, tid, variables):
        self.block, self.tid, self.vars, self.notes = block, tid, variables, []
        self.warp, self.lane = tid // 32, tid % 32

    def note(self, what, into, word):
        self.notes.append((what, [word]))
        self.vars[into] = self.vars[into] * 31 + word & WORD


class Arrival:
    """A thread stands at a meeting: with whom (thread numbers), for what, and what it brings."""

    def __init__(self, members, key, brings, results):
        self.members, self.key, self.brings, self.results = frozenset(members), key, brings, results


class Block:
    """The threads of a block and the memory that they share."""

    def __init__(self, count):
        self.count, self.shared, self.threads = count, {}, []

    def execute(self, body):
        """Runs the body in all threads, each as far as it comes, until all have ended."""
        at = {}
        routines = {t.tid: run(body, t) for t in self.threads}

        def advance(tid, result=None):
            try:
                at[tid] = routines[tid].send(result)
            except (StopIteration, Exit):
                del routines[tid]
                at.pop(tid, None)

        for tid in list(routines):
            advance(tid)
        while routines:
            for tid in list(at):
                if tid in at and (members := self.complete(at, routines, at[tid])):
                    results = at[tid].results({m: at[m].brings for m in members})
                    for m in members:
                        del at[m]
                    for m in members:
                        advance(m, results[m])
                    break
            else:
                waiting = {k: (a.key, sorted(a.members)) for k, a in at.items()}
                raise RuntimeError(f"threads wait for each other: {waiting}")

    @staticmethod
    def complete(at, routines, arrival):
        """The threads that meet here, if all have come that have not ended."""
        members = sorted(m for m in arrival.members if m in routines)
        same = all(m in at and at[m].members == arrival.members and at[m].key == arrival.key for m in members)
        return members if same else None
