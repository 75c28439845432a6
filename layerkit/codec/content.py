"""The content of a file, checked before the first byte is written (rule 9.1).

``write`` checks the arrays it is about to write; ``check_content`` makes the same checks on tensors
that need not exist yet, so that a training knows at its start whether its result can be saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from numbers import Integral
from typing import Any, NamedTuple, Required, TypedDict, Unpack

from layerkit import __version__
from layerkit.codec.contract import check_data_contract
from layerkit.codec.fields import Fields
from layerkit.codec.layers import layer_records, unowned_tensors
from layerkit.codec.layout import align, lay_out
from layerkit.codec.limits import Limits
from layerkit.codec.messagepack import decode, encode
from layerkit.codec.names import DTYPES
from layerkit.codec.plain import fault, plain
from layerkit.codec.reader import check_header
from layerkit.display import quoted
from layerkit.errors import LimitExceededError, MalformedFileError, TensorMismatchError


class Shaped(NamedTuple):
    """A tensor without its values: its role, the format's name of its dtype, shape and size."""

    role: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int

    @classmethod
    def of(cls, role: str, dtype: str, shape: Sequence[int]) -> Shaped:
        """A tensor of this shape that does not exist yet."""
        return cls(role, dtype, tuple(shape), prod(shape) * DTYPES[dtype].itemsize)


def check_content(
    tensors: Mapping[str, Shaped], *, limits: Limits, **sections: Unpack[Sections]
) -> None:
    """Raise what ``write`` would raise for these sections and tensors (by name) of these shapes."""
    plained = plain_sections(sections, limits)
    check_names({name: tensor.role for name, tensor in tensors.items()}, limits)
    encoded_header(plained, dict(sorted(tensors.items())), None, limits)


class Sections(TypedDict, total=False):
    """The header without its tensors, as callers give it; empty sections are left out."""

    spec: Required[Mapping[str, Any]]  # ``schema`` and ``model``, resolved: defaults filled in
    types: Required[Mapping[str, Mapping[str, Any]]]  # rule 3.6; ``entry_point`` may be left out
    aliases: Mapping[str, str] | None  # alias -> tensor, named after the first layer to have it
    metadata: Mapping[str, Any] | None
    history: Mapping[str, str] | None  # series -> "epoch" or "step"; tensors hold the values
    metrics: Mapping[str, float] | None
    training: Mapping[str, Any] | None
    selftest: Mapping[str, float] | None
    producer: Mapping[str, str] | None  # default: this layerkit
    features: Mapping[str, Sequence[str]] | None


def plain_sections(given: Sections, limits: Limits) -> dict[str, Any]:
    """The header without its tensors, as plain values (rule 9.1)."""
    types, history = given["types"], given.get("history") or {}
    optional = {
        "metrics": given.get("metrics"),
        "training": given.get("training"),
        "selftest": _floats(given.get("selftest")),
        "history": {series: {"unit": unit} for series, unit in history.items()},
    }
    header = {
        "aliases": given.get("aliases") or {},
        "features": given.get("features") or {"optional": [], "required": []},
        "metadata": given.get("metadata") or {},
        "producer": given.get("producer") or {"name": "layerkit", "version": __version__},
        "spec": given["spec"],
        "types": {key: _type_record(key, record) for key, record in types.items()},
        **{key: value for key, value in optional.items() if value},
    }
    return {
        key: plain(value, key, limits, nonfinite=key in ("metrics", "training"))
        for key, value in header.items()
    }


def _type_record(key: str, record: object) -> object:
    if not isinstance(record, Mapping):
        return record
    return {"entry_point": str(key).rpartition("/")[2], **record}


def _floats(selftest: Mapping[str, float] | None) -> dict[str, Any]:
    """Tolerances as floats: callers may write 0, which rule 3.1 does not accept as a float."""
    return {
        key: float(bound) if isinstance(bound, Integral) and not isinstance(bound, bool) else bound
        for key, bound in (selftest or {}).items()
    }


def check_names(roles: Mapping[str, str], limits: Limits) -> None:
    """Refuse too many tensors (name to role), and names that cannot be encoded."""
    for name, role in roles.items():
        if type(name) is not str or not name.isascii():
            raise fault(f"tensor {quoted(name)}", "a tensor name must be ASCII text (rule 4.3)")
        if type(role) is not str:
            raise fault(f"tensor {quoted(name)}", f"expected a string as role, got {role!r:.80}")
    if len(roles) > limits.tensors:
        raise LimitExceededError.of_model("tensors", len(roles), limits.tensors, "tensors")


def encoded_header(
    plained: dict[str, Any],
    tensors: Mapping[str, Shaped],
    digests: Mapping[str, bytes] | None,
    limits: Limits,
) -> bytes:
    """The bytes of the header, which a reader with these limits accepts.

    ``plained`` has all sections but the tensors, which are given sorted by name; ``digests`` is
    None before there is anything to hash.
    """
    places, _ = lay_out((tensor.nbytes for tensor in tensors.values()), 0)
    table = [
        {
            "dtype": tensor.dtype,
            "name": name,
            "nbytes": tensor.nbytes,
            "offset": frames[0].start - align(0),
            "role": tensor.role,
            "sha256": bytes(32) if digests is None else digests[name],
            "shape": list(tensor.shape),
        }
        for (name, tensor), frames in zip(tensors.items(), places, strict=True)
    ]
    encoded = encode({**plained, "tensors": table})
    try:
        _check(encoded, limits)
    except LimitExceededError as error:
        what = {"layers": "spec.model.layers", "metadata_bytes": "metadata"}
        at = what.get(error.limit, "the header")
        raise LimitExceededError.of_model(error.limit, error.value, error.allowed, at) from None
    return encoded


def _check(encoded: bytes, limits: Limits) -> None:
    """Check the header with the reader's own code."""
    limits.check("header_bytes", len(encoded))
    decoded = decode(encoded, limits)
    header = decoded.value
    try:
        check_header(decoded, Fields(newer=False), limits)
    except MalformedFileError as error:
        if error.where.startswith("spec"):
            raise fault(error.where, error.reason) from None
        raise
    layers = layer_records(header, limits=limits)
    check_data_contract(header["spec"])
    lost = unowned_tensors(header, layers)
    if lost:
        names = ", ".join(map(quoted, lost))
        raise TensorMismatchError(f"the spec has no layer for the tensors {names}", unexpected=lost)
