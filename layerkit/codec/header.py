"""The fields of the header, section by section (FORMAT.md section 3, steps 11 and 12).

The tables say what each field must hold; the functions add what a table cannot say. How sections
agree with each other is in ``relations``. ``spec`` stays opaque here apart from ``schema`` and
``model``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from layerkit.codec.fields import (
    ARRAY,
    MAP,
    FieldCheck,
    Fields,
    Table,
    ascending,
    check,
    check_table,
    entries,
    refuse,
)
from layerkit.codec.limits import Limits
from layerkit.codec.names import (
    DIST,
    DTYPES,
    FEATURE,
    GROUPS,
    HEX32,
    LAYER_NAME,
    PRODUCER,
    ROLES,
    TYPE_KEY,
    VERSION,
    describe_value,
    is_finite_float,
    is_int,
    is_param_name,
    is_tensor_name,
    matches,
)
from layerkit.display import quoted
from layerkit.errors import UnsupportedFormatError


def _text(pattern: re.Pattern[str], expected: str) -> FieldCheck:
    return FieldCheck(lambda value: matches(value, pattern), expected)


def _int(low: int, high: int, expected: str) -> FieldCheck:
    return FieldCheck(lambda value: is_int(value, low, high), expected)


def _name(expected: str) -> FieldCheck:
    return FieldCheck(is_tensor_name, expected)


_MAX_RANK = 32
_COUNT = _int(0, 2**63 - 1, "an int from 0 to 2^63 - 1")
_NUMBER = _int(1, 2**31 - 1, "an int from 1 to 2^31 - 1")
_BOUND = FieldCheck(lambda value: is_finite_float(value) and value >= 0, "a finite float >= 0")
_WORD = _text(HEX32, "32 lowercase hex digits")
_VERSION = _text(VERSION, "a version")
_FEATURE = _text(FEATURE, "a feature name")
_DIST = _text(DIST, "a normalised distribution name")
_SLOT = _text(LAYER_NAME, "a slot name")
_STRING = FieldCheck(lambda value: isinstance(value, str), "a string")
_METRIC = FieldCheck(lambda value: type(value) in (int, float), "an int or a float")
_TENSOR_NAME = _name("a tensor's name")
_ANY = FieldCheck(lambda value: True, "anything")

_REQUIRED = ("aliases", "features", "metadata", "producer", "spec", "tensors", "types")
_FEATURES: Table = {"optional": ARRAY, "required": ARRAY}
_PRODUCER: Table = {"name": _text(PRODUCER, "a producer's name"), "version": _VERSION}
_TYPE: Table = {"config_version": _NUMBER, "dist": _ANY, "entry_point": _ANY, "version": _ANY}
_TENSOR: Table = {
    "name": _ANY,  # checked first: the paths of the others have it
    "dtype": FieldCheck(
        lambda value: isinstance(value, str) and value in DTYPES,
        "one of " + " ".join(DTYPES),
        "4.1",
    ),
    "shape": FieldCheck(
        lambda value: type(value) is list and len(value) <= _MAX_RANK and all(map(is_int, value)),
        "at most 32 ints from 0 to 2^63 - 1",
    ),
    "nbytes": _ANY,
    "offset": FieldCheck(is_int, "an int >= 0", "4.5"),
    "sha256": FieldCheck(lambda value: type(value) is bytes, "32 bytes", "2.7"),
    "role": FieldCheck(lambda value: value in ROLES, "one of " + " ".join(ROLES), "4.3"),
}
_SERIES: Table = {"unit": FieldCheck(lambda value: value in ("epoch", "step"), '"epoch" or "step"')}
_SELFTEST: Table = {"atol": _BOUND, "rtol": _BOUND}
_TRAINING: Table = {
    "epoch": _COUNT,
    "step": _COUNT,
    "callbacks": MAP,
    "optimizer": MAP,
    "rng": MAP,
}
_OPTIMIZER: Table = {
    "type": _text(TYPE_KEY, "an optimiser's type key"),
    "config": MAP,
    "state": MAP,
    "slots": ARRAY,
}
_GENERATOR: Table = {
    "bit_generator": FieldCheck(
        lambda value: value in ("PCG64", "PCG64DXSM"), '"PCG64" or "PCG64DXSM"'
    ),
    "inc": FieldCheck(
        lambda value: matches(value, HEX32) and int(value, 16) % 2 == 1,
        "32 lowercase hex digits, an odd number",
    ),
    "state": _WORD,
    "has_uint32": _int(0, 1, "0 or 1"),
    "uinteger": _int(0, 2**32 - 1, "an int from 0 to 2^32 - 1"),
}


def check_features(header: dict[str, Any], fields: Fields) -> None:
    """Step 11: features come first, so that what is newer is not called malformed.

    Raises UnsupportedFormatError for required features, naming each; 1.0 knows none.
    """
    if "features" not in header:
        refuse("header", "3.1", "required field missing: features")
    features = fields.closed(header["features"], "features", "3.3", _FEATURES)
    for key in _FEATURES:
        ascending(features[key], f"features.{key}", "3.3", _FEATURE)
    both = set(features["optional"]) & set(features["required"])
    if both:
        refuse("features", "3.3", f"{', '.join(sorted(both))} is both optional and required")
    if features["required"]:
        names = ", ".join(features["required"])
        raise UnsupportedFormatError(
            f"the file needs a newer layerkit: it requires the features {names}",
            needs=features["required"],
        )


def check_header_sections(header: dict[str, Any], fields: Fields, limits: Limits) -> None:
    """Step 12: the shape of every section but ``features`` (rules 3.1 to 3.12 and 4.1 to 4.3)."""
    fields.with_keys(header, "header", "3.1", _REQUIRED, _OPTIONAL)
    fields.closed(header["producer"], "producer", "3.2", _PRODUCER)
    spec = check(header["spec"], "spec", "3.4", MAP)
    check(spec.get("schema"), "spec.schema", "3.4", _NUMBER)
    check(spec.get("model"), "spec.model", "3.4", MAP)
    metadata = check(header["metadata"], "metadata", "3.12", MAP)
    for key in ("license", "card"):
        check(metadata.get(key, ""), f"metadata.{key}", "3.12", _STRING)
    for key, where, record in entries(header["types"], "types", "3.6", _TYPE_NAME):
        _check_type(key, where, record, fields)
    _check_tensors(header["tensors"], fields, limits)
    for _, where, target in entries(header["aliases"], "aliases", "3.8", _ALIAS):
        check(target, where, "3.8", _TENSOR_NAME)
    for key, check_section in _OPTIONAL.items():
        if header.get(key) == {}:
            refuse(key, "3.1", "an optional section must be absent or not empty")
        if key in header:
            check_section(header[key], fields)


def _is_type_name(key: str) -> bool:
    """True for a type key, or GROUP/NAME of another part."""
    group, slash, name = key.rpartition("/")
    return matches(name, TYPE_KEY) and (not slash or group in GROUPS)


_TYPE_NAME = FieldCheck(_is_type_name, "a type key, or GROUP/NAME of another part")
_ALIAS = FieldCheck(is_param_name, "the name of a parameter")


def _check_type(key: str, where: str, value: object, fields: Fields) -> None:
    record = fields.closed(value, where, "3.6", _TYPE)
    group, _, name = key.rpartition("/")
    dist, version = record["dist"], record["version"]
    if record["entry_point"] != name:
        found = describe_value(record["entry_point"])
        refuse(f"{where}.entry_point", "3.6", f"expected {describe_value(name)}, got {found}")
    if group and dist == "layerkit":
        refuse(f"{where}.dist", "3.6", "a part of layerkit itself has no record")
    if dist is not None or version is not None:
        check(dist, f"{where}.dist", "3.6", _DIST)
        check(version, f"{where}.version", "3.6", _VERSION)


def _check_tensors(value: object, fields: Fields, limits: Limits) -> None:
    tensors = check(value, "tensors", "3.7", ARRAY)
    limits.check("tensors", len(tensors))
    for index, item in enumerate(tensors):
        where = f"tensors[{index}]"
        record = fields.with_keys(item, where, "3.7", _TENSOR)
        name = check(record["name"], f"{where}.name", "4.3", _TENSOR_NAME)
        where = f"{where} ({name})"
        check_table(record, where, "4.2", _TENSOR)
        _check_size(record, where)
        _check_role(record, where)


def _check_size(record: dict[str, Any], where: str) -> None:
    """Rule 4.2: ``nbytes`` follows from ``shape`` and ``dtype``, without overflow on the way."""
    shape, nbytes = record["shape"], record["nbytes"]
    itemsize = DTYPES[record["dtype"]].itemsize
    if math.prod(filter(None, shape)) * itemsize >= 2**63:
        found = f"{quoted(shape)} of {record['dtype']}"
        refuse(f"{where}.shape", "4.2", f"expected at most 2^63 - 1 bytes, got {found}")
    size = math.prod(shape) * itemsize
    if not is_int(nbytes) or nbytes != size:
        refuse(f"{where}.nbytes", "4.2", f"expected {size}, got {describe_value(nbytes)}")


def _check_role(record: dict[str, Any], where: str) -> None:
    """Rule 4.3: the role decides the form of the name."""
    name, role = record["name"], record["role"]
    if role in ("param", "state"):
        good = is_param_name(name)
    elif role == "optimizer":
        first, _, rest = name.partition("/")
        good = first == role and matches(rest.partition("/")[0], LAYER_NAME)
    elif role == "history":
        good = name.startswith("history/")
        dtype, rank = record["dtype"], len(record["shape"])
        if good and (dtype, rank) != ("f64", 1):
            refuse(
                where, "4.3", f"a series must have dtype f64 and rank 1, got {dtype} of rank {rank}"
            )
    else:
        good = name in ("selftest/input", "selftest/output")
    if not good:
        refuse(f"{where}.name", "4.3", f"the role {role} does not allow the name {quoted(name)}")


def _check_history(value: object, fields: Fields) -> None:
    for _, where, item in entries(value, "history", "3.9", _name("the name of a series")):
        fields.closed(item, where, "3.9", _SERIES)


def _check_metrics(value: object, fields: Fields) -> None:
    for _, where, number in entries(value, "metrics", "3.9", _name("the name of a metric")):
        check(number, where, "3.9", _METRIC)


def _check_selftest(value: object, fields: Fields) -> None:
    fields.closed(value, "selftest", "3.11", _SELFTEST)


def _check_training(value: object, fields: Fields) -> None:
    training = fields.closed(value, "training", "3.10", _TRAINING)
    optimizer = fields.closed(training["optimizer"], "training.optimizer", "3.10", _OPTIMIZER)
    ascending(optimizer["slots"], "training.optimizer.slots", "3.10", _SLOT)
    stream = _name("the name of a random stream")
    for _, where, state in entries(training["rng"], "training.rng", "3.10", stream):
        fields.closed(state, where, "3.10", _GENERATOR)


_OPTIONAL: dict[str, Callable[[object, Fields], None]] = {
    "history": _check_history,
    "metrics": _check_metrics,
    "selftest": _check_selftest,
    "training": _check_training,
}
