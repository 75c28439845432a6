"""The bytes of one tensor: copied, mapped or only checked (step 17).

The order is always frame, payload, digest, bool bytes, and the digest is computed over the very
bytes that are returned.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerkit.codec.digests import check_digest
from layerkit.codec.layout import ALIGN, Frame
from layerkit.codec.names import DTYPES
from layerkit.codec.relations import TensorRecord
from layerkit.codec.source import STEP, MappedSource, Source
from layerkit.display import quoted
from layerkit.errors import MalformedFileError

# Small enough that a block is still in the cache when it is hashed.
_BLOCK = 1 << 20

Tensor = NDArray[Any]


class Buffer:
    """Memory for one tensor of ``size`` bytes, 64-byte aligned, filled from front to back.

    Without a ``step``, all of it is allocated at once: for a size that was checked against a
    file's. Otherwise (a stream only claims its size) ``window`` grows it by at most ``step`` bytes.
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
            # No view exists now: each window is released before the next is requested.
            self._raw.resize(min(self.size, room + self._step) + ALIGN, refcheck=False)
        begin = self._pad + start
        return self._raw[begin : begin + count].data

    def finish(self) -> NDArray[np.uint8]:
        """The bytes as an aligned array."""
        pad = -self._address() % ALIGN
        if pad != self._pad:  # growing has moved the memory
            self._raw[pad : pad + self.size] = self._raw[self._pad : self._pad + self.size]
        return self._raw[pad:][: self.size]  # in two steps: an empty slice would start at 0


def copy_tensor(source: Source, record: TensorRecord, *, digest: bool) -> Tensor:
    """A writable, 64-byte aligned copy of a tensor, of its dtype and shape.

    Raises TruncatedFileError at an early end, MalformedFileError for a frame (rule 1.7) or a bool
    byte (rule 4.1), CorruptFileError for the digest (rule 5.1) unless ``digest`` is false.
    """
    streamed = source.size is None
    buffer = Buffer(record.nbytes, STEP if streamed else None)
    block = _BLOCK if digest else STEP if streamed else record.nbytes
    payload = _Payload(source, record, digest=digest)
    for at in range(0, record.nbytes, block or 1):
        with buffer.window(at, min(block, record.nbytes - at)) as view:
            payload.fill(view)
    payload.finish()
    return _shaped(record, buffer.finish())


def fill_tensor(source: Source, record: TensorRecord, target: Tensor, *, digest: bool) -> None:
    """Read a tensor into an array of its shape and dtype, of any strides and byte order.

    Raises the same as ``copy_tensor``; the content of ``target`` is then undefined.
    """
    dtype = DTYPES[record.dtype]
    payload = _Payload(source, record, digest=digest)
    if target.flags.c_contiguous and target.dtype == dtype:
        raw = target.reshape(-1).view(np.uint8)
        block = _BLOCK if digest else raw.size
        for at in range(0, raw.size, block or 1):
            payload.fill(raw[at : at + block].data)
    elif target.size:
        with np.nditer(  # type: ignore[call-overload]  # its stub spells "contig" as "config"
            [target],
            flags=["external_loop", "buffered"],
            op_flags=[["writeonly", "contig"]],
            op_dtypes=[dtype],
            order="C",
            casting="equiv",
            buffersize=_BLOCK // dtype.itemsize,
        ) as pieces:
            for piece in pieces:
                payload.fill(piece.view(np.uint8).data)
    payload.finish()


def map_tensor(source: MappedSource, record: TensorRecord, *, digest: bool) -> Tensor:
    """A read-only view of a mapped tensor; a copy if it is empty or has several chunks.

    Raises the same as ``copy_tensor``.
    """
    if len(record.frames) > 1 or record.nbytes == 0:
        return copy_tensor(source, record, digest=digest)
    (frame,) = record.frames
    _check_frame(source, record, frame)
    payload = np.frombuffer(source.mapping, np.uint8, frame.size, frame.start)
    if digest:
        check_digest(record, sha256(payload.data).digest())
    if record.dtype == "bool":
        _check_bool(record, int(payload.max()))
    return _shaped(record, payload)


def scan_tensor(source: Source, record: TensorRecord) -> None:
    """Check a tensor as ``copy_tensor`` does, in a megabyte of memory."""
    scratch = np.empty(min(_BLOCK, record.nbytes), np.uint8)
    payload = _Payload(source, record, digest=True)
    for at in range(0, record.nbytes, _BLOCK):
        payload.fill(scratch[: min(_BLOCK, record.nbytes - at)].data)
    payload.finish()


def skip_tensor(source: Source, record: TensorRecord) -> None:
    """Check the frames of an unwanted tensor that a stream has to pass."""
    for frame in record.frames:
        _check_frame(source, record, frame)


class _Payload:
    """The bytes of one tensor from front to back across its frames, checked as they are taken."""

    def __init__(self, source: Source, record: TensorRecord, *, digest: bool) -> None:
        self._source, self._record = source, record
        self._frames = iter(record.frames)
        self._at = self._left = self._top = 0
        self._hashed = sha256() if digest else None

    def fill(self, view: memoryview) -> None:
        """Fill ``view`` with the bytes that follow, and hash them."""
        done = 0
        while done < len(view):
            if not self._left:
                self._enter(next(self._frames))
            count = min(self._left, len(view) - done)
            self._source.fill(view[done : done + count], self._at)
            self._at, self._left, done = self._at + count, self._left - count, done + count
        if self._hashed is not None:
            self._hashed.update(view)
        if self._record.dtype == "bool":
            self._top = max(self._top, int(np.frombuffer(view, np.uint8).max()))

    def finish(self) -> None:
        """Check what is known at the end only: digest and bool bytes."""
        for frame in self._frames:  # that of an empty tensor
            self._enter(frame)
        if self._hashed is not None:
            check_digest(self._record, self._hashed.digest())
        _check_bool(self._record, self._top)

    def _enter(self, frame: Frame) -> None:
        _check_frame(self._source, self._record, frame)
        self._at, self._left = frame.start, frame.size


def _shaped(record: TensorRecord, payload: NDArray[np.uint8]) -> Tensor:
    return payload.view(DTYPES[record.dtype]).reshape(record.shape)


def _check_frame(source: Source, record: TensorRecord, frame: Frame) -> None:
    marker = frame.marker
    found = bytearray(len(marker))
    source.fill(memoryview(found), frame.begin)
    if found != marker:
        raise MalformedFileError(
            f"rule 1.7: expected the frame {marker.hex()} of tensor {quoted(record.name)}, "
            f"got {found.hex()}",
            at=f"bytes {frame.begin} to {frame.start - 1}",
            offset=frame.begin,
        )


def _check_bool(record: TensorRecord, top: int) -> None:
    if top > 1:
        raise MalformedFileError(
            f"rule 4.1: expected 0 or 1 in each bool byte, got {top}",
            at=f"tensor {quoted(record.name)}",
            offset=record.file_offset,
        )
