"""Bytes of a path, standard input or an open file, whole or in pieces, gzip decompressed."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from layerkit.display import nearest
from layerkit.errors import DataSourceError, PathError
from layerkit.paths import expanded, open_input

Source = str | os.PathLike[str] | BinaryIO | TextIO

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 19


def read_bytes(source: Source) -> tuple[bytes, str]:
    """The contents, decompressed, and a name for messages.

    Raises DataSourceError if the file does not exist, is a folder, cannot be read, or is damaged
    gzip.
    """
    pieces, name = _open(source, size=-1)
    raw = b"".join(pieces)
    if raw.startswith(_GZIP):
        with _gzip_errors(name):
            raw = gzip.decompress(raw)
    return raw, name


def byte_pieces(source: Source) -> tuple[Iterator[bytes], str]:
    """``read_bytes`` in pieces; a fault in the contents is raised with the piece that holds it."""
    pieces, name = _open(source, _PIECE)
    return _decompressed(pieces, name), name


def _open(source: Any, size: int) -> tuple[Iterator[bytes], str]:
    """The contents as they are, in pieces of ``size`` bytes (-1: one piece), and their name."""
    if source == "-":
        return _stream_pieces(sys.stdin.buffer), "standard input"
    if not isinstance(source, (str, os.PathLike)):
        return _stream_pieces(source), str(getattr(source, "name", "the open file"))
    path = Path(expanded(os.fspath(source)))
    with _file_errors(path):
        file = open_input(str(path))
    return _file_pieces(file, path, size), str(path)


def _stream_pieces(stream: Any) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece.encode() if isinstance(piece, str) else bytes(piece)


def _file_pieces(file: BinaryIO, path: Path, size: int) -> Iterator[bytes]:
    with file, _file_errors(path):
        piece = file.read(size)
        if path.suffix == ".gz" and not piece.startswith(_GZIP):
            refuse_web_page(piece, str(path))
            raise DataSourceError(
                f"{path}: not gzip data, despite the file's name",
                hint="unpack or download it again",
            )
        while piece:
            yield piece
            piece = file.read(size)


def _decompressed(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    first = next(pieces, b"")
    while 0 < len(first) < len(_GZIP) and (more := next(pieces, b"")):
        first += more
    if not first.startswith(_GZIP):
        yield first
        yield from pieces
        return
    reader: Any = gzip.GzipFile(fileobj=_PieceReader(first, pieces))  # type: ignore[call-overload]
    with _gzip_errors(name):
        while piece := reader.read(_PIECE):
            yield piece


class _PieceReader:
    """Pieces of bytes as a stream to read from."""

    def __init__(self, first: bytes, rest: Iterator[bytes]) -> None:
        self._held, self._rest = first, rest

    def read(self, size: int = -1) -> bytes:
        while not self._held:
            following = next(self._rest, None)
            if following is None:
                return b""
            self._held = following
        size = len(self._held) if size < 0 else size
        piece, self._held = self._held[:size], self._held[size:]
        return piece


def nearest_name(path: Path) -> str:
    """``; did you mean 'x'?`` for files in the folder of ``path``, or an empty string."""
    try:
        there = sorted(p.name for p in path.parent.iterdir())
    except OSError:  # no such folder, or no permission to list it
        return ""
    return nearest(path.name, there)


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors into ``DataSourceError``."""
    try:
        yield
    except IsADirectoryError:
        raise DataSourceError(
            f"{path}: expected a file, got a folder", hint="name a file in it"
        ) from None
    except FileNotFoundError:
        where = "" if path.parent.is_dir() else f" (nor its folder {path.parent})"
        raise DataSourceError(f"there is no file {path}{where}{nearest_name(path)}") from None
    except PathError as error:
        raise DataSourceError(error.message, hint=error.hint) from error
    except OSError as cause:
        raise DataSourceError(f"{path} cannot be read: {cause.strerror or cause}") from cause


@contextmanager
def _gzip_errors(name: str) -> Iterator[None]:
    """Turn the errors of gzip into ``DataSourceError``."""
    try:
        yield
    except EOFError:
        reason = "the gzip data are cut short"
    except (OSError, zlib.error) as cause:
        reason = f"the gzip data are damaged ({cause})"
    else:
        return
    raise DataSourceError(f"{name}: {reason}", hint="copy or download the file again")


def refuse_web_page(raw: bytes, name: str) -> None:
    """Raise DataSourceError for what failed downloads leave: a web page or a Git LFS pointer."""
    start = raw[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        hint = "it is a web page: the download failed"
    elif start.startswith(b"version https://git-lfs"):
        hint = "it is a Git LFS pointer: fetch the file itself with git lfs pull"
    else:
        return
    raise DataSourceError(f"{name or 'the rows'} holds no data", hint=hint)
