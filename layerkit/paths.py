"""Opening files by the paths users give, and errors that explain what is wrong with a path."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from layerkit.display import few
from layerkit.errors import LayerkitError, PathError

CHECKPOINT = "-checkpoint"
"""Added to the stem of a model's file name for the checkpoint of its training."""


class MissingPathError(PathError, FileNotFoundError):
    """The file does not exist."""


class FolderPathError(PathError, IsADirectoryError):
    """The path is a folder, not a file."""


class NoFolderPathError(PathError, NotADirectoryError):
    """Part of the path is a file, not a folder."""


class ExistingPathError(PathError, FileExistsError):
    """The file exists and must not be replaced."""


class ForbiddenPathError(PathError, PermissionError):
    """No permission to read or write the file."""


def expanded(path: str) -> str:
    """``path`` with a leading ``~`` or ``~user`` replaced by the home folder, if there is one.

    >>> expanded("a~.layerkit")
    'a~.layerkit'
    """
    return os.path.expanduser(path) if path.startswith("~") else path  # noqa: PTH111  # no pathlib


@contextmanager
def path_errors(
    path: str | None = None, *, writing: bool = False, example: str | None = None
) -> Iterator[None]:
    """Turn an error of the operating system into a ``PathError``.

    ``path`` is for errors that name no file; ``example`` is a file name to suggest for a folder.
    """
    try:
        yield
    except OSError as error:
        explanation = explained(error, path, writing=writing, example=example)
        if explanation is error:
            raise
        raise explanation from error


def given_descriptor(path: str) -> bool:
    """Whether ``path`` is a descriptor that this process was started with, perhaps a pipe."""
    return path == "/dev/stdin" or path.startswith(("/dev/fd/", "/proc/self/fd/"))


def open_input(path: str) -> BinaryIO:
    """Open a file for reading; PathError if that fails.

    Pipes and devices are refused, since reading one may wait forever, except descriptors that the
    process was started with (``/dev/stdin``, ``/dev/fd/63``).
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
        reason = f"{path} is a pipe or device, not a file"
        raise _path_error(OSError(errno.EINVAL, ""), reason, path, "- reads standard input")


def explained(
    error: OSError,
    path: str | None = None,
    *,
    writing: bool = False,
    example: str | None = None,
) -> OSError:
    """``error`` as a ``PathError``; unchanged if layerkit raised it or it has no path.

    The parameters are those of ``path_errors``.
    """
    name = path if error.filename is None else error.filename
    passing = (LayerkitError, BlockingIOError, InterruptedError, ConnectionError)
    if isinstance(error, passing) or isinstance(name, int) or name is None:
        return error
    name = os.fsdecode(name)
    reason = error.strerror or str(error) or type(error).__name__
    own_words = error.errno is None or reason != os.strerror(error.errno)
    if own_words or "://" in name:
        return _path_error(error, f"{name}: {reason}", name, None)
    if isinstance(error, FileNotFoundError):
        return _missing(error, name, writing=writing)
    if isinstance(error, IsADirectoryError):
        such = f", such as {os.path.join(name, example)}" if example else ""  # noqa: PTH118
        hint = f"name a file in it{such}" if writing else folder_hint(name)
        return _path_error(error, f"{name} is a folder, not a file", name, hint)
    if isinstance(error, NotADirectoryError):
        return _path_error(error, f"{name}: its folder is a file", name, None)
    if isinstance(error, FileExistsError):
        return _path_error(error, f"{name} exists already", name, "name another file")
    return _path_error(
        error, f"{name} cannot be {'written' if writing else 'read'}: {reason}", name, None
    )


def check_folder(path: str) -> None:
    """Raise PathError unless the folder of a file to be written exists and is writable."""
    folder = os.path.dirname(path) or "."  # noqa: PTH120
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        return  # a device or pipe: nothing is written beside it
    if not os.path.exists(folder):  # noqa: PTH110
        raise _no_folder(FileNotFoundError(), path, folder, writing=True)
    if not os.path.isdir(folder):  # noqa: PTH112
        reason = f"{folder} is a file, so {path} cannot be written"
        raise _path_error(NotADirectoryError(), reason, path, "name a file in a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        reason = f"{path} cannot be written: no permission to write into the folder {folder}"
        raise _path_error(PermissionError(), reason, path, "name a file in another folder")


def folder_hint(folder: str) -> str:
    """The hint for a folder given instead of a file: the model files in it."""
    found = [name for name in _names_in(folder) if name.endswith(".layerkit")]
    if not found:
        return "name a file in it"
    return "name a file in it: " + few(found, 5)


def _missing(error: OSError, name: str, *, writing: bool) -> PathError:
    folder, file = os.path.split(name)
    if folder and not os.path.isdir(folder):  # noqa: PTH112
        return _no_folder(error, name, folder, writing=writing)
    stem, ending = os.path.splitext(file)  # noqa: PTH122
    there = _names_in(folder or ".")
    checkpoint = f"{stem}{CHECKPOINT}{ending}"
    if checkpoint in there:
        other = os.path.join(folder, checkpoint)  # noqa: PTH118
        hint = f"its training was interrupted; continue it with: layerkit resume {other}"
        return _path_error(error, f"there is no file {name}", name, hint)
    return _path_error(error, f"there is no file {name}{_near(stem, ending, there)}", name, None)


def _no_folder(error: OSError, name: str, folder: str, *, writing: bool) -> PathError:
    if not writing:
        return _path_error(error, f"there is no file {name}, nor its folder {folder}", name, None)
    reason = f"there is no folder {folder}, so {name} cannot be written"
    return _path_error(error, reason, name, f"create it first: mkdir -p {folder}")


def _near(stem: str, ending: str, there: list[str]) -> str:
    """The suggestion of a file with nearly the same name and the same ending."""
    import difflib  # slow, and only needed for mistakes

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


def _path_error(error: OSError, message: str, name: str, hint: str | None) -> PathError:
    kind = next((own for base, own in _KINDS.items() if isinstance(error, base)), PathError)
    hint = getattr(error, "hint", None) or hint  # says where an unsaved model went
    return kind(message, path=name, errno=error.errno, hint=hint)
