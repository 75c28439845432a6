"""Opening a model file: steps 1 to 13 of FORMAT.md section 6, in that order.

The first failure decides the error. No tensor is read here, no type key is looked up, and nothing
is imported or allocated on behalf of the file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from hashlib import sha256
from typing import BinaryIO, Literal, NamedTuple, overload

from layerkit.codec.digests import digest_mismatch
from layerkit.codec.document import Document, LazyTensors, Tensor, located
from layerkit.codec.fields import Fields
from layerkit.codec.header import check_features, check_header_sections
from layerkit.codec.layout import HEADER_START, MAGIC, TAIL
from layerkit.codec.limits import Limits, limits_in_use
from layerkit.codec.messagepack import Decoded, decode
from layerkit.codec.recognise import kind_hint
from layerkit.codec.relations import check_places, check_relations, place_tensors
from layerkit.codec.remote import Remote, locate
from layerkit.codec.source import FileSource, Source, StreamSource, open_path, truncated
from layerkit.display import counted, quoted
from layerkit.errors import (
    CorruptFileError,
    MalformedFileError,
    NotAModelFileError,
    UnsupportedFormatError,
)
from layerkit.paths import path_errors

_CONSTANTS = {
    10: b"\x96",
    13: b"\xcf",
    22: b"\xce",
    27: b"\xcf",
    36: b"\xc4\x20",
    70: b"\xa6header",
}


class _Prologue(NamedTuple):
    minor: int
    file_size: int
    header_size: int
    root: bytes


def open_document(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
    *,
    mmap: bool = False,
    expected_id: str | None = None,
    limits: Limits | None = None,
) -> Document:
    """Open a model file and check everything but its tensors' bytes.

    The parameters are those of ``load_tensors``. Raises ValueError if ``mmap`` is set for anything
    but a local file.
    """
    limits = limits_in_use(limits)
    if isinstance(source, bytes | bytearray | memoryview):
        source = io.BytesIO(source)
    place = locate(source)
    path = place.url if isinstance(place, Remote) else place if isinstance(place, str) else None
    with located(path), path_errors(path):
        if isinstance(place, str):
            file = FileSource(open_path(place))
            return _opened(file, path, expected_id, limits, mmap=mmap)
        if mmap:
            raise ValueError("mmap=True needs a local file, not a stream or a URL")
        stream = place.open() if isinstance(place, Remote) else StreamSource(place)
        return _opened(stream, path, expected_id, limits)


@overload
def load_tensors(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
    *,
    names: Iterable[str] | None = None,
    verify: bool = True,
    mmap: bool = False,
    expected_id: str | None = None,
    limits: Limits | None = None,
) -> dict[str, Tensor]: ...


@overload
def load_tensors(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
    *,
    names: Iterable[str] | None = None,
    verify: Literal["lazy"],
    mmap: bool = False,
    expected_id: str | None = None,
    limits: Limits | None = None,
) -> LazyTensors: ...


def load_tensors(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
    *,
    names: Iterable[str] | None = None,
    verify: bool | Literal["lazy"] = True,
    mmap: bool = False,
    expected_id: str | None = None,
    limits: Limits | None = None,
) -> dict[str, Tensor] | LazyTensors:
    """The tensors of a model file by name; needs no plugin for the layers.

    Parameters
    ----------
    source
        A path (``~`` is the home folder), a URL (a text with ``://``), a binary file object, which
        is read forward from its position and left open, or the content as bytes.
    names
        Tensors or aliases; default all, tensors in file order and then aliases.
    verify
        Check the SHA-256 of every tensor; "lazy", with ``mmap``, on first use. The header is always
        checked.
    mmap
        Map the file instead of copying from it; it must not be truncated while arrays live.
    expected_id
        The file id to accept; any other is refused.
    limits
        Bounds on what the file may ask for.

    Returns
    -------
    dict of str to ndarray
        Tensors of all roles and aliases; an alias is the same array object as its target. Copies
        are writable and 64-byte aligned; arrays of a mapped file are read-only views, except that
        empty and chunked tensors are copies. With ``verify="lazy"`` a LazyTensors mapping instead.

    Raises
    ------
    ModelFileError
        A subclass for each fault (FORMAT.md section 8); of several bad tensors, for the first in
        the file.
    PathError
        If the file is missing or cannot be read; it is an OSError.
    KeyError
        For a name that is not in the file.
    ValueError
        For ``mmap`` of anything but a local file, or "lazy" without ``mmap``.
    MissingExtraError
        For a URL, if the extra ``remote`` is not installed.
    """
    with open_document(source, mmap=mmap, expected_id=expected_id, limits=limits) as document:
        return document.read(names, verify=verify)


def _opened(
    source: FileSource | StreamSource,
    path: str | None,
    expected_id: str | None,
    limits: Limits,
    *,
    mmap: bool = False,
) -> Document:
    try:
        document = _read_header(source, path, expected_id, limits)
        if mmap and isinstance(source, FileSource):
            document.use(source.map())
    except BaseException:
        source.close()
        raise
    return document


def _read_header(
    source: Source, path: str | None, expected_id: str | None, limits: Limits
) -> Document:
    """Steps 2 to 13."""
    head = source.read(HEADER_START, 0)
    prologue = _read_prologue(head, source)
    _check_sizes(prologue, source, limits)
    end = HEADER_START + prologue.header_size
    raw = bytearray(prologue.header_size + 10)
    source.fill(memoryview(raw), HEADER_START)
    encoded, tail = bytes(raw[:-10]), bytes(raw[-10:])
    if not tail.startswith(TAIL):
        _malformed("1.6", end, tail[:6], TAIL)
    file_id = _check_root(head, bytes(raw), prologue.root, expected_id)
    decoded = decode(encoded, limits)
    fields = Fields(newer=prologue.minor > 0)
    check_header(decoded, fields, limits)
    slots = int.from_bytes(tail[6:], "big")
    tensors = place_tensors(decoded.value, prologue.header_size, prologue.file_size, slots)
    return Document(
        source,
        path=path,
        size=prologue.file_size,
        version=(1, prologue.minor),
        file_id=file_id,
        header_size=prologue.header_size,
        header=decoded.value,
        tensors=tensors,
        unknown_fields=tuple(fields.unknown),
    )


def check_header(decoded: Decoded, fields: Fields, limits: Limits) -> None:
    """Steps 11 to 13, apart from the places of the tensors."""
    check_features(decoded.value, fields)
    check_header_sections(decoded.value, fields, limits)
    check_places(decoded)
    check_relations(decoded.value)


def _read_prologue(head: bytes, source: Source) -> _Prologue:
    """Steps 2 to 4."""
    if head[:10] != MAGIC:
        found = f"it starts with {quoted(head[:10])}" if head else "it has 0 bytes"
        hint = kind_hint(head, source.size) or "name the model file that layerkit train saved"
        raise NotAModelFileError(f"not a layerkit file: {found}", hint=hint)
    _check_version(head)
    if len(head) < HEADER_START:
        claimed = int.from_bytes(head[14:22], "big") if len(head) >= 22 else HEADER_START
        raise truncated(len(head), max(claimed, HEADER_START))
    for at, constant in _CONSTANTS.items():
        found_bytes = head[at : at + len(constant)]
        if found_bytes != constant:
            _malformed("1.2", at, found_bytes, constant)
    flags = int.from_bytes(head[28:36], "big")
    if flags:
        bits = tuple(f"flag bit {bit}" for bit in range(64) if flags >> bit & 1)
        raise UnsupportedFormatError(
            f"the file needs a newer layerkit: it has {', '.join(bits)} set", needs=bits, offset=28
        )
    return _Prologue(
        minor=head[12],
        file_size=int.from_bytes(head[14:22], "big"),
        header_size=int.from_bytes(head[23:27], "big"),
        root=head[38:70],
    )


def _check_version(head: bytes) -> None:
    """Step 3: the major is judged before anything else that follows the magic."""
    major = head[11] if len(head) > 11 else 1
    minor = head[12] if len(head) > 12 else 0
    if 2 <= major <= 127:
        raise UnsupportedFormatError(
            f"the file needs a newer layerkit: its format is {major}.{minor}, this one reads 1.x",
            needs=(f"format {major}",),
            offset=11,
        )
    for at, number, low in ((11, major, 1), (12, minor, 0)):
        if not low <= number <= 127:
            name = "major" if at == 11 else "minor"
            raise MalformedFileError(
                f"rule 1.3: expected a {name} version from {low} to 127, got {number}",
                at=f"byte {at}",
                offset=at,
            )


def _check_sizes(prologue: _Prologue, source: Source, limits: Limits) -> None:
    """Steps 5 and 6."""
    claimed, header = prologue.file_size, prologue.header_size
    if claimed >= 2**63:
        reason = f"rule 1.1: expected a file size below 2^63, the file claims {claimed}"
        raise MalformedFileError(reason, at="bytes 13 to 21", offset=13)
    source.want = claimed
    if source.size is None:
        limits.check("stream_bytes", claimed, offset=13)
    elif source.size < claimed:
        raise truncated(source.size, claimed)
    elif source.size > claimed:
        extra = counted(source.size - claimed, "trailing byte")
        reason = f"rule 1.1: {extra} after the {claimed} bytes that the file claims"
        raise MalformedFileError(reason, at=f"byte {claimed}", offset=claimed)
    if header < 1 or 87 + header > claimed:
        reason = f"rule 1.5: a header of {header} bytes does not fit a file of {claimed}"
        raise MalformedFileError(reason, at="bytes 22 to 26", offset=22)
    limits.check("header_bytes", header, offset=22)


def _check_root(head: bytes, rest: bytes, root: bytes, expected_id: str | None) -> str:
    """Step 8: the file id, which must match ``root`` and ``expected_id``."""
    hashed = sha256(head[:38] + bytes(32) + head[70:])
    hashed.update(rest)
    actual = hashed.digest()
    if actual != root:
        raise CorruptFileError(
            f"the header is corrupt: {digest_mismatch(root, actual)}",
            tensor="header",
            expected=root.hex(),
            actual=actual.hex(),
            offset=38,
            hint="copy or download the file again",
        )
    file_id = "sha256:" + actual.hex()
    if expected_id is not None and expected_id != file_id:
        raise CorruptFileError(
            f"the header is of another model: expected the file id {expected_id}, got {file_id}",
            tensor="header",
            expected=expected_id,
            actual=file_id,
            offset=38,
        )
    return file_id


def _malformed(rule: str, at: int, found: bytes, expected: bytes) -> None:
    last = at + len(expected) - 1
    raise MalformedFileError(
        f"rule {rule}: expected {expected.hex()}, got {found.hex()}",
        at=f"byte {at}" if at == last else f"bytes {at} to {last}",
        offset=at,
    )
