"""Recording arrays: they compute with real numbers, and note each NumPy call as a node.

An array in the author's hands is a ``RecordedArray``: NumPy hands every function of it to
``__array_ufunc__`` or ``__array_function__``. Nodes are values that never change. Writing into an
array gives it another node; views know which part of which array they are, so both sides of a
write see it. What would need the numbers themselves (``if``, ``float``, ``np.asarray``) is refused.
"""

from __future__ import annotations

import operator
import os.path
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from layerkit.recording.graph import ALL, Node, Slice

_REDUCED = {np.add: "sum", np.maximum: "max", np.minimum: "min", np.multiply: "prod"}

ENTRY = "call_on_recording_arrays"
"""The function that calls the author's code, in ``layerkit.recording.run``."""


class NotRecorded(Exception):  # noqa: N818  # an outcome, not a mistake
    """A layer cannot be recorded, and runs as it is written.

    ``reason`` is what the author wrote, and what could be written instead; ``line`` is where,
    "file:line", or "".
    """

    def __init__(self, reason: str, line: str = "") -> None:
        super().__init__(f"{line}: {reason}" if line else reason)
        self.reason, self.line = reason, line


class Tape:
    """One run of a layer; remembers the first refusal, also if the author's code catches it."""

    __slots__ = ("line", "refusal")

    def __init__(self) -> None:
        self.refusal: NotRecorded | None = None
        self.line = ""  # of the last operation

    def refuse(self, reason: str) -> NotRecorded:
        """The error to raise, with the author's line."""
        error = NotRecorded(reason, author_line() or self.line)
        self.refusal = self.refusal or error
        return error


def author_line() -> str:
    """The innermost line of the stack that is neither layerkit's nor NumPy's, "file:line"."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != ENTRY:
        if line := line_of(frame, frame.f_lineno):
            return line
        frame = frame.f_back
    return ""


def line_of(frame: Any, number: int) -> str:
    """A line as "file:line", or "" if the code is layerkit's or NumPy's."""
    if frame.f_globals.get("__name__", "").partition(".")[0] in ("layerkit", "numpy"):
        return ""
    return f"{os.path.basename(frame.f_code.co_filename)}:{number}"  # noqa: PTH119  # import time


class RecordedNumber:
    """A Python number that is known only when a step runs; among numbers, Python's arithmetic."""

    __slots__ = ("node", "tape", "value")

    def __init__(self, tape: Tape, node: Node, value: float) -> None:
        self.tape, self.node, self.value = tape, node, value

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kw: Any
    ) -> Any:
        return apply_ufunc(self.tape, ufunc, method, inputs, out, kw)

    def _steers(self, *_: Any) -> NoReturn:
        raise self.tape.refuse(
            "a number that is known only when a step runs is turned into a plain one or decides "
            "(if, float, math.sqrt): use ** 0.5 and NumPy functions"
        )

    __bool__ = __float__ = __int__ = __index__ = __round__ = __trunc__ = __floor__ = _steers
    __ceil__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _steers
    __eq__ = __ne__ = _steers


def _python_operator(name: str, fn: Callable[..., Any], *, swapped: bool) -> Any:
    """An operator of ``RecordedNumber``: Python's, unless an array is met."""

    def method(self: RecordedNumber, other: Any) -> Any:
        args = (other, self) if swapped else (self, other)
        if type(other) not in (RecordedNumber, int, float, bool):
            return getattr(np, name)(*args)
        values, nodes = zip(*(lower(self.tape, arg) for arg in args), strict=True)
        node = Node(name, nodes, fn=fn, line=author_line())
        return RecordedNumber(self.tape, node, fn(*values))

    return method


_SHORT = "add", "sub", "mul", "truediv", "floordiv", "mod", "pow"
_NAMES = "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power"
for _short, _name in zip(_SHORT, _NAMES, strict=True):
    for _swapped in (False, True):
        _method = _python_operator(_name, getattr(operator, _short), swapped=_swapped)
        setattr(RecordedNumber, f"__{'r' * _swapped}{_short}__", _method)
setattr(RecordedNumber, "__neg__", lambda self: self * -1)  # noqa: B010  # beside the others


class RecordedArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array and the node that computes it.

    Of a view, ``base`` is the array that it shows, ``derive`` how (operation, function, further
    arguments; None where only NumPy knows whether it is a view or a copy), and ``seen`` the node of
    the base when it was last looked at.
    """

    __slots__ = ("base", "derive", "frozen", "node", "seen", "tape", "value")
    __array_priority__ = 1000

    def __init__(self, tape: Tape, node: Node, value: Any, *, frozen: bool = False) -> None:
        if type(value) is np.ndarray:
            value.setflags(write=False)  # a function that would write into it fails
        node.shape, node.dtype = value.shape, value.dtype
        self.tape, self.node, self.value, self.frozen = tape, node, value, frozen
        self.base: RecordedArray | None = None
        self.derive: tuple[str, Any, tuple[Any, ...]] | None = None
        self.seen: Node | None = None

    # For isinstance in the author's code; NumPy and this module ask for the type.
    __class__ = property(lambda _: np.ndarray)
    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    T = property(lambda self: np.transpose(self))

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[RecordedArray]:
        return (self[i] for i in range(len(self)))

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kw: Any
    ) -> Any:
        return apply_ufunc(self.tape, ufunc, method, inputs, out, kw)

    def __array_function__(self, function: Any, _: Any, args: Any, kw: Any) -> Any:
        from layerkit.recording.functions import apply_function  # which imports this module

        return apply_function(self.tape, function, args, kw)

    def __getitem__(self, index: Any) -> RecordedArray:
        keys = _keys(self, index)
        if all(isinstance(k, (int, Slice)) or k is None for k in keys):
            made = view(self, "index", operator.getitem, keys)
            if made.ndim == 0 and isinstance(index, tuple) and Ellipsis in index:
                raise self.tape.refuse("[..., i] gives a view of a single number: use [i]")
            return made
        return note(self.tape, "gather", operator.getitem, (self, keys))

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, np.ndarray) and index.dtype.kind == "b":
            become(self, _masked(self, index, value))
            return
        keys = _keys(self, index)
        if (
            recorded(value)
            and value.base is self
            and value.seen is self.node
            and value.derive == ("index", operator.getitem, (keys,))
        ):
            return  # y[k] += v: it was written through the view
        whole = all(isinstance(k, Slice) and k == ALL for k in keys)
        made = filled(self, value) if whole else note(self.tape, "set", _set, (self, keys, value))
        become(self, made)

    def __pow__(self, other: Any) -> Any:
        if self.ndim == 0 == np.ndim(other):  # which does not go through np.power
            return note(self.tape, "power", operator.pow, (self, other))
        # ndarray's own operator has these shortcuts, and np.power may round differently
        short = None
        if self.dtype.kind == "f" and type(other) in (int, float):
            short = {2: np.square, -1: np.reciprocal, 0.5: np.sqrt}.get(other)
        return np.power(self, other) if short is None else short(self)

    def __rpow__(self, other: Any) -> Any:
        if self.ndim == 0 == np.ndim(other):
            return note(self.tape, "power", operator.pow, (other, self))
        return np.power(other, self)

    def __ipow__(self, other: Any) -> Any:
        return become(self, self**other)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # NumPy and Python look for protocols
            raise AttributeError(name)
        if name in ("size", "itemsize", "nbytes"):
            return getattr(self.value, name)
        from layerkit.recording.functions import METHODS  # which imports this module

        if name in METHODS:
            return METHODS[name].__get__(self)
        raise self.tape.refuse(f"ndarray.{name} is used, which cannot be recorded")

    def __copy__(self, _: Any = None) -> RecordedArray:
        return note(self.tape, "copy", np.array, (self,))

    __deepcopy__ = __copy__

    def _steers(self, *_: Any, **__: Any) -> NoReturn:
        raise self.tape.refuse(
            "the numbers of an array decide or become plain Python numbers (if, while, float(), "
            "int(), item(), the module math): use np.where and NumPy functions"
        )

    __bool__ = __float__ = __int__ = __complex__ = __contains__ = item = tolist = _steers

    def __index__(self) -> NoReturn:
        raise self.tape.refuse(
            "an array is an index of a list, a range or a plain array: parameters can be indexed, "
            "and i[:, None] == np.arange(k) gives one-hot rows"
        )

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise self.tape.refuse(
            "an array is turned into a plain one (np.asarray, np.array, np.vectorize) or written "
            "into one made by np.empty or np.zeros: np.zeros_like(x, shape=...) can be recorded"
        )


def recorded(value: Any) -> bool:
    """Whether ``value`` is a recording array, which says that it is an ndarray."""
    return type(value) is RecordedArray


def note(
    tape: Tape, op: str, fn: Callable[..., Any], args: tuple[Any, ...], kw: Any = None
) -> RecordedArray:
    """Do ``fn`` with the values of the arguments, and note it as a node."""
    values, nodes = lower(tape, args)
    kw_values, kw_nodes = {}, {}
    for name, arg in (kw or {}).items():
        kw_values[name], kw_nodes[name] = lower(tape, arg)
    tape.line = author_line()
    node = Node(op, nodes, kw_nodes, fn=fn, line=tape.line)
    result = fn(*values, **kw_values)
    if not isinstance(result, (np.ndarray, np.generic)) or result.dtype.hasobject:
        name = getattr(fn, "__name__", "function")
        raise tape.refuse(f"np.{name} gives a {type(result).__name__}, which cannot be recorded")
    return RecordedArray(tape, node, result)


def view(x: RecordedArray, op: str, fn: Callable[..., Any], *args: Any) -> RecordedArray:
    """Note an operation whose result is a view of ``x``; a reshape may also be a copy."""
    made = note(x.tape, op, fn, (x, *args))
    made.base, made.seen = x, x.node
    made.derive = None if op == "reshape" else (op, fn, args)
    return made


def lower(tape: Tape, arg: Any) -> tuple[Any, Any]:
    """An argument as the value to compute with and as what a node keeps."""
    kind = type(arg)
    if kind is RecordedArray:
        _bring_up_to_date(arg)
        return arg.value, arg.node
    if kind is RecordedNumber:
        return arg.value, arg.node
    if arg is None or kind in (int, float, bool, str, Slice):
        return (slice(*arg) if kind is Slice else arg), arg
    if isinstance(arg, (np.ndarray, np.generic)):
        return arg, constant(arg)
    if kind is slice:
        return arg, Slice(arg.start, arg.stop, arg.step)
    if isinstance(arg, (tuple, list)):
        pairs = [lower(tape, a) for a in arg]
        return tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    if arg is Ellipsis or isinstance(arg, (np.dtype, type, complex)) or callable(arg):
        return arg, arg
    raise tape.refuse(f"an argument of type {kind.__name__} is given to a NumPy function")


def constant(value: Any) -> Node:
    """A node for an array or a NumPy number of the author's; later writes do not reach it."""
    kept = np.array(value) if isinstance(value, np.ndarray) else value
    return Node("const", shape=kept.shape, dtype=kept.dtype, value=kept, line=author_line())


def apply_ufunc(
    tape: Tape, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], out: Any, kw: dict[str, Any]
) -> Any:
    """Note a ufunc or one of its methods; raises TypeError where ``out`` has no fitting dtype."""
    target: Any = out[0] if out else None
    if method == "at":
        target, index, *values = inputs
    if "where" in kw or ufunc.nout > 1:
        raise tape.refuse(f"np.{ufunc.__name__} has where= or several results: use np.where")
    if not recorded(target) and target is not None:
        raise tape.refuse(
            f"np.{ufunc.__name__} writes into an array made by np.empty or np.zeros: "
            "np.empty_like(x, shape=...) of an input, or no out=, can be recorded"
        )
    if method == "at":
        args = target, _keys(target, index), *values
        become(target, note(tape, "at", _at, args, {"ufunc": ufunc.__name__}))
        return None
    kw = {k: v for k, v in kw.items() if v is not None or k == "axis"}
    made = _called(tape, ufunc, method, inputs, kw)
    if target is None or isinstance(target.value, np.generic):
        return made  # a += 1 makes another number, as in NumPy
    if not np.can_cast(made.dtype, target.dtype, "same_kind"):
        raise TypeError(f"cannot cast {ufunc.__name__} from {made.dtype} to {target.dtype}")
    return become(target, made)


def _called(tape: Tape, ufunc: Any, method: str, inputs: Any, kw: dict[str, Any]) -> RecordedArray:
    """A ufunc called or reduced under a name of its own where the graph has one."""
    inputs = tuple(np.asarray(a) if type(a) in (list, tuple) else a for a in inputs)
    if method == "__call__":
        elementwise = ufunc.signature is None or ufunc is np.matmul
        known = getattr(np, ufunc.__name__, None) is ufunc and elementwise and not kw
        return note(tape, ufunc.__name__ if known else "call", ufunc, inputs, kw)
    if method != "reduce" or ufunc not in _REDUCED or "initial" in kw:
        return note(tape, "call", getattr(ufunc, method), inputs, kw)
    (x,), axis = inputs, kw.get("axis", 0)
    axes = axis if isinstance(axis, (tuple, list)) else range(x.ndim) if axis is None else (axis,)
    kw["axis"] = tuple(sorted(range(x.ndim)[a] for a in axes))
    kw["keepdims"] = bool(kw.get("keepdims", False))
    return note(tape, _REDUCED[ufunc], ufunc.reduce, (x,), kw)


def become(target: RecordedArray, made: Any) -> RecordedArray:
    """Overwrite all of ``target`` with ``made`` of the same shape; bases and views see it."""
    _bring_up_to_date(target)
    tape = target.tape
    if made.shape != target.shape or isinstance(target.value, np.generic):
        raise tape.refuse("writes another shape into an array, or into a single number")
    value, node = lower(tape, as_dtype(made, target.dtype))
    made = RecordedArray(tape, node, value)  # as it is now: it may be a view of the same base
    root = target
    while root.base is not None:
        root = root.base
    if root.frozen:
        raise tape.refuse(f"writes into {root.node.args[0]!r}, which was given: write to a copy")
    if target.base is not None:
        op, _, args = target.derive or ("reshape", None, ())
        if op == "index":
            become(target.base, note(tape, "set", _set, (target.base, *args, made)))
        elif op == "transpose":
            become(target.base, np.transpose(made, np.argsort(args[0]).tolist()))
        else:  # where it is a copy, NumPy leaves the base as it was
            raise tape.refuse(f"writes into the result of np.{op}: write y = y + ... instead")
        target.seen = target.base.node
    target.node, target.value = made.node, np.asarray(made.value)
    return target


def _bring_up_to_date(x: RecordedArray) -> None:
    """Let a view show what was written into its base since it was last looked at."""
    base = x.base
    if base is None:
        return
    _bring_up_to_date(base)
    if x.seen is not base.node:
        if x.derive is None:
            raise x.tape.refuse("reads a reshape of an array that was written since")
        op, fn, args = x.derive
        fresh = note(x.tape, op, fn, (base, *args))
        x.node, x.value, x.seen = fresh.node, fresh.value, base.node


def as_dtype(x: RecordedArray, dtype: Any) -> RecordedArray:
    """``x`` in another dtype, or ``x`` itself."""
    return x if x.dtype == dtype else note(x.tape, "astype", _astype, (x, np.dtype(dtype)))


def filled(target: RecordedArray, value: Any) -> RecordedArray:
    """``value`` broadcast to the shape and dtype of ``target``."""
    tape, shape = target.tape, target.shape
    if not recorded(value):
        if np.ndim(value) == 0:
            return full(tape, shape, value, target.dtype)
        value = note(tape, "copy", np.array, (np.asarray(value),))
    value = as_dtype(value, target.dtype)
    return value if value.shape == shape else view(value, "broadcast_to", np.broadcast_to, shape)


def full(tape: Tape, shape: Any, value: Any, dtype: Any) -> RecordedArray:
    """A constant that fills ``shape``."""
    if np.ndim(value):
        raise tape.refuse("np.full_like with an array: use np.broadcast_to or arithmetic")
    node = Node("const", value=np.asarray(value, dtype)[()], line=author_line())
    return RecordedArray(tape, node, np.full(shape, value, dtype))


def _masked(target: RecordedArray, mask: Any, value: Any) -> Any:
    """``target`` with ``value`` where ``mask``, a choice between two arrays."""
    inner = target.ndim - mask.ndim
    if np.ndim(value) > inner or mask.shape != target.shape[: mask.ndim]:
        raise target.tape.refuse("y[mask] = array, where only a number can be recorded: np.where")
    return np.where(mask[(..., *(None,) * inner)], value, target)


def _keys(x: RecordedArray, index: Any) -> tuple[Any, ...]:
    """An index with one key for each axis of ``x``; slices as ``Slice``."""
    keys: list[Any] = []
    for key in index if isinstance(index, tuple) else (index,):
        if isinstance(key, list):
            key = np.asarray(key)
        if isinstance(key, np.ndarray) and key.dtype.kind == "b":
            if recorded(key):
                raise x.tape.refuse("y[mask] picks as many numbers as the data say: use np.where")
            keys.extend(key.nonzero())
        elif isinstance(key, slice):
            keys.append(Slice(key.start, key.stop, key.step))
        elif type(key) in (bool, np.bool_):
            raise x.tape.refuse("an array is indexed with True or False")
        else:
            keys.append(int(key) if isinstance(key, np.integer) else key)
    taken = sum(k is not None and k is not Ellipsis for k in keys)
    at = next((i for i, k in enumerate(keys) if k is Ellipsis), len(keys))
    return (*keys[:at], *(ALL,) * (x.ndim - taken), *keys[at + 1 :])


def _set(x: Any, keys: Any, value: Any) -> Any:
    x = np.array(x)
    x[keys] = value
    return x


def _at(x: Any, keys: Any, *values: Any, ufunc: str) -> Any:
    x = np.array(x)
    getattr(np, ufunc).at(x, keys, *values)
    return x


def _astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)
