"""Replacing a file all at once, or not at all (rules 9.3 to 9.5)."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from layerkit.codec.gather import Gather

if TYPE_CHECKING:
    from pathlib import Path

_NAME_BYTES = 200
_IRREGULAR = "only a regular file can be replaced"


def replace_file(
    target: Path,
    produce: Callable[[Gather], None],
    *,
    durable: bool = True,
    overwrite: bool = True,
    follow_symlinks: bool = True,
    check: Callable[[str], None] | None = None,
) -> None:
    """Write a file beside ``target`` with ``produce``, then put it in its place.

    If ``target`` is a link, the file it points to is replaced or created, in that file's folder;
    with ``follow_symlinks`` false, the link itself. ``durable`` flushes the file and its directory
    to the disk. ``check`` is called with the path of the finished temporary file before it replaces
    the target.

    Raises FileExistsError if ``overwrite`` is false and the target exists, even as a dangling link;
    OSError if it is neither a file nor a link to one, links form a loop, or a write fails. After
    any exception the target is unchanged and the temporary file is gone, except that flushing the
    directory can fail after the replacement.
    """
    if not overwrite and os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if target.is_symlink():
        _refuse_device(target)
        target = destination(target) if follow_symlinks else target
    mode = _permissions(target)
    start = os.fsdecode(os.fsencode(target.name)[:_NAME_BYTES])
    temporary = target.with_name(f".{start}.layerkit-{os.urandom(8).hex()}.tmp")
    descriptor, opened = None, False
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o666)
        opened = True
        _fill(descriptor, produce, mode, durable=durable)
        closing, descriptor = descriptor, None
        os.close(closing)
        if check is not None:
            check(str(temporary))
        if overwrite:
            temporary.replace(target)
        else:
            target.hardlink_to(temporary)
            temporary.unlink()
    except BaseException as error:
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(target)  # the caller does not know the temporary name
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)
        # After an interrupt, open may have succeeded unnoticed.
        if opened or not isinstance(error, OSError):
            with suppress(OSError):
                temporary.unlink()
        raise
    if durable:
        _sync_folder(target.parent)


def replace_bytes(target: Path, content: bytes, *, durable: bool = True) -> None:
    """Put a file that holds ``content`` in the place of ``target``; as ``replace_file``."""
    replace_file(target, lambda out: out.put(content), durable=durable)


def destination(path: Path) -> Path:
    """The file that writing to ``path`` replaces: ``path``, or the file behind its links.

    Raises OSError if links form a loop.
    """
    if not path.is_symlink():
        return path
    with suppress(FileNotFoundError):
        path.stat()
    return type(path)(os.path.realpath(path))  # pathlib takes 4 ms to import


def _refuse_device(link: Path) -> None:
    """Refuse a link to a device, pipe or socket, such as /dev/stdout."""
    try:
        mode = link.stat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, _IRREGULAR, str(link))


def _permissions(target: Path) -> int | None:
    """Permission bits of the file to be replaced; None if it is missing or a link."""
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(mode):
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, _IRREGULAR, str(target))
    return stat.S_IMODE(mode) & 0o777


def _fill(
    descriptor: int, produce: Callable[[Gather], None], mode: int | None, *, durable: bool
) -> None:
    if mode is not None and hasattr(os, "fchmod"):
        os.fchmod(descriptor, mode)
    gather = Gather(lambda data: os.write(descriptor, data))
    produce(gather)
    gather.flush()
    if durable:
        _sync(descriptor)


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        from fcntl import F_FULLFSYNC, fcntl

        fcntl(descriptor, F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Flush the new name to the disk, where directories can be opened for that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)
