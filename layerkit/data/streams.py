"""Where bytes come from: a path, standard input or an open file, perhaps compressed."""

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

__all__ = ["Source", "byte_pieces", "is_path", "looks_like", "read_bytes"]

Source = str | os.PathLike[str] | BinaryIO | TextIO

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 19


def is_path(source: object) -> bool:
    """Whether it names a file."""
    return isinstance(source, (str, os.PathLike)) and source != "-"


def read_bytes(source: Source) -> tuple[bytes, str]:
    """The contents, decompressed, and a name for messages.

    Raises
    ------
    DataSourceError
        If it is not there, no file, unreadable, or broken gzip.
    """
    if isinstance(source, (str, os.PathLike)) and source != "-":
        path = Path(expanded(os.fspath(source)))
        with _told(path), open_input(str(path)) as file:
            raw = file.read()
        _refuse_unpacked(path, raw)
        name = str(path)
    else:
        raw, name = b"".join(_from_stream(source)), _called(source)
    if not raw.startswith(_GZIP):
        return raw, name
    with _gzip_told(name):
        return gzip.decompress(raw), name


def byte_pieces(source: Source) -> tuple[Iterator[bytes], str]:
    """The contents piece by piece, decompressed, and a name for messages.

    Raises
    ------
    DataSourceError
        As ``read_bytes``, some of it only when the piece is asked for.
    """
    if isinstance(source, (str, os.PathLike)) and source != "-":
        path = Path(expanded(os.fspath(source)))
        with _told(path):
            file = open_input(str(path))
        return _unpacked(_from_file(file, path), str(path)), str(path)
    name = _called(source)
    return _unpacked(_from_stream(source), name), name


def _called(source: Any) -> str:
    return "standard input" if source == "-" else str(getattr(source, "name", "the open file"))


def _from_file(file: BinaryIO, path: Path) -> Iterator[bytes]:
    with file, _told(path):
        first = file.read(_PIECE)
        _refuse_unpacked(path, first)
        while first:
            yield first
            first = file.read(_PIECE)


def _from_stream(source: Any) -> Iterator[bytes]:
    stream = sys.stdin.buffer if source == "-" else source
    while got := stream.read(_PIECE):
        yield got.encode() if isinstance(got, str) else bytes(got)


def _unpacked(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    first = next(pieces, b"")
    while 0 < len(first) < len(_GZIP) and (more := next(pieces, b"")):
        first += more
    if not first.startswith(_GZIP):
        yield first
        yield from pieces
        return
    reader: Any = gzip.GzipFile(fileobj=_Joined(first, pieces))  # type: ignore[call-overload]
    with _gzip_told(name):
        while got := reader.read(_PIECE):
            yield got


class _Joined:
    """Pieces of bytes as a stream that can only be read."""

    def __init__(self, first: bytes, rest: Iterator[bytes]) -> None:
        self._held, self._rest = first, rest

    def read(self, size: int = -1) -> bytes:
        while not self._held:
            following = next(self._rest, None)
            if following is None:
                return b""
            self._held = following
        size = len(self._held) if size < 0 else size
        got, self._held = self._held[:size], self._held[size:]
        return got


def _refuse_unpacked(path: Path, raw: bytes) -> None:
    if path.suffix == ".gz" and not raw.startswith(_GZIP):
        raise DataSourceError(
            f"{path}: not gzip data, though its name says so",
            hint=looks_like(raw) or "unpack or download it again",
        )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except IsADirectoryError:
        raise DataSourceError(
            f"{path} is a folder where one file is wanted", hint="name a file in it"
        ) from None
    except FileNotFoundError:
        there = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        near = nearest(path.name, there)
        where = "" if path.parent.is_dir() else f" (nor its folder {path.parent})"
        raise DataSourceError(f"there is no file {path}{where}{near}") from None
    except (gzip.BadGzipFile, EOFError):
        raise
    except PathError as error:
        raise DataSourceError(error.message, hint=error.hint) from error
    except OSError as cause:
        raise DataSourceError(f"{path} cannot be read: {cause.strerror or cause}") from cause


@contextmanager
def _gzip_told(name: str) -> Iterator[None]:
    try:
        yield
    except EOFError:
        reason = "the gzip data end too early"
    except (OSError, zlib.error) as cause:
        reason = f"the gzip data are damaged ({cause})"
    else:
        return
    raise DataSourceError(f"{name}: {reason}", hint="copy or download the file again")


def looks_like(raw: bytes) -> str | None:
    """What the bytes are, if they are plainly no data."""
    start = raw[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page: the download went wrong"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer: fetch the file itself with git lfs pull"
    return None
