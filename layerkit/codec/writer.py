"""Writing a model file (FORMAT.md section 9).

Everything is converted to plain values, hashed, encoded and checked by the reader's own rules
before the first byte is written, so that what is saved can be loaded. The bytes are a function of
the content alone, and are written forward once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, BinaryIO, NamedTuple, Unpack

from numpy.typing import NDArray

from layerkit.codec.arrays import blocks, dtype_name
from layerkit.codec.atomic import replace_file
from layerkit.codec.content import Sections, Shaped, check_names, encoded_header, plain_sections
from layerkit.codec.digests import Tensors, tensor_digests
from layerkit.codec.gather import Gather
from layerkit.codec.layout import MAGIC, TAIL, Frame, lay_out
from layerkit.codec.limits import Limits, limits_in_use
from layerkit.codec.reader import open_document
from layerkit.codec.remote import Remote, locate, write_remote
from layerkit.paths import path_errors


class _Prepared(NamedTuple):
    """A file before it is written: its first 87 + H bytes, and per tensor frames and array."""

    head: bytes
    payloads: list[tuple[tuple[Frame, ...], NDArray[Any]]]
    file_id: str


def write(
    target: str | os.PathLike[str] | BinaryIO,
    *,
    tensors: Tensors,
    durable: bool = True,
    overwrite: bool = True,
    follow_symlinks: bool = True,
    atomic: bool = True,
    check: bool = False,
    limits: Limits | None = None,
    digests: Mapping[str, bytes] | None = None,
    **sections: Unpack[Sections],
) -> str:
    """Write a model file and return its file id; the options are those of ``layerkit.save``.

    ``tensors`` maps names to (role, array), arrays of any memory layout and byte order. ``digests``
    has the results of ``tensor_digests`` for some of them; the others are hashed here. Nothing is
    written if a reader would refuse the content. Raises ValueError if ``check`` is set for anything
    but a local file.
    """
    limits = limits_in_use(limits)
    prepared = _prepare(sections, tensors, limits, digests or {})

    def produce(gather: Gather) -> None:
        _emit(prepared, gather)

    place = locate(target)
    if isinstance(place, str):
        from pathlib import Path  # 4 ms, and loading does not need it

        with path_errors(place, writing=True, example="model.layerkit"):
            replace_file(
                Path(place),
                produce,
                durable=durable,
                overwrite=overwrite,
                follow_symlinks=follow_symlinks,
                check=(lambda path: _read_back(path, prepared.file_id, limits)) if check else None,
            )
        return prepared.file_id
    if check:
        raise ValueError("check=True needs a local file: others cannot be read back")
    if isinstance(place, Remote):
        with path_errors(place.url, writing=True):
            write_remote(place, produce, overwrite=overwrite, atomic=atomic)
    else:
        gather = Gather(place.write)
        produce(gather)
        gather.flush()
    return prepared.file_id


def _prepare(
    sections: Sections, tensors: Tensors, limits: Limits, known: Mapping[str, bytes]
) -> _Prepared:
    """Check and hash the content, and lay out the file."""
    plained = plain_sections(sections, limits)
    check_names({name: role for name, (role, _) in tensors.items()}, limits)
    names = sorted(tensors)
    arrays = [tensors[name][1] for name in names]
    shaped = {
        name: Shaped(tensors[name][0], dtype_name(name, array), array.shape, array.nbytes)
        for name, array in zip(names, arrays, strict=True)
    }
    hashed = tensor_digests({name: tensors[name] for name in names if name not in known})
    encoded = encoded_header(plained, shaped, {**known, **hashed}, limits)
    frames, size = lay_out((array.nbytes for array in arrays), 87 + len(encoded))
    head, file_id = _sign(encoded, size, 2 * sum(map(len, frames)))
    return _Prepared(head, list(zip(frames, arrays, strict=True)), file_id)


def _sign(encoded: bytes, size: int, slots: int) -> tuple[bytes, str]:
    """The first 87 + H bytes of the file, and its id (rule 5.2)."""
    start = MAGIC + b"\x96\x01\x00\xcf" + size.to_bytes(8, "big")
    start += b"\xce" + len(encoded).to_bytes(4, "big") + b"\xcf" + bytes(8) + b"\xc4\x20"
    rest = b"\xa6header" + encoded + TAIL + slots.to_bytes(4, "big")
    root = sha256(start + bytes(32) + rest)
    return start + root.digest() + rest, "sha256:" + root.hexdigest()


def _emit(prepared: _Prepared, gather: Gather) -> None:
    gather.put(prepared.head)
    for frames, array in prepared.payloads:
        pieces = _Pieces(blocks(array))
        for frame in frames:
            gather.put(frame.marker)
            for piece in pieces.take(frame.size):
                gather.put(piece)


class _Pieces:
    """Blocks of a payload, cut where a chunk ends."""

    def __init__(self, source: Iterator[memoryview]) -> None:
        self._source = source
        self._rest = memoryview(b"")

    def take(self, count: int) -> Iterator[memoryview]:
        """The next ``count`` bytes."""
        while count:
            piece = self._rest or next(self._source)
            self._rest = piece[count:]
            count -= min(count, len(piece))
            yield piece[: len(piece) - len(self._rest)]


def _read_back(path: str, file_id: str, limits: Limits) -> None:
    with open_document(path, expected_id=file_id, limits=limits) as document:
        document.verify()
