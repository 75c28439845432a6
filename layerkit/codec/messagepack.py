"""The header as canonical MessagePack (FORMAT.md section 2, steps 9 and 10), through ``msgpack``.

One value has one encoding. The library reads any MessagePack, so ``decode`` adds checks:

1. ``_check_whole`` skips over it without making anything: the library allocates a list as long as
   declared before it reads the first item, so that every length must be backed by bytes.
2. ``_check_amount`` counts the values, if there may be too many to make.
3. ``_Unpacked`` makes them and looks at the keys of each map, ``_check_levels`` at the rest.
4. What was made is encoded again and must give the same bytes: that proves shortest forms.

A limit decides before a spelling does (step 9 before step 10), so a spelling is kept until then.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import chain, pairwise
from math import isfinite
from typing import Any, NamedTuple, NoReturn

import msgpack

from layerkit.codec.layout import HEADER_START
from layerkit.codec.limits import Limits
from layerkit.codec.names import below, describe_value, leaves
from layerkit.display import counted, quoted
from layerkit.errors import LimitExceededError, MalformedFileError

_NAN_BITS = bytes.fromhex("7ff8000000000000")
_NAN: float = struct.unpack(">d", _NAN_BITS)[0]
_SCALARS = frozenset({type(None), bool, int, float, str})
_TYPES = _SCALARS | {bytes, list, dict}
_ARRAYS = frozenset({*range(0x90, 0xA0), 0xDC, 0xDD})  # first bytes
_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})
_EXTENSION = "2.2: MessagePack's extension types are not allowed"
_WIDTHS = {
    0xCA: "2.6: expected a float of 64 bits, got one of 32",
    **dict.fromkeys((0xC5, 0xC6), "2.7: the length of binary is not in its shortest form"),
}


class Decoded(NamedTuple):
    """A decoded header.

    ``nonfinite`` counts NaNs and infinities, ``bins`` byte strings: usual counts save the search
    for misplaced ones (rules 2.6, 2.7).
    """

    value: dict[str, Any]
    nonfinite: int
    bins: int


def encode(value: Any) -> bytes:
    """Encode plain data: None, bool, int, float, str, 32 bytes, list, dict with str keys.

    Maps are written in ascending order of their keys' UTF-8. Raises OverflowError for an int beyond
    64 bits, TypeError for any other type; ``layerkit.codec.plain`` converts values.
    """
    packed: bytes = msgpack.packb(_canonical(value), strict_types=True)
    return packed


def _canonical(value: Any) -> Any:
    """``value`` with its keys in order and one NaN."""
    kind = type(value)
    if kind is dict:  # by code point, which is the order of their UTF-8
        return {key: _canonical(value[key]) for key in sorted(value)}
    if kind is list:
        return [_canonical(item) for item in value]
    if kind in _SCALARS:
        return _NAN if value != value else value
    if kind is bytes and len(value) == 32:
        return value
    raise TypeError(f"a model file cannot hold a value of type {kind.__name__}")


def decode(raw: bytes, limits: Limits) -> Decoded:
    """Decode ``raw``, the header of a file: one canonical map that takes all of it.

    Raises MalformedFileError for rules 2.1 to 2.7; offsets count from the start of the file.
    """
    _check_whole(raw, limits)
    if len(raw) > limits.values:  # a value takes a byte at least
        _check_amount(raw, limits)
    made = _Unpacked(raw)
    made.check_levels(limits, strings=len(raw) > limits.string_bytes)
    if "metadata" in made.value:
        limits.check("metadata_bytes", len(msgpack.packb(made.value["metadata"])))
    if made.misspelling:
        _refuse(*made.misspelling)
    again = msgpack.packb(made.value)
    if again != raw:
        pairs = zip(again, raw, strict=False)
        at = next(at for at, (one, other) in enumerate(pairs) if one != other)
        _refuse(_WIDTHS.get(raw[at], "2.3: an integer or a length is not in its shortest form"), at)
    return Decoded(made.value, made.nonfinite, made.bins)


def _refuse(reason: str, at: int | str = "header") -> NoReturn:
    """Refuse the header for a fault at a byte of it, or at a path."""
    if isinstance(at, str):
        raise MalformedFileError(f"rule {reason}", at=at)
    offset = HEADER_START + at
    raise MalformedFileError(f"rule {reason}", at=f"byte {offset}", offset=offset)


def _reader(raw: bytes) -> msgpack.Unpacker:
    reader = msgpack.Unpacker(max_buffer_size=len(raw))
    reader.feed(raw)
    return reader


def _check_whole(raw: bytes, limits: Limits) -> None:
    """``raw`` is one map and nothing else; no object is made of it."""
    if raw[0] not in _MAPS:
        _refuse(f"2.1: the header must be a map, got a value that begins with {raw[:1].hex()}", 0)
    reader = _reader(raw)
    try:
        reader.skip()
    except msgpack.StackError:  # the library stops at 1,024 levels
        raise LimitExceededError("depth", limits.depth + 1, limits.depth) from None
    except msgpack.FormatError:
        _refuse("2.2: byte 0xc1 is not a MessagePack type")
    except (msgpack.OutOfData, ValueError):  # ValueError: a length above that of the header
        _refuse("2.1: the header ends inside a value", len(raw))
    at = reader.tell()
    if at < len(raw):
        _refuse(f"2.1: {counted(len(raw) - at, 'byte')} left over in the header", at)


def _check_amount(raw: bytes, limits: Limits) -> None:
    """Count the values of ``raw``, container by container, without making them."""
    reader, values = _reader(raw), 1

    def enter(count: int, depth: int) -> None:
        nonlocal values
        values += count
        for field, value in (("depth", depth), ("values", values)):
            limits.check(field, value, offset=HEADER_START + reader.tell())
        for _ in range(count):
            code = raw[reader.tell()]
            if code in _ARRAYS:
                enter(reader.read_array_header(), depth + 1)
            elif code in _MAPS:
                enter(2 * reader.read_map_header(), depth + 1)
            else:
                reader.skip()

    enter(2 * reader.read_map_header(), 1)


class _Unpacked:
    """A header as the library decodes it, with its checks."""

    def __init__(self, raw: bytes) -> None:
        # The first fault of spelling and its place, raised after the limits; or empty.
        self.misspelling: tuple[str, ...] = ()
        self.nonfinite = self.bins = 0
        try:
            self.value: Any = msgpack.unpackb(
                raw, object_pairs_hook=self._map, strict_map_key=False
            )
        except UnicodeDecodeError as error:
            _refuse(f"2.5: {quoted(error.object)} is not UTF-8: {error.reason}")
        except (ValueError, OverflowError):  # from a malformed timestamp
            _refuse(_EXTENSION)

    def _misspelt(self, reason: str, at: str = "header") -> None:
        self.misspelling = self.misspelling or (reason, at)

    def _map(self, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
        """Make a map. If a key is not a string, keep the values only, for the limits."""
        for key, _ in pairs:
            if type(key) is not str:  # it may be unhashable
                self._misspelt(f"2.4: expected a string as key, got {describe_value(key)}")
                return {str(index): item for index, (_, item) in enumerate(pairs)}
        made = dict(pairs)
        keys = [*made]
        if len(keys) < len(pairs) or keys != sorted(keys):
            key = next(key for (before, _), (key, _) in pairwise(pairs) if not before < key)
            self._misspelt(f"2.4: the key {quoted(key)} is repeated or out of order")
        if "__proto__" in made:
            self._misspelt("2.4: the key '__proto__' is not allowed")
        return made

    def check_levels(self, limits: Limits, *, strings: bool) -> None:
        """Check types, numbers and sizes (of strings if ``strings``), one level after the other."""
        level, depth = [self.value], 0
        while level:
            depth += 1
            limits.check("depth", depth)
            limits.check("items", max(map(len, level)))
            maps = [held for held in level if type(held) is dict]
            items = [item for held in level if type(held) is list for item in held]
            items += [item for held in maps for item in held.values()]
            if strings:
                for text in chain(items, *maps):
                    if type(text) is str:
                        limits.check("string_bytes", len(text.encode()))
            self._check_types({*map(type, items)}, items)
            level = [item for item in items if type(item) is dict or type(item) is list]

    def _check_types(self, types: set[type], items: list[Any]) -> None:
        if not types <= _TYPES:
            _refuse(_EXTENSION, self._place(lambda item: type(item) not in _TYPES))
        if bytes in types:
            sizes = [len(item) for item in items if type(item) is bytes]
            self.bins += len(sizes)
            if wrong := {*sizes} - {32}:
                size = min(wrong)
                at = self._place(lambda item: type(item) is bytes and len(item) == size)
                _refuse(f"2.7: only digests of 32 bytes may be binary, got {size}", at)
        if float in types:
            odd = [item for item in items if type(item) is float and not isfinite(item)]
            self.nonfinite += len(odd)
            if any(map(_is_odd_nan, odd)):
                self._misspelt(
                    "2.6: NaN has one spelling, 7ff8000000000000", self._place(_is_odd_nan)
                )

    def _place(self, is_bad: Callable[[Any], bool]) -> str:
        """The path of the first bad value."""
        pairs = ((below("", key), item) for key, item in self.value.items())
        return next(at for key, item in pairs for at, leaf in leaves(item, key) if is_bad(leaf))


def _is_odd_nan(value: object) -> bool:
    """True for a NaN whose bits are not those of the format's."""
    return value != value and struct.pack(">d", value) != _NAN_BITS
