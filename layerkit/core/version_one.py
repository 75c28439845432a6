"""What parts written for contract version 1 need; they run as they stand for one release.

Version 2 has none of it: layers and activations return new arrays and need no memory from layerkit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial, wraps
from inspect import isfunction, unwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from layerkit.core.context import Array, Context, Shape

if TYPE_CHECKING:
    from layerkit.core.layer import Plan
    from layerkit.core.parts import Activation


_INSTEAD = {"matmul": "a @ b", "matmul_both": "both products with @", "sum_rows": "z.sum(axis=1)"}


def public(name: str) -> Any:
    """The function ``layerkit.NAME`` of version 1; warns that it goes."""
    warnings.warn(
        f"layerkit.{name} belongs to contract version 1 and goes with the next release: write "
        f"{_INSTEAD[name]}",
        DeprecationWarning,
        stacklevel=3,
    )
    return globals()[name]


def matmul(a: Array, b: Array, out: Array) -> Array:
    """Write a b to ``out`` and return it."""
    return np.matmul(a, b, out)


def matmul_both(first: tuple[Array, ...], second: tuple[Array, ...]) -> None:
    """Two products, (a, b, out) each."""
    for a, b, out in (first, second):
        np.matmul(a, b, out)


def sum_rows(z: Array, out: Array) -> Array:
    """Write the sums of the rows of z (d, n) to ``out`` (d,) and return it."""
    return np.sum(z, axis=1, out=out)


def context_attribute(ctx: Context, name: str) -> Any:
    """The method ``name`` that contexts had in version 1; AttributeError if they had none."""
    methods: dict[str, Callable[..., Any]]
    methods = {"buffer": _buffer, "scratch": _scratch, "bound": _bound}
    if name not in methods:
        raise AttributeError(f"{type(ctx).__name__!r} object has no attribute {name!r}")
    return partial(methods[name], ctx)


def _buffer(ctx: Context, name: str, shape: Shape, dtype: Any = None) -> Array:
    """Memory that a pass finds again by its name: backprop may read what feed wrote there."""
    if not ctx.keeps:
        return _scratch(ctx, name, shape, dtype)
    key = name, shape, np.dtype(dtype or ctx.dtype)
    held = ctx._memory.get(key)
    if held is None:
        for old in [old for old in ctx._memory if old[0] == name]:
            del ctx._memory[old]
        held = ctx._memory[key] = np.empty(shape, key[2])
    return held


def _scratch(ctx: Context, name: str, shape: Shape, dtype: Any = None) -> Array:
    return np.empty(shape, dtype or ctx.dtype)


def _bound(ctx: Context, bind: Callable[[Any, Context], Any], given: Any) -> Any:
    return bind(given, ctx)


def fault_of_joined(plan: Plan) -> str:
    """What is wrong with ``plan.joined``, or an empty string."""
    names = [name for group in plan.joined.values() for name in group]
    if len(set(names)) < len(names) or not plan.params.keys() >= set(names):
        return "joined must list parameters only, each of them once"
    for group in plan.joined.values():
        if len({plan.params[p].shape[:-1] for p in group}) != 1 or not plan.params[group[0]].shape:
            return f"joined {group}: their shapes may differ in the last axis only"
    return ""


def accept_both_forms(cls: type[Activation]) -> None:
    """Let ``feed`` and ``backprop`` of ``cls`` be called with and without ``out``.

    In version 1 they wrote into ``out``, their last argument, and returned it. In version 2 no
    result overwrites an argument, which ``from_output`` tells layers of version 1.
    """
    for name, count in ("feed", 1), ("backprop", 3):  # arguments without ``out``
        method = vars(cls).get(name)
        if isfunction(method):
            old = unwrap(method).__code__.co_argcount > count + 1
            setattr(cls, name, _writing(method, count) if old else _returning(method, count))
            if not old:
                cls.from_output = False


def _writing(method: Callable[..., Array], count: int) -> Callable[..., Array]:
    """A method of version 1, to which a new array is given where the caller gives none."""

    @wraps(method)
    def either(self: Activation, *args: Array, **named: Array) -> Array:
        if len(args) + len(named) == count:
            named["out"] = np.empty_like(args[0] if args else next(iter(named.values())))
        return method(self, *args, **named)

    return either


def _returning(method: Callable[..., Array], count: int) -> Callable[..., Array]:
    """A method of version 2, whose result is copied to ``out`` where the caller gives one."""

    @wraps(method)
    def either(self: Activation, *args: Array, **named: Array) -> Array:
        out = args[count] if len(args) > count else named.pop("out", None)
        result = method(self, *args[:count], **named)
        if out is None:
            return result
        np.copyto(out, result)
        return out

    return either
