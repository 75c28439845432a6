"""The fields of the header, one by one (FORMAT.md section 3, steps 11 and 12).

Each function checks one section against the rules it cites; optional sections are in ``sections``,
and what sections say about each other is in ``relations``. ``spec`` stays opaque here apart from
``schema`` and ``model``.
"""

from __future__ import annotations

import math
from typing import Any

from layerkit.codec.fields import Fields, a_map, ascending, refuse, want
from layerkit.codec.limits import Limits
from layerkit.codec.names import (
    DIST,
    DTYPES,
    FEATURE,
    GROUPS,
    LAYER_NAME,
    PRODUCER,
    ROLES,
    TYPE_KEY,
    VERSION,
    below,
    is_int,
    is_param_name,
    is_tensor_name,
    matches,
    shown,
)
from layerkit.codec.sections import SECTIONS
from layerkit.display import quoted
from layerkit.errors import UnsupportedFormatError

__all__ = ["check_features", "check_sections"]

_REQUIRED = ("aliases", "features", "metadata", "producer", "spec", "tensors", "types")
_OPTIONAL = ("history", "metrics", "selftest", "training")
_RECORD = ("dtype", "name", "nbytes", "offset", "role", "sha256", "shape")
_MAX_RANK = 32


def check_features(header: dict[str, Any], fields: Fields) -> None:
    """Step 11: features come first, so that what is newer is not called malformed.

    Raises
    ------
    MalformedFileError
        Rule 3.3.
    UnsupportedFormatError
        For required features, naming each; 1.0 knows none.
    """
    keys = ("optional", "required")
    if "features" not in header:
        refuse("header", "3.1", "required field missing: features")
    features = fields.closed(header["features"], "features", "3.3", keys)
    for key in keys:
        ascending(
            features[key],
            f"features.{key}",
            "3.3",
            lambda item: matches(item, FEATURE),
            "a feature name",
        )
    both = set(features["optional"]) & set(features["required"])
    if both:
        refuse("features", "3.3", f"{', '.join(sorted(both))} is both optional and required")
    if features["required"]:
        names = ", ".join(features["required"])
        raise UnsupportedFormatError(
            f"the file needs a newer layerkit: it requires the features {names}",
            needs=features["required"],
        )


def check_sections(header: dict[str, Any], fields: Fields, limits: Limits) -> None:
    """Step 12: the shape of every section but ``features``.

    Raises
    ------
    MalformedFileError
        Rules 3.1, 3.2, 3.6 to 3.12 and 4.1 to 4.3, with ``where`` the path of the field.
    LimitExceededError
        ``tensors``.
    """
    fields.closed(header, "header", "3.1", _REQUIRED, _OPTIONAL)
    _producer(header["producer"], fields)
    spec = a_map(header["spec"], "spec", "3.4")
    schema = spec.get("schema")
    want(schema, "spec.schema", "3.4", is_int(schema, 1, 2**31 - 1), "an int from 1 to 2^31 - 1")
    a_map(spec.get("model"), "spec.model", "3.4")
    metadata = a_map(header["metadata"], "metadata", "3.12")
    for key in ("license", "card"):
        text = metadata.get(key, "")
        want(text, f"metadata.{key}", "3.12", isinstance(text, str), "a string")
    for key, record in a_map(header["types"], "types", "3.6").items():
        _type(key, record, fields)
    _tensors(header["tensors"], fields, limits)
    for alias, target in a_map(header["aliases"], "aliases", "3.8").items():
        where = below("aliases", alias)
        want(alias, where, "3.8", is_param_name(alias), "the name of a parameter")
        want(target, where, "3.8", is_tensor_name(target), "a tensor's name")
    for key, check in SECTIONS.items():
        if key in header:
            check(header[key], fields)


def _producer(value: object, fields: Fields) -> None:
    producer = fields.closed(value, "producer", "3.2", ("name", "version"))
    name, version = producer["name"], producer["version"]
    want(name, "producer.name", "3.2", matches(name, PRODUCER), "a producer's name")
    want(version, "producer.version", "3.2", matches(version, VERSION), "a version")


def _type(key: str, value: object, fields: Fields) -> None:
    where = below("types", key)
    group, slash, name = key.rpartition("/")
    good = matches(name, TYPE_KEY) and (group in GROUPS if slash else True)
    want(key, where, "3.6", good, "a type key, or GROUP/NAME of another part,")
    names = ("config_version", "dist", "entry_point", "version")
    record = fields.closed(value, where, "3.6", names)
    number, dist, entry_point, version = (record[name] for name in names)
    good = is_int(number, 1, 2**31 - 1)
    want(number, f"{where}.config_version", "3.6", good, "an int from 1 to 2^31 - 1")
    want(entry_point, f"{where}.entry_point", "3.6", entry_point == name, shown(name))
    if slash and dist == "layerkit":
        refuse(f"{where}.dist", "3.6", "a part of layerkit itself has no record")
    if dist is None and version is None:
        return
    want(dist, f"{where}.dist", "3.6", matches(dist, DIST), "a normalised distribution name")
    want(version, f"{where}.version", "3.6", matches(version, VERSION), "a version")


def _tensors(value: object, fields: Fields, limits: Limits) -> None:
    if not isinstance(value, list):
        refuse("tensors", "3.7", f"an array is wanted, not {shown(value)}")
    limits.check("tensors", len(value))
    for index, item in enumerate(value):
        where = f"tensors[{index}]"
        record = fields.closed(item, where, "3.7", _RECORD)
        name, dtype, digest = record["name"], record["dtype"], record["sha256"]
        want(name, f"{where}.name", "4.3", is_tensor_name(name), "a tensor's name")
        where = f"tensors[{index}] ({name})"
        known = isinstance(dtype, str) and dtype in DTYPES
        want(dtype, f"{where}.dtype", "4.1", known, "one of " + " ".join(DTYPES))
        _shape(record, where)
        want(record["offset"], f"{where}.offset", "4.5", is_int(record["offset"]), "an int >= 0")
        want(digest, f"{where}.sha256", "2.7", type(digest) is bytes, "32 bytes")
        _role(record, where)


def _shape(record: dict[str, Any], where: str) -> None:
    """Rule 4.2: ``nbytes`` follows from ``shape`` and ``dtype``, without overflow on the way."""
    shape, nbytes = record["shape"], record["nbytes"]
    good = type(shape) is list and len(shape) <= _MAX_RANK and all(map(is_int, shape))
    want(shape, f"{where}.shape", "4.2", good, "at most 32 ints from 0 to 2^63 - 1")
    itemsize = DTYPES[record["dtype"]].itemsize
    if math.prod(filter(None, shape)) * itemsize >= 2**63:
        refuse(f"{where}.shape", "4.2", "its product exceeds 2^63 - 1 bytes")
    wanted = math.prod(shape) * itemsize
    want(nbytes, f"{where}.nbytes", "4.2", is_int(nbytes) and nbytes == wanted, str(wanted))


def _role(record: dict[str, Any], where: str) -> None:
    """Rule 4.3: the role decides the form of the name."""
    name, role = record["name"], record["role"]
    want(role, f"{where}.role", "4.3", role in ROLES, "one of " + " ".join(ROLES))
    if role in ("param", "state"):
        good = is_param_name(name)
    elif role == "optimizer":
        first, _, rest = name.partition("/")
        good = first == role and matches(rest.partition("/")[0], LAYER_NAME)
    elif role == "history":
        good = name.startswith("history/")
        if good and not (record["dtype"] == "f64" and len(record["shape"]) == 1):
            refuse(where, "4.3", "a series is of dtype f64 and rank 1")
    else:
        good = name in ("selftest/input", "selftest/output")
    if not good:
        refuse(f"{where}.name", "4.3", f"{quoted(name)} is no name for the role {role}")
