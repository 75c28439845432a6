"""One Python file: a model that runs where nothing but Python is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from layerkit import Array, Exporter
from layerkit.recording.loops import Fold, Map, Place, Statement, collapsed
from layerkit.recording.program import Program
from layerkit.recording.text import Call, Function, calls_of, element, picked, subscript

__all__ = ["Python"]

_OPS = {
    "absolute": "abs({0})", "add": "{0} + {1}", "arctan": "math.atan({0})", "astype": "{0}",
    "ceil": "_rounded(math.ceil, {0})", "clip": "_minimum(_maximum({0}, {1}), {2})", "copy": "{0}",
    "cos": "_angle(math.cos, {0})", "cosh": "_cosh({0})", "divide": "_divide({0}, {1})",
    "equal": "{0} == {1}", "exp": "_exp({0})", "expm1": "_expm1({0})", "fabs": "abs({0})",
    "floor": "_rounded(math.floor, {0})", "greater": "{0} > {1}", "greater_equal": "{0} >= {1}",
    "isnan": "{0} != {0}", "less": "{0} < {1}", "less_equal": "{0} <= {1}", "log": "_log({0})",
    "log1p": "_log1p({0})", "logical_and": "bool({0} and {1})", "logical_not": "not {0}",
    "logical_or": "bool({0} or {1})", "maximum": "_maximum({0}, {1})",
    "minimum": "_minimum({0}, {1})", "multiply": "{0} * {1}", "negative": "-{0}",
    "not_equal": "{0} != {1}", "power": "_power({0}, {1})", "reciprocal": "_divide(1.0, {0})",
    "rint": "_rounded(round, {0})", "sign": "_sign({0})", "sin": "_angle(math.sin, {0})",
    "sinh": "_sinh({0})", "sqrt": "_sqrt({0})", "square": "{0} * {0}", "subtract": "{0} - {1}",
    "tan": "_angle(math.tan, {0})", "tanh": "math.tanh({0})", "where": "({1} if {0} else {2})",
    "arccos": "_tried(math.acos, {0})", "arccosh": "_tried(math.acosh, {0})",
    "arcsin": "_tried(math.asin, {0})", "arcsinh": "math.asinh({0})",
    "arctan2": "math.atan2({0}, {1})", "arctanh": "_atanh({0})", "cbrt": "_cbrt({0})",
    "conjugate": "{0}", "copysign": "math.copysign({0}, {1})", "deg2rad": "math.radians({0})",
    "degrees": "math.degrees({0})", "radians": "math.radians({0})",
    "exp2": "_power(2.0, {0})", "float_power": "_power({0}, {1})",
    "floor_divide": "({0} // {1} if {1} else _divide({0}, {1}))",
    "fmax": "_maximum(*_known({0}, {1}))", "fmin": "_minimum(*_known({0}, {1}))",
    "fmod": "_tried(math.fmod, {0}, {1})", "heaviside": "_heaviside({0}, {1})",
    "hypot": "math.hypot({0}, {1})", "isfinite": "math.isfinite({0})",
    "isinf": "math.isinf({0})", "log10": "_log({0}, math.log10)", "log2": "_log({0}, math.log2)",
    "logaddexp": "_logaddexp({0}, {1})", "logaddexp2": "_logaddexp2({0}, {1})",
    "logical_xor": "(not {0}) != (not {1})", "positive": "{0}", "rad2deg": "math.degrees({0})",
    "remainder": "({0} % {1} if {1} else math.nan)",
    "signbit": "math.copysign(1.0, {0}) < 0", "trunc": "_rounded(math.trunc, {0})",
}  # fmt: skip
_FOLDS = {
    "sum": "sum({0})", "prod": "math.prod({0})", "max": "_most({0})", "min": "_least({0})",
}  # fmt: skip
_PER_LINE = 6

_HEAD = '''\
"""{name}: a neural network in plain Python, written by layerkit{file}.

    >>> predict({example})

`predict` takes one raw row and gives {answers}.
A row is a list in the order of COLUMNS, or a mapping from column to cell. None is a missing
value. It needs nothing but Python 3.8 or newer; numbers are computed in float64.
"""

import math

COLUMNS = {columns}
CLASSES = {classes}
TARGETS = {targets}
INPUTS = {inputs}


def predict(row):
    """What the model gives for one row: a list of {outputs} floats."""
    if hasattr(row, "keys"):
        if COLUMNS is None:
            raise ValueError("this model takes a list of numbers: its columns have no names")
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise ValueError("expected the column %r" % missing[0])
        row = [row[name] for name in COLUMNS]
{encode}    if len(x) != INPUTS:
        raise ValueError("expected %d numbers, got %d" % (INPUTS, len(x)))
    return _from_numbers(x)


def _from_numbers(x):
{calls}
    return x
{classify}

def _index(i, size):
    if not 0 <= i < size:
        raise ValueError("expected a whole number from 0 to %d, got %d" % (size - 1, i))
    return i


def _exp(x):
    return math.exp(x) if x < 709.0 else math.nan if x != x else math.inf


def _expm1(x):
    return math.expm1(x) if x < 709.0 else math.nan if x != x else math.inf


def _cosh(x):
    return math.cosh(x) if abs(x) < 709.0 else abs(x) * math.inf


def _sinh(x):
    return math.sinh(x) if abs(x) < 709.0 else x * math.inf


def _log(x, function=math.log):
    return function(x) if x > 0 else -math.inf if x == 0 else math.nan


def _log1p(x):
    return math.log1p(x) if x > -1 else -math.inf if x == -1 else math.nan


def _sqrt(x):
    return math.sqrt(x) if x >= 0 else math.nan


def _power(x, y):
    try:
        return math.pow(x, y)
    except (OverflowError, ValueError):
        if x < 0 and y != math.floor(y):
            return math.nan
        return math.copysign(math.inf, x) if y % 2 == 1 else math.inf


def _divide(x, y):
    if y:
        return x / y
    return math.nan if x == 0 or x != x else math.copysign(math.inf, x) * math.copysign(1.0, y)


def _maximum(x, y):
    return x if x > y or x != x else y


def _minimum(x, y):
    return x if x < y or x != x else y


def _most(values):
    found = -math.inf
    for x in values:
        found = _maximum(found, x)
    return found


def _least(values):
    found = math.inf
    for x in values:
        found = _minimum(found, x)
    return found


def _sign(x):
    return float((x > 0) - (x < 0)) if x == x else x


def _rounded(function, x):
    return float(function(x)) if math.isfinite(x) else x


def _angle(function, x):
    return function(x) if math.isfinite(x) else math.nan


def _tried(function, *args):
    try:
        return function(*args)
    except ValueError:
        return math.nan


def _atanh(x):
    return math.copysign(math.inf, x) if abs(x) == 1 else _tried(math.atanh, x)


def _cbrt(x):
    return math.copysign(abs(x) ** (1 / 3), x)


def _known(x, y):
    return (x if x == x else y), (y if y == y else x)


def _heaviside(x, y):
    return y if x == 0 else x if x != x else float(x > 0)


def _logaddexp(x, y):
    apart = 0.0 if x == y else -abs(x - y)
    return _maximum(x, y) + math.log1p(math.exp(apart))


def _logaddexp2(x, y):
    apart = 0.0 if x == y else -abs(x - y)
    return _maximum(x, y) + math.log1p(2.0**apart) / math.log(2)

'''

_NUMBERS = """\
    x = [math.nan if cell is None else float(cell) for cell in row]
"""

_ENCODED = """\
    if len(row) != len(COLUMNS):
        raise ValueError("expected %d cells, got %d" % (len(COLUMNS), len(row)))
    x = [number for name, cell in zip(COLUMNS, row) for number in _encoded(name, cell)]
"""

_CATEGORIES = '''

def _encoded(name, cell):
    """The numbers of one cell: of a category one is 1, the others are 0; or its code."""
    missing = cell is None or cell != cell or str(cell).strip() in MISSING
    if name not in CATEGORIES:
        return [math.nan if missing else float(cell)]
    places, width, others, gap, code = CATEGORIES[name]
    if isinstance(cell, bool):
        cell = "true" if cell else "false"
    elif isinstance(cell, float) and not missing and cell == int(cell):
        cell = int(cell)
    place = gap if missing else places.get(str(cell).strip())
    if place is None and (missing or not others):
        raise ValueError("column %r: no category is %r" % (name, cell))
    if code:
        return [float(width if place is None else place)]
    return [float(i == place) for i in range(width)]


MISSING = {missing}
CATEGORIES = {{
{categories}}}
'''

_CLASSIFY = '''

def classify(row):
    """The most probable class of one row."""
    p = predict(row)
    return CLASSES[p[0] >= 0.5] if len(p) == 1 else CLASSES[p.index(max(p))]

'''


class Python(Exporter):
    """One ``.py`` that needs only ``math``, from raw rows to what ``predict`` gives.

    For a single row at a time, where installing NumPy is too much; layers of equal structure share
    a function.

    Source: the Python language reference, 3.8.
    """

    type_name = "python"
    extension = ".py"

    def content(self, program: Program) -> bytes:
        """The file, UTF-8.

        Raises
        ------
        ExportError
            If a layer has an operation that cannot be written as loops over one row.
        """
        return "".join(f"{line}\n" for line in _lines(program)).encode()

    def run(self, content: bytes, rows: Array) -> Array:
        """What ``predict`` of the file gives for each row."""
        names: dict[str, Any] = {"__name__": "exported"}
        exec(compile(content, "<exported>", "exec"), names)  # noqa: S102  # the text written above
        flat = rows.reshape(len(rows), -1).tolist()
        found = [names["_from_numbers"](row) for row in flat]
        return np.array(found, np.float64).reshape(len(rows), -1)


def _lines(program: Program) -> Iterator[str]:
    calls = calls_of(program, "Python", _OPS.__contains__)
    inputs, outputs = (int(np.prod(shape)) for shape in (program.in_shape, program.out_shape))
    yield _HEAD.format(
        name=_safe(program.name),
        file="".join(f", {key} {_safe(value)}" for key, value in program.facts.items()),
        example="row" if inputs > 4 else str([0.0] * inputs),
        answers=_answers(program, outputs),
        columns=_names(_columns(program)),
        encode=_NUMBERS if program.raw_columns is None else _ENCODED,
        classes=_names(program.classes),
        targets=_names(program.targets),
        inputs=inputs,
        outputs=outputs,
        calls="\n".join(map(_call, calls)),
        classify=_CLASSIFY if program.classes is not None else "",
    )
    if program.raw_columns is not None:
        rows = [column for column in program.raw_columns if column.places is not None]
        yield _CATEGORIES.format(
            missing=_names(program.missing_texts),
            categories="".join(
                f"    {one.name!a}: ({dict(one.places or {})!a}, {one.width}, {one.others}, "
                f"{one.gap}, {one.code}),\n"
                for one in rows
            ),
        )
    functions = {call.function.name: call.function for call in calls}
    for function in functions.values():
        yield from _function(function)
    for call in calls:
        for key, name in zip(call.function.tensors, call.names, strict=True):
            yield from _array(f"_{name}", call.step.tensors[key])
            yield ""


def _function(function: Function) -> Iterator[str]:
    loops = function.loops
    arguments = ["x", *(loops.tensors[key] for key in function.tensors)]
    yield f"\ndef _{function.name}({', '.join(arguments)}):"
    for name, array in loops.constants.items():
        yield from (f"    {line}" for line in _array(name, array))
    known: set[str] = set()
    for statement in loops.statements:
        name, shape = statement.out.array, statement.out.shape
        size = loops.temporary[name][1]
        if int(np.prod(shape)) == size:
            yield f"    {name} = [{_values(statement)}]"
        else:  # a part of it, by concatenate
            if name not in known:
                yield f"    {name} = [0.0] * {size}"
            yield f"    for at, value in zip({_places(statement.out)}, [{_values(statement)}]):"
            yield f"        {name}[at] = value"
        known.add(name)
    (result,) = collapsed([loops.result])
    yield f"    return [{element(result)}{_loops(result.shape)}]\n"


def _places(out: Place) -> str:
    """The indices of the elements of ``out``."""
    (flat,) = collapsed([out])
    return f"[{subscript(flat.offset, flat.strides)}{_loops(flat.shape)}]"


def _columns(program: Program) -> Sequence[Any] | None:
    """The names of the cells of a row."""
    raw = program.raw_columns
    return program.columns if raw is None else [column.name for column in raw]


def _call(call: Call) -> str:
    arguments = ["x", *(f"_{name}" for name in call.names)]
    return f"    x = _{call.function.name}({', '.join(arguments)})"


def _answers(program: Program, outputs: int) -> str:
    if program.classes is not None:
        one = outputs == 1
        return "the probability of the second class" if one else "the probability of each class"
    return "the targets in raw units" if program.targets is not None else "the outputs"


def _names(names: Sequence[Any] | None) -> str:
    return "None" if names is None else ascii(list(names))


def _safe(text: Any) -> str:
    """``text`` in a docstring."""
    return ascii(str(text))[1:-1].replace('"', "'")


def _values(statement: Statement) -> str:
    """What a statement computes, in C order, as the inside of a list."""
    if isinstance(statement, Map):
        return _map(statement)
    if isinstance(statement, Fold):
        return _fold(statement)
    value, _ = picked(statement, "_index({key}, {size})")
    return f"{value}{_loops(statement.out.shape)}"


def _map(statement: Map) -> str:
    given = [arg for arg in statement.args if isinstance(arg, Place)]
    out, *places = collapsed([statement.out, *given])
    left = iter(places)
    args = [element(next(left)) if isinstance(a, Place) else _number(a) for a in statement.args]
    whole = statement.op == "astype" and out.dtype.kind in "iu"
    value = ("int({0})" if whole else _OPS[statement.op]).format(*args)
    return f"{value}{_loops(out.shape)}"


def _fold(statement: Fold) -> str:
    lead, whole = len(statement.out.shape), statement.args[0].shape
    terms = " * ".join(map(element, statement.args))
    inner = _loops(whole[lead:], first=lead)
    values = _FOLDS[statement.op].format(f"[{terms}{inner}]")
    return f"{values}{_loops(whole[:lead])}"


def _loops(shape: Sequence[int], *, first: int = 0) -> str:
    return "".join(f" for i{axis} in range({n})" for axis, n in enumerate(shape, start=first))


def _number(value: Any) -> str:
    if isinstance(value, float) and (value != value or value in (np.inf, -np.inf)):
        return f"float({str(value)!r})"
    return f"({value!r})" if value < 0 else repr(value)


def _array(name: str, array: Array) -> Iterator[str]:
    yield f"{name} = ["
    numbers = list(map(repr, np.ascontiguousarray(array).ravel().tolist()))
    numbers = [f"float({n!r})" if n in ("nan", "inf", "-inf") else n for n in numbers]
    for at in range(0, len(numbers), _PER_LINE):
        yield "    " + ", ".join(numbers[at : at + _PER_LINE]) + ","
    yield "]"
