"""layers.list read, and written as the exported functions that ask the layers. Used by gen_abi.py."""

import re
from dataclasses import dataclass, field


class ListError(Exception):
    pass


@dataclass
class Question:
    word: str    # "each": the layer has a question for each function
    types: list  # whose first parameters it is given
    names: list  # of functions; ["all"] for all
    line: int


@dataclass
class Layer:
    name: str
    sleeps: bool
    questions: list = field(default_factory=list)
    left_out: set = field(default_factory=set)


def read(path):
    """The layers, in order."""
    layers = []
    with open(path) as f:
        for number, line in enumerate(f, 1):
            line = line.split("#")[0].strip()
            head = re.match(r"layer (\w+)( sleeps)?$", line)
            row = re.match(r"(\w+)(?:\(([\w, ]+)\))? +(.+)$", line)
            if head:
                layers.append(Layer(head.group(1), bool(head.group(2))))
            elif row and layers and row.group(1) == "but":
                layers[-1].left_out.update(row.group(3).split())
            elif row and layers:
                types = [t.strip() for t in row.group(2).split(",")] if row.group(2) else []
                layers[-1].questions.append(Question(row.group(1), types, row.group(3).split(), number))
            elif line:
                raise ListError(f"{path}:{number}: neither a layer nor a question of one: {line}")
    return layers


def table(layers, functions, newest):
    """function name -> [(layer, question)] in the order of asking. newest: what "all" stands for. A name that this cuda.h
    does not have is passed over."""
    rows = {}
    for layer in layers:
        asked = set()
        for q in layer.questions:
            names = newest - layer.left_out if q.names == ["all"] else {n for n in q.names if n in functions}
            for name in sorted(names):
                if name in asked:
                    raise ListError(f"layers.list:{q.line}: {name} has two questions of layer {layer.name}")
                asked.add(name)
                rows.setdefault(name, []).append((layer, q))
    return {name: rows[name] for name in functions if name in rows}


def declared(params):
    return ", ".join(f"{t}{'' if t.endswith('*') else ' '}{n}" for t, n in params) or "void"


def passed(params):
    return ", ".join(n for _, n in params)


def given(f, q):
    """The parameters that a question is given."""
    if q.word == "each":
        return f.params
    out = []
    for wanted in q.types:
        found = next(((t, n) for t, n in f.params if t == wanted), None)
        if not found:
            raise ListError(f"layers.list:{q.line}: {f.name} has no parameter of type {wanted}")
        out.append(found)
    return out


def symbol(f, layer, q):
    return f"layer_{layer.name}_{f.name if q.word == 'each' else q.word}"


def prototypes(rows, functions):
    """layer_…: one declaration for each question, by which the compiler holds the layers' definitions."""
    out = {}
    for name, asked in rows.items():
        for layer, q in asked:
            f = functions[name]
            types = [t for t, _ in given(f, q)]
            text = f"bool {symbol(f, layer, q)}({declared(given(f, q) + [('CUresult *', 'r')])});"
            if out.setdefault(symbol(f, layer, q), (types, text))[0] != types:
                raise ListError(f"layers.list:{q.line}: {layer.name}'s question {q.word} was given other types before")
    return "/* Generated from cuda-abi/layers.list. */\n" + "\n".join(text for _, text in out.values()) + "\n"


def asks(f, asked, indent):
    out = ""
    for layer, q in asked:
        question = f"{symbol(f, layer, q)}({passed(given(f, q) + [('', '&r')])})"
        if layer.sleeps:
            question = f"layer_{layer.name}_on() && {question}"
        out += f"{indent}if ({question}) return r;\n"
    return out


def exported(f, asked):
    """Where all layers sleep, asking them stands apart, so that the way past them is a test and a jump."""
    call = f"hawser_direct_{f.name}({passed(f.params)})"
    alias = f'CUresult hawser_exported_{f.name}({declared(f.params)}) __attribute__((alias("{f.name}")));\n'
    if all(layer.sleeps for layer, _ in asked):
        return (f"static COLD CUresult ask_{f.name}({declared(f.params)})\n{{\n    CUresult r;\n{asks(f, asked, '    ')}"
                f"    return {call};\n}}\n"
                f"CUresult {f.name}({declared(f.params)})\n{{\n"
                f"    return hawser_layers_awake() ? ask_{f.name}({passed(f.params)}) : {call};\n}}\n{alias}")
    return f"CUresult {f.name}({declared(f.params)})\n{{\n    CUresult r;\n{asks(f, asked, '    ')}    return {call};\n}}\n{alias}"


def source(rows, functions):
    return "\n".join(["/* Generated from cuda-abi/layers.list. */", '#include "layers/layers.h"\n',
                      "#define COLD __attribute__((cold, noinline))\n", "int hawser_layers_woken;\n"]
                     + [exported(functions[name], asked) for name, asked in rows.items()])
