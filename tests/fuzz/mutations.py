"""Ways to damage a model file, from blind to cunning; each follows from the random stream alone.

The cunning ones edit the decoded header or the tensor table and sign the result again, so that it
passes the root digest and reaches the checks behind it.
"""

from __future__ import annotations

import hashlib
import math
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgpack

from tests.fuzz.container import Header, Pairs, Parts, Raw, assemble, encode, spelled

__all__ = ["MUTATIONS", "UnderivableError", "mutate"]

NUMBERS = [
    *(0, 1, 2, 3, 7, 15, 31, 32, 64, 65, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 64, 2**31 - 1),
    *(2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 64, 2**64 - 1),
    *(-1, -32, -33, -128, -129, -(2**31), -(2**63)),
]
TEXTS = [
    *("", "f32", "f64", "O", "<f4", "bf16", "param", "state", "optimizer", "history", "selftest"),
    *("d.W", "../x", "/etc/passwd", "a" * 300, "os:system", "x\n", "\0", "\x1b[2J", "\u202e", "é"),
    *("\U0001f600", "\ud800", "dense", "highway", "projection", "acme.scale", "relu", "adam"),
    *("selftest/input", "history/x", "optimizer/m/x", "PCG64", "epoch", "step", "layerkit", "1.0"),
    *("0" * 32, "__class__", "__proto__", "data", "tensors", "nan", "1e999", "standardize", "eye"),
    *("orthogonal", "fit", "mean", "median", "error", "softmax", "sigmoid", "identity", "card"),
]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-300, 5e-324, 1e38, 1e39, 1e300, math.inf, math.nan]
CODES = bytes([0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, *range(0xC0, 0xE1), 0xFF, 0x00, 0x7F])
KINDS = ["bool", "i8", "u8", "i32", "i64", "f16", "f32", "f64", "c64", "c128", "bf16"]
ROLES = ["param", "state", "optimizer", "history", "selftest", "other"]


class UnderivableError(Exception):
    """This mutation cannot be made of this file."""


def mutate(r: random.Random, bases: Sequence[Parts]) -> tuple[str, bytes]:
    """The name of a mutation and one damaged file."""
    while True:
        change, base = r.choice(MUTATIONS), r.choice(bases)
        try:
            return change.__name__, change(r, base, bases)
        except (UnderivableError, OverflowError, UnicodeEncodeError, struct.error):
            continue


def value(r: random.Random) -> Any:
    """Anything at all."""
    kind = r.randrange(9)
    if kind < 2:
        return r.choice(NUMBERS)
    if kind < 4:
        return r.choice(TEXTS)
    if kind < 6:
        return r.choice(FLOATS)
    if kind == 6:
        return Raw(b"\x91" * r.choice([60, 64, 65, 500, 20_000]) + b"\xc0")
    if kind == 7:
        return [r.choice([None, 0, "", [], 1.0])] * r.choice([1, 2, 3, 16, 300, 65_537])
    odd: list[Any] = [
        None,
        True,
        False,
        b"",
        bytes(32),
        bytes(31),
        [],
        {},
        [[]],
        {"": None},
        {"type": "relu"},
    ]
    return r.choice(odd)


def like(r: random.Random, old: Any) -> Any:
    """Another value of the same type, so that more than the type is judged."""
    if type(old) is bool:
        return not old
    if type(old) is int:
        return r.choice([old + r.choice([-64, -8, -1, 1, 8, 64]), r.choice(NUMBERS), float(old)])
    if type(old) is float:
        return r.choice([old * 2, -old, old + 1, r.choice(FLOATS)])
    if type(old) is str:
        cut = r.randrange(len(old) + 1)
        return r.choice([old + r.choice(TEXTS), old.upper(), old[:cut], r.choice(TEXTS)])
    if isinstance(old, list):
        return r.choice([old[::-1], old[:-1], old + old[-1:], [old], r.sample(old, len(old))])
    return value(r)


def spoil(r: random.Random, old: Any) -> Any:
    """Another spelling of the same value."""
    if type(old) is int and 0 <= old < 2**31:
        wide = [b"\xcf" + struct.pack(">Q", old), b"\xd2" + struct.pack(">i", old)]
        return Raw(r.choice([*wide, b"\xcd" + struct.pack(">H", old & 0xFFFF)]))
    if type(old) is float:
        small = struct.pack(">f", old) if abs(old) < 1e38 else bytes(4)
        return Raw(
            r.choice([b"\xca" + small, b"\xcb\xff\xf8" + bytes(6), b"\xcb\x7f\xf8\1" + bytes(5)])
        )
    if type(old) is str:
        text = spelled(old)
        return Raw(r.choice([b"\xdb", b"\xc6"]) + struct.pack(">I", len(text)) + text)
    if isinstance(old, list):
        return Raw(b"\xdd" + struct.pack(">I", len(old)) + b"".join(map(encode, old)))
    if isinstance(old, dict):
        pairs = list(old.items())
        return r.choice([Pairs(pairs[::-1]), Pairs(pairs + pairs[:1]), Pairs([(1, None), *pairs])])
    return Raw(r.choice([b"\xc1", b"\xc7\0\1", msgpack.packb(msgpack.ExtType(5, b"x"))]))


def places(tree: Any, under: str = "") -> list[tuple[Any, Any]]:
    """Every (container, key) of a header; with ``under`` those of one section."""
    todo = [tree[under]] if under else [tree]
    found: list[tuple[Any, Any]] = []
    while todo:
        item = todo.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item))
        for key in keys:
            found.append((item, key))
            if isinstance(item[key], dict | list):
                todo.append(item[key])
    return found


def edit(r: random.Random, tree: Any, under: str = "") -> None:
    """One edit somewhere in a header."""
    found = places(tree, under)
    if not found:
        raise UnderivableError
    owner, key = r.choice(found)
    act = r.randrange(10)
    if act < 5:
        owner[key] = like(r, owner[key])
    elif act < 7:
        owner[key] = value(r)
    elif act == 7:
        del owner[key]
    elif isinstance(owner, dict):
        owner[r.choice(TEXTS)] = r.choice([value(r), owner[key]])
    else:
        owner.insert(r.randrange(len(owner) + 1), r.choice([value(r), owner[key]]))


def blind(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """Bytes changed anywhere."""
    raw = bytearray(base.raw)
    for _ in range(r.choice([1, 1, 2, 4])):
        at = r.randrange(len(raw))
        end = min(len(raw), at + r.choice([1, 2, 4, 8, 64]))
        act = r.randrange(6)
        if act == 0:
            raw[at] ^= 1 << r.randrange(8)
        elif act == 1:
            raw[at] = r.choice(CODES)
        elif act == 2:
            raw[at:end] = bytes(end - at)
        elif act == 3:
            raw[at:at] = raw[at:end]
        elif act == 4:
            raw[at : at + 8] = struct.pack(">Q", r.choice(NUMBERS) % 2**64)
        else:
            del raw[r.choice([at, end]) :]
        if not raw:
            break
    return bytes(raw)


def borders(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """A byte of the prologue, of what follows the header, or of a frame."""
    raw = bytearray(base.raw)
    end = 87 + len(base.encoded)
    marks, at = [*range(77), *range(end - 10, end)], end
    for payload in base.payloads:
        start = (at + 7 + 63) // 64 * 64
        marks += [at, at + 1, r.randrange(at, start), *range(start - 5, start)]
        at = start + len(payload)
    at = r.choice(marks)
    raw[at] = r.choice([raw[at] ^ 1 << r.randrange(8), r.choice(CODES), (raw[at] + 1) % 256])
    return bytes(raw)


def lies(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """A signed prologue that claims something else."""
    size, length = len(base.raw), len(base.encoded)
    n = r.choice(NUMBERS) % 2**64
    claims: list[dict[str, Any]] = [
        {"size": r.choice([n, size - 1, size + 1])},
        {"header_size": r.choice([n % 2**32, length - 1, length + 1, size - 87])},
        {"slots": r.choice([n % 2**32, len(base.payloads), 2 * len(base.payloads) + 2])},
        {"flags": 1 << r.randrange(64)},
        {"minor": r.choice([1, 2, 127, 128, 255])},
        {"major": r.choice([0, 2, 127, 128])},
        {"root": r.randbytes(32)},
        {"markers": r.choice([b"\xd9\xc6", b"\xc4\xdb", b"\xc4\xc5"])},
    ]
    return assemble(base.encoded, base.payloads, **r.choice(claims))


def header_bytes(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """Bytes of the header changed, then signed."""
    encoded = bytearray(base.encoded)
    for _ in range(r.choice([1, 1, 2])):
        at, act = r.randrange(len(encoded)), r.randrange(4)
        if act < 2:
            encoded[at] = r.choice([encoded[at] ^ 1, r.choice(CODES), r.randrange(256)])
        elif act == 2:
            del encoded[at : at + r.randint(1, 5)]
        else:
            encoded[at:at] = bytes([r.choice(CODES)]) + struct.pack(">I", r.choice(NUMBERS) % 2**32)
    return assemble(bytes(encoded), base.payloads)


def tree(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """Values of the header changed."""
    header, payloads = base.copy()
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        edit(r, header)
    return assemble(header, payloads, minor=r.choice([base.minor, base.minor, 1]))


def section(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """Values of one section changed: small sections are hit as often as big ones."""
    header, payloads = base.copy()
    under = r.choice(sorted(header))
    for _ in range(r.choice([1, 1, 2])):
        edit(r, header, under)
    return assemble(header, payloads, minor=base.minor)


def model(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """What only the layers and the data contract can judge: numbers and words in ``spec``."""
    header, payloads = base.copy()
    header.pop("selftest", None)
    if header != base.header:
        kept = [record["role"] != "selftest" for record in header["tensors"]]
        payloads = [payload for payload, keep in zip(payloads, kept, strict=True) if keep]
        header["tensors"] = [record for record in header["tensors"] if record["role"] != "selftest"]
        items = list(zip(header["tensors"], payloads, strict=True))
        header["tensors"], payloads = tabled(items)
    for _ in range(r.choice([1, 1, 2])):
        edit(r, header, "spec")
    return assemble(header, payloads, minor=base.minor)


def spelling(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """One value that is not spelled canonically."""
    header, payloads = base.copy()
    owner, key = r.choice(places(header))
    owner[key] = spoil(r, owner[key])
    return assemble(header, payloads, minor=base.minor)


def tabled(items: list[tuple[Header, bytes]]) -> tuple[list[Header], list[bytes]]:
    """Records and payloads with digests, sizes and offsets that fit, in the order of names."""
    items = sorted(
        items, key=lambda item: str(item[0].get("name")).encode("utf-8", "surrogatepass")
    )
    offset, records = 0, []
    for record, payload in items:
        digest = hashlib.sha256(payload).digest()
        records.append({**record, "nbytes": len(payload), "offset": offset, "sha256": digest})
        offset = (offset + len(payload) + 7 + 63) // 64 * 64
    return records, [payload for _, payload in items]


def table(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """Other tensors, with digests, sizes and offsets that fit them."""
    header, payloads = base.copy()
    items = list(zip(header["tensors"], payloads, strict=True))
    for _ in range(r.choice([1, 1, 2, 3])):
        if not items:
            raise UnderivableError
        k = r.randrange(len(items))
        record, payload = items[k]
        act = r.randrange(9)
        if act == 0:
            record["name"] = like(r, record["name"])
        elif act == 1:
            del items[k]
        elif act == 2:
            items.append(({**record, "name": like(r, record["name"])}, payload))
        elif act == 3:
            record["role"] = r.choice(ROLES)
        elif act == 4:
            record["dtype"] = r.choice(KINDS)
        elif act == 5:
            shape = record["shape"]
            other = [shape[::-1], [*shape, 1], [1, *shape], shape[:-1], [0, *shape], shape * 2]
            record["shape"] = r.choice([*other, [r.choice(NUMBERS)]])
        elif act == 6:
            other_bytes = [payload + b"\0", payload[:-1], payload * 2, b"", bytes(len(payload))]
            items[k] = record, r.choice([*other_bytes, b"\xff" * len(payload)])
        elif act == 7:
            changed = bytearray(payload or b"\0")
            changed[r.randrange(len(changed))] ^= 1 << r.randrange(8)
            items[k] = record, bytes(changed)
        else:
            record["name"] = items[r.randrange(len(items))][0]["name"]
    header["tensors"], payloads = tabled(items)
    return assemble(header, payloads, minor=base.minor)


def graft(r: random.Random, base: Parts, bases: Sequence[Parts]) -> bytes:
    """A section of another file in this one."""
    header, payloads = base.copy()
    other = r.choice(bases)
    donor, blobs = other.copy()
    key = r.choice(sorted(donor))
    header[key] = donor[key]
    if key == "spec" and r.random() < 0.7:
        header["types"] = donor["types"]
    return assemble(header, blobs if key == "tensors" else payloads, minor=base.minor)


Mutation = Callable[[random.Random, Parts, Sequence[Parts]], bytes]
MUTATIONS: list[Mutation] = [
    *(blind, borders, lies, header_bytes),
    *(tree, tree, section, section, model, model, model, spelling, table, table, graft),
]
