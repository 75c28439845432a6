"""NumPy's functions on recording arrays, written with the few operations of a graph.

A rule takes what it can of the function's arguments and gives the bits that NumPy's own function
gives. A function without a rule, or called with other arguments, is noted as a ``call`` of itself.
"""

from __future__ import annotations

import inspect
import itertools
import operator
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from layerkit.recording.arrays import (
    RecordedArray,
    Tape,
    as_dtype,
    become,
    filled,
    full,
    lower,
    note,
    recorded,
    view,
)

_ASKS = {np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj}
"""Functions of shapes and dtypes alone."""

_SIZED_BY_DATA = re.compile(
    "nonzero|argwhere|flatnonzero|unique.*|compress|extract|trim_zeros|union1d|intersect1d|"
    "setdiff1d|setxor1d|bincount"
)

_signature = cache(inspect.signature)


def apply_function(tape: Tape, function: Any, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    """Note a NumPy function that was called with recording arrays."""
    kw = {k: v for k, v in kw.items() if v is not np._NoValue}
    out = kw.pop("out", None)
    if function in _ASKS:
        return function(*lower(tape, args)[0], **{k: lower(tape, v)[0] for k, v in kw.items()})
    if _SIZED_BY_DATA.fullmatch(function.__name__) or (function is np.where and len(args) == 1):
        raise tape.refuse(f"the size of what np.{function.__name__} gives depends on the data")
    made: Any = NotImplemented
    if (rule := RULES.get(function)) is not None and _takes(rule, args, kw):
        made = rule(*args, **kw)
    if made is NotImplemented:
        made = note(tape, "call", function, args, kw)
        for arg in args:
            if recorded(arg) and np.may_share_memory(made.value, arg.value):
                made.base, made.seen = arg, arg.node  # a view of a kind that only it knows
    if out is None:
        return made
    if not recorded(out):
        raise tape.refuse(f"np.{function.__name__} writes into an array made by np.empty")
    return become(out, made)


def _takes(rule: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]) -> bool:
    try:
        _signature(rule).bind(*args, **kw)
    except TypeError:
        return False
    return True


def _tape_of(arrays: Iterable[Any]) -> Tape:
    tape: Tape = next(a.tape for a in arrays if recorded(a))
    return tape


def _arrays(arrays: Any) -> list[Any]:
    """All as recording arrays."""
    tape = _tape_of(arrays)
    return [a if recorded(a) else note(tape, "copy", np.array, (np.asarray(a),)) for a in arrays]


def _reduced(ufunc: np.ufunc) -> Callable[..., Any]:
    return lambda a, axis=None, *, dtype=None, keepdims=False: ufunc.reduce(
        a, axis, dtype=dtype, keepdims=keepdims
    )


def _mean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    if a.dtype not in (np.float32, np.float64):
        return NotImplemented
    total = np.sum(a, axis=axis, keepdims=keepdims)
    # the cast matters before NumPy 2, where single numbers became float64
    return as_dtype(total / (a.size // max(total.size, 1)), a.dtype)


def _var(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    if a.dtype not in (np.float32, np.float64):
        return NotImplemented
    away = a - np.mean(a, axis=axis, keepdims=True)
    return np.mean(away * away, axis=axis, keepdims=keepdims)


def _std(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    var = _var(a, axis, keepdims=keepdims)
    return var if var is NotImplemented else np.sqrt(var)


def _norm(x: Any, *, axis: Any, keepdims: bool = False) -> Any:
    if x.dtype not in (np.float32, np.float64) or not isinstance(axis, int):
        return NotImplemented
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is None or high is None:
        return np.maximum(a, low) if high is None else np.minimum(a, high)
    return note(_tape_of((a, low, high)), "clip", np.clip, (a, low, high))


def _dot(a: Any, b: Any) -> Any:
    if not (0 < np.ndim(a) < 3 and 0 < np.ndim(b) < 3):
        return NotImplemented
    return note(_tape_of((a, b)), "matmul", np.dot, (a, b))  # whose rounding may be another


def _transpose(a: Any, axes: Any = None) -> Any:
    axes = range(a.ndim)[::-1] if axes is None else axes
    return view(a, "transpose", np.transpose, tuple(operator.index(i) % a.ndim for i in axes))


def _axes_moved(function: Callable[..., Any]) -> Callable[..., Any]:
    # NumPy's own order of axes, read off an array whose sizes are the axes
    return lambda a, p, q: np.transpose(a, function(np.empty(range(a.ndim)), p, q).shape)


def _reshape(a: Any, shape: Any) -> Any:
    return view(a, "reshape", np.reshape, a.value.reshape(shape).shape)


def _broadcast_to(array: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return view(array, "broadcast_to", np.broadcast_to, shape)


def _concatenate(arrays: Any, axis: Any = 0) -> Any:
    arrays = _arrays(arrays)
    if axis is None:
        return NotImplemented
    axis = range(arrays[0].ndim)[axis]
    return note(arrays[0].tape, "concatenate", np.concatenate, (tuple(arrays), axis))


def _stack(arrays: Any, axis: int = 0) -> Any:
    return np.concatenate([np.expand_dims(a, axis) for a in _arrays(arrays)], axis)


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    # NumPy's own pieces, found on the numbers along the axis
    pieces = np.array_split(np.arange(ary.shape[axis]), indices_or_sections)
    edges = np.cumsum([0, *map(len, pieces)]).tolist()
    before = (slice(None),) * (axis % ary.ndim)
    return [ary[(*before, slice(a, b))] for a, b in itertools.pairwise(edges)]


def _pad(array: Any, pad_width: Any, mode: Any = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant" or type(constant_values) not in (int, float):
        return NotImplemented
    if isinstance(pad_width, dict):
        return NotImplemented
    widths = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    shape, inner = [], []
    for size, (before, after) in zip(array.shape, widths, strict=True):
        if (before or after) and (type(size) is not int or min(before, after) < 0):
            return NotImplemented
        shape.append(size + before + after if before or after else size)
        inner.append(slice(before, before + size) if before or after else slice(None))
    whole = np.full_like(array, constant_values, shape=tuple(shape))
    whole[tuple(inner)] = array
    return whole


def _windows(x: Any, window_shape: Any, axis: Any = None) -> Any:
    sizes = window_shape if isinstance(window_shape, (tuple, list)) else (window_shape,)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(range(x.ndim)[a] for a in axes)
    if len(set(axes)) < len(axes):
        return NotImplemented
    return view(x, "windows", sliding_window_view, tuple(sizes), axes)


def _einsum(subscripts: Any, a: Any, b: Any, *, optimize: Any = False) -> Any:
    words = re.fullmatch(r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]*)", str(subscripts).replace(" ", ""))
    if words is None or np.result_type(a, b) != a.dtype or a.dtype != b.dtype:
        return NotImplemented
    x, y, z = map(set, words.groups())
    once = all(len(set(word)) == len(word) for word in words.groups())
    sizes = set(zip(words[1] + words[2], (*a.shape, *b.shape), strict=True))
    if not once or len(sizes) > len(x | y) or (x ^ y) - z or z - (x | y):
        return NotImplemented
    letters = f"{words[1]},{words[2]}->{words[3]}"
    return note(_tape_of((a, b)), "einsum", np.einsum, (letters, a, b), {"optimize": optimize})


def _full_like(
    a: Any, fill_value: Any, dtype: Any = None, *, order: str = "K", shape: Any = None
) -> Any:
    dtype = a.dtype if dtype is None else np.dtype(dtype)
    return full(a.tape, a.shape if shape is None else shape, fill_value, dtype)


def _filled_with(number: int) -> Callable[..., Any]:
    return lambda a, dtype=None, **kw: _full_like(a, number, dtype, **kw)


def _copyto(dst: Any, src: Any, casting: str = "same_kind") -> Any:
    if not recorded(dst):
        return NotImplemented
    if not np.can_cast(getattr(src, "dtype", dst.dtype), dst.dtype, casting):  # type: ignore[arg-type]
        raise TypeError(f"cannot cast from {src.dtype} to {dst.dtype}")
    return become(dst, filled(dst, src))


def _changing(function: Callable[..., None]) -> Callable[..., Any]:
    """The rule of a function that writes into its first argument and returns nothing."""

    def changed(a: Any, *args: Any, **kw: Any) -> Any:
        a = a.copy()
        function(a, *args, **kw)
        return a

    changed.__name__ = function.__name__

    def rule(a: Any, *args: Any, **kw: Any) -> Any:
        if not recorded(a):
            return NotImplemented
        become(a, note(a.tape, "call", changed, (a, *args), kw))
        return None

    return rule


RULES: dict[Any, Callable[..., Any]] = {
    np.sum: _reduced(np.add),
    np.prod: _reduced(np.multiply),
    **dict.fromkeys((np.max, np.amax), _reduced(np.maximum)),
    **dict.fromkeys((np.min, np.amin), _reduced(np.minimum)),
    np.mean: _mean,
    np.var: _var,
    np.std: _std,
    np.linalg.norm: _norm,
    np.where: lambda *args: note(_tape_of(args), "where", np.where, args),
    np.clip: _clip,
    np.dot: _dot,
    np.transpose: _transpose,
    np.moveaxis: _axes_moved(np.moveaxis),
    np.swapaxes: _axes_moved(np.swapaxes),
    np.reshape: _reshape,
    np.ravel: lambda a: np.reshape(a, -1),
    np.squeeze: lambda a, axis=None: np.reshape(a, np.squeeze(a.value, axis).shape),
    np.expand_dims: lambda a, axis: np.reshape(a, np.expand_dims(a.value, axis).shape),
    np.broadcast_to: _broadcast_to,
    sliding_window_view: _windows,
    np.einsum: _einsum,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.pad: _pad,
    **dict.fromkeys((np.split, np.array_split), _split),
    np.full_like: _full_like,
    **dict.fromkeys((np.zeros_like, np.empty_like), _filled_with(0)),
    np.ones_like: _filled_with(1),
    np.copyto: _copyto,
    **{f: _changing(f) for f in (np.put_along_axis, np.put, np.putmask, np.place)},
    np.copy: lambda a, order="K": note(a.tape, "copy", np.array, (a,)),
}


def _astype(self: Any, dtype: Any, order: str = "K", *, copy: bool = True) -> Any:
    made = as_dtype(self, dtype)
    return np.copy(self) if made is self and copy else made


def _one_or_many(function: Any) -> Callable[..., Any]:
    """A method that takes its numbers one by one or as a tuple."""
    return lambda self, *args: function(self, args[0] if len(args) == 1 else args or None)


def _as_method(name: str) -> Callable[..., RecordedArray]:
    function = getattr(np, name)
    return lambda self, *args, **kw: function(self, *args, **kw)


_SAME = (
    *("sum", "mean", "var", "std", "max", "min", "prod", "all", "any", "argmax", "argmin"),
    *("argsort", "cumsum", "cumprod", "round", "dot", "ravel", "squeeze", "swapaxes", "repeat"),
)

METHODS: dict[str, Callable[..., Any]] = {
    **{name: _as_method(name) for name in _SAME},
    "astype": _astype,
    "clip": lambda self, min=None, max=None: _clip(self, min, max),
    "copy": lambda self, order="C": np.copy(self),
    "flatten": lambda self: np.copy(np.ravel(self)),
    "reshape": _one_or_many(np.reshape),
    "transpose": _one_or_many(np.transpose),
}
"""Methods of arrays, found by ``RecordedArray.__getattr__``."""
