"""Buffered forward writing, through a function that may write less than it is given."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable

_SMALL = 1 << 16
_FULL = 1 << 20


class Gather:
    """Joins small pieces; large ones are written without a copy.

    ``write`` is like ``os.write``: it returns how many bytes were written.
    """

    def __init__(self, write: Callable[[memoryview], int | None]) -> None:
        self._write = write
        # None from a raw file means "nothing written"; other objects may give no count.
        self._raw = isinstance(getattr(write, "__self__", None), io.RawIOBase)
        self._held = bytearray()

    def put(self, data: bytes | memoryview) -> None:
        """Write ``data``, now or later; the caller may change it afterwards."""
        if len(data) <= _SMALL:
            self._held += data
            if len(self._held) >= _FULL:
                self.flush()
        else:
            self.flush()
            self._all(memoryview(data))

    def flush(self) -> None:
        """Write what is buffered."""
        held, self._held = self._held, bytearray()
        if held:
            self._all(memoryview(held))

    def _all(self, view: memoryview) -> None:
        while len(view):
            try:
                count = self._write(view)
            except InterruptedError:
                continue
            if not count and (count == 0 or self._raw):
                raise BlockingIOError(errno.EAGAIN, "the target accepts no data now")
            view = view[len(view) if count is None else count :]
