"""Which tensor of a source is which tensor of the model: by a map, by name, or by order.

Nothing is guessed from shapes. Order counts only where the source tells it, or where its names are
the numbers of PyTorch's Sequential.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from layerkit.core.context import Array
from layerkit.core.parts import Weights
from layerkit.core.tensors import matching, mismatch
from layerkit.display import nearest, quoted
from layerkit.errors import WeightsError

_SAME = {
    "W": ("weight", "kernel"),
    "b": ("bias",),
    "E": ("weight", "embeddings"),
    "gamma": ("weight",),
    "beta": ("bias",),
    "mean": ("running_mean", "moving_mean"),
    "var": ("running_var", "moving_variance"),
}
"""What PyTorch and Keras call the tensors of these names."""

_TABLES = ("E",)
"""Tensors with one row for each of some whole numbers: as they are in PyTorch."""

_COUNT = "num_batches_tracked"
"""What PyTorch's batch normalisation counts, and no answer depends on."""

_NUMBERED = re.compile(r"(?:(?P<before>.*)\.)?(?P<number>\d+)")
IGNORE = "ignore"


class Pair(NamedTuple):
    """Where a tensor of the model comes from."""

    source: str
    transposed: bool


class Paired(NamedTuple):
    """Tensors by the model's names, and a line on each that says where it is from."""

    tensors: dict[str, Array]
    notes: list[str]


def paired(weights: Weights, own: Mapping[str, Array], mapping: Mapping[str, Any] | None) -> Paired:
    """Pair the tensors of a source with those of a model.

    Raises
    ------
    TensorMismatchError
        For all that is missing, left over or of another shape.
    WeightsError
        If ``mapping`` names what is not there.
    """
    given = weights.tensors
    ignored: Sequence[str] = ()
    if mapping is not None:
        ignored = _ignored(mapping, given)
        pairs = _mapped(mapping, given, own)
    else:
        pairs = _unmapped(weights, own)
    used = {pair.source for pair in pairs.values()}
    arrays = {name: _array(given[pair.source], pair) for name, pair in pairs.items()}
    # A name of the source may be one of the model, but stand for another tensor there.
    left = {n: a for n, a in given.items() if n not in used and n not in ignored}
    counts = [n for n in left if n.rpartition(".")[2] == _COUNT and n not in own]
    for name in counts:
        del left[name]
    if left.keys() & own.keys():
        raise mismatch([n for n in own if n not in arrays], list(left), [])
    matching(arrays | left, own)
    notes = [note for name, pair in pairs.items() if (note := _note(name, pair, given, own))]
    notes += [f"{name} is ignored" for name in ignored]
    notes += [f"{name} is left out: it counts batches, and no answer uses it" for name in counts]
    return Paired(arrays, notes)


def _array(array: Array, pair: Pair) -> Array:
    if not pair.transposed or array.ndim < 2:
        return array
    return array.transpose(*range(2, array.ndim), 1, 0)  # convolutions are (out, in, ...)


def _note(name: str, pair: Pair, given: Mapping[str, Array], own: Mapping[str, Array]) -> str:
    """Where a tensor is from and what was done to it; empty if nothing was."""
    array, wanted = given[pair.source], own[name]
    text = f"{name} = {pair.source}"
    if pair.transposed:
        text += f", transposed from {list(array.shape)} to {list(wanted.shape)}"
    if array.dtype.itemsize > wanted.dtype.itemsize:
        text += f", rounded from {array.dtype} to {wanted.dtype}"
    return "" if text == f"{name} = {name}" else text


def _pair(own: str, source: str, given: Mapping[str, Array]) -> Pair:
    """Transposed if it is a weight (outputs, inputs, ...), as those that PyTorch calls so."""
    weight = source.rpartition(".")[2] == "weight" and given[source].ndim >= 2
    return Pair(source, weight and own.rpartition(".")[2] not in _TABLES)


def _layers(names: Iterable[str]) -> list[str]:
    """The layers that have tensors of these names, in order."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))


def _of_layer(
    layer: str, prefix: str, given: Mapping[str, Array], own: Mapping[str, Array]
) -> dict[str, Pair]:
    """The tensors of one layer of the model that those under ``prefix`` are."""
    found = {}
    for name in own:
        start, _, last = name.rpartition(".")
        if start != layer:
            continue
        for other in (last, *_SAME.get(last, ())):
            source = f"{prefix}.{other}" if prefix else other
            if source in given:
                found[name] = _pair(name, source, given)
                break
    return found


def _unmapped(weights: Weights, own: Mapping[str, Array]) -> dict[str, Pair]:
    given = weights.tensors
    if given.keys() & own.keys():
        return {name: Pair(name, transposed=False) for name in own if name in given}
    ordered = weights.layers if weights.layers is not None else _numbered(given)
    layers = _layers(own)
    if ordered is None and set(layers) <= set(_layers(given)):
        ordered = layers
    if ordered is None:
        reason = "their names do not tell the order of the layers"
    elif len(ordered) != len(layers):
        reason = f"the source has {len(ordered)} layers with tensors, the spec {len(layers)}"
    else:
        found: dict[str, Pair] = {}
        for layer, prefix in zip(layers, ordered, strict=True):
            found |= _of_layer(layer, prefix, given, own)
        return found
    names = ", ".join(ordered or _layers(given))
    advice = (
        f"{reason}; say which is which with a map (--map, mapping=) from "
        f"{', '.join(layers)} to {names}, or tensor by tensor"
    )
    raise mismatch(list(own), list(given), [], advice)


def _numbered(given: Mapping[str, Array]) -> list[str] | None:
    """The layers of a Sequential of PyTorch, whose names are numbers; None for other names."""
    found = [_NUMBERED.fullmatch(layer) for layer in _layers(given)]
    if not all(found) or len({one["before"] for one in found if one}) != 1:
        return None
    return [one[0] for one in sorted((o for o in found if o), key=lambda o: int(o["number"]))]


def _ignored(mapping: Mapping[str, Any], given: Mapping[str, Array]) -> list[str]:
    names = mapping.get(IGNORE, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise WeightsError(f"the map: {IGNORE}: expected a list of names, got {quoted(str(names))}")
    for name in names:
        _known(name, given)
    return names


def _mapped(
    mapping: Mapping[str, Any], given: Mapping[str, Array], own: Mapping[str, Array]
) -> dict[str, Pair]:
    layers = _layers(own)
    prefixes = _layers(given)
    pairs: dict[str, Pair] = {}
    for key, value in mapping.items():
        if key == IGNORE:
            continue
        name, turned = _value(key, value)
        if key in own:
            _known(name, given)
            pair = _pair(key, name, given)
            pairs[key] = pair if turned is None else Pair(name, turned)
        elif key in layers:
            if name not in prefixes:
                raise _unknown(name, prefixes, "the source has no layer")
            pairs |= _of_layer(key, name, given, own)
        else:
            raise _unknown(key, [*layers, *own], "the model has no layer or tensor")
    return pairs


def _value(key: str, value: object) -> tuple[str, bool | None]:
    """The name that a map gives, and whether it is to be transposed, if it says so."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, Mapping) and set(value) <= {"name", "transpose"}:
        name, turned = value.get("name"), value.get("transpose")
        if isinstance(name, str) and (turned is None or isinstance(turned, bool)):
            return name, turned
    raise WeightsError(
        f'the map: {quoted(key)}: expected a name or {{"name": ..., "transpose": true or false}}, '
        f"got {quoted(str(value))}"
    )


def _known(name: str, given: Mapping[str, Array]) -> None:
    if name not in given:
        raise _unknown(name, given, "the source has no tensor")


def _unknown(name: str, known: Iterable[str], words: str) -> WeightsError:
    listed = list(known)
    return WeightsError(
        f"the map: {words} {quoted(name)}{nearest(name, listed)}",
        hint=f"there are: {', '.join(listed)}",
    )
