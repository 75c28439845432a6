"""Detection of a file's format from its name, or else from its first bytes."""

from __future__ import annotations

from pathlib import Path

from layerkit.data.read_bytes import refuse_web_page
from layerkit.discovery.registry import READERS
from layerkit.display import nearest, quoted
from layerkit.errors import DataSourceError

EXTENSIONS = {
    ".csv": "csv",
    ".data": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".npy": "npy",
    ".npz": "npz",
    ".idx": "idx",
}
"""File name extension to format; each may be followed by .gz."""


def registered_formats() -> dict[str, str]:
    """The formats that plugins read: name and extension, such as "parquet", to type name."""
    own = sorted(READERS.names(), key=lambda name: "." in name, reverse=True)  # ours go first
    return {name.rpartition(".")[2]: name for name in own}


def extensions() -> list[str]:
    """All extensions of files of rows; each may be followed by .gz."""
    return [*EXTENSIONS, *(f".{name}" for name in registered_formats())]


SNIFFED = 512
"""How many bytes ``detect_format`` needs, if there are so many."""

_FORMATS = ("csv", "tsv", "jsonl", "json", "npy", "npz", "idx")
_UNREADABLE = (".xlsx", ".xls", ".feather", ".arff", ".mat", ".h5", ".hdf5", ".pkl",
               ".pickle", ".zip", ".png", ".jpg", ".jpeg", ".layerkit", ".pt")  # fmt: skip
_IDX_STARTS = tuple(bytes((0, 0, code)) for code in (0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E))


def detect_format(given: str | None, name: str, raw: bytes) -> str:
    """The format, one of those of ``read_rows``: ``given`` by the user, else detected.

    It is detected from the file's ``name``, empty for a stream, or from the first bytes, ``raw``.
    Raises DataSourceError if the format is unknown or has no reader.
    """
    if given is not None:
        short = given.lower().removeprefix(".").removesuffix(".gz")
        known = [*_FORMATS, *registered_formats()]
        if short not in known:
            raise DataSourceError(
                f"expected the format {', '.join(known[:-1])} or {known[-1]}, "
                f"got {quoted(given)}{nearest(short, known)}",
                hint=".gz may be appended for a gzipped file, such as csv.gz",
            )
        return short
    refuse_web_page(raw, name)
    extension = Path(name.lower().removesuffix(".gz")).suffix
    if extension == ".json":  # not in EXTENSIONS: a JSON file in a data folder may be a spec
        return "json"
    if extension in EXTENSIONS:
        return EXTENSIONS[extension]
    if extension[1:] in registered_formats():
        return extension[1:]
    if extension in _UNREADABLE:
        raise DataSourceError(
            f"{name}: no reader for {extension} files",
            hint=f"formats: {', '.join([*_FORMATS, *registered_formats()])}; convert it, for "
            "instance to CSV",
        )
    if raw.startswith(b"\x93NUMPY"):
        return "npy"
    if raw.startswith(b"PK"):
        return "npz"
    if raw.startswith(_IDX_STARTS):
        return "idx"
    return "jsonl" if raw.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"[") else "csv"
