"""Elementwise operations of a graph over a namespace of the array API standard.

The standard has no mixed kinds: where NumPy casts (a bool times a float), the graph's dtypes say
so, and the operands are cast before. Numbers among the operands become arrays of shape ().
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from layerkit.execution.devices.device import Device
from layerkit.recording.graph import Node, at

Operation = Callable[..., Any]
"""From the arrays of ``node.inputs()``, in their order, to the node's value."""


class NotOnDeviceError(Exception):
    """A node has no form on the device."""

    def __init__(self, node: Node, reason: str = "") -> None:
        name = getattr(node.fn, "__name__", node.op) if node.op == "call" else node.op
        super().__init__(reason or f"the operation {name!r} has no form there")
        self.line = node.line


NAMES = {
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


def elementwise(node: Node, n: int, device: Device) -> Operation:
    """Any ufunc: the operands in the dtypes of the loop that NumPy would run.

    Raises NotOnDeviceError if the device has no such function.
    """
    xp, ufunc = device.xp, getattr(np, node.op, None)
    if not isinstance(ufunc, np.ufunc) or ufunc.nout != 1 or node.kw:
        raise NotOnDeviceError(node)
    written = _WRITTEN.get(node.op)
    name = NAMES.get(node.op, node.op)
    fn = functools.partial(written, xp) if written is not None else getattr(xp, name, None)
    if fn is None:
        fn = device.operations().get(node.op)
    if fn is None:
        raise NotOnDeviceError(node)
    kinds = [_kind(arg) for arg in node.args]
    *loop, result = ufunc.resolve_dtypes((*kinds, None))
    operands = operands_of(node, n, device, loop)
    made, wanted = dtype_on(device, node, result), dtype_on(device, node, node.dtype)
    if made == wanted:
        return lambda *given: fn(*operands(given))
    return lambda *given: xp.astype(fn(*operands(given)), wanted)


def _kind(arg: Any) -> Any:
    """What NumPy's promotion sees: a dtype, or the type of a Python number."""
    if isinstance(arg, Node):
        return float if arg.dtype is None else np.dtype(arg.dtype)
    return np.dtype(bool) if isinstance(arg, bool) else (type(arg) if type(arg) is int else float)


def operands_of(
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


def same_dtype(node: Node, n: int, device: Device, fn: Callable[..., Any]) -> Operation:
    """``fn`` of operands in the dtype of the result."""
    operands = operands_of(node, n, device, [np.dtype(node.dtype)] * len(node.args))
    return lambda *given: fn(*operands(given))
