"""Memory for one tensor: 64-byte aligned, writable, growing when its size is only a claim."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerkit.codec.layout import ALIGN

__all__ = ["Buffer"]


class Buffer:
    """``size`` bytes that are filled from front to back.

    Parameters
    ----------
    size : int
        Bytes in the end.
    step : int or None
        None allocates all at once, as is right when the size has been checked against a file's.
        Otherwise memory is allocated as ``window`` asks for it, ``step`` bytes at most at a time.
    """

    def __init__(self, size: int, step: int | None = None) -> None:
        self.size = size
        self._step = size if step is None else step
        self._raw = np.empty(min(size, self._step) + ALIGN, np.uint8)
        self._pad = -self._address() % ALIGN

    def _address(self) -> int:
        address: int = self._raw.__array_interface__["data"][0]
        return address

    def window(self, start: int, count: int) -> memoryview:
        """``count`` bytes (at most ``step``) from ``start`` on, to be filled and then released."""
        room = len(self._raw) - ALIGN
        if start + count > room:
            # No view exists now: each window is released before the next one is asked for.
            self._raw.resize(min(self.size, room + self._step) + ALIGN, refcheck=False)
        begin = self._pad + start
        return self._raw[begin : begin + count].data

    def finish(self) -> NDArray[np.uint8]:
        """The bytes as an aligned array."""
        pad = -self._address() % ALIGN
        if pad != self._pad:  # growing has moved the memory
            self._raw[pad : pad + self.size] = self._raw[self._pad : self._pad + self.size]
        return self._raw[pad:][: self.size]  # in two steps: an empty slice would start at 0
