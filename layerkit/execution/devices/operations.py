"""The operations of a graph over a namespace of the array API standard.

The standard has no mixed kinds: where NumPy casts (a bool times a float), the graph's dtypes say
so, and the operands are cast before. Numbers among the operands become arrays of shape ().
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from layerkit.execution.devices.device import Device
from layerkit.execution.devices.functions import FUNCTIONS, einsum, windows
from layerkit.execution.devices.indexing import added, gathered, places, replaced
from layerkit.recording.graph import REDUCTIONS, Node, at

Operation = Callable[..., Any]
"""From the arrays of ``node.inputs()``, in their order, to the node's value."""


class NotOnDeviceError(Exception):
    """A node has no form on the device."""

    def __init__(self, node: Node, reason: str = "") -> None:
        name = getattr(node.fn, "__name__", node.op) if node.op == "call" else node.op
        super().__init__(reason or f"the operation {name!r} has no form there")
        self.line = node.line


_NAMES = {
    "absolute": "abs",
    "fabs": "abs",
    "power": "pow",
    "rint": "round",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
    "conjugate": "conj",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
    "cumsum": "cumulative_sum",
    "cumprod": "cumulative_prod",
}
"""The standard's names where they are not NumPy's."""

_WRITTEN: dict[str, Callable[..., Any]] = {
    "exp2": lambda xp, x: xp.pow(xp.asarray(2, dtype=x.dtype), x),
    "cbrt": lambda xp, x: xp.sign(x) * xp.pow(xp.abs(x), xp.asarray(1 / 3, dtype=x.dtype)),
    "float_power": lambda xp, x, y: xp.pow(x, y),
    "fmax": lambda xp, x, y: xp.where(xp.isnan(x), y, xp.where(xp.isnan(y), x, xp.maximum(x, y))),
    "fmin": lambda xp, x, y: xp.where(xp.isnan(x), y, xp.where(xp.isnan(y), x, xp.minimum(x, y))),
    "heaviside": lambda xp, x, y: xp.where(
        x == 0, y, xp.where(xp.isnan(x), x, xp.astype(x > 0, x.dtype))
    ),
}
"""Elementwise functions that the standard does not have."""


def dtype_on(device: Device, node: Node, dtype: Any) -> Any:
    """The device's dtype for NumPy's; raises NotOnDeviceError."""
    found = getattr(device.xp, np.dtype(dtype).name, None)
    if found is None:
        raise NotOnDeviceError(node, f"the device has no {np.dtype(dtype).name}")
    return found


def operation(node: Node, n: int, device: Device) -> Operation:
    """What computes ``node`` for ``n`` rows; raises NotOnDeviceError."""
    xp, op = device.xp, node.op
    if op in _RULES:
        return _RULES[op](node, n, device)
    if op in REDUCTIONS:
        kind = dtype_on(device, node, node.dtype)
        words = {"axis": node.kw["axis"], "keepdims": node.kw["keepdims"]}
        if op in ("sum", "prod"):
            words["dtype"] = kind
        reduce = getattr(xp, op)
        return lambda x: reduce(x if x.dtype == kind else xp.astype(x, kind), **words)
    if op == "call":
        return _call(node, n, device)
    return _elementwise(node, n, device)


def constant(node: Node, n: int, device: Device) -> Any:
    """The value of a leaf ``const`` or ``arange``."""
    if node.op == "arange":
        return device.put(np.arange(n, dtype=node.dtype))
    value = device.put(np.asarray(node.value, node.dtype))
    shape = at(node.shape, n)
    return value if value.shape == shape else device.xp.broadcast_to(value, shape)


def _elementwise(node: Node, n: int, device: Device) -> Operation:
    """Any ufunc: the operands in the dtypes of the loop that NumPy would run."""
    xp, ufunc = device.xp, getattr(np, node.op, None)
    if not isinstance(ufunc, np.ufunc) or ufunc.nout != 1 or node.kw:
        raise NotOnDeviceError(node)
    written = _WRITTEN.get(node.op)
    name = _NAMES.get(node.op, node.op)
    fn = functools.partial(written, xp) if written is not None else getattr(xp, name, None)
    if fn is None:
        fn = device.operations().get(node.op)
    if fn is None:
        raise NotOnDeviceError(node)
    kinds = [_kind(arg) for arg in node.args]
    *loop, result = ufunc.resolve_dtypes((*kinds, None))
    operands = _operands(node, n, device, loop)
    made, wanted = dtype_on(device, node, result), dtype_on(device, node, node.dtype)
    if made == wanted:
        return lambda *given: fn(*operands(given))
    return lambda *given: xp.astype(fn(*operands(given)), wanted)


def _kind(arg: Any) -> Any:
    """What NumPy's promotion sees: a dtype, or the type of a Python number."""
    if isinstance(arg, Node):
        return float if arg.dtype is None else np.dtype(arg.dtype)
    return np.dtype(bool) if isinstance(arg, bool) else (type(arg) if type(arg) is int else float)


def _operands(
    node: Node, n: int, device: Device, kinds: list[Any]
) -> Callable[[tuple[Any, ...]], list[Any]]:
    """From the arrays given to the operands, each in its dtype."""
    xp = device.xp
    template: list[tuple[Any, Any]] = []  # (a number as array, None), or (None, the dtype to be)
    for arg, kind in zip(node.args, kinds, strict=True):
        wanted = dtype_on(device, node, kind)
        if isinstance(arg, Node):
            same = arg.dtype is not None and np.dtype(arg.dtype) == kind
            template.append((None, None if same else wanted))
        else:
            with np.errstate(all="ignore"):
                template.append((device.put(np.asarray(at(arg, n), kind)), None))
    if all(number is None and wanted is None for number, wanted in template):
        return list

    def operands(given: tuple[Any, ...]) -> list[Any]:
        arrays = iter(given)
        return [
            number
            if number is not None
            else next(arrays)
            if wanted is None
            else xp.astype(next(arrays), wanted)
            for number, wanted in template
        ]

    return operands


def _same_dtype(node: Node, n: int, device: Device, fn: Callable[..., Any]) -> Operation:
    """``fn`` of operands in the dtype of the result."""
    operands = _operands(node, n, device, [np.dtype(node.dtype)] * len(node.args))
    return lambda *given: fn(*operands(given))


def _matmul(node: Node, n: int, device: Device) -> Operation:
    return _same_dtype(node, n, device, device.operations().get("matmul", device.xp.matmul))


def _where(node: Node, n: int, device: Device) -> Operation:
    kind = np.dtype(node.dtype)
    operands = _operands(node, n, device, [np.dtype(bool), kind, kind])
    return lambda *given: device.xp.where(*operands(given))


def _clip(node: Node, n: int, device: Device) -> Operation:
    xp = device.xp
    return _same_dtype(node, n, device, lambda x, a, b: xp.minimum(xp.maximum(x, a), b))


def _astype(node: Node, n: int, device: Device) -> Operation:
    kind = dtype_on(device, node, node.dtype)
    return lambda x: device.xp.astype(x, kind)


def _transpose(node: Node, n: int, device: Device) -> Operation:
    return lambda x: device.xp.permute_dims(x, node.args[1])


def _reshape(node: Node, n: int, device: Device) -> Operation:
    shape = at(node.shape, n)
    return lambda x: device.xp.reshape(x, shape)


def _broadcast(node: Node, n: int, device: Device) -> Operation:
    shape = at(node.shape, n)
    return lambda x: device.xp.broadcast_to(x, shape)


def _windows(node: Node, n: int, device: Device) -> Operation:
    own = device.operations().get("sliding_window_view") or functools.partial(windows, device)
    return lambda x: own(x, *node.args[1:])


def _einsum(node: Node, n: int, device: Device) -> Operation:
    return lambda x, y: einsum(device, node.args[0], x, y)


def _index(node: Node, n: int, device: Device) -> Operation:
    keys = _basic(node, n)
    return lambda x: x[keys]


def _basic(node: Node, n: int) -> tuple[Any, ...]:
    """The keys for ``n`` rows; slices stay within their axis, as the standard wants them."""
    sizes = iter(at(node.args[0].shape, n))
    return tuple(None if key is None else _within(key, next(sizes)) for key in at(node.args[1], n))


def _within(key: Any, size: int) -> Any:
    if not isinstance(key, slice):
        return key
    start, stop, step = key.indices(size)
    return slice(start, None if stop < 0 else stop, step)


def _concatenate(node: Node, n: int, device: Device) -> Operation:
    xp, axis = device.xp, node.args[1]
    kind = dtype_on(device, node, node.dtype)
    casts = [None if part.dtype == node.dtype else kind for part in node.args[0]]
    return lambda *parts: xp.concat(
        [x if c is None else xp.astype(x, c) for x, c in zip(parts, casts, strict=True)],
        axis=axis,
    )


def _keys_of(node: Node) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """From the arrays given for x and the keys to the keys alone, which are arrays in places."""
    keys = node.args[1]

    def filled(given: tuple[Any, ...]) -> tuple[Any, ...]:
        arrays = iter(given)
        return tuple(next(arrays) if isinstance(key, Node) else key for key in keys)

    return filled


def _gather(node: Node, n: int, device: Device) -> Operation:
    own = device.operations().get("gather")
    xp, filled = device.xp, _keys_of(node)
    if own is not None:
        return lambda x, *given: own(x, at(filled(given), n))
    return lambda x, *given: gathered(xp, x, places(xp, node.args[0], filled(given), n))


def _changed(node: Node, n: int, device: Device) -> Operation:
    """``set`` and ``at``: a copy with a part replaced or added to."""
    xp, kind = device.xp, dtype_on(device, node, node.dtype)
    _, keys, *values = node.args
    if len(values) != 1 or node.kw.get("ufunc", "add") != "add":
        raise NotOnDeviceError(node, f"np.{node.kw.get('ufunc')}.at has no form there")
    number = None
    if not isinstance(values[0], Node):
        number = device.put(np.asarray(at(values[0], n), node.dtype))
    filled, basic = _keys_of(node), not any(isinstance(key, Node) for key in keys)
    own = device.operations().get(node.op)

    def parts(given: tuple[Any, ...]) -> tuple[Any, Any]:
        value = given[-1] if number is None else number
        return (given if number is not None else given[:-1]), (
            value if value.dtype == kind else xp.astype(value, kind)
        )

    if basic:
        cut = _basic(node, n)

        def assigned(x: Any, *given: Any) -> Any:
            _, value = parts(given)
            y = xp.asarray(x, copy=True)
            y[cut] = value if node.op == "set" else y[cut] + value
            return y

        return assigned

    def written(x: Any, *given: Any) -> Any:
        given, value = parts(given)
        if own is not None:
            y = xp.asarray(x, copy=True)
            own(y, at(filled(given), n), value)
            return y
        where = places(xp, node.args[0], filled(given), n)
        return (replaced if node.op == "set" else added)(xp, x, where, value)

    return written


def _call(node: Node, n: int, device: Device) -> Operation:
    """A NumPy function that the namespace has too, or that is written with others."""
    fn = _function(node, device)
    kind = dtype_on(device, node, node.dtype)

    def called(*given: Any) -> Any:
        arrays = iter(given)

        def value(arg: Any) -> Any:
            if isinstance(arg, Node):
                return next(arrays)
            return tuple(map(value, arg)) if type(arg) is tuple else at(arg, n)

        args = [value(arg) for arg in node.args]
        made = fn(*args, **{key: value(arg) for key, arg in node.kw.items()})
        if made is NotImplemented:
            raise NotOnDeviceError(node)
        return made if made.dtype == kind else device.xp.astype(made, kind)

    return called


def _function(node: Node, device: Device) -> Callable[..., Any]:
    name, own = getattr(node.fn, "__name__", ""), device.operations()
    ufunc = getattr(node.fn, "__self__", None)
    if isinstance(ufunc, np.ufunc):  # a method of one
        name = _METHODS.get((ufunc.__name__, name), "")
    elif node.fn in FUNCTIONS and name not in own:
        return functools.partial(FUNCTIONS[node.fn], device)
    elif getattr(np, name, None) is not node.fn and node.fn not in FUNCTIONS:
        raise NotOnDeviceError(node)
    fn = own.get(name) or getattr(device.xp, _NAMES.get(name, name), None)
    if fn is None:
        raise NotOnDeviceError(node)
    found: Callable[..., Any] = fn
    return found


_METHODS = {
    ("logical_or", "reduce"): "any",
    ("logical_and", "reduce"): "all",
    ("add", "accumulate"): "cumsum",
    ("multiply", "accumulate"): "cumprod",
}


def _copy(node: Node, n: int, device: Device) -> Operation:
    return lambda x: x  # nothing is changed in place


_RULES: dict[str, Callable[[Node, int, Device], Operation]] = {
    "where": _where,
    "clip": _clip,
    "astype": _astype,
    "copy": _copy,
    "matmul": _matmul,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast,
    "index": _index,
    "concatenate": _concatenate,
    "einsum": _einsum,
    "windows": _windows,
    "gather": _gather,
    "set": _changed,
    "at": _changed,
}
