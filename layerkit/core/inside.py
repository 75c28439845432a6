"""What happens inside a network: what its layers show, values after a layer, layers left out.

Nothing of this is part of a pass of its own: a network is run a second time for it, as its layers
are written. Layers are named by path: "highway_3", or "residual_1.dense_2" inside a container.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache, partial, reduce
from typing import Any

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.layer import Layer
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer, unusable
from layerkit.display import nearest, quoted
from layerkit.errors import LayerkitError, ShapeError, SpecError

_BLOCK = 1024  # rows fed at once, so that memory does not grow with their number


def check_paths(network: Network, paths: Iterable[str]) -> None:
    """Raise SpecError, with the nearest name, if a path names no layer."""
    known = [p.name for p in network.nested()]
    for path in paths:
        if path not in known:
            raise SpecError(f"the model has no layer {quoted(path)}{nearest(str(path), known)}")


def watched(
    network: Network, x: Array, only: Collection[str] | None = None
) -> dict[str, dict[str, Array]]:
    """What the layers show of an inference pass of x (n, *in): path to name to array (n, ...).

    Layers that show nothing are left out; ``only`` are the paths that are asked for. Raises
    PluginLoadError if a layer shows what is no such array.
    """
    found: dict[str, dict[str, list[Array]]] = {}
    for rows in _blocks(x):
        y = rows
        for p in network.planned:
            # Layer by layer, so that only one of them keeps what it has saved.
            alone = network.part([p])
            (ctx,) = alone.contexts()
            y = alone.feed(y, [ctx])
            for one in p.nested():
                if only is None or one.name in only:
                    inner = reduce(Context.part, one.name.split(".")[1:], ctx)
                    for name, values in _shown(one, inner, len(rows)):
                        found.setdefault(one.name, {}).setdefault(name, []).append(values)
    return {
        path: {name: np.concatenate(blocks) for name, blocks in named.items()}
        for path, named in found.items()
    }


def _shown(p: PlannedLayer, ctx: Context, rows: int) -> Iterator[tuple[str, Array]]:
    """Name and values of what a layer shows, checked."""
    show = own_method(p.layer, "watched")
    if show is None:
        return
    try:
        shown = dict(show(ctx))
    except (LayerkitError, MemoryError):
        raise
    except Exception as cause:  # a plugin's code may raise anything
        reason = f"watched raised {type(cause).__name__}: {cause}"
        raise unusable(p.name, p.layer, reason) from cause
    for name, values in shown.items():
        if not isinstance(values, np.ndarray) or values.shape[:1] != (rows,):
            got = quoted(values) if not isinstance(values, np.ndarray) else list(values.shape)
            reason = f"watched: expected an array of {rows} rows as {name!r}, got {got}"
            raise unusable(p.name, p.layer, reason)
        yield name, values


def values_after(network: Network, x: Array, path: str) -> Array:
    """What the layer at ``path`` gives for rows x (n, *in) of the network: (n, *out) of it."""
    top = path.partition(".")[0]
    count = [p.name for p in network.planned].index(top) + 1
    head = network.part(network.planned[:count])
    caught: list[Array] = []
    if path != top:
        head = _changed(head, {path: lambda layer: _catching(layer, caught)})
    for rows in _blocks(x):
        y = head.feed(rows, head.contexts(keeps=False))
        if path == top:
            caught.append(y)
    return np.concatenate(caught)


def without(network: Network, paths: Collection[str]) -> Network:
    """The network with the layers at ``paths`` replaced by their carry; it shares the parameters.

    Raises ShapeError if a layer has no carry: it changes the shape and has none of its own.
    """
    for p in network.nested():
        if p.name in paths and not has_carry(p):
            raise ShapeError(
                f"layer {p.name!r} turns rows of shape {list(p.in_shape)} into "
                f"{list(p.plan.out_shape)} and has no carry, so it cannot be left out"
            )
    return _changed(network, dict.fromkeys(paths, _carrying))


def has_carry(p: PlannedLayer) -> bool:
    """Whether a layer has a carry: its own, or by default its rows where it keeps their shape."""
    return p.in_shape == p.plan.out_shape or own_method(p.layer, "carry") is not None


def own_method(layer: Layer, method: str) -> Callable[..., Any] | None:
    """A method that the class of ``layer`` overrides; a setting may have the name of one."""
    found = getattr(type(layer), method)
    return (
        partial(found, layer) if callable(found) and found is not getattr(Layer, method) else None
    )


def _blocks(x: Array) -> Iterator[Array]:
    for start in range(0, max(len(x), 1), _BLOCK):
        yield x[start : start + _BLOCK]


def _changed(network: Network, changes: dict[str, Callable[[Layer], Layer]]) -> Network:
    """The network with some layers changed, over the same parameters."""
    changed = network.part([_with(p, p.name, changes) for p in network.planned])
    changed.grads, changed.kept = None, {}
    return changed


def _with(p: PlannedLayer, path: str, changes: dict[str, Callable[[Layer], Layer]]) -> PlannedLayer:
    """The layer at ``path`` changed, or copied if one inside it is."""
    if path in changes:
        return p._replace(layer=changes[path](p.layer))
    parts = [_with(part, f"{path}.{part.name}", changes) for part in p.plan.parts]
    if all(new is old for new, old in zip(parts, p.plan.parts, strict=True)):
        return p
    return p.made_of(copy.copy(p.layer), parts)


@lru_cache(maxsize=256)
def _carry_class(kind: type[Layer]) -> type[Layer]:
    """The class of layers like ``kind`` that only carry; one for each, so that they are equal."""

    def feed(self: Layer, x: Array, ctx: Context) -> Array:
        carry = own_method(self, "carry")
        return x if carry is None else carry(x)

    def watch(self: Layer, ctx: Context) -> dict[str, Array]:
        return {}

    return type(kind.__name__, (kind,), {"feed": feed, "watched": watch, "__module__": __name__})


def _carrying(layer: Layer) -> Layer:
    """A copy of ``layer`` that gives its carry."""
    found = copy.copy(layer)
    found.__class__ = _carry_class(type(layer))
    return found


def _catching(layer: Layer, caught: list[Array]) -> Layer:
    """A copy of ``layer`` that adds what it gives to ``caught``."""
    found: Any = copy.copy(layer)

    def feed(x: Array, ctx: Context) -> Array:
        y = layer.feed(x, ctx)
        caught.append(y)
        return y

    found.feed = feed
    copied: Layer = found
    return copied
