"""Sources of bytes: a file read by position, a mapped file, or a forward-only stream.

All three offer ``read`` (up to n bytes) and ``fill`` (exactly this buffer) at a position, so that
the reader is written once.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from threading import Lock
from typing import Any, BinaryIO, Protocol

from layerkit.codec.recognise import mode_noun
from layerkit.errors import MalformedFileError, NotAModelFileError, TruncatedFileError
from layerkit.paths import folder_hint

STEP = 16 << 20
"""Bytes by which the buffer for a stream may grow in one step (rule 10.1)."""


class Source(Protocol):
    """What the reader needs of a source."""

    size: int | None  # of the whole file; None for a stream, whose size is known at its end
    want: int  # the size that the file claims, for the error if it is shorter

    def read(self, count: int, at: int) -> bytes:
        """Up to ``count`` bytes from position ``at``, fewer only at the end."""

    def fill(self, view: memoryview, at: int) -> None:
        """Fill ``view`` from position ``at``; TruncatedFileError if the file ends before."""

    def finish(self, at: int) -> None:
        """Raise MalformedFileError if anything follows position ``at``."""

    def close(self) -> None:
        """Close what was opened here."""


def truncated(have: int, want: int) -> TruncatedFileError:
    """The error for a file of ``have`` bytes that should have ``want``."""
    message = f"the file is cut off: expected {want} bytes, got {have}"
    return TruncatedFileError(message, have=have, want=want, hint="copy or download it again")


def open_path(path: str) -> int:
    """The descriptor of a regular file opened for reading.

    Raises NotAModelFileError for a directory, device, FIFO (without blocking) or socket (step 1).
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        # A socket cannot be opened at all, and neither can a directory on Windows.
        if error.errno in (errno.ENXIO, errno.EOPNOTSUPP, errno.EACCES):
            with suppress(OSError):
                _require_regular(os.stat(path).st_mode, path)  # noqa: PTH116  # pathlib takes 4 ms
        raise
    try:
        _require_regular(os.fstat(descriptor).st_mode, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(mode: int, path: str) -> None:
    if not stat.S_ISREG(mode):
        hint = f"it is {mode_noun(mode)}"
        if stat.S_ISDIR(mode):
            hint += f"; {folder_hint(path)}"
        if stat.S_ISFIFO(mode):
            hint += "; open it and pass the file object to read it as a stream"
        raise NotAModelFileError("not a layerkit file: expected a regular file", hint=hint)


class FileSource:
    """A regular file, read by position; threads may share it.

    Owns its descriptor: a file object made from one would count as opening the file again.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size: int | None = os.fstat(descriptor).st_size
        self.want = self.size

    def __del__(self) -> None:
        self.close()

    def read(self, count: int, at: int) -> bytes:
        """See Source."""
        buffer = bytearray(count)
        return bytes(buffer[: self._read_into(memoryview(buffer), at)])

    def fill(self, view: memoryview, at: int) -> None:
        """See Source."""
        done = self._read_into(view, at)
        if done < len(view):
            raise truncated(at + done, self.want)

    def _read_into(self, view: memoryview, at: int) -> int:
        """Read until ``view`` is full or the file ends; one system call may read less."""
        done = 0
        while done < len(view):
            count = _read_at(self._descriptor, view[done:], at + done)
            if count == 0:
                break
            done += count
        return done

    def finish(self, at: int) -> None:
        """Do nothing: the size was checked when the file was opened."""

    def map(self) -> MappedSource:
        """The same file as a mapping, which outlives the closing of this source."""
        from mmap import ACCESS_READ, mmap

        size = self.want
        now = os.fstat(self._descriptor).st_size
        if now < size:
            raise truncated(now, size)
        return MappedSource(mmap(self._descriptor, size, access=ACCESS_READ))

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _read_positioned(descriptor: int, view: memoryview, at: int) -> int:
    return os.preadv(descriptor, [view], at)


_seeking = Lock()


def _seek_and_read(descriptor: int, view: memoryview, at: int) -> int:
    with _seeking:  # threads share the file, and so its position
        os.lseek(descriptor, at, os.SEEK_SET)
        part = os.read(descriptor, min(len(view), STEP))
    view[: len(part)] = part
    return len(part)


_read_at = _read_positioned if hasattr(os, "preadv") else _seek_and_read


class MappedSource:
    """A mapping of a file; arrays made from ``mapping`` keep it alive."""

    def __init__(self, mapping: Any) -> None:
        self.mapping = mapping
        self.size: int | None = len(mapping)
        self.want = len(mapping)

    def read(self, count: int, at: int) -> bytes:
        """See Source."""
        return bytes(self.mapping[at : at + count])

    def fill(self, view: memoryview, at: int) -> None:
        """See Source."""
        with memoryview(self.mapping) as whole:
            view[:] = whole[at : at + len(view)]

    def finish(self, at: int) -> None:
        """Do nothing: the size was checked when the file was opened."""

    def close(self) -> None:
        """Do nothing: the mapping ends with the last array over it."""


class StreamSource:
    """A file object, read forward only; it is left open and positioned after the model."""

    def __init__(self, stream: BinaryIO) -> None:
        if not hasattr(stream, "read"):
            raise TypeError(f"expected a path or a binary file object, got {type(stream).__name__}")
        self._stream = stream
        self._at = 0
        self.size: int | None = None
        self.want = 0

    def read(self, count: int, at: int) -> bytes:
        """See Source."""
        self._skip_to(at)
        parts = []
        while count > 0:
            part = self._some(min(count, STEP))
            if not part:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def fill(self, view: memoryview, at: int) -> None:
        """See Source."""
        self._skip_to(at)
        done = 0
        while done < len(view):
            part = self._some(len(view) - done)
            if not part:
                raise truncated(self._at, self.want)
            view[done : done + len(part)] = part
            done += len(part)

    def finish(self, at: int) -> None:
        """Raise MalformedFileError if bytes follow the last payload."""
        self._skip_to(at)
        if self._some(1):
            raise MalformedFileError(
                "rule 1.1: trailing bytes: the stream goes on after the end of the model",
                at=f"byte {at}",
                offset=at,
            )

    def close(self) -> None:
        """Leave the stream open: its owner closes it."""

    def _some(self, count: int) -> bytes:
        """1 to ``count`` bytes, none at the end of the stream."""
        while True:
            try:
                part = self._stream.read(count)
            except InterruptedError:
                continue
            break
        if part is None:
            raise BlockingIOError(errno.EAGAIN, "the stream has no data yet: make it blocking")
        if not isinstance(part, bytes | bytearray | memoryview):
            raise TypeError(
                f"expected bytes from the stream, got {type(part).__name__}: open it in binary mode"
            )
        if len(part) > count:
            raise OSError(f"expected at most {count} bytes from the stream, got {len(part)}")
        self._at += len(part)
        return bytes(part)

    def _skip_to(self, at: int) -> None:
        if at < self._at:
            raise ValueError("a stream can be read only once; read all tensors in one call")
        while self._at < at:
            if not self._some(min(at - self._at, 1 << 20)):
                raise truncated(self._at, self.want)
