"""How many multiply-adds a feed does: its products are watched while it runs.

The input, the parameters and all scratch memory are handed out as a subclass of ``ndarray`` whose
results are of that subclass again. So ``@``, ``np.matmul``, ``np.dot``, ``np.einsum`` and the like
are seen wherever they meet such an array, however the layer calls them. Functions that would strip
the subclass (``np.asarray``, ``np.empty``, ...) are wrapped while this lasts.

A product of (..., m, k) with (..., k, o) counts as m k o; elementwise operations are counted apart.
What a function outside this list multiplies (FFT, convolution) is named as opaque.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.testing.layer_trial import LayerTrial
from layerkit.testing.verdicts import Failed


class Unobservable(Exception):  # noqa: N818  # a verdict, not an error of the kit
    """The feed does not run on watched arrays; the text says why."""


class Counter:
    """What was seen of one feed.

    ``products`` are multiply-adds of products, ``multiplied`` elements of elementwise products,
    ``opaque`` functions whose multiply-adds are not known.
    """

    def __init__(self) -> None:
        self.products = 0
        self.multiplied = 0
        self.opaque: set[str] = set()
        self._seen: list[str] = []

    def product(self, name: str, operands: list[Array], macs: int) -> None:
        """Note a product."""
        self.products += macs
        shapes = " with ".join(str(list(a.shape)) for a in operands)
        self._seen.append(f"{name} of {shapes}")

    def listing(self, rows: int) -> str:
        """The products seen, for a message."""
        shown = "; ".join(self._seen[:4]) + (" ..." if len(self._seen) > 4 else "")
        return f"{shown} (in a feed of {rows} rows)" if shown else "none was seen"


_counter: list[Counter] = []  # the one that counts, if any; seen by every thread


class Watched(np.ndarray[Any, np.dtype[Any]]):
    """An array whose products are counted."""

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        """Run ``ufunc`` on plain arrays, note what it multiplies, and watch the result."""
        plain = [_plain(a) for a in inputs]
        if out is not None:
            kwargs["out"] = tuple(_plain(a) for a in out)
        if "where" in kwargs:
            kwargs["where"] = _plain(kwargs["where"])
        result = getattr(ufunc, method)(*plain, **kwargs)
        _note_ufunc(ufunc, plain, result)
        if out is not None:
            return out[0] if len(out) == 1 else out
        return _watched(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Run a NumPy function on plain arrays, note what it multiplies, watch the result."""
        plain_args, plain_kwargs = _plain(args), _plain(kwargs)
        result = func(*plain_args, **plain_kwargs)
        _note_function(func, plain_args, plain_kwargs, result)
        return kwargs["out"] if kwargs.get("out") is not None else _watched(result)

    def dot(self, b: Any, out: Any = None) -> Any:
        """The method, sent the way of the function."""
        return np.dot(self, b) if out is None else np.dot(self, b, out=out)


def _plain(value: Any) -> Any:
    """``value`` with watched arrays, also those inside of tuples and lists, as plain ones."""
    if isinstance(value, Watched):
        return value.view(np.ndarray)
    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


def _watched(value: Any) -> Any:
    if type(value) is np.ndarray:
        return value.view(Watched)
    if isinstance(value, (tuple, list)):
        return type(value)(map(_watched, value))
    return value


def _note_ufunc(ufunc: np.ufunc, plain: list[Any], result: Any) -> None:
    if not _counter:
        return
    counter = _counter[-1]
    if ufunc.signature is not None:  # matmul, vecdot, matvec, vecmat: the last axis is summed over
        operands = [np.asarray(a) for a in plain[:2]]
        counter.product(ufunc.__name__, operands, np.size(result) * operands[0].shape[-1])
    elif ufunc is np.multiply:
        counter.multiplied += int(np.size(result))


_CONTRACTIONS = ("dot", "inner", "tensordot", "vdot")
_OPAQUE = ("convolve", "correlate", "cross", "kron", "multi_dot", "matrix_power")


def _note_function(func: Any, args: Any, kwargs: Any, result: Any) -> None:
    if not _counter:
        return
    counter = _counter[-1]
    name, home = func.__name__, getattr(func, "__module__", None) or "numpy"
    operands = [np.asarray(a) for a in args[:2]] if len(args) >= 2 else []
    if name in _CONTRACTIONS and len(operands) == 2:
        if operands[0].ndim and operands[1].ndim:
            # sizes a and b, contracted over c elements: a b = result c^2
            inner = operands[0].size * operands[1].size / max(np.size(result), 1)
            counter.product(name, operands, np.size(result) * round(math.sqrt(inner)))
    elif name == "einsum":
        _note_einsum(counter, args)
    elif name in _OPAQUE or ".fft" in home or ".linalg" in home:
        counter.opaque.add(f"numpy {name}")


def _note_einsum(counter: Counter, args: Any) -> None:
    operands = [a for a in args if isinstance(a, np.ndarray)]
    if not isinstance(args[0], str) or len(operands) > 2 or "." in args[0]:
        counter.opaque.add("numpy einsum in this form")
        return
    if len(operands) < 2:
        return
    terms = args[0].replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, operands, strict=True):
        for letter, extent in zip(term, operand.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), extent)
    counter.product(f"einsum {args[0]}", operands, math.prod(sizes.values()))


# Functions of NumPy whose results would not be watched.
_MAKERS = (
    *("array", "asarray", "ascontiguousarray", "asfortranarray", "require", "frombuffer"),
    *("empty", "zeros", "ones", "full", "eye", "identity", "arange", "linspace", "fromfunction"),
)


@contextmanager
def _watching(counter: Counter, module: ModuleType | None) -> Iterator[None]:
    """Count in this thread; NumPy's makers, and their names in ``module``, give watched arrays."""
    kept: list[tuple[Any, str, Any]] = []
    _counter.append(counter)
    makers = {name: getattr(np, name) for name in _MAKERS}
    wrapped = {name: _wrapping(maker) for name, maker in makers.items()}
    try:
        for name, maker in makers.items():
            kept.append((np, name, maker))
            setattr(np, name, wrapped[name])
        for word, value in list(vars(module).items()) if module is not None else ():
            known = next((n for n, maker in makers.items() if value is maker), None)
            if known is not None:
                kept.append((module, word, value))
                setattr(module, word, wrapped[known])
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
        _counter.pop()


def _wrapping(maker: Callable[..., Any]) -> Callable[..., Any]:
    def made(*args: Any, **kwargs: Any) -> Any:
        result = maker(*_plain(args), **_plain(kwargs))
        return _watched(result) if _counter else result

    return made


def count(trial: LayerTrial, x: Array) -> Counter:
    """What one feed of x multiplies.

    Raises ``Unobservable`` if the layer does not run on watched arrays, or gives other numbers
    there.
    """
    expected = trial.feed(x, trial.context(training=False)).copy()
    layer, ctx, counter = trial.layer, trial.context(training=False), Counter()
    kept = {word: getattr(layer, word) for word in ("params", "joined", "state")}
    for word, table in kept.items():
        setattr(layer, word, {name: _watched(array) for name, array in table.items()})
    with _buffers(ctx):
        try:
            with _watching(counter, sys.modules.get(trial.subject.part.__module__)):
                y = trial.feed(x.view(Watched), ctx)
            found = np.array(_plain(y))
        except Failed as error:
            raise Unobservable(str(error)) from error
        finally:
            for word, table in kept.items():
                setattr(layer, word, table)
    if not np.allclose(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True):
        raise Unobservable("on watched arrays the layer gives other numbers")
    return counter


@contextmanager
def _buffers(ctx: Context) -> Iterator[None]:
    """Scratch memory of contexts is watched too."""
    kind = type(ctx)
    kept = {n: vars(kind)[n] for n in ("buffer", "scratch") if n in vars(kind)}

    def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
        def give(*args: Any, **kwargs: Any) -> Any:
            array = method(*args, **kwargs)
            return _watched(array) if _counter else array

        return give

    try:
        for name, method in kept.items():
            setattr(kind, name, wrapped(method))
        yield
    finally:
        for name, method in kept.items():
            setattr(kind, name, method)
