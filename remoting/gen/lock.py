"""The released numbers of the wire: api/*.lock and wire.lock, committed, read by people and by the build.

A number that stands in a lock file keeps its meaning for ever. `check` says what of a description of the wire would
change one, which fails the build; what is new or gone is written into the file by `update` (the target wire-lock).

    function NUMBER NAME [retired]
    message NAME [retired]
        NUMBER [repeated] TYPE NAME
        NUMBER retired [repeated] TYPE NAME
"""

import os
from dataclasses import dataclass

HEAD = """# The wire's released numbers, of {spec}: `ninja -C BUILD wire-lock` adds what is new and retires what is gone.
# The build fails where one would change its meaning; docs/adding-a-function.md says how to go on.
"""


@dataclass
class Field:
    name: str
    type: str
    repeated: bool = False
    number: int = 0  # 0: the lock file chooses one
    retired: bool = False

    @property
    def kind(self):
        return f"{'repeated ' if self.repeated else ''}{self.type}"


@dataclass
class Message:
    name: str
    fields: list
    retired: bool = False

    def by_name(self, name):
        return next((f for f in self.fields if f.name == name), None)

    def by_number(self, number):
        return next((f for f in self.fields if f.number == number), None)

    @property
    def next(self):
        return max((f.number for f in self.fields), default=0) + 1


@dataclass
class Function:
    number: int
    name: str
    retired: bool = False


class Lock:
    def __init__(self, path, numbers=(0, 0)):
        """numbers: the first and the last that functions here may have (0 is none's)."""
        self.path, self.name, self.numbers = path, os.path.basename(path), numbers
        self.functions, self.messages = {}, {}  # by number, by name
        if os.path.exists(path):
            with open(path) as f:
                for line in f:
                    self.read(line.split("#")[0].split())

    def read(self, words):
        if not words:
            return
        if words[0] == "function":
            self.functions[int(words[1])] = Function(int(words[1]), words[2], "retired" in words[3:])
        elif words[0] == "message":
            self.messages[words[1]] = Message(words[1], [], "retired" in words[2:])
        else:
            kind = words[1:-1]
            list(self.messages.values())[-1].fields.append(
                Field(words[-1], kind[-1], "repeated" in kind, int(words[0]), "retired" in kind))

    # ---- checking

    def check(self, functions, messages):
        """functions: {number: name}; messages: {name: [Field]}. (what must not be, what is new, what is gone)."""
        wrong, new, gone = [], [], []
        self.check_functions(functions, wrong, new, gone)
        for name, fields in messages.items():
            self.check_message(name, fields, wrong, new, gone)
        gone += [f"message {m.name}" for m in self.messages.values() if not m.retired and m.name not in messages]
        return wrong, new, gone

    def check_functions(self, functions, wrong, new, gone):
        numbers = {f.name: f.number for f in self.functions.values()}
        for number, name in functions.items():
            there = self.functions.get(number)
            if there and (there.name != name or there.retired):
                wrong.append(f"the function number {number} is {there.name}'s for ever; free are {self.free()}")
            elif name in numbers and numbers[name] != number:
                wrong.append(f"{name} was released with the number {numbers[name]}, which is now {number}")
            elif not there:
                new.append(f"function {number} {name}")
        gone += [f"function {f.number} {f.name}" for f in self.functions.values()
                 if not f.retired and f.number not in functions]

    def check_message(self, name, fields, wrong, new, gone):
        there = self.messages.get(name)
        if not there:
            new.append(f"message {name}")
            return
        if there.retired:
            wrong.append(f"the message {name} was retired: take another name")
            return
        for f in fields:
            old, holder = there.by_name(f.name), there.by_number(f.number) if f.number else None
            if old and old.retired:
                wrong.append(f"{name}.{f.name} was retired: take another name for what is new")
            elif old and old.kind != f.kind:
                wrong.append(f"{name}.{f.name} was released as {old.kind}, which is now {f.kind}: take another name "
                             "for what is new, and the old one stays reserved")
            elif old and f.number not in (0, old.number):
                wrong.append(f"{name}.{f.name} was released with the number {old.number}, which is now {f.number}")
            elif holder and holder is not old:
                wrong.append(f"the number {f.number} is {name}.{holder.name}'s for ever; the next free one is {there.next}")
            elif not old:
                new.append(f"{name}.{f.name}")
        names = {f.name for f in fields}
        gone += [f"{name}.{f.name}" for f in there.fields if not f.retired and f.name not in names]

    # ---- numbers

    def free(self):
        """The numbers that no function has or had, as text."""
        first, last = max(self.numbers[0], 1), self.numbers[1]
        gaps = []
        for taken in [*sorted(self.functions), last + 1]:
            if taken > first:
                gaps.append(str(first) if taken - 1 == first else f"{first}-{taken - 1}")
            first = taken + 1
        return " ".join(gaps)

    def reserved(self, message):
        """The retired fields of a message."""
        there = self.messages.get(message)
        return [f for f in there.fields if f.retired] if there else []

    def numbered(self, message, fields):
        """The fields with their released numbers."""
        there = self.messages[message]
        return [Field(f.name, f.type, f.repeated, there.by_name(f.name).number) for f in fields]

    # ---- writing

    def update(self, functions, messages):
        for f in self.functions.values():
            f.retired = f.retired or f.number not in functions
        for number, name in functions.items():
            self.functions.setdefault(number, Function(number, name))
        for m in self.messages.values():
            m.retired = m.retired or m.name not in messages
        for name, fields in messages.items():
            there = self.messages.setdefault(name, Message(name, []))
            for f in there.fields:
                f.retired = f.retired or f.name not in {x.name for x in fields}
            for f in fields:
                if not there.by_name(f.name):
                    there.fields.append(Field(f.name, f.type, f.repeated, f.number or there.next))

    def text(self, spec):
        head, parts = HEAD.format(spec=spec), []
        if self.functions:
            head += f"#\n# Free function numbers: {self.free()}\n"
            parts = ["\n".join(f"function {f.number} {f.name}{' retired' if f.retired else ''}"
                               for f in sorted(self.functions.values(), key=lambda f: f.number))]
        for m in self.messages.values():
            parts.append("\n".join([f"message {m.name}{' retired' if m.retired else ''}"] + [
                f"    {f.number} {'retired ' if f.retired else ''}{f.kind} {f.name}"
                for f in sorted(m.fields, key=lambda f: f.number)]))
        return "\n\n".join([head.rstrip(), *parts]) + "\n"
