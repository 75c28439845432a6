"""Copies of values into the memory of others: joined arrays, replaced blocks, flattened images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from layerkit.recording.graph import ALL, Node, Slice, at
from layerkit_plugins.compiled.llvm.elements import Pointer
from layerkit_plugins.compiled.llvm.emit import Function
from layerkit_plugins.compiled.llvm.places import Dim, N, NotCompiled, Place

if TYPE_CHECKING:
    from layerkit_plugins.compiled.llvm.lowering import Code


def copy(code: Code, caller: Function, source: Place, target: Place) -> None:
    """Emit a copy of ``source`` into ``target``, which has the same shape."""

    def write(f: Function, pointer: Pointer) -> None:
        with ExitStack() as stack:
            index = code.nest(f, stack, source.dims, target.strides)
            element, to = (code.element(f, p.strides, index) for p in (source, target))
            value = f.load(source.kind, pointer(source), element)
            if source.kind == "i8" != target.kind:  # truth values among numbers
                value = value.to("i1").to(target.kind)
            f.store(value, pointer(target), to)

    code.call(caller, write)


def join(code: Code, f: Function, node: Node) -> None:
    """Emit copies of those parts of a ``concatenate`` that do not lie in it already."""
    whole, (parts, axis) = code.place(node), node.args
    start = 0
    for k, part in enumerate(parts):
        length = part.shape[axis]
        if k in code.memory.copied.get(id(node), range(len(parts))):
            key = (slice(None),) * axis + (slice(start, start + length),)
            copy(code, f, code.place(part), whole.part(code.dims(part), key))
        start += length


def flatten(code: Code, f: Function, node: Node) -> None:
    """Emit a copy of an image into memory that is seen in the shape of the image.

    Raises
    ------
    NotCompiled
        If that shape cannot be seen there.
    """
    source, target = code.place(node.args[0]), code.place(node)
    shown = [
        array.reshape([n if dim == N else dim for dim in source.dims])
        for array, n in zip(target.shown, code.rows, strict=True)
    ]
    if not all(map(np.may_share_memory, shown, target.shown)):
        raise NotCompiled("a reshape that would have to copy")
    seen = Place(target.cell, source.dims, target.kind, shown, target.begins)
    copy(code, f, source, seen)


def replace(code: Code, f: Function, node: Node) -> None:
    """Emit a copy of an array with a block of it replaced.

    An array of one number is not copied: the number is stored around the block.

    Raises
    ------
    NotCompiled
        If the block has some of the rows only, or another shape than what replaces it.
    """
    x, keys, value = node.args
    dims, target = code.dims(node), code.place(node)
    if any(size == N and key != ALL for size, key in zip(node.shape, keys, strict=True)):
        raise NotCompiled("replaces some of the rows")
    if x.op == "const" and np.size(x.value) == 1:
        for around in _around(dims, keys):
            _fill(code, f, target.part(_cut(dims, around), around), np.asarray(x.value).item())
    elif not (before := code.place(x)).is_at(target):
        copy(code, f, before, target)
    key = at(keys, code.rows[0])
    block = target.part(_cut(dims, key), key)
    if isinstance(value, Node) and code.dims(value) == block.dims and value.op != "const":
        copy(code, f, code.place(value), block)
    elif np.size(getattr(value, "value", value)) == 1:
        _fill(code, f, block, np.asarray(getattr(value, "value", value)).item())
    else:
        raise NotCompiled("replaces a block by an array of another shape")


def _fill(code: Code, caller: Function, target: Place, number: float) -> None:
    def write(f: Function, pointer: Pointer) -> None:
        with ExitStack() as stack:
            index = code.nest(f, stack, target.dims, target.strides)
            kind = {"i8": "i1"}.get(target.kind, target.kind)
            value = f.number(number, kind).to(target.kind)
            f.store(value, pointer(target), code.element(f, target.strides, index))

    code.call(caller, write)


def _cut(dims: Sequence[Dim], keys: Sequence[Any]) -> tuple[Dim, ...]:
    """The sizes of a part."""
    found = [
        dim if dim == N else len(range(dim)[key])
        for dim, key in zip(dims, keys, strict=True)
        if isinstance(key, slice)
    ]
    return tuple(found)


def _around(dims: Sequence[Dim], keys: Sequence[Any]) -> Iterator[tuple[slice, ...]]:
    """Parts that, together, are all but the block ``keys``, or all if it is not of neighbours."""
    spans = [
        None
        if dim == N or key == ALL
        else range(dim)[slice(*key) if isinstance(key, Slice) else slice(key, key + 1)]
        for dim, key in zip(dims, keys, strict=True)
    ]
    if any(span is not None and span.step != 1 for span in spans):
        yield (slice(None),) * len(dims)
        return
    part = [slice(None)] * len(dims)
    for axis, span in enumerate(spans):
        if span is None:
            continue
        for low, high in ((0, span.start), (span.stop, dims[axis])):
            if low < high:
                yield (*part[:axis], slice(low, high), *part[axis + 1 :])
        part[axis] = slice(span.start, span.stop)
