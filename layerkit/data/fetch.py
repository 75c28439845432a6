"""Finding and downloading the files of a data source.

The user's folder comes first, then ``LAYERKIT_DATA``, then a cache that is filled by download:
pooch (the extra ``data``) fetches each file from the first mirror that has it, and keeps it only
if its SHA-256 is the known one. Files in a user's own folder are taken as they are: gzip and the
format's own lengths tell damage, and a data set of the same form (KMNIST) may take the place.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from layerkit.core.rows import Rows
from layerkit.data.idxfolder import has_idx, load_idx
from layerkit.errors import DataSourceError, MissingExtraError
from layerkit.paths import expanded

__all__ = ["data_home", "fetch_files", "load_idx_set"]


def data_home() -> Path | None:
    """The folder that the environment variable ``LAYERKIT_DATA`` names, or None."""
    named = os.environ.get("LAYERKIT_DATA", "").strip()
    return Path(expanded(named)) if named else None


def fetch_files(name: str, files: Mapping[str, str], mirrors: Sequence[str]) -> Path:
    """A folder with all ``files``, downloaded if the cache lacks them.

    Parameters
    ----------
    name
        Of the data set; also of its folder in the cache (``pooch.os_cache("layerkit")``).
    files
        File name to SHA-256, in hex.
    mirrors
        Addresses to put the file name behind, ending in "/", tried in order.

    Raises
    ------
    MissingExtraError
        If pooch is not installed.
    DataSourceError
        If no mirror gives a file that has the SHA-256.
    """
    try:
        import pooch
    except ImportError as cause:
        purpose = f"downloading {name!r} (no folder was named with --data or LAYERKIT_DATA)"
        raise MissingExtraError("pooch", "data", purpose) from cause
    folder = Path(pooch.os_cache("layerkit")) / name
    for file, digest in files.items():
        faults = []
        for mirror in mirrors:
            try:
                with _quiet(pooch.get_logger()):
                    pooch.retrieve(mirror + file, f"sha256:{digest}", fname=file, path=folder)
                break
            except (OSError, ValueError) as cause:  # no network, no such file, another digest
                faults.append(f"{mirror}{file}: {_short(cause)}")
        else:
            raise DataSourceError(
                f"{file} of {name!r} cannot be downloaded:\n" + "\n".join(faults),
                hint=f"put the files into a folder and name it with --data FOLDER, or put them "
                f"into a folder {name} and set LAYERKIT_DATA to the folder around it",
            )
    return folder


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """No chatter on standard error, which may be meant for a program."""
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _short(cause: BaseException) -> str:
    if "hash" in str(cause).lower():
        return "its SHA-256 is not the known one: refused"
    if type(cause).__name__ in ("ConnectionError", "ConnectTimeout", "ProxyError", "SSLError"):
        return "no connection"
    text = str(cause).splitlines()[0] if str(cause) else ""
    return f"{type(cause).__name__}: {text[:160]}" if text else type(cause).__name__


def load_idx_set(
    name: str, where: Path | None, *, files: Mapping[str, str], mirrors: Sequence[str]
) -> dict[str, Rows]:
    """The splits of a data set that comes as IDX files, as MNIST does.

    Parameters
    ----------
    name
        Of the data set, and of its folder under ``LAYERKIT_DATA``.
    where
        The user's folder: the one with the files, or the one around a folder ``name``.
    files, mirrors
        See ``fetch_files``.

    Returns
    -------
    dict
        "train" and "test": values (n, pixels) uint8, labels (n,) uint8.

    Raises
    ------
    DataSourceError, MissingExtraError
        If the files are neither there nor to be had.
    DataError
        If a file is damaged.
    """
    if where is not None:
        for folder in (where, where / name):
            if folder.is_dir() and has_idx(folder):
                return load_idx(folder)
        listed = sorted(p.name for p in where.iterdir())[:20] if where.is_dir() else None
        found = f"there is: {', '.join(listed) or 'nothing'}" if listed is not None else "no folder"
        raise DataSourceError(
            f"{where} holds no files of {name!r}; {found}",
            hint=f"wanted there, or in a folder {name} in it: {', '.join(files)}",
        )
    home = data_home()
    if home is not None and (home / name).is_dir() and has_idx(home / name):
        return load_idx(home / name)
    return load_idx(fetch_files(name, files, mirrors))
