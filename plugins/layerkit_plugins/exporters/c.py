"""C99: a model as one header for a microcontroller or any program in C."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layerkit import Array, Exporter
from layerkit.recording.loops import (
    Fold,
    Map,
    Operand,
    Pick,
    Place,
    Statement,
    collapsed,
    contiguous,
    identifier,
)
from layerkit.recording.program import Program
from layerkit.recording.text import Call, Function, calls_of, element, picked, subscript

__all__ = ["C"]

_TYPES = {"f4": "float", "f8": "double", "i8": "long long", "i4": "int", "b1": "unsigned char"}
_REAL = {
    "absolute": "fabs{f}({0})", "ceil": "ceil{f}({0})",
    "clip": "{0} != {0} || {1} != {1} || {2} != {2} ? {0} + {1} + {2} "
    ": fmin{f}(fmax{f}({0}, {1}), {2})",
    "arctan": "atan{f}({0})", "cos": "cos{f}({0})", "cosh": "cosh{f}({0})", "exp": "exp{f}({0})",
    "expm1": "expm1{f}({0})", "fabs": "fabs{f}({0})", "floor": "floor{f}({0})",
    "log": "log{f}({0})", "log1p": "log1p{f}({0})", "power": "pow{f}({0}, {1})",
    "rint": "nearbyint{f}({0})", "sin": "sin{f}({0})", "sinh": "sinh{f}({0})",
    "sqrt": "sqrt{f}({0})", "tan": "tan{f}({0})", "tanh": "tanh{f}({0})",
    "arccos": "acos{f}({0})", "arccosh": "acosh{f}({0})", "arcsin": "asin{f}({0})",
    "arcsinh": "asinh{f}({0})", "arctan2": "atan2{f}({0}, {1})", "arctanh": "atanh{f}({0})",
    "cbrt": "cbrt{f}({0})", "copysign": "copysign{f}({0}, {1})", "exp2": "exp2{f}({0})",
    "deg2rad": "({type})({0} * 0.017453292519943295)",
    "degrees": "({type})({0} * 57.29577951308232)",
    "radians": "({type})({0} * 0.017453292519943295)", "float_power": "pow({0}, {1})",
    "floor_divide": "{1} == 0 ? {0} / {1} : rint{f}(({0} - fmod{f}({0}, {1})) / {1} - "
    "(fmod{f}({0}, {1}) != 0 && ({1} < 0) != (fmod{f}({0}, {1}) < 0)))",
    "fmax": "fmax{f}({0}, {1})", "fmin": "fmin{f}({0}, {1})", "fmod": "fmod{f}({0}, {1})",
    "heaviside": "{0} != {0} ? {0} : {0} < 0 ? 0 : {0} > 0 ? 1 : {1}",
    "hypot": "hypot{f}({0}, {1})", "log10": "log10{f}({0})", "log2": "log2{f}({0})",
    "logaddexp": "{0} == {1} ? {0} + log{f}(2) : fmax{f}({0}, {1}) + "
    "log1p{f}(exp{f}(-fabs{f}({0} - {1})))",
    "logaddexp2": "{0} == {1} ? {0} + 1 : fmax{f}({0}, {1}) + "
    "log1p{f}(exp2{f}(-fabs{f}({0} - {1}))) / log{f}(2)",
    "rad2deg": "({type})({0} * 57.29577951308232)",
    "remainder": "fmod{f}({0}, {1}) == 0 ? copysign{f}(0, {1}) : fmod{f}({0}, {1}) + "
    "(({1} < 0) != (fmod{f}({0}, {1}) < 0) ? {1} : 0)",
    "trunc": "trunc{f}({0})",
}  # fmt: skip
_ANY = {
    "add": "{0} + {1}", "astype": "({type})({0})", "copy": "{0}", "divide": "{0} / {1}",
    "equal": "{0} == {1}", "greater": "{0} > {1}", "greater_equal": "{0} >= {1}",
    "conjugate": "{0}", "isfinite": "{0} - {0} == 0", "isinf": "{0} == {0} && {0} - {0} != 0",
    "isnan": "{0} != {0}", "less": "{0} < {1}", "less_equal": "{0} <= {1}",
    "logical_and": "{0} && {1}", "logical_not": "!{0}", "logical_or": "{0} || {1}",
    "logical_xor": "!{0} != !{1}", "positive": "{0}", "signbit": "signbit({0}) != 0",
    "maximum": "{0} > {1} || {0} != {0} ? {0} : {1}",
    "minimum": "{0} < {1} || {0} != {0} ? {0} : {1}",
    "multiply": "{0} * {1}", "negative": "-{0}", "not_equal": "{0} != {1}",
    "reciprocal": "1 / {0}", "square": "{0} * {0}",
    "sign": "{0} != {0} ? {0} : ({0} > 0) - ({0} < 0)",
    "subtract": "{0} - {1}", "where": "{0} ? {1} : {2}",
}  # fmt: skip
_FOLDS = {
    "sum": ("0", "s += {0};"),
    "prod": ("1", "s *= {0};"),
    "max": ("-INFINITY", "if ({0} > s || {0} != {0}) s = {0};"),
    "min": ("INFINITY", "if ({0} < s || {0} != {0}) s = {0};"),
}
_PER_LINE = 8

_HEAD = """\
/* {name}: a neural network as C99, written by layerkit{file}.
 *
 * void {id}_predict(const {in_type} row[{id}_INPUTS], {out_type} out[{id}_OUTPUTS]);
 *
 * {id}_predict takes the raw numbers of one row{columns}
 * and gives {answers}.
 * It needs math.h alone (link with -lm), allocates nothing, and uses {memory:,} bytes of
 * static memory beside {constants:,} bytes of constants. One call at a time: it is not reentrant.
 */
#ifndef {guard}
#define {guard}

#include <math.h>

#define {id}_INPUTS {inputs}
#define {id}_OUTPUTS {outputs}
"""


class C(Exporter):
    """One C99 header from raw numeric rows to what ``predict`` gives, for one row at a time.

    It needs nothing but ``math.h`` and no heap. Layers of equal structure share a function.

    Source: ISO/IEC 9899:1999.
    """

    type_name = "c"
    extension = ".h"

    def content(self, program: Program) -> bytes:
        """The header, ASCII.

        Raises
        ------
        ExportError
            If a layer has an operation that cannot be written as loops over one row.
        """
        calls = calls_of(program, "C", {**_REAL, **_ANY}.__contains__)
        return "".join(f"{line}\n" for line in _Header(program, calls).lines()).encode("ascii")

    def run(self, content: bytes, rows: Array) -> Array:
        """What the compiled header gives.

        Raises
        ------
        NotImplementedError
            If there is no C compiler, or the one there is fails; the text says how.
        """
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise NotImplementedError("install a C compiler (cc, gcc or clang) to run it")
        text = content.decode("ascii")
        name = text.split("#ifndef ")[1].split()[0].removesuffix("_H").lower()
        with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
            Path(folder, "model.h").write_bytes(content)
            source, library = Path(folder, "model.c"), Path(folder, "model.so")
            source.write_text(_DRIVER.format(id=name))
            flags = ["-std=c99", "-O2", "-ffp-contract=off", "-shared", "-fPIC"]
            done = subprocess.run(  # noqa: S603  # the user's own compiler on the text written above
                [compiler, *flags, str(source), "-o", str(library), "-lm"],
                capture_output=True, text=True, errors="replace", check=False,
            )  # fmt: skip
            if done.returncode:
                said = next(filter(str.strip, done.stderr.splitlines()), "it said nothing").strip()
                raise NotImplementedError(f"{compiler} ended with status {done.returncode}: {said}")
            loaded = ctypes.CDLL(str(library))
        outputs = loaded.outputs()
        out = np.empty((len(rows), outputs), "f8" if loaded.wide() else "f4")
        given = np.ascontiguousarray(rows.reshape(len(rows), -1))
        loaded.run(
            ctypes.c_size_t(len(rows)), ctypes.c_void_p(given.ctypes.data),
            ctypes.c_void_p(out.ctypes.data),
        )  # fmt: skip
        return out


_DRIVER = """\
#include <stddef.h>
#include "model.h"
int outputs(void) {{ return {id}_OUTPUTS; }}
int wide(void) {{ return sizeof({id}_out) == 8; }}
void run(size_t n, const {id}_in *rows, {id}_out *out) {{
    for (size_t i = 0; i < n; i++)
        {id}_predict(rows + i * {id}_INPUTS, out + i * {id}_OUTPUTS);
}}
"""


class _Header:
    """The lines of a header."""

    def __init__(self, program: Program, calls: Sequence[Call]) -> None:
        self.program, self.calls = program, calls
        self.id = identifier(program.name).lower()
        self.functions = {call.function.name: call.function for call in calls}

    def lines(self) -> Iterator[str]:
        program = self.program
        tensors = [
            (name, call.step.tensors[key])
            for call in self.calls
            for key, name in zip(call.function.tensors, self._tensors(call), strict=True)
        ]
        inputs, outputs = (int(np.prod(s)) for s in (program.in_shape, program.out_shape))
        kept = [array for f in self.functions.values() for array in f.loops.constants.values()]
        constants = sum(array.nbytes for array in [*kept, *(array for _, array in tensors)])
        columns, answers = self._words(outputs)
        yield _HEAD.format(
            name=_plain(program.name),
            id=self.id,
            guard=f"{self.id.upper()}_H",
            file="".join(f", {k} {_plain(v)}" for k, v in program.facts.items()),
            in_type=_type(program.in_dtype),
            out_type=_type(program.out_dtype),
            columns=columns,
            answers=answers,
            inputs=inputs,
            outputs=outputs,
            memory=self._memory(),
            constants=constants,
        )
        yield f"typedef {_type(program.in_dtype)} {self.id}_in;"
        yield f"typedef {_type(program.out_dtype)} {self.id}_out;\n"
        for name, array in tensors:
            yield from _array(name, array)
        for function in self.functions.values():
            yield from self._function(function)
        yield from self._predict()
        yield f"\n#endif /* {self.id.upper()}_H */"

    def _tensors(self, call: Call) -> list[str]:
        return [f"{self.id}_{name}" for name in call.names]

    def _words(self, outputs: int) -> tuple[str, str]:
        program = self.program
        columns = "" if program.columns is None else ":\n * " + _listed(program.columns)
        if program.classes is not None and outputs == 1:
            return columns, f"the probability of {_plain(program.classes[-1])}"
        if program.classes is not None:
            return columns, f"the probabilities of the classes:\n * {_listed(program.classes)}"
        if program.targets is not None:
            return columns, f"the targets: {_listed(program.targets)}"
        return columns, "the outputs"

    def _memory(self) -> int:
        held = [one for f in self.functions.values() for one in f.loops.temporary.values()]
        between = [self._between(call) for call in self.calls[:-1]]
        return sum(dtype.itemsize * size for dtype, size in [*held, *between])

    def _between(self, call: Call) -> tuple[np.dtype[Any], int]:
        return call.step.graph.y.dtype, int(np.prod(call.step.out_shape))

    def _function(self, function: Function) -> Iterator[str]:
        loops = function.loops
        leaves = {node.dtype for node in self._graph(function).nodes() if node.op == "input"}
        x = _type(leaves.pop()) if leaves else "float"
        tensors = [
            f"const {_type(self._dtype(function, key))} *{loops.tensors[key]}"
            for key in function.tensors
        ]
        result = loops.result
        arguments = ", ".join([f"const {x} *x", *tensors, f"{_type(result.dtype)} *y"])
        yield f"\nstatic inline void {self.id}_{function.name}({arguments}) {{"
        for name, array in loops.constants.items():
            yield from (f"    {line}" for line in _array(name, array))
        for name, (dtype, size) in loops.temporary.items():
            yield f"    static {_type(dtype)} {name}[{max(size, 1)}];"
        if not leaves and not any("x" in _arrays(s) for s in loops.statements):
            yield "    (void)x;"
        for statement in loops.statements:
            yield from _statement(statement)
        out = contiguous("y", result.dtype, result.shape)
        yield from _statement(Map("copy", out, (result,)))
        yield "}"

    def _graph(self, function: Function) -> Any:
        return next(c.step.graph for c in self.calls if c.function is function)

    def _dtype(self, function: Function, key: str) -> Any:
        return next(c.step.tensors[key].dtype for c in self.calls if c.function is function)

    def _predict(self) -> Iterator[str]:
        arguments = f"const {self.id}_in *row, {self.id}_out *out"
        yield f"\nstatic inline void {self.id}_predict({arguments}) {{"
        last = len(self.calls) - 1
        for i, call in enumerate(self.calls[:-1]):
            dtype, size = self._between(call)
            yield f"    static {_type(dtype)} v{i}[{max(size, 1)}];"
        given = "row"
        for i, call in enumerate(self.calls):
            made = "out" if i == last else f"v{i}"
            arguments = ", ".join([given, *self._tensors(call), made])
            yield f"    {self.id}_{call.function.name}({arguments});"
            given = made
        if not self.calls:
            yield f"    for (int i = 0; i < {self.id}_OUTPUTS; i++) out[i] = row[i];"
        yield "}"


def _statement(statement: Statement) -> Iterator[str]:
    if isinstance(statement, Map):
        yield from _map(statement)
    elif isinstance(statement, Fold):
        yield from _fold(statement)
    else:
        value, key = picked(statement)
        if statement.out.dtype.kind == "f":  # what NumPy refuses must not read other memory
            size = statement.x.shape[statement.axis]
            value = f"{key} >= 0 && {key} < {size} ? {value} : NAN"
        yield from _loops(statement.out.shape, f"{element(statement.out)} = {value};")


def _map(statement: Map) -> Iterator[str]:
    given = [arg for arg in statement.args if isinstance(arg, Place)]
    out, *places = collapsed([statement.out, *given])
    left = iter(places)
    args = [next(left) if isinstance(arg, Place) else arg for arg in statement.args]
    real = out.dtype if out.dtype.kind == "f" else np.dtype(np.float64)
    template = {**_REAL, **_ANY}[statement.op]
    suffix = "f" if real == np.float32 else ""
    value = template.format(*(_operand(a, real) for a in args), f=suffix, type=_type(out.dtype))
    yield from _loops(out.shape, f"{element(out)} = {value};")


def _fold(statement: Fold) -> Iterator[str]:
    lead = len(statement.out.shape)
    whole = statement.args[0].shape
    outer = [p._replace(shape=whole[:lead], strides=p.strides[:lead]) for p in statement.args]
    inner = [
        p._replace(shape=whole[lead:], strides=p.strides[lead:], offset=0) for p in statement.args
    ]
    out, *outer = collapsed([statement.out, *outer])
    inner = collapsed(inner)
    depth = len(out.shape)
    terms = [
        f"{o.array}[{subscript(o.offset, [*o.strides, *i.strides])}]"
        for o, i in zip(outer, inner, strict=True)
    ]
    start, step = _FOLDS[statement.op]
    body = [
        f"{_type(out.dtype)} s = {start};",
        *_loops(inner[0].shape, step.format(" * ".join(terms)), indent=0, first=depth),
        f"{element(out)} = s;",
    ]
    yield from _loops(out.shape, *body)


def _loops(shape: Sequence[int], *body: str, indent: int = 1, first: int = 0) -> Iterator[str]:
    """``body`` inside one loop per axis; a block of its own where there are no axes."""
    pad = "    " * indent
    for depth, size in enumerate(shape):
        i = f"i{first + depth}"
        yield f"{pad}for (int {i} = 0; {i} < {size}; {i}++) {{"
        pad += "    "
    if not shape and len(body) > 1:
        yield f"{pad}{{"
        pad += "    "
    yield from (f"{pad}{line}" for line in body)
    closing = len(shape) or (1 if len(body) > 1 else 0)
    for depth in range(closing, 0, -1):
        yield "    " * (indent + depth - 1) + "}"


def _operand(arg: Operand, dtype: np.dtype[Any]) -> str:
    return element(arg) if isinstance(arg, Place) else _number(arg, dtype)


def _number(value: Any, dtype: np.dtype[Any]) -> str:
    if dtype.kind == "b":
        return str(int(bool(value)))
    if dtype.kind in "iu":
        return str(int(value))
    if np.isnan(value):
        return "NAN"
    if np.isinf(value):
        return "INFINITY" if value > 0 else "(-INFINITY)"
    text = f"{float(value):.9g}" if dtype == np.float32 else repr(float(value))
    text = text if any(mark in text for mark in ".e") else f"{text}.0"
    text += "f" if dtype == np.float32 else ""
    return f"({text})" if text.startswith("-") else text


def _array(name: str, array: Array) -> Iterator[str]:
    flat = np.ascontiguousarray(array).ravel()
    yield f"static const {_type(array.dtype)} {name}[{max(flat.size, 1)}] = {{"
    numbers = [_number(value, array.dtype).strip("()") for value in flat.tolist()] or ["0"]
    for at in range(0, len(numbers), _PER_LINE):
        yield "    " + ", ".join(numbers[at : at + _PER_LINE]) + ","
    yield "};"


def _arrays(statement: Statement) -> set[str]:
    places = [statement.out, *(statement.args if not isinstance(statement, Pick) else ())]
    if isinstance(statement, Pick):
        places += [statement.x, statement.keys]
    return {p.array for p in places if isinstance(p, Place)}


def _type(dtype: Any) -> str:
    return _TYPES[np.dtype(dtype).str[1:]]


def _plain(text: Any) -> str:
    """ASCII without what ends a comment."""
    return str(text).encode("ascii", "backslashreplace").decode().replace("*/", "* /")


def _listed(names: Iterable[Any]) -> str:
    """Names in lines that fit a comment."""
    lines = [""]
    for word in ", ".join(map(_plain, names)).split(" "):
        if len(lines[-1]) + len(word) > 88:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n * ".join(lines)
