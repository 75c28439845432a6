from __future__ import annotations

import math
import struct

import msgpack
import pytest

from layerkit.codec.messagepack import encode

INTS = [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1]
INTS += [-1, -32, -33, -128, -129, -(2**15), -(2**15) - 1, -(2**31), -(2**31) - 1, -(2**63)]


@pytest.mark.parametrize(
    "value",
    [
        *INTS,
        *[None, True, False, 0.5, -0.0, 1e300, math.inf, -math.inf, "", "é", bytes(32)],
        *["x" * size for size in (31, 32, 255, 256, 65_535, 65_536)],
        *[[0] * size for size in (0, 15, 16, 65_535, 65_536)],
        *[{f"{i:06}": i for i in range(size)} for size in (0, 15, 16, 65_536)],
    ],
    ids=lambda value: repr(value)[:20],
)
def test_one_value_has_one_encoding_which_msgpack_gives_too(value: object) -> None:
    assert encode(value) == msgpack.packb(value)


def test_keys_are_ordered_by_their_utf8() -> None:
    mixed = {"é": 0, "z": 1, "aa": 2, "a": 3, "Z": 4, "\U0001f600": 5, "\uff5e": 6, "": 7}
    assert list(msgpack.unpackb(encode(mixed))) == [
        "",
        "Z",
        "a",
        "aa",
        "z",
        "é",
        "\uff5e",
        "\U0001f600",
    ]


def test_every_nan_is_spelled_the_same() -> None:
    (odd,) = struct.unpack(">d", bytes.fromhex("fff8000000000001"))
    assert encode(odd) == encode(math.nan) == bytes.fromhex("cb7ff8000000000000")


@pytest.mark.parametrize("value", [{1}, object(), b"short", bytearray(32), 1j, (1,)])
def test_what_is_not_plain_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        encode(value)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1])
def test_ints_beyond_64_bits_are_refused(value: int) -> None:
    with pytest.raises(OverflowError):
        encode(value)
