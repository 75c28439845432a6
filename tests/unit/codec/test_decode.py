from __future__ import annotations

import math
import tracemalloc
from typing import Any

import msgpack
import pytest

from layerkit.codec import Limits
from layerkit.codec.messagepack import decode
from layerkit.errors import LimitExceededError, MalformedFileError


def in_map(value: str) -> bytes:
    """``{"a": value}`` with the value in hex."""
    return bytes.fromhex("81a161" + value)


EDGES = [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1]
EDGES += [-1, -32, -33, -128, -129, -(2**15), -(2**15) - 1, -(2**31), -(2**31) - 1, -(2**63)]


@pytest.mark.parametrize(
    "value",
    [
        *EDGES,
        *[None, True, False, 0.5, -0.0, 5e-324, math.inf, "", "é", "\0", "\U0010ffff", [], {}],
        *["x" * size for size in (31, 32, 255, 256, 65_535, 65_536)],
        *[list(range(size)) for size in (15, 16, 17)],
        *[{f"k{i:05}": i for i in range(size)} for size in (15, 16, 17)],
        [None] * 65_536,
        [[[1, [2.0]]], {"b": {"c": [""]}}],
    ],
    ids=lambda value: repr(value)[:20],
)
def test_decodes_what_msgpack_encodes(value: object) -> None:
    decoded = decode(msgpack.packb({"a": value}), Limits())
    assert decoded.value == {"a": value}
    assert type(decoded.value["a"]) is type(value)
    assert str(decoded.value["a"]) == str(value)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        *[(text, "2.3") for text in ("cc7f", "cd00ff", "ce0000ffff", "cf00000000ffffffff")],
        *[(text, "2.3") for text in ("d0e0", "d000", "d1ff80", "d2ffff8000", "d3ffffffff80000000")],
        *[(text, "2.3") for text in ("d90161", "da000161", "db0000000161")],
        *[
            (text, "2.3")
            for text in ("dc0001c0", "dd00000001c0", "de0001a161c0", "df00000001a161c0")
        ],
        *[(text, "2.2") for text in ("c1", "d401ff", "d6ff00000000", "c70105ff")],
        ("ca3f800000", "2.6"),
        *[(text, "2.6") for text in ("cb7ff8000000000001", "cbfff8000000000000")],
        *[(text, "2.7") for text in ("c400", "c40100", "c50020" + "00" * 32)],
        *[(text, "2.5") for text in ("a2c328", "a2c080", "a3eda080", "a4f4908080", "a1e9")],
        *[(text, "2.4") for text in ("82a16101a16101", "82a16201a16101", "82a2616101a16101")],
        *[(text, "2.4") for text in ("810101", "81c001", "819000", "81a95f5f70726f746f5f5fc0")],
        *[(text, "2.1") for text in ("", "cd01", "cb00", "a3ab", "92c0", "81a161", "d9", "c0c0")],
        *[(text, "2.1") for text in ("c6ffffffff00", "c9ffffffff01")],
    ],
)
def test_refuses_what_is_not_canonical(value: str, rule: str) -> None:
    with pytest.raises(MalformedFileError, match=rf"rule {rule}: ") as caught:
        decode(in_map(value), Limits())
    offset, where = caught.value.offset, caught.value.where
    if offset is None:
        assert rule in ("2.2", "2.4", "2.5", "2.6", "2.7")
        assert where in ("header", "a")
    else:
        assert 77 <= offset <= 77 + 3 + len(value) // 2
        assert where == f"byte {offset}"


@pytest.mark.parametrize("raw", [b"\xc0", b"\x90", b"\x01", b"\xa1a"])
def test_a_header_is_a_map(raw: bytes) -> None:
    found = rf"rule 2\.1: the header must be a map, got a value that begins with {raw[:1].hex()}"
    with pytest.raises(MalformedFileError, match=found):
        decode(raw, Limits())


def test_the_message_says_what_is_there() -> None:
    with pytest.raises(MalformedFileError, match=r"binary, got 2$"):
        decode(in_map("c4020000"), Limits())
    with pytest.raises(MalformedFileError, match=r"a string as key, got nil$"):
        decode(in_map("81c001"), Limits())


def test_the_offset_is_counted_from_the_start_of_the_file() -> None:
    with pytest.raises(MalformedFileError) as caught:
        decode(in_map("92c0cc01"), Limits())
    assert caught.value.offset == 77 + 5


@pytest.mark.parametrize("value", ["d501ffff", "c403000000", "cbfff8000000000001"])
def test_a_wrong_value_is_found_by_its_path(value: str) -> None:
    with pytest.raises(MalformedFileError) as caught:
        decode(bytes.fromhex("81a161" + "92c0" + "82a162c0a163" + value), Limits())
    assert caught.value.where == "a[1].c"


@pytest.mark.parametrize(
    ("limits", "value", "exceeded"),
    [
        (Limits(items=2), [0, 0], None),
        (Limits(items=2), [0, 0, 0], ("items", 3, 2)),
        (Limits(items=2), {"a": 0, "b": 0, "c": 0}, ("items", 3, 2)),
        (Limits(string_bytes=8), "é" * 4, None),
        (Limits(string_bytes=8), "é" * 5, ("string_bytes", 10, 8)),
        (Limits(values=5), [0, 0], None),
        (Limits(values=5), [0, 0, 0], ("values", 6, 5)),
        (Limits(depth=3), [[]], None),
        (Limits(depth=3), [[[]]], ("depth", 4, 3)),
        (Limits(depth=3), [{"a": []}], ("depth", 4, 3)),
    ],
)
def test_limits_hold_to_the_unit(
    limits: Limits, value: object, exceeded: tuple[str, int, int] | None
) -> None:
    raw = msgpack.packb({"a": value})
    if exceeded is None:
        assert decode(raw, limits).value == {"a": value}
        return
    with pytest.raises(LimitExceededError) as caught:
        decode(raw, limits)
    error = caught.value
    assert (error.limit, error.value, error.allowed) == exceeded


def test_metadata_is_measured_encoded_and_at_the_top_only() -> None:
    limits = Limits(metadata_bytes=4)
    assert decode(msgpack.packb({"metadata": "abc"}), limits)
    assert decode(msgpack.packb({"a": {"metadata": "abcd"}}), limits)
    with pytest.raises(LimitExceededError, match=r"Limits\.metadata_bytes.* 5, 4 "):
        decode(msgpack.packb({"metadata": "abcd"}), limits)


@pytest.mark.parametrize("length", ["dcffff", "dd0000ffff", "dd00010000", "de7fff", "dbffffffff"])
def test_a_declared_length_allocates_nothing(length: str) -> None:
    with pytest.raises((MalformedFileError, LimitExceededError)):
        decode(in_map(length + "00"), Limits())


def nested(item: bytes, count: int, levels: int) -> bytes:
    """Arrays in arrays, each with ``count`` items before the next."""
    inner = b"\xc0"
    for _ in range(levels):
        inner = b"\xdc" + (count + 1).to_bytes(2, "big") + item * count + inner
    return b"\x81\xa1a" + inner


@pytest.mark.parametrize(
    "raw",
    [
        b"\x81\xa1a" + b"\xdc\xff\xff" * 1000 + b"\xc0" * 1000,
        b"\x81\xa1a" + b"\xde\xff\xff\xa1a" * 1000 + b"\xc0" * 1000,
        *[nested(item, 5_000, 60) for item in (b"\x80", b"\x90", b"\xa2ab", b"\xd4\x01\x01")],
    ],
    ids=["arrays", "maps", "empty-maps", "empty-arrays", "strings", "extensions"],
)
def test_too_much_is_refused_before_it_is_made(raw: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises((MalformedFileError, LimitExceededError)):
            decode(raw, Limits(values=50_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000 + 2 * len(raw)  # the library takes a copy


@pytest.mark.parametrize("count", [65, 1_024, 100_000])
def test_deep_nesting_is_a_limit_and_no_recursion_error(count: int) -> None:
    with pytest.raises(LimitExceededError, match=r"Limits\.depth"):
        decode(in_map("91" * count + "c0"), Limits())


def test_the_deepest_nesting_that_can_be_allowed_decodes() -> None:
    decoded = decode(in_map("91" * 255 + "c0"), Limits(depth=256))
    assert str(decoded.value).count("[") == 255


def test_a_limit_counts_more_than_a_spelling_before_it() -> None:
    """Step 9 comes before step 10."""
    with pytest.raises(LimitExceededError):
        decode(bytes.fromhex("82a161cc05a16293c0c0c0"), Limits(items=2))
    with pytest.raises(MalformedFileError, match=r"2\.3"):
        decode(bytes.fromhex("82a161cc05a16293c0c0c0"), Limits())


def test_counts_what_may_be_out_of_place() -> None:
    value: dict[str, Any] = {"a": [math.nan, math.inf, 1.0], "b": bytes(32)}
    decoded = decode(msgpack.packb(value), Limits())
    assert (decoded.nonfinite, decoded.bins) == (2, 1)
    assert math.isnan(decoded.value["a"][0])


def test_a_repeated_key_is_found_whatever_its_spelling() -> None:
    with pytest.raises(MalformedFileError):
        decode(bytes.fromhex("82a16101d9016102"), Limits())
