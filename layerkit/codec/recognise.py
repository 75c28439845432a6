"""Recognising files that are not layerkit files by their first bytes.

People pass the wrong file far more often than a damaged one; the hint names what they passed.
"""

from __future__ import annotations

import codecs
import stat

from layerkit.codec.layout import MAGIC
from layerkit.display import counted

_TABLE = "a table: layerkit spec init writes a spec for it, layerkit train trains that"
_SIGNATURES = (
    (b"PAR1", _TABLE),
    (b"version https://git-lfs", "a Git LFS pointer: run `git lfs pull` to fetch the file"),
    (b"PK\x03\x04", "a zip archive, such as a .keras, .pt or .npz file"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"\x93NUMPY", "an npy file; numpy.load reads it"),
    (b"\x1f\x8b", "gzip data: decompress it first"),
    (b"\0" * 10, "all zeros: the file was never written, or the disk lost its content"),
)
_BLANKS = str.maketrans("\t\r\n", "|  ")
_MODES = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
)


def mode_noun(mode: int) -> str:
    """What a path that is not a regular file is, by its ``st_mode``."""
    return next((what for test, what in _MODES if test(mode)), "a file of an unknown kind")


def kind_hint(head: bytes, size: int | None = None) -> str | None:
    """What ``head``, up to 77 bytes from the start of a file of ``size`` bytes, looks like."""
    if not head:
        return "it is empty; save the model again, or download it again"
    if MAGIC.startswith(head):
        return f"it is cut off after {counted(len(head), 'byte')}"
    known = next((what for sign, what in _SIGNATURES if head.startswith(sign)), None)
    known = known or _safetensors(head, size) or _pickle(head) or _text(head)
    return None if known is None else f"it looks like {known}"


def _safetensors(head: bytes, size: int | None) -> str | None:
    length = int.from_bytes(head[:8], "little")
    fits = size is None or length <= size
    return "a safetensors file" if head[8:9] == b"{" and fits and length < 1 << 40 else None


def _pickle(head: bytes) -> str | None:
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "a pickle, which can run code when loaded: layerkit never reads those"
    return None


def _text(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if text.startswith(b"<"):
        return "an HTML or XML page, perhaps an error page saved by a download"
    if text.startswith(b"{"):
        return "a spec (JSON): build or train it first, with layerkit build or layerkit train"
    return _TABLE if _is_table(text) else None


def _is_table(text: bytes) -> bool:
    """Whether ``text``, perhaps cut within a character, may begin a table."""
    try:
        words = codecs.getincrementaldecoder("utf-8")().decode(text).translate(_BLANKS)
    except UnicodeDecodeError:
        return False
    return words.isprintable() and any(mark in words for mark in ",;|")
