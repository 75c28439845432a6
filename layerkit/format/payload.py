"""The bytes of one tensor: copied, mapped or only checked (step 17).

Whatever the way, the order is frame, payload, digest, bool bytes, and the digest is computed over
the very bytes that are handed out.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerkit.errors import CorruptFileError, MalformedFileError, quoted
from layerkit.format.buffer import Buffer
from layerkit.format.layout import Frame
from layerkit.format.names import DTYPES
from layerkit.format.relations import TensorRecord
from layerkit.format.source import STEP, MappedSource, Source

__all__ = ["copy_tensor", "map_tensor", "scan_tensor", "skip_tensor"]

# Small enough that a block is still in the cache when it is hashed.
_BLOCK = 1 << 20

Tensor = NDArray[Any]


def copy_tensor(source: Source, record: TensorRecord, *, digest: bool) -> Tensor:
    """A writable, 64-byte aligned copy of a tensor, of its dtype and shape.

    Raises
    ------
    TruncatedFileError
        If the file or stream ends before the tensor does.
    MalformedFileError
        Rule 1.7 for the frame, 4.1 for a bool byte that is neither 0 nor 1.
    CorruptFileError
        Rule 5.1, unless ``digest`` is false.
    """
    streamed = source.size is None
    buffer = Buffer(record.nbytes, STEP if streamed else None)
    block = _BLOCK if digest else STEP if streamed else record.nbytes
    hashed, done = sha256(), 0
    for frame in record.frames:
        _check_frame(source, record, frame)
        for at in range(0, frame.size, block or 1):
            count = min(block, frame.size - at)
            with buffer.window(done, count) as view:
                source.fill(view, frame.start + at)
                if digest:
                    hashed.update(view)
            done += count
    payload = buffer.finish()
    if digest:
        _check_digest(record, hashed.digest())
    _check_bool(record, payload)
    return _shaped(record, payload)


def map_tensor(source: MappedSource, record: TensorRecord, *, digest: bool) -> Tensor:
    """A read-only view of a mapped tensor; a copy if it is empty or has several chunks.

    Raises as ``copy_tensor`` does.
    """
    if len(record.frames) > 1 or record.nbytes == 0:
        return copy_tensor(source, record, digest=digest)
    (frame,) = record.frames
    _check_frame(source, record, frame)
    payload = np.frombuffer(source.mapping, np.uint8, frame.size, frame.start)
    if digest:
        _check_digest(record, sha256(payload.data).digest())
    _check_bool(record, payload)
    return _shaped(record, payload)


def scan_tensor(source: Source, record: TensorRecord) -> None:
    """Check a tensor as ``copy_tensor`` does, in a megabyte of memory."""
    scratch, hashed, top = np.empty(min(_BLOCK, record.nbytes), np.uint8), sha256(), 0
    for frame in record.frames:
        _check_frame(source, record, frame)
        for at in range(0, frame.size, _BLOCK):
            part = scratch[: min(_BLOCK, frame.size - at)]
            source.fill(part.data, frame.start + at)
            hashed.update(part.data)
            top = max(top, int(part.max())) if record.dtype == "bool" else 0
    _check_digest(record, hashed.digest())
    _require_bool(record, top)


def skip_tensor(source: Source, record: TensorRecord) -> None:
    """Check the frames of a tensor that nobody asked for, in a stream that must pass it."""
    for frame in record.frames:
        _check_frame(source, record, frame)


def _shaped(record: TensorRecord, payload: NDArray[np.uint8]) -> Tensor:
    return payload.view(DTYPES[record.dtype]).reshape(record.shape)


def _check_frame(source: Source, record: TensorRecord, frame: Frame) -> None:
    wanted = frame.marker
    found = bytearray(len(wanted))
    source.fill(memoryview(found), frame.begin)
    if found != wanted:
        raise MalformedFileError(
            f"rule 1.7: the frame of tensor {quoted(record.name)} is {found.hex()}, "
            f"{wanted.hex()} is wanted",
            at=f"bytes {frame.begin} to {frame.start - 1}",
            offset=frame.begin,
        )


def _check_digest(record: TensorRecord, actual: bytes) -> None:
    if actual != record.sha256:
        raise CorruptFileError(
            f"tensor {quoted(record.name, 300)} is corrupt: its SHA-256 is {actual.hex()}, "
            f"the file claims {record.sha256.hex()}",
            tensor=record.name,
            expected=record.sha256.hex(),
            actual=actual.hex(),
            offset=record.file_offset,
        )


def _check_bool(record: TensorRecord, payload: NDArray[np.uint8]) -> None:
    if record.dtype == "bool" and payload.size:
        _require_bool(record, int(payload.max()))


def _require_bool(record: TensorRecord, top: int) -> None:
    if top > 1:
        raise MalformedFileError(
            f"rule 4.1: a bool byte is 0 or 1, not {top}",
            at=f"tensor {quoted(record.name)}",
            offset=record.file_offset,
        )
