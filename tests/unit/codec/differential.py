"""Damaged headers, decoded by layerkit and by the reference decoder: what differs.

Run alone, it prints the counts: python -m tests.unit.codec.differential [COUNT [SEED]]
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from layerkit.codec.limits import Limits
from layerkit.codec.messagepack import Decoded, decode
from layerkit.errors import ModelFileError
from tests.unit.codec import reference_decoder

__all__ = ["compare"]

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "v1"
LIMITS = (
    *(Limits(), Limits(), Limits(items=20), Limits(values=300), Limits(depth=6)),
    *(Limits(string_bytes=30), Limits(metadata_bytes=10)),
)
# Values and beginnings of values, most of them wrong.
PIECES = [
    *map(bytes, ([0xC0], [0xC1], [0xC2], [0x80], [0x81, 0x81], [0x90], [0x9F], [0x8F], [0xFF])),
    *map(bytes.fromhex, ("e0", "7f", "a0", "81a161", "9191919191", "a95f5f70726f746f5f5f")),
    *map(bytes.fromhex, ("ca3f800000", "cb7ff8000000000001", "cb7ff8000000000000")),
    *map(bytes.fromhex, ("cb7ff0000000000000", "c40100", "c420", "c500200000", "a2c328")),
    *map(bytes.fromhex, ("d40100", "d5ff0000", "d6ff00000000", "d7ff0000000000000000")),
    *map(bytes.fromhex, ("c70001", "c700ff", "c70cff", "c9000000ff00", "cc05", "cd0001", "d0ff")),
    *map(bytes.fromhex, ("dc0001", "dd00010000", "ddffffffff", "de0001", "dfffffffff")),
    *map(bytes.fromhex, ("d90161", "da0001", "dbffffffff")),
]


# Strings and floats in place of others.
STRINGS = [*map(bytes.fromhex, ("a95f5f70726f746f5f5f", "a161", "a0", "a17a"))]
FLOATS = [
    *map(bytes.fromhex, ("ca3f800000", "cb7ff8000000000000", "cb7ff8000000000001")),
    *map(bytes.fromhex, ("cbfff8000000000000", "cbfff0000000000000", "cb8000000000000000")),
]


def headers() -> list[bytes]:
    """Those of the golden files, without the large ones."""
    found = []
    for path in sorted(GOLDEN.glob("*.layerkit")):
        raw = path.read_bytes()
        size = int.from_bytes(raw[23:27], "big")
        if size < 10_000:
            found.append(raw[77 : 77 + size])
    return found


def respell(r: random.Random, raw: bytearray) -> None:
    """Write one value wider, shorter or as another of its kind: the rest stays whole."""
    at = r.choice([at for at, code in enumerate(raw) if not 0x20 <= code < 0x80] or [0])
    code = raw[at]
    if code < 0x20:
        raw[at:at] = r.choice((b"\xcc", b"\xcd\0", b"\xd0", b"\xd1\0"))
    elif 0x80 <= code < 0xA0:
        raw[at : at + 1] = bytes([0xDE if code < 0x90 else 0xDC, 0, code & 15])
    elif 0xA0 <= code < 0xC0:
        end = at + 1 + (code & 31)
        begin = r.choice([at for at, code in enumerate(raw) if 0xA0 <= code < 0xC0])
        other = raw[begin : begin + 1 + (raw[begin] & 31)]
        wide = bytes([0xD9, code & 31]) + raw[at + 1 : end]
        raw[at:end] = r.choice((wide, other, r.choice(STRINGS)))
    elif code == 0xC4:  # a digest
        raw[at : at + 3] = r.choice((b"\xc4\x1f", b"\xc5\0\x20" + raw[at + 2 : at + 3]))
    elif code == 0xCB:
        raw[at : at + 9] = r.choice(FLOATS)


def damaged(r: random.Random, header: bytes) -> bytes:
    """``header`` with one to three places changed, taken out, put in, repeated or respelt."""
    raw = bytearray(header)
    for _ in range(r.choice((1, 1, 1, 2, 3))):
        at = r.randrange(len(raw))
        piece, (begin, length) = r.choice(PIECES), (r.randrange(len(raw)), r.randrange(1, 60))
        match r.randrange(9):
            case 0:
                raw[at] = r.randrange(256)
            case 1:
                raw[at] ^= 1 << r.randrange(8)
            case 2:
                del raw[at : at + length]
            case 3:
                raw[at:at] = piece
            case 4:
                raw[at : at + len(piece)] = piece
            case 5:
                raw[at:at] = raw[begin : begin + length]
            case _:
                respell(r, raw)
        raw = raw or bytearray(b"\x80")
    return bytes(raw)


def verdict(
    read: Callable[[bytes, Limits], Decoded], raw: bytes, limits: Limits
) -> tuple[str, str]:
    """OK and what was decoded, or the class of the error; no other error passes for a verdict."""
    try:
        decoded = read(raw, limits)
    except ModelFileError as error:
        return type(error).__name__, str(error)
    return "OK", repr(decoded)


def compare(count: int, seed: int = 0) -> tuple[Counter[tuple[str, str]], list[str]]:
    """How often which pair of verdicts was given, and the differences in accepting or in value."""
    counts: Counter[tuple[str, str]] = Counter()
    return counts, [*_differences(count, random.Random(seed), counts)]  # noqa: S311


def _differences(count: int, r: random.Random, counts: Counter[tuple[str, str]]) -> Iterator[str]:
    stock = headers()
    for number in range(count):
        raw, limits = damaged(r, r.choice(stock)), r.choice(LIMITS)
        ours = verdict(decode, raw, limits)
        theirs = verdict(reference_decoder.decode, raw, limits)
        counts[ours[0], theirs[0]] += 1
        if "OK" in (ours[0], theirs[0]) and ours != theirs:
            yield f"case {number}: {ours} and {theirs}"


if __name__ == "__main__":
    pairs, different = compare(*map(int, sys.argv[1:] or ["2000"]))
    for pair, times in sorted(pairs.items()):
        print(times, *pair)  # noqa: T201
    print(len(different), "differences", *different[:5], sep="\n")  # noqa: T201
    sys.exit(bool(different))
