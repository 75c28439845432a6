"""ONNX: a model for ONNX Runtime, OpenVINO, a browser or a phone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from layerkit import Array, Exporter, MissingExtraError
from layerkit.recording.formulas import FORMULAS, Value
from layerkit.recording.graph import Count, Node, Slice
from layerkit.recording.loops import logical
from layerkit.recording.program import Program, RawColumn, Step, unsupported

__all__ = ["Onnx"]

_OPSET, _IR = 17, 8  # read by runtimes since 2022

# NumPy's name to ONNX's, where the operation is the same.
_SAME = {
    "absolute": "Abs", "add": "Add", "ceil": "Ceil", "conjugate": "Identity", "copy": "Identity",
    "cos": "Cos", "divide": "Div", "equal": "Equal", "exp": "Exp",
    "fabs": "Abs", "floor": "Floor", "greater": "Greater", "greater_equal": "GreaterOrEqual",
    "isnan": "IsNaN", "less": "Less", "less_equal": "LessOrEqual", "log": "Log",
    "logical_and": "And", "logical_not": "Not", "logical_or": "Or", "logical_xor": "Xor",
    "matmul": "MatMul", "maximum": "Max", "minimum": "Min", "multiply": "Mul", "negative": "Neg",
    "positive": "Identity", "power": "Pow", "rint": "Round", "sign": "Sign", "sin": "Sin",
    "sqrt": "Sqrt", "subtract": "Sub", "tanh": "Tanh", "where": "Where",
}  # fmt: skip
_REDUCED = {"sum": "ReduceSum", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd"}
_LOGICAL = {"And", "Or", "Not", "Xor"}
_COMPARED = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "IsNaN"}


class Onnx(Exporter):
    """ONNX opset 17, IR version 8, from raw numeric rows to what ``predict`` gives.

    The graph takes ``rows`` (n, ...), n free, and gives ``predictions`` (n, ...): missing numbers
    are filled and rows scaled as the model does it. Categories are numbers already, one column
    each; ``raw_columns`` of the metadata says what a table's cells become. Operations are written
    with primitives that runtimes have in float64 too. Constants are tensors: attributes are
    float32. The names of columns, classes and targets are metadata, as JSON.

    Source: the ONNX operator schemas, https://onnx.ai/onnx/operators/.
    """

    type_name = "onnx"
    extension = ".onnx"

    def content(self, program: Program) -> bytes:
        """The model, checked by ``onnx.checker``.

        Raises
        ------
        ExportError
            If ONNX lacks an operation of a layer.
        MissingExtraError
            If onnx is not installed.
        """
        try:
            import onnx
        except ImportError as cause:
            raise MissingExtraError("onnx", "onnx", "exporting to ONNX") from cause
        from onnx import helper

        work = _Graph(program)
        made = work.values(program)
        graph = helper.make_graph(
            work.nodes,
            program.name,
            [
                helper.make_tensor_value_info(
                    "rows", _type(program.in_dtype), ["n", *program.in_shape]
                )
            ],
            [
                helper.make_tensor_value_info(
                    made, _type(program.out_dtype), ["n", *program.out_shape]
                )
            ],
            work.constants,
        )
        model = helper.make_model(
            graph,
            producer_name="layerkit",
            ir_version=_IR,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        helper.set_model_props(model, _metadata(program))
        onnx.checker.check_model(model, full_check=True)
        found: bytes = model.SerializeToString()
        return found

    def run(self, content: bytes, rows: Array) -> Array:
        """What ONNX Runtime gives, or onnx's own reference where that is not installed.

        Raises
        ------
        NotImplementedError
            If neither is installed.
        """
        try:
            from onnxruntime import InferenceSession
        except ImportError:
            try:
                from onnx.reference import ReferenceEvaluator
            except ImportError as cause:
                raise NotImplementedError("install onnxruntime to run it") from cause
            session: Any = ReferenceEvaluator(content)
            name, dtype = "rows", rows.dtype
        else:
            session = InferenceSession(content, providers=["CPUExecutionProvider"])
            (given,) = session.get_inputs()
            name, dtype = given.name, np.dtype("f8" if "double" in given.type else "f4")
        found: Array = session.run(None, {name: rows.astype(dtype)})[0]
        return found


def _metadata(program: Program) -> dict[str, str]:
    named = program.names()
    if program.raw_columns is not None:
        named["raw_columns"] = [_raw(column) for column in program.raw_columns]
    return {**{key: json.dumps(names) for key, names in named.items()}, **program.facts}


def _raw(column: RawColumn) -> Any:
    """A column of raw rows, and what its cells become: see ``RawColumn``."""
    if column.places is None:
        return column.name
    facts = column._asdict()
    return facts if column.code else {k: v for k, v in facts.items() if k != "code"}


def _type(dtype: Any) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


class _Graph:
    """The nodes and constants of an ONNX graph under construction."""

    def __init__(self, program: Program) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[Any, str] = {}  # constants by content
        self._names = 0

    def values(self, program: Program) -> str:
        """The name of the output, after all steps."""
        name = "rows"
        for step in program.steps:
            name = _Step(self, step, name).result()
        # the output has a name of its own, also where there are no steps
        self.nodes.append(self._node("Identity", [name], "predictions"))
        return "predictions"

    def add(self, op: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node; the name of its output."""
        self._names += 1
        name = f"v{self._names}"
        self.nodes.append(self._node(op, inputs, name, **attributes))
        return name

    def cast(self, name: str, dtype: Any) -> str:
        """Add a cast; the name of its output."""
        return self.add("Cast", [name], to=_type(dtype))

    def _node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> Any:
        from onnx import helper

        return helper.make_node(op, inputs, [output], **attributes)

    def constant(self, value: Any, dtype: Any = None, name: str = "") -> str:
        """The name of a constant; equal ones without a name of their own are stored once."""
        from onnx import numpy_helper

        array = np.array(value, dtype, order="C")
        key = (array.dtype.str, array.shape, array.tobytes(), name)
        if key not in self._known:
            self._known[key] = name or f"c{len(self._known)}"
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]


class _Step:
    """The nodes of one step, from the value called ``x`` to its result."""

    def __init__(self, graph: _Graph, step: Step, x: str) -> None:
        self.graph, self.step, self.x = graph, step, x
        self.names: dict[int, str] = {}

    def result(self) -> str:
        """The name of the output."""
        for node in self.step.graph.nodes():
            self.names[id(node)] = self._made(node)
        return self.names[id(self.step.graph.y)]

    def _made(self, node: Node) -> str:
        if node.op in ("param", "state"):
            tensor = self.step.tensors[node.args[0]]
            return self.graph.constant(tensor, name=f"{self.step.name}.{node.args[0]}")
        rule = _RULES.get(logical(node))
        if rule is not None:
            return rule(self, node)
        if logical(node) in _SAME:
            return self._elementwise(node)
        if node.op in _REDUCED:
            return self._reduced(node)
        if logical(node) in FORMULAS:
            return self._formula(node)
        raise self.lacks(node)

    def lacks(self, node: Node, instead: str = "") -> Exception:
        """The error for a node that ONNX does not have."""
        return unsupported(self.step, node, "ONNX", instead)

    def _elementwise(self, node: Node) -> str:
        op = _SAME[logical(node)]
        if op in _LOGICAL:
            dtype: Any = np.dtype(bool)
        elif op in _COMPARED:
            dtype = _common(node)
        else:
            dtype = node.dtype
        if op == "Where":
            condition, *args = node.args
            inputs = [self.value(condition, np.dtype(bool)), *(self.value(a, dtype) for a in args)]
        else:
            inputs = [self.value(arg, dtype) for arg in node.args]
        return self.graph.add(op, inputs)

    def _formula(self, node: Node) -> str:
        dtype = _common(node) if node.dtype == np.bool_ else node.dtype
        if dtype.kind != "f" and node.op != "square":
            raise self.lacks(node, "compute it of floats: x.astype(float)")
        args = [Value(self.graph, self.value(arg, dtype), dtype) for arg in node.args]
        return FORMULAS[node.op](*args).name

    def _reduced(self, node: Node) -> str:
        x = self.value(node.args[0], node.dtype)
        axes, keep = node.kw["axis"], int(bool(node.kw.get("keepdims", False)))
        axes = (axes,) if isinstance(axes, int) else axes
        if node.op == "sum":  # whose axes are an input since opset 13
            return self.graph.add("ReduceSum", [x, self.ints(axes)], keepdims=keep)
        return self.graph.add(_REDUCED[node.op], [x], axes=list(axes), keepdims=keep)

    def value(self, arg: Any, dtype: Any = None) -> str:
        """The name of an argument's value, in ``dtype``."""
        if isinstance(arg, Node):
            name = self.names[id(arg)]
            if dtype is None or arg.dtype == dtype:
                return name
            return self.graph.cast(name, dtype)
        if isinstance(arg, Count):
            name = self.graph.cast(self.count(arg), dtype)
            return self.graph.add("Squeeze", [name, self.ints([0])])
        return self.graph.constant(arg, dtype)

    def ints(self, values: Any) -> str:
        """A constant vector of int64."""
        return self.graph.constant(list(values), np.int64)

    def count(self, count: Count) -> str:
        """A vector of one int64: a n + b."""
        if count.per:
            raise ValueError("a share of the rows is not an integer")
        rows = self.graph.add("Shape", ["rows"], start=0, end=1)
        scaled = self.graph.add("Mul", [rows, self.ints([int(count.a)])])
        return self.graph.add("Add", [scaled, self.ints([int(count.b)])])

    def shape(self, shape: Any) -> str:
        """A vector of int64 with the sizes of ``shape``."""
        if not any(isinstance(size, Count) for size in shape):
            return self.ints(shape)
        parts = [self.count(s) if isinstance(s, Count) else self.ints([s]) for s in shape]
        return self.graph.add("Concat", parts, axis=0)


def _common(node: Node) -> np.dtype[Any]:
    """The dtype in which a comparison compares its arrays."""
    return np.result_type(*(arg.dtype for arg in node.args if isinstance(arg, Node)))


def _leaf(work: _Step, node: Node) -> str:
    return work.x


def _const(work: _Step, node: Node) -> str:
    if np.shape(node.value) == tuple(node.shape):
        return work.graph.constant(node.value, node.dtype)
    single = work.graph.constant(node.value, node.dtype)
    return work.graph.add("Expand", [single, work.shape(node.shape)])


def _arange(work: _Step, node: Node) -> str:
    ends = [work.graph.constant(number, np.int64) for number in (0, 1)]
    rows = work.graph.add("Shape", ["rows"], start=0, end=1)
    n = work.graph.add("Squeeze", [rows, work.ints([0])])
    found = work.graph.add("Range", [ends[0], n, ends[1]])
    if len(node.shape) > 1:
        sizes = work.ints([-1 if isinstance(size, Count) else size for size in node.shape])
        found = work.graph.add("Reshape", [found, sizes])
    return found if node.dtype == np.int64 else work.graph.cast(found, node.dtype)


def _not_equal(work: _Step, node: Node) -> str:
    dtype = _common(node)
    same = work.graph.add("Equal", [work.value(arg, dtype) for arg in node.args])
    return work.graph.add("Not", [same])


def _clip(work: _Step, node: Node) -> str:
    x, low, high = (work.value(arg, node.dtype) for arg in node.args)
    return work.graph.add("Min", [work.graph.add("Max", [x, low]), high])


def _astype(work: _Step, node: Node) -> str:
    return work.graph.cast(work.value(node.args[0]), node.dtype)


def _transpose(work: _Step, node: Node) -> str:
    return work.graph.add("Transpose", [work.value(node.args[0])], perm=list(node.args[1]))


def _reshape(work: _Step, node: Node) -> str:
    sizes = node.args[1]
    counts = sum(isinstance(size, Count) for size in sizes)
    if counts == 1 and 0 not in sizes:
        shape = work.ints([-1 if isinstance(size, Count) else size for size in sizes])
    else:
        shape = work.shape(sizes)
    return work.graph.add("Reshape", [work.value(node.args[0]), shape], allowzero=int(0 in sizes))


def _broadcast(work: _Step, node: Node) -> str:
    return work.graph.add("Expand", [work.value(node.args[0]), work.shape(node.args[1])])


def _index(work: _Step, node: Node) -> str:
    x, keys = node.args
    name, add = work.value(x), work.graph.add
    taken = dict(enumerate(key for key in keys if key is not None))
    cut = {axis: _bounds(key) for axis, key in taken.items() if key != Slice(None, None, None)}
    if any(isinstance(end, Count) for bounds in cut.values() for end in bounds):
        raise work.lacks(node, "slice rows with bounds that do not depend on their number")
    if cut:
        starts, ends, steps = zip(*cut.values(), strict=True)
        vectors = [work.ints(v) for v in (starts, ends, list(cut), steps)]
        name = add("Slice", [name, *vectors])
    gone = [axis for axis, key in taken.items() if isinstance(key, int)]
    if gone:
        name = add("Squeeze", [name, work.ints(gone)])
    left = [key for key in keys if not isinstance(key, int)]
    new = [place for place, key in enumerate(left) if key is None]
    return add("Unsqueeze", [name, work.ints(new)]) if new else name


def _bounds(key: Any) -> tuple[Any, Any, Any]:
    """Start, end and step of a key of one axis, as ONNX's Slice takes them."""
    most = np.iinfo(np.int64).max
    if isinstance(key, int):
        return key, most if key == -1 else key + 1, 1
    step = 1 if key.step is None else key.step
    first, last = (0, most) if step > 0 else (most, -most)
    return (
        first if key.start is None else key.start,
        last if key.stop is None else key.stop,
        step,
    )


def _gather(work: _Step, node: Node) -> str:
    x, keys = node.args
    arrays = [axis for axis, key in enumerate(keys) if isinstance(key, Node)]
    rest = [key for key in keys if not isinstance(key, Node)]
    if len(arrays) != 1 or any(key != Slice(None, None, None) for key in rest):
        raise work.lacks(node, "index with one array of whole numbers")
    (axis,) = arrays
    if keys[axis].dtype.kind not in "iu":
        raise work.lacks(node, "np.where selects by a condition")
    at = work.value(keys[axis], np.dtype(np.int64))
    return work.graph.add("Gather", [work.value(x), at], axis=axis)


def _concatenate(work: _Step, node: Node) -> str:
    arrays, axis = node.args
    return work.graph.add("Concat", [work.value(a, node.dtype) for a in arrays], axis=axis)


def _windows(work: _Step, node: Node) -> str:
    """Each element of a window as a slice, side by side in a new last axis."""
    x, sizes, axes = node.args
    name, add = work.value(x), work.graph.add
    for new, (size, axis) in enumerate(zip(sizes, axes, strict=True), start=len(x.shape)):
        parts = []
        for start in range(size):
            ends = start, start + node.shape[axis], axis
            part = add("Slice", [name, *(work.ints([number]) for number in ends)])
            parts.append(add("Unsqueeze", [part, work.ints([new])]))
        name = add("Concat", parts, axis=new)
    return name


def _set(work: _Step, node: Node) -> str:
    """The new part with padding, where it lies; else the array."""
    x, keys, value = node.args
    sizes = [1 if isinstance(size, Count) else size for size in x.shape]  # one row for all
    spans = []
    for key, size, whole in zip(keys, sizes, x.shape, strict=True):
        if key != Slice(None, None, None) and (
            not isinstance(key, Slice) or isinstance(whole, Count)
        ):
            raise work.lacks(node, "assign to slices of features")
        spans.append(range(size)[slice(*key)])
    if any(span.step != 1 for span in spans) or not isinstance(value, Node):
        raise work.lacks(node, "assign arrays to slices of features without steps")
    ends = [size - span.stop for span, size in zip(spans, sizes, strict=True)]
    pads = work.ints([*(span.start for span in spans), *ends])
    part = work.value(value, node.dtype)
    shape = tuple(
        s if isinstance(s, Count) else len(r) for r, s in zip(spans, x.shape, strict=True)
    )
    if value.shape != shape:
        part = work.graph.add("Expand", [part, work.shape(shape)])
    if x.op == "const" and np.size(x.value) == 1:
        fill = work.graph.constant(np.asarray(x.value).item(), node.dtype)
        return work.graph.add("Pad", [part, pads, fill])
    inside = np.zeros(sizes, bool)
    inside[tuple(slice(r.start, r.stop) for r in spans)] = True
    new = work.graph.add("Pad", [part, pads])
    mask = work.graph.constant(inside)
    return work.graph.add("Where", [mask, new, work.value(x, node.dtype)])


def _einsum(work: _Step, node: Node) -> str:
    letters, *arrays = node.args
    inputs = [work.value(a, node.dtype) for a in arrays]
    return work.graph.add("Einsum", inputs, equation=letters)


def _call(work: _Step, node: Node) -> str:
    if node.fn is np.einsum and isinstance(node.args[0], str) and not node.kw:
        return _einsum(work, node)
    if node.fn is np.cumsum and isinstance(node.kw.get("axis"), int):
        axis = work.graph.constant(node.kw["axis"], np.int64)
        return work.graph.add("CumSum", [work.value(node.args[0], node.dtype), axis])
    raise work.lacks(node)


_RULES: Mapping[str, Callable[[_Step, Node], str]] = {
    "input": _leaf,
    "const": _const,
    "arange": _arange,
    "not_equal": _not_equal,
    "clip": _clip,
    "astype": _astype,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast,
    "index": _index,
    "gather": _gather,
    "concatenate": _concatenate,
    "windows": _windows,
    "set": _set,
    "einsum": _einsum,
    "call": _call,
}
