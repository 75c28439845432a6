"""Downloads of the files of a data source, with a cache.

pooch (the extra ``data``) fetches each file from the first mirror that has it, and keeps it only if
its SHA-256 is the expected one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from layerkit.errors import DataSourceError, MissingExtraError
from layerkit.paths import expanded


def data_home() -> Path | None:
    """The folder that the environment variable ``LAYERKIT_DATA`` names, or None."""
    named = os.environ.get("LAYERKIT_DATA", "").strip()
    return Path(expanded(named)) if named else None


def fetch_files(name: str, files: Mapping[str, str], mirrors: Sequence[str]) -> Path:
    """A folder with all ``files``; those not yet in the cache are downloaded.

    Parameters
    ----------
    name
        Name of the data set and of its folder in the cache (``pooch.os_cache("layerkit")``).
    files
        File name to SHA-256, in hex.
    mirrors
        Base addresses that end in "/", tried in order.

    Raises
    ------
    MissingExtraError
        If pooch is not installed.
    DataSourceError
        If no mirror has a file with the expected SHA-256.
    """
    try:
        import pooch
    except ImportError as cause:
        purpose = f"downloading {name!r} (neither --data nor LAYERKIT_DATA names a folder)"
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
                hint="put the files into a folder and give it with --data FOLDER, or put them into "
                f"a folder {name} and set LAYERKIT_DATA to its parent folder",
            )
    return folder


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from writing to standard error."""
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _short(cause: BaseException) -> str:
    if "hash" in str(cause).lower():
        return "refused: its SHA-256 is not the expected one"
    if type(cause).__name__ in ("ConnectionError", "ConnectTimeout", "ProxyError", "SSLError"):
        return "no connection"
    text = str(cause).splitlines()[0] if str(cause) else ""
    return f"{type(cause).__name__}: {text[:160]}" if text else type(cause).__name__
