"""How the sections of a header agree with each other and with the file (step 13)."""

from __future__ import annotations

import re
from itertools import pairwise
from math import isfinite
from typing import Any, NamedTuple

from layerkit.codec.fields import refuse
from layerkit.codec.layout import Frame, lay_out
from layerkit.codec.messagepack import Decoded
from layerkit.codec.names import below, leaves
from layerkit.display import quoted

_DIGEST = re.compile(r"tensors\[[0-9]+\]\.sha256")
_SELFTEST_ROWS = 64
_SELFTEST_BYTES = 1 << 20


class TensorRecord(NamedTuple):
    """One tensor as the header describes it (rules 4.1 to 4.5)."""

    name: str
    role: str
    dtype: str  # the format's name, such as "f32"
    shape: tuple[int, ...]
    nbytes: int  # of its payload
    offset: int  # where its first payload starts, counted from the first payload of the file
    sha256: bytes  # of its payload
    frames: tuple[Frame, ...]  # its chunks in the file

    @property
    def file_offset(self) -> int:
        """Where its first payload starts, counted from the start of the file; a multiple of 64."""
        return self.frames[0].start


def check_places(decoded: Decoded) -> None:
    """Rules 2.6 and 2.7: NaN and infinities only in numbers of a run, bytes only as digests."""
    tensors = decoded.value["tensors"]
    if decoded.nonfinite == 0 and decoded.bins == len(tensors):
        return
    for key, section in decoded.value.items():
        finite = key not in ("metrics", "training")
        for where, value in leaves(section, below("", key)):
            if finite and type(value) is float and not isfinite(value):
                refuse(where, "2.6", f"{value} may be under metrics and training only")
            if type(value) is bytes and _DIGEST.fullmatch(where) is None:
                refuse(where, "2.7", "binary may be a tensor's sha256 only")


def check_relations(header: dict[str, Any]) -> None:
    """Rules 3.7 to 3.11 and the last column of 4.3."""
    tensors = header["tensors"]
    for before, after in pairwise(tensors):
        if not before["name"] < after["name"]:
            refuse("tensors", "3.7", f"{quoted(after['name'])} is repeated or out of order")
    roles = {record["name"]: record["role"] for record in tensors}
    _check_history(header, roles)
    _check_selftest(header)
    _check_slots(header, roles)
    for alias, target in header["aliases"].items():
        where = f"aliases[{quoted(alias)}]"
        if alias in roles:
            refuse(where, "3.8", "an alias has the name of a tensor")
        if roles.get(target) not in ("param", "state"):
            refuse(where, "3.8", f"{quoted(target)} is not a tensor of role param or state")


def _check_history(header: dict[str, Any], roles: dict[str, str]) -> None:
    series = {name.removeprefix("history/") for name, role in roles.items() if role == "history"}
    lone = series ^ header.get("history", {}).keys()
    if lone:
        name = min(lone)
        found = "a tensor, but no unit" if name in series else "a unit, but no tensor"
        refuse("history", "3.9", f"the series {quoted(name)} has {found}")


def _check_selftest(header: dict[str, Any]) -> None:
    pair = [record for record in header["tensors"] if record["role"] == "selftest"]
    if len(pair) != (2 if "selftest" in header else 0):
        refuse(
            "selftest",
            "3.11",
            "the section needs selftest/input and selftest/output, and they need it",
        )
    if not pair:
        return
    rows = [record["shape"][0] if record["shape"] else 0 for record in pair]
    if rows[0] != rows[1] or not 1 <= rows[0] <= _SELFTEST_ROWS:
        refuse("selftest", "3.11", f"expected 1 to 64 rows, as many in both tensors, got {rows}")
    size = sum(record["nbytes"] for record in pair)
    if size > _SELFTEST_BYTES:
        refuse("selftest", "3.11", f"expected at most 1 MiB, got {size} bytes")


def _check_slots(header: dict[str, Any], roles: dict[str, str]) -> None:
    slots = {*(header["training"]["optimizer"]["slots"] if "training" in header else ())}
    for name, role in roles.items():
        if role != "optimizer":
            continue
        _, slot, *param = name.split("/", 2)
        where = f"tensor {quoted(name)}"
        if slot not in slots:
            refuse(where, "4.3", f"{quoted(slot)} is not in training.optimizer.slots")
        if param and roles.get(param[0]) != "param":
            refuse(where, "4.3", f"{quoted(param[0])} is not a tensor of role param")


def place_tensors(
    header: dict[str, Any], header_bytes: int, file_size: int, slots: int
) -> dict[str, TensorRecord]:
    """Records by name, with their places in the file (rules 1.6 to 1.8 and 4.5).

    ``header_bytes`` and ``slots`` are H and N; the file states all three numbers.
    """
    tensors = header["tensors"]
    total = sum(record["nbytes"] for record in tensors)
    if total > file_size:
        refuse("tensors", "1.8", f"{total} bytes of tensors in a file of {file_size}")
    places, end = lay_out((record["nbytes"] for record in tensors), 87 + header_bytes)
    if end != file_size:
        refuse("file_size", "1.8", f"the last tensor ends at {end}, the file at {file_size}")
    expected = 2 * sum(map(len, places))
    if slots != expected:
        at = f"bytes {83 + header_bytes} to {86 + header_bytes}"
        refuse(at, "1.6", f"expected {expected} slots, got {slots}")
    return {
        record["name"]: _placed(record, frames, places[0][0].start)
        for record, frames in zip(tensors, places, strict=True)
    }


def _placed(record: dict[str, Any], frames: tuple[Frame, ...], base: int) -> TensorRecord:
    offset, name = frames[0].start - base, record["name"]
    if record["offset"] != offset:
        where = f"tensor {quoted(name)}.offset"
        refuse(where, "4.5", f"expected {offset}, got {record['offset']}")
    return TensorRecord(
        name=name,
        role=record["role"],
        dtype=record["dtype"],
        shape=tuple(record["shape"]),
        nbytes=record["nbytes"],
        offset=offset,
        sha256=record["sha256"],
        frames=frames,
    )
