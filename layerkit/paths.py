"""Paths as people write them, and in layerkit's own words what is wrong with one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from layerkit.errors import LayerkitError, PathError

__all__ = [
    "CHECKPOINT",
    "check_folder",
    "expanded",
    "explained",
    "folder_hint",
    "given_descriptor",
    "open_input",
    "path_errors",
]

CHECKPOINT = "-checkpoint"
"""Between name and ending of the file that a training saves as it goes."""


class MissingPathError(PathError, FileNotFoundError):
    """There is nothing at the path."""


class FolderPathError(PathError, IsADirectoryError):
    """A folder where a file is wanted."""


class NoFolderPathError(PathError, NotADirectoryError):
    """A file where a folder is wanted."""


class ExistingPathError(PathError, FileExistsError):
    """What is there is not to be replaced."""


class ForbiddenPathError(PathError, PermissionError):
    """It may not be read or written."""


def expanded(path: str) -> str:
    """``path`` with a leading ``~`` or ``~user`` replaced by that home folder, where there is one.

    >>> expanded("a~.layerkit")
    'a~.layerkit'
    """
    return os.path.expanduser(path) if path.startswith("~") else path  # noqa: PTH111  # no pathlib


@contextmanager
def path_errors(
    path: str | None = None, *, writing: bool = False, example: str | None = None
) -> Iterator[None]:
    """Turn what the operating system says of a path into a ``PathError``.

    Parameters
    ----------
    path
        Of the file at work, for errors that name none.
    writing
        Whether it was to be written.
    example
        What a file in a folder may be called, for those who named the folder.
    """
    try:
        yield
    except OSError as error:
        told = explained(error, path, writing=writing, example=example)
        if told is error:
            raise
        raise told from error


def given_descriptor(path: str) -> bool:
    """Whether ``path`` names a file that this process was started with, be it a pipe."""
    return path == "/dev/stdin" or path.startswith(("/dev/fd/", "/proc/self/fd/"))


def open_input(path: str) -> BinaryIO:
    """Open a file for reading, without waiting where nobody may ever write.

    A descriptor that the caller was started with (``/dev/stdin``, ``/dev/fd/63``) may be anything;
    a pipe or a device by its own name is refused.

    Raises
    ------
    PathError
        If it is missing, no file, or cannot be read.
    """
    with path_errors(path):
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
        try:
            mode = os.fstat(descriptor).st_mode
            _require_file(mode, path)
            if hasattr(os, "set_blocking"):
                os.set_blocking(descriptor, True)
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise


def _require_file(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not (stat.S_ISREG(mode) or given_descriptor(path)):
        told = f"{path} is a pipe or device where a file is wanted"
        raise _made(OSError(errno.EINVAL, ""), told, path, "- reads standard input")


def explained(
    error: OSError,
    path: str | None = None,
    *,
    writing: bool = False,
    example: str | None = None,
) -> OSError:
    """``error`` as a ``PathError``; itself if it is of layerkit already, or of no path.

    Parameters are those of ``path_errors``.
    """
    name = path if error.filename is None else error.filename
    passing = (LayerkitError, BlockingIOError, InterruptedError, ConnectionError)
    if isinstance(error, passing) or isinstance(name, int) or name is None:
        return error
    name = os.fsdecode(name)
    reason = error.strerror or str(error) or type(error).__name__
    own_words = error.errno is None or reason != os.strerror(error.errno)
    if own_words or "://" in name:
        return _made(error, f"{name}: {reason}", name, None)
    if isinstance(error, FileNotFoundError):
        return _missing(error, name, writing=writing)
    if isinstance(error, IsADirectoryError):
        told = f"{name} is a folder where one file is wanted"
        such = f", such as {os.path.join(name, example)}" if example else ""  # noqa: PTH118
        hint = f"name a file in it{such}" if writing else folder_hint(name)
        return _made(error, told, name, hint)
    if isinstance(error, NotADirectoryError):
        return _made(error, f"{name}: what should be its folder is a file", name, None)
    if isinstance(error, FileExistsError):
        return _made(error, f"{name} is there already", name, "name another file")
    return _made(
        error, f"{name} cannot be {'written' if writing else 'read'}: {reason}", name, None
    )


def check_folder(path: str) -> None:
    """Refuse a file whose folder is not there or cannot be written into.

    Raises
    ------
    PathError
        If so.
    """
    folder = os.path.dirname(path) or "."  # noqa: PTH120
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        return  # a device or pipe: nothing is put beside it
    if not os.path.exists(folder):  # noqa: PTH110
        raise _no_folder(FileNotFoundError(), path, folder, writing=True)
    if not os.path.isdir(folder):  # noqa: PTH112
        told = f"{folder} is a file, so {path} cannot be written"
        raise _made(NotADirectoryError(), told, path, "name a file in a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        told = f"{path} cannot be written: no permission to write into the folder {folder}"
        raise _made(PermissionError(), told, path, "name a file elsewhere")


def folder_hint(folder: str) -> str:
    """What to name instead of a folder: the model files in it."""
    found = [name for name in _names_in(folder) if name.endswith(".layerkit")]
    if not found:
        return "name a file in it"
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return f"name a file in it: {', '.join(found[:5])}{more}"


def _missing(error: OSError, name: str, *, writing: bool) -> PathError:
    folder, file = os.path.split(name)
    if folder and not os.path.isdir(folder):  # noqa: PTH112
        return _no_folder(error, name, folder, writing=writing)
    stem, ending = os.path.splitext(file)  # noqa: PTH122
    there = _names_in(folder or ".")
    checkpoint = f"{stem}{CHECKPOINT}{ending}"
    if checkpoint in there:
        other = os.path.join(folder, checkpoint)  # noqa: PTH118
        hint = f"a training of it did not end; this goes on with it: layerkit resume {other}"
        return _made(error, f"there is no file {name}", name, hint)
    return _made(error, f"there is no file {name}{_near(stem, ending, there)}", name, None)


def _no_folder(error: OSError, name: str, folder: str, *, writing: bool) -> PathError:
    if not writing:
        return _made(error, f"there is no file {name}, nor its folder {folder}", name, None)
    told = f"there is no folder {folder}, so {name} cannot be written"
    return _made(error, told, name, f"make it first: mkdir -p {folder}")


def _near(stem: str, ending: str, there: list[str]) -> str:
    """A file of nearly that name, one of the same ending first, as the end of a sentence."""
    import difflib  # not for those who load a model that is there

    names = [name for name in there if not ending or name.endswith(ending)]
    stems = [os.path.splitext(name)[0] for name in names]  # noqa: PTH122
    found = difflib.get_close_matches(stem, stems, n=1)
    close = [name for name, other in zip(names, stems, strict=True) if [other] == found]
    return f"; did you mean {close[0]!r}?" if close else ""


def _names_in(folder: str) -> list[str]:
    with suppress(OSError):
        return sorted(os.listdir(folder))  # noqa: PTH208  # pathlib takes 4 ms to import
    return []


_KINDS: dict[type[OSError], type[PathError]] = {
    FileNotFoundError: MissingPathError,
    IsADirectoryError: FolderPathError,
    NotADirectoryError: NoFolderPathError,
    FileExistsError: ExistingPathError,
    PermissionError: ForbiddenPathError,
}


def _made(error: OSError, message: str, name: str, hint: str | None) -> PathError:
    kind = next((own for base, own in _KINDS.items() if isinstance(error, base)), PathError)
    hint = getattr(error, "hint", None) or hint  # where a model is that cannot be saved here
    return kind(message, path=name, errno=error.errno, hint=hint)
