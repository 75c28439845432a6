"""Models at URLs (the ``remote`` extra), through the file systems of fsspec."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, BinaryIO, NamedTuple

from layerkit.codec.gather import Gather
from layerkit.codec.source import StreamSource
from layerkit.errors import LayerkitError, MissingExtraError
from layerkit.paths import expanded

# Two letters at least and both slashes: "C:\\m", "c:/m", "a:b" and "C://m" are paths.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

_COMMITS = frozenset(("memory", "s3", "s3a"))
"""File systems that keep new data aside until it is committed, then replace the file in one step.

fsspec cannot be asked: others accept ``autocommit=False`` and still write in place.
"""

# File systems raise these with a path or nothing as their only argument.
_CODES = {
    FileNotFoundError: errno.ENOENT,
    FileExistsError: errno.EEXIST,
    PermissionError: errno.EACCES,
    IsADirectoryError: errno.EISDIR,
}


class Remote(NamedTuple):
    """A file that is not on a local file system."""

    fs: Any
    path: str
    url: str

    def open(self) -> RemoteSource:
        """Open it for reading from front to back."""
        with _os_errors(self.url):
            protocols = self.fs.protocol
            web = "https" in ((protocols,) if isinstance(protocols, str) else protocols)
            # From the web, one streamed answer instead of a request for every 5 MiB.
            stream = self.fs.open(self.path, "rb", **({"block_size": 0} if web else {}))
            if isinstance(stream, io.BytesIO):  # all readers of memory:// get the same object
                stream = io.BytesIO(stream.getvalue())
            return RemoteSource(stream, self.url)


class RemoteSource(StreamSource):
    """A stream that was opened here, with errors that name its URL."""

    def __init__(self, stream: BinaryIO, url: str) -> None:
        super().__init__(stream)
        self._url = url

    def _some(self, count: int) -> bytes:
        with _os_errors(self._url):
            return super()._some(count)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


def locate(place: str | os.PathLike[str] | BinaryIO) -> str | Remote | BinaryIO:
    """The place a caller gave: a path as text, a remote file, or a file object.

    A text that begins with a scheme and ``://`` is a URL; a path object is always a path. A leading
    ``~`` is the home folder. Raises MissingExtraError if fsspec, or a package it needs for the
    scheme, is not installed, and OSError if the scheme has no file system.
    """
    if isinstance(place, str) and _URL.match(place):
        return _resolved(place)
    if isinstance(place, str | bytes | os.PathLike):
        return expanded(os.fsdecode(place))
    return place


def _resolved(url: str) -> str | Remote:
    try:
        core = import_module("fsspec.core")
        local = import_module("fsspec.implementations.local")
    except ImportError as cause:
        raise MissingExtraError("fsspec", "remote", f"the URL {url}") from cause
    with _os_errors(url):
        # A new instance: a transaction covers the instance, and others may be using theirs.
        fs, path = core.url_to_fs(url, skip_instance_cache=True)
    return path if isinstance(fs, local.LocalFileSystem) else Remote(fs, path, url)


def write_remote(
    remote: Remote, produce: Callable[[Gather], None], *, overwrite: bool, atomic: bool
) -> None:
    """Write a remote file with ``produce`` (rule 9.6).

    Raises FileExistsError if the target exists and ``overwrite`` is false (a target that appears in
    the meantime is replaced), and OSError if the file system fails or, with ``atomic``, cannot keep
    the old file until the new one is complete. After a failed atomic write the old file is still
    there.
    """
    fs, path, url = remote
    with _os_errors(url):
        if not overwrite and fs.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), url)
        if not atomic:
            _pour(fs, path, produce)
            return
        protocols = fs.protocol
        if not _COMMITS.intersection((protocols,) if isinstance(protocols, str) else protocols):
            reason = (
                "this file system cannot replace a file in one step (atomic=False writes it anyway)"
            )
            raise OSError(errno.EOPNOTSUPP, reason, url)
        with fs.transaction:  # every file in it is opened with autocommit=False
            _pour(fs, path, produce)


def _pour(fs: Any, path: str, produce: Callable[[Gather], None]) -> None:
    with fs.open(path, "wb") as stream:
        gather = Gather(stream.write)
        produce(gather)
        gather.flush()


@contextmanager
def _os_errors(url: str) -> Iterator[None]:
    """Turn any exception of a file system into an OSError that names ``url``."""
    try:
        yield
    except (LayerkitError, MemoryError):
        raise
    except ImportError as cause:
        package = getattr(cause.__cause__ or cause, "name", None) or "named in the message"
        raise MissingExtraError(package, "remote", f"the URL {url} ({cause})") from cause
    except OSError as error:
        if error.errno is not None:
            raise
        code = next((n for kind, n in _CODES.items() if isinstance(error, kind)), None)
        if code is not None:
            raise OSError(code, os.strerror(code), url) from error
        raise OSError(f"{url}: {type(error).__name__}: {error}") from error
    except Exception as cause:
        reason = str(cause) or "the file system cannot do this"
        raise OSError(f"{url}: {type(cause).__name__}: {reason}") from cause
