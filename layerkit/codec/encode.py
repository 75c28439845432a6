"""Encoder for canonical MessagePack (FORMAT.md section 2): one value, one encoding."""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["encode"]

_NAN = bytes.fromhex("cb7ff8000000000000")


def encode(value: Any) -> bytes:
    """Encode plain data: None, bool, int, float, str, 32 bytes, list, dict with str keys.

    Maps are written in ascending order of their keys' UTF-8, whatever order they were built in.

    Raises
    ------
    OverflowError
        For an int beyond 64 bits.
    TypeError
        For any other type; ``layerkit.codec.plain`` makes values plain and names the culprit.
    """
    out = bytearray()
    _put(out, value)
    return bytes(out)


def _put(out: bytearray, value: Any) -> None:
    kind = type(value)
    if kind is str:
        spelled = value.encode()
        _put_length(out, len(spelled), 0xA0, 31, (0xD9, 0xDA, 0xDB))
        out += spelled
    elif kind is int:
        _put_int(out, value)
    elif kind is float:
        out += _NAN if value != value else b"\xcb" + struct.pack(">d", value)
    elif kind is dict:
        _put_length(out, len(value), 0x80, 15, (None, 0xDE, 0xDF))
        for key in sorted(value):  # by code point, which is the order of their UTF-8
            _put(out, key)
            _put(out, value[key])
    elif kind is list:
        _put_length(out, len(value), 0x90, 15, (None, 0xDC, 0xDD))
        for item in value:
            _put(out, item)
    elif kind is bytes and len(value) == 32:
        out += b"\xc4\x20" + value
    elif value is None or kind is bool:
        out.append(0xC0 if value is None else 0xC3 if value else 0xC2)
    else:
        raise TypeError(f"a model file cannot hold a value of type {kind.__name__}")


def _put_length(
    out: bytearray, length: int, fix: int, fix_max: int, codes: tuple[int | None, int, int]
) -> None:
    """The shortest head: ``fix`` with the length in it, or a code and 1, 2 or 4 bytes."""
    narrow, medium, wide = codes
    if length <= fix_max:
        out.append(fix | length)
    elif narrow is not None and length < 1 << 8:
        out += bytes((narrow, length))
    elif length < 1 << 16:
        out += struct.pack(">BH", medium, length)
    else:
        out += struct.pack(">BI", wide, length)


def _put_int(out: bytearray, value: int) -> None:
    if -32 <= value < 128:
        out.append(value & 0xFF)
        return
    for step, width in enumerate((1, 2, 4, 8)):
        bits = 8 * width
        if 0 <= value < 1 << bits:
            out.append(0xCC + step)
            out += value.to_bytes(width, "big")
            return
        if -(1 << (bits - 1)) <= value < 0:
            out.append(0xD0 + step)
            out += value.to_bytes(width, "big", signed=True)
            return
    raise OverflowError(f"{value} does not fit in 64 bits")
