"""Forward writing in large pieces, through a function that may take less than it is given."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable

__all__ = ["Gather"]

_SMALL = 1 << 16
_FULL = 1 << 20


class Gather:
    """Joins small pieces and passes large ones on without a copy.

    Parameters
    ----------
    write : callable
        As ``os.write``: takes a memoryview, returns how many bytes it took.
    """

    def __init__(self, write: Callable[[memoryview], int | None]) -> None:
        self._write = write
        # None from a raw file means "nothing taken", from anything else "no count to give".
        self._raw = isinstance(getattr(write, "__self__", None), io.RawIOBase)
        self._held = bytearray()

    def put(self, data: bytes | memoryview) -> None:
        """Write ``data``, now or later; it may change once this returns."""
        if len(data) <= _SMALL:
            self._held += data
            if len(self._held) >= _FULL:
                self.flush()
        else:
            self.flush()
            self._all(memoryview(data))

    def flush(self) -> None:
        """Write what is held back."""
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
                raise BlockingIOError(errno.EAGAIN, "the target takes no data now")
            view = view[len(view) if count is None else count :]
