"""The operations of a graph over a namespace of the array API standard."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from layerkit.execution.devices.device import Device
from layerkit.execution.devices.elementwise import (
    NAMES,
    NotOnDeviceError,
    Operation,
    dtype_on,
    elementwise,
    operands_of,
    same_dtype,
)
from layerkit.execution.devices.functions import FUNCTIONS, einsum, windows
from layerkit.execution.devices.indexing import added, gathered, places, replaced
from layerkit.recording.graph import REDUCTIONS, Node, at


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
    if op in ("call", "einsum", "windows"):
        return _call(node, n, device)
    return elementwise(node, n, device)


def constant(node: Node, n: int, device: Device) -> Any:
    """The value of a leaf ``const`` or ``arange``."""
    if node.op == "arange":
        return device.put(np.arange(n, dtype=node.dtype).reshape(at(node.shape, n)))
    value = device.put(np.asarray(node.value, node.dtype))
    shape = at(node.shape, n)
    return value if value.shape == shape else device.xp.broadcast_to(value, shape)


def _matmul(node: Node, n: int, device: Device) -> Operation:
    return same_dtype(node, n, device, device.operations().get("matmul", device.xp.matmul))


def _where(node: Node, n: int, device: Device) -> Operation:
    kind = np.dtype(node.dtype)
    operands = operands_of(node, n, device, [np.dtype(bool), kind, kind])
    return lambda *given: device.xp.where(*operands(given))


def _clip(node: Node, n: int, device: Device) -> Operation:
    xp = device.xp
    return same_dtype(node, n, device, lambda x, a, b: xp.minimum(xp.maximum(x, a), b))


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
        *keys, value = given if number is None else (*given, number)
        return tuple(keys), value if value.dtype == kind else xp.astype(value, kind)

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
    fn = own.get(name) or getattr(device.xp, NAMES.get(name, name), None)
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
