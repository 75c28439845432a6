"""The optional sections of the header: what a run leaves (rules 3.9 to 3.11, step 12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerkit.codec.fields import Fields, a_map, ascending, refuse, want
from layerkit.codec.names import (
    HEX32,
    LAYER_NAME,
    TYPE_KEY,
    below,
    is_finite_float,
    is_int,
    is_tensor_name,
    matches,
)

__all__ = ["SECTIONS"]


def _history(value: object, fields: Fields) -> None:
    for series, item in _filled(value, "history", "3.9").items():
        where = below("history", series)
        want(series, where, "3.9", is_tensor_name(series), "the name of a series")
        unit = fields.closed(item, where, "3.9", ("unit",))["unit"]
        want(unit, f"{where}.unit", "3.9", unit in ("epoch", "step"), '"epoch" or "step"')


def _metrics(value: object, fields: Fields) -> None:
    for name, number in _filled(value, "metrics", "3.9").items():
        where = below("metrics", name)
        want(name, where, "3.9", is_tensor_name(name), "the name of a metric")
        want(number, where, "3.9", type(number) in (int, float), "an int or a float")


def _selftest(value: object, fields: Fields) -> None:
    keys = ("atol", "rtol")
    selftest = fields.closed(value, "selftest", "3.11", keys)
    for key in keys:
        bound = selftest[key]
        good = is_finite_float(bound) and bound >= 0
        want(bound, f"selftest.{key}", "3.11", good, "a finite float >= 0")


def _training(value: object, fields: Fields) -> None:
    keys = ("callbacks", "epoch", "optimizer", "rng", "step")
    training = fields.closed(value, "training", "3.10", keys)
    for key in ("epoch", "step"):
        count = training[key]
        want(count, f"training.{key}", "3.10", is_int(count), "an int from 0 to 2^63 - 1")
    a_map(training["callbacks"], "training.callbacks", "3.10")
    where = "training.optimizer"
    optimizer = fields.closed(
        training["optimizer"], where, "3.10", ("config", "slots", "state", "type")
    )
    key = optimizer["type"]
    want(key, f"{where}.type", "3.10", matches(key, TYPE_KEY), "an optimiser's type key")
    for part in ("config", "state"):
        a_map(optimizer[part], f"{where}.{part}", "3.10")
    ascending(
        optimizer["slots"],
        f"{where}.slots",
        "3.10",
        lambda item: matches(item, LAYER_NAME),
        "a slot name",
    )
    for stream, state in a_map(training["rng"], "training.rng", "3.10").items():
        _generator(stream, state, fields)


def _generator(stream: str, value: object, fields: Fields) -> None:
    where = below("training.rng", stream)
    want(stream, where, "3.10", is_tensor_name(stream), "the name of a random stream")
    keys = ("bit_generator", "has_uint32", "inc", "state", "uinteger")
    record = fields.closed(value, where, "3.10", keys)
    kind, has, inc, state, spare = (record[key] for key in keys)
    good = kind in ("PCG64", "PCG64DXSM")
    want(kind, f"{where}.bit_generator", "3.10", good, '"PCG64" or "PCG64DXSM"')
    for key, word in (("inc", inc), ("state", state)):
        want(word, f"{where}.{key}", "3.10", matches(word, HEX32), "32 lowercase hex digits")
    want(inc, f"{where}.inc", "3.10", int(inc, 16) % 2 == 1, "an odd number")
    want(has, f"{where}.has_uint32", "3.10", is_int(has, 0, 1), "0 or 1")
    good = is_int(spare, 0, 2**32 - 1)
    want(spare, f"{where}.uinteger", "3.10", good, "an int from 0 to 2^32 - 1")


def _filled(value: object, where: str, rule: str) -> dict[str, Any]:
    """``value``, if it is a map with something in it: an optional section is never empty."""
    record = a_map(value, where, rule)
    if not record:
        refuse(where, "3.1", "an optional section is absent or not empty")
    return record


SECTIONS: dict[str, Callable[[object, Fields], None]] = {
    "history": _history,
    "metrics": _metrics,
    "selftest": _selftest,
    "training": _training,
}
