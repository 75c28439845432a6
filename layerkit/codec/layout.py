"""Where the bytes are (rules 1.6 to 1.8 and 4.5): sizes determine all positions.

::

    0         77        77 + H      87 + H
    prologue  header    data + N    frame payload  frame payload ...

A frame is ``c4 P``, P zero bytes, ``c6`` and the payload's length in four bytes; P makes the
payload start at a multiple of 64.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MAGIC = b"\x83\xa8layerkit"
HEADER_START = 77
TAIL = b"\xa4data\xdd"
ALIGN = 64
MAX_CHUNK = 2**31 - 64

_MARKS = 7  # c4 P, c6 and four bytes of length


class Frame(NamedTuple):
    """One chunk in the file: its frame begins at ``begin``, its ``size`` bytes at ``start``."""

    begin: int
    start: int
    size: int

    @property
    def marker(self) -> bytes:
        """The bytes from ``begin`` to ``start``."""
        pad = self.start - self.begin - _MARKS
        return bytes((0xC4, pad)) + bytes(pad) + b"\xc6" + self.size.to_bytes(4, "big")


def align(position: int) -> int:
    """Where the payload of a frame that begins at ``position`` starts."""
    return -(-(position + _MARKS) // ALIGN) * ALIGN


def lay_out(sizes: Iterable[int], begin: int) -> tuple[list[tuple[Frame, ...]], int]:
    """Frames of each tensor, in the order of ``sizes``, and the end of the file.

    The first frame begins at ``begin``, which is 87 + H.
    """
    tensors = []
    for size in sizes:
        frames = []
        for done in range(0, size or 1, MAX_CHUNK):
            frame = Frame(begin, align(begin), min(MAX_CHUNK, size - done))
            frames.append(frame)
            begin = frame.start + frame.size
        tensors.append(tuple(frames))
    return tensors, begin
