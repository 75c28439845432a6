"""What happens inside a network: what its layers show, values after a layer, layers left out.

Nothing of this is part of a pass of its own: a network is run a second time for it, as its layers
are written. Layers are named by path: "highway_3", or "residual_1.dense_2" inside a container.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache, partial, reduce
from typing import Any, NamedTuple

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


class Seen(NamedTuple):
    """What a layer took and gave in a pass, x (n, *in) and y (n, *out), and what it shows."""

    planned: PlannedLayer  # named by its path
    x: Array
    y: Array
    shown: dict[str, Array]


def seen(network: Network, x: Array, paths: Collection[str]) -> Iterator[Seen]:
    """The layers at ``paths`` in an inference pass of x (n, *in), one after the other.

    A layer inside a container that does not feed it is left out. Raises PluginLoadError if a layer
    shows what is no array with a number for each row.
    """
    rows = len(x)
    for p in network.planned:
        asked = [one for one in p.nested() if one.name in paths]
        passed: dict[str, tuple[Array, Array]] = {}
        spies = {one.name: partial(_spied, partial(passed.__setitem__, one.name)) for one in asked}
        # Layer by layer, so that only one of them keeps what it has saved.
        alone = network.part([_with(p, p.name, spies)])
        (ctx,) = alone.contexts()
        x = alone.feed(x, [ctx])
        for one in asked:
            if one.name in passed:
                inner = reduce(Context.part, one.name.split(".")[1:], ctx)
                yield Seen(one, *passed[one.name], dict(_shown(one, inner, rows)))


def watched(
    network: Network, x: Array, only: Collection[str] | None = None
) -> dict[str, dict[str, Array]]:
    """What the layers show of an inference pass of x (n, *in): path to name to array (n, ...).

    Layers that show nothing are left out; ``only`` are the paths that are asked for. Raises
    PluginLoadError if a layer shows what is no such array.
    """
    paths = {p.name for p in network.nested() if own_method(p.layer, "watched")}
    paths = paths if only is None else paths.intersection(only)
    found: dict[str, dict[str, list[Array]]] = {}
    for rows in _blocks(x):
        for one in seen(network, rows, paths):
            for name, values in one.shown.items():
                found.setdefault(one.planned.name, {}).setdefault(name, []).append(values)
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
        head = _changed(head, {path: partial(_spied, lambda pair: caught.append(pair[1]))})
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


def carried(network: Network, p: PlannedLayer, x: Array) -> Array:
    """The carry (n, *out) of a layer of the network, which has one, for x (n, *in)."""
    alone = network.part([p._replace(layer=_carrying(p.layer))])
    return alone.feed(x, alone.contexts(keeps=False))


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


def _changed(network: Network, changes: Mapping[str, Callable[[Layer], Layer]]) -> Network:
    """The network with some layers changed, over the same parameters."""
    changed = network.part(changed_layers(network, changes))
    changed.grads, changed.kept = None, {}
    return changed


def changed_layers(
    network: Network, changes: Mapping[str, Callable[[Layer], Layer]]
) -> list[PlannedLayer]:
    """The layers of the network, those at the paths of ``changes`` changed."""
    return [_with(p, p.name, changes) for p in network.planned]


def _with(
    p: PlannedLayer, path: str, changes: Mapping[str, Callable[[Layer], Layer]]
) -> PlannedLayer:
    """The layer at ``path`` changed, and copied if one inside it is."""
    parts = [_with(part, f"{path}.{part.name}", changes) for part in p.plan.parts]
    if any(new is not old for new, old in zip(parts, p.plan.parts, strict=True)):
        p = p.made_of(copy.copy(p.layer), parts)
    return p._replace(layer=changes[path](p.layer)) if path in changes else p


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


def _spied(tell: Callable[[tuple[Array, Array]], object], layer: Layer) -> Layer:
    """A copy of ``layer`` that tells (x, y) of each feed."""
    found: Any = copy.copy(layer)

    def feed(x: Array, ctx: Context) -> Array:
        y = layer.feed(x, ctx)
        tell((x, y))
        return y

    found.feed = feed
    copied: Layer = found
    return copied
