"""Decoding of bytes to text in any encoding, with any line ends, whole or in pieces."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator

from layerkit.errors import DataError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(raw: bytes, source: str, encoding: str | None = None) -> str:
    """``raw`` as text without a byte order mark, its lines ending in a line feed.

    Raises DataError, which gives the line, if it is not text in that encoding.
    """
    named = _encoding(raw, encoding)
    try:
        text = raw.decode(named)
    except UnicodeDecodeError as cause:
        raise _undecodable(cause, raw.count(b"\n", 0, cause.start), 0, named, source) from None
    _refuse_nul(text, 0, source)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def decoded_pieces(
    pieces: Iterable[bytes], source: str, encoding: str | None = None
) -> Iterator[str]:
    """``decoded`` for bytes in pieces; an error is raised with the piece that holds the fault."""
    stream = iter(pieces)
    first = next(stream, b"")
    named = _encoding(first, encoding)
    decoder = codecs.getincrementaldecoder(named)()
    ends = io.IncrementalNewlineDecoder(None, translate=True)
    line, at, piece = 0, 0, first
    final = False
    while not final:
        following = next(stream, None)
        final = following is None
        try:
            text = ends.decode(decoder.decode(piece, final), final)
        except UnicodeDecodeError as cause:
            lines = line + piece.count(b"\n", 0, max(0, cause.start))
            raise _undecodable(cause, lines, at, named, source) from None
        _refuse_nul(text, line, source)
        line += text.count("\n")
        at += len(piece)
        yield text
        piece = following or b""


def whole_lines(texts: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that end with a line, except perhaps the last."""
    held: list[str] = []
    for text in texts:
        end = text.rfind("\n") + 1
        if end:
            yield "".join((*held, text[:end]))
            held = []
        held.append(text[end:])
    if rest := "".join(held):
        yield rest


def _encoding(raw: bytes, encoding: str | None) -> str:
    if encoding is None:
        return "utf-16" if raw.startswith(_UTF16) else "utf-8-sig"
    plain = codecs.lookup(encoding).name
    return "utf-8-sig" if plain == "utf-8" else plain


def _undecodable(
    cause: UnicodeDecodeError, lines: int, before: int, encoding: str, source: str
) -> DataError:
    shown = cause.object[cause.start : cause.start + 4].hex(" ")
    name = "UTF-8" if encoding == "utf-8-sig" else encoding
    return DataError(
        f"line {lines + 1} is not {name} text (byte {before + cause.start}: {shown})",
        source=source,
        hint="save the file as UTF-8, or give its encoding: --encoding, encoding= (latin-1, "
        "cp1252, utf-16, ...)",
    )


def _refuse_nul(text: str, lines: int, source: str) -> None:
    if "\0" in text:  # NumPy would drop one at the end of a cell
        line = lines + text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"line {line} contains a NUL character, so this is not a text file",
            source=source,
            hint="if it is text in another encoding, give it: --encoding utf-16, for example",
        )
