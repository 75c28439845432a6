"""A decoder for canonical MessagePack without a library: the second opinion on layerkit's.

Every length is compared with the limits and with the bytes that are left before anything is made
of it, and every error knows its byte. A value that is merely not spelled canonically is remembered
and decoding goes on: only if nothing worse follows (step 9) is the spelling what the file is
refused for (step 10).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, NoReturn

from layerkit.codec.layout import HEADER_START
from layerkit.codec.limits import Limits
from layerkit.codec.messagepack import Decoded
from layerkit.errors import LimitExceededError, MalformedFileError

__all__ = ["decode"]

_NAN = bytes.fromhex("7ff8000000000000")
_FLOAT64 = struct.Struct(">d")
_FLOAT32 = struct.Struct(">f")


def decode(raw: bytes, limits: Limits) -> Decoded:
    """Decode ``raw``, the header of a file: one canonical map that takes all of it.

    Raises
    ------
    MalformedFileError
        Rules 2.1 to 2.7, with ``offset`` counted from the start of the file.
    LimitExceededError
        ``items``, ``string_bytes``, ``values``, ``depth`` or ``metadata_bytes``.
    """
    decoder = _Decoder(raw, limits)
    value = decoder.value(0)
    if not isinstance(value, dict):
        decoder.refuse(0, "2.1: the header must be a map")
    if decoder.at != len(raw):
        decoder.refuse(decoder.at, f"2.1: {len(raw) - decoder.at} bytes left over in the header")
    if decoder.misspelling is not None:
        decoder.refuse(*decoder.misspelling)
    return Decoded(value, decoder.nonfinite, decoder.bins)


class _Decoder:
    """Reads values from ``raw``; ``at`` is the position of the next one."""

    def __init__(self, raw: bytes, limits: Limits) -> None:
        self.raw = raw
        self.size = len(raw)
        self.limits = limits
        self.at = 0
        self.values = 1
        self.nonfinite = 0
        self.bins = 0
        self.misspelling: tuple[int, str] | None = None
        self._keys: dict[bytes, tuple[str, bytes]] = {}
        self._wide: dict[int, Callable[[int, int], Any]] = {
            0xC0: lambda code, depth: None,
            0xC2: lambda code, depth: False,
            0xC3: lambda code, depth: True,
            0xCA: self._float32,
            0xCB: self._float64,
        }
        self._wide |= dict.fromkeys((0xC4, 0xC5, 0xC6), self._bin)
        self._wide |= dict.fromkeys((0xCC, 0xCD, 0xCE, 0xCF), self._unsigned)
        self._wide |= dict.fromkeys((0xD0, 0xD1, 0xD2, 0xD3), self._signed)
        self._wide |= dict.fromkeys((0xD9, 0xDA, 0xDB), self._wide_text)
        self._wide |= dict.fromkeys((0xDC, 0xDD), self._wide_array)
        self._wide |= dict.fromkeys((0xDE, 0xDF), self._wide_map)

    def value(self, depth: int) -> Any:
        """The next value; ``depth`` is the number of containers around it."""
        at = self.at
        if at >= self.size:
            self.refuse(at, "2.1: expected a value, the header ends")
        code = self.raw[at]
        self.at = at + 1
        if code < 0x80:
            return code
        if 0xA0 <= code < 0xC0:
            return self._text(code & 31)
        if code >= 0xE0:
            return code - 256
        if code < 0x90:
            return self._map(code & 15, depth + 1)
        if code < 0xA0:
            return self._array(code & 15, depth + 1)
        read = self._wide.get(code)
        if read is None:
            self.refuse(self.at - 1, f"2.2: MessagePack type {code:#04x} is not allowed")
        return read(code, depth)

    def refuse(self, at: int, reason: str) -> NoReturn:
        offset = HEADER_START + at
        raise MalformedFileError(f"rule {reason}", at=f"byte {offset}", offset=offset)

    def _misspelt(self, at: int, reason: str) -> None:
        if self.misspelling is None:
            self.misspelling = at, reason

    def _take(self, count: int) -> bytes:
        at = self.at
        taken = self.raw[at : at + count]
        if len(taken) < count:
            self.refuse(at, f"2.1: expected {count} bytes, the header ends after {len(taken)}")
        self.at = at + count
        return taken

    def _number(self, width: int, least: int) -> int:
        """A big-endian length or integer whose shorter forms end below ``least``."""
        at = self.at
        number = int.from_bytes(self._take(width), "big")
        if number < least:
            self._misspelt(at, f"2.3: {number} is not in its shortest form")
        return number

    def _unsigned(self, code: int, depth: int) -> int:
        width = 1 << (code - 0xCC)
        return self._number(width, 128 if width == 1 else 1 << (4 * width))

    def _signed(self, code: int, depth: int) -> int:
        at, width = self.at, 1 << (code - 0xD0)
        number = int.from_bytes(self._take(width), "big", signed=True)
        if number >= (-32 if width == 1 else -(1 << (4 * width - 1))):
            self._misspelt(at, f"2.3: {number} is not in its shortest form")
        return number

    def _float64(self, code: int, depth: int) -> float:
        bits = self._take(8)
        number: float = _FLOAT64.unpack(bits)[0]
        if not math.isfinite(number):
            self.nonfinite += 1
            if number != number and bits != _NAN:
                self._misspelt(self.at - 8, f"2.6: NaN spelled {bits.hex()}")
        return number

    def _float32(self, code: int, depth: int) -> float:
        self._misspelt(self.at - 1, "2.6: expected a float of 64 bits, got one of 32")
        return float(_FLOAT32.unpack(self._take(4))[0])

    def _bin(self, code: int, depth: int) -> bytes:
        at, width = self.at - 1, 1 << (code - 0xC4)
        length = int.from_bytes(self._take(width), "big")
        if code != 0xC4 or length != 32:
            self.refuse(at, f"2.7: {length} bytes of binary, where only 32-byte digests may be")
        self.bins += 1
        return self._take(32)

    def _wide_text(self, code: int, depth: int) -> str:
        width = 1 << (code - 0xD9)
        return self._text(self._number(width, 32 if width == 1 else 1 << (4 * width)))

    def _wide_array(self, code: int, depth: int) -> list[Any]:
        length = self._number(2, 16) if code == 0xDC else self._number(4, 65_536)
        return self._array(length, depth + 1)

    def _wide_map(self, code: int, depth: int) -> dict[str, Any]:
        length = self._number(2, 16) if code == 0xDE else self._number(4, 65_536)
        return self._map(length, depth + 1)

    def _text(self, length: int) -> str:
        if length > self.limits.string_bytes:
            self.limits.check("string_bytes", length, offset=HEADER_START + self.at)
        at = self.at
        spelled = self.raw[at : at + length]
        if len(spelled) < length:
            self.refuse(at, f"2.1: expected {length} bytes, the header ends after {len(spelled)}")
        self.at = at + length
        try:
            return spelled.decode()
        except UnicodeDecodeError as error:
            self.refuse(at, f"2.5: not UTF-8: {error.reason}")

    def _enter(self, length: int, each: int, depth: int) -> None:
        """Check a container of ``length`` entries of ``each`` values before any is read."""
        limits, offset = self.limits, HEADER_START + self.at
        if length * each > self.size - self.at and length <= limits.items:
            self.refuse(self.at, f"2.1: {length} entries declared, the header ends before")
        self.values += length * each
        for field, value in (("depth", depth), ("items", length), ("values", self.values)):
            if value > getattr(limits, field):
                raise LimitExceededError(field, value, getattr(limits, field), offset=offset)

    def _array(self, length: int, depth: int) -> list[Any]:
        self._enter(length, 1, depth)
        value = self.value
        return [value(depth) for _ in range(length)]

    def _map(self, length: int, depth: int) -> dict[str, Any]:
        self._enter(length, 2, depth)
        out: dict[str, Any] = {}
        last: bytes | None = None
        for _ in range(length):
            at = self.at
            key, spelled = self._key(depth)
            if last is not None and spelled <= last:
                self._misspelt(at, "2.4: a key repeated or out of order")
            last, begin = spelled, self.at
            out[key] = self.value(depth)
            if depth == 1 and key == "metadata":
                self.limits.check("metadata_bytes", self.at - begin, offset=HEADER_START + begin)
        return out

    def _key(self, depth: int) -> tuple[str, bytes]:
        """A key and its UTF-8, by which keys are ordered; short ones are decoded once a file."""
        at = self.at
        end = at + 1 + (self.raw[at] & 31) if at < self.size else at
        known = self._keys.get(self.raw[at:end])
        if known is not None:
            self.at = end
            return known
        key = self.value(depth)
        if type(key) is not str:
            self._misspelt(at, f"2.4: expected a string as key, got {type(key).__name__}")
            return "", b""
        if key == "__proto__":
            self._misspelt(at, "2.4: the key '__proto__'")
        spelled = key.encode()
        if len(spelled) < 32 and end == self.at:
            self._keys[self.raw[at:end]] = key, spelled
        return key, spelled
