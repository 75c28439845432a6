"""Detection of a CSV file's dialect from its first lines, and its records."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from layerkit.data.dialect import Dialect
from layerkit.data.readers.csv_cells import CellFormat
from layerkit.data.readers.csv_header import has_header
from layerkit.display import quoted
from layerkit.errors import DataError

ASSUMED = "assumed of "
"""How a note about a table begins; by it the command line tells a note from a warning."""

_DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEP = re.compile(r'"?sep=(.)"?[ \t]*\n', re.IGNORECASE)
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?\Z")
_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?\Z")
_BOTH = {
    (".", ","): re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+\Z"),
    (",", "."): re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+\Z"),
}
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}\Z")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_DIGITS = re.compile(r"[+-]?[0-9]*(?:[eE][+-]?[0-9]+)?\Z")
_SAMPLE = 200  # records


@dataclass(frozen=True)
class TableFormat:
    """How a table is written, given or detected."""

    fmt: CellFormat
    names: list[str] | None  # of the columns; None without a header
    width: int  # cells per record
    body: int  # where in the text the records begin
    notes: tuple[str, ...]  # what was assumed, in words


def detect_table(
    head: str, dialect: Dialect, source: str, *, whole: bool, used: Sequence[str] = ()
) -> TableFormat:
    """How the table that begins with the lines ``head`` is written.

    What ``dialect`` leaves out is detected. ``whole`` says whether ``head`` is the whole file. A
    first line that has all columns in ``used`` is a header. Raises DataError if there are no rows,
    or the header is wrong.
    """
    assumed: list[str] = []
    draft, start = _separators(head, dialect, assumed)
    sample = list(islice(records_of(head[start:], draft, source, lenient=not whole), _SAMPLE))
    if not sample:
        raise DataError("no rows: all lines are blank", source=source)
    records = [record for _, record in sample]
    first = records[0]
    _refuse_blanks(first, source)
    cells = [cell.strip() for record in records for cell in record]
    decimal, thousands = _number_marks(cells, dialect, draft.delimiter, assumed)
    missing = dialect.missing_values
    fmt = replace(draft, decimal=decimal, thousands=thousands, missing_values=missing)
    alike = [record for record in records[1:] if len(record) == len(first)]
    header, note = has_header(first, alike, fmt, dialect.header, used)
    if note:
        assumed.append(note)
    if header and len(records) == 1 and whole:
        raise DataError(
            f"expected rows after the header {quoted(fmt.delimiter.join(first))}, got none",
            source=source,
            hint="if the first line is data, give --no-header (in Python: header=False)",
        )
    notes = f"{ASSUMED}{source}: {', '.join(assumed)} (see --delimiter, --decimal, --header)"
    return TableFormat(
        fmt,
        _column_names(first, source) if header else None,
        len(first),
        start + (sample[0][0] if header else 0),
        (notes,) if assumed else (),
    )


def _separators(head: str, dialect: Dialect, assumed: list[str]) -> tuple[CellFormat, int]:
    """(delimiter, quote and comment; where the table begins after Excel's ``sep=``)."""
    start = 0
    delimiter, quote = dialect.delimiter, '"' if dialect.quote is None else dialect.quote or None
    stated = _SEP.match(head)
    if stated and (delimiter is None or delimiter == stated[1]):
        delimiter, start = stated[1], stated.end()
    comment = dialect.comment or _leading_comment(head, start, delimiter)
    if comment and not dialect.comment:
        assumed.append(f"lines that begin with {comment} are comments")
    text = head[start:]
    draft = CellFormat(delimiter or ",", quote=quote, comment=comment)
    if delimiter is None:
        delimiter = _delimiter_of(text, draft, (dialect.decimal, dialect.thousands))
        if delimiter != "," and delimiter in text:
            assumed.append(f"cells are separated by {_NAMES.get(delimiter, quoted(delimiter))}")
        draft = replace(draft, delimiter=delimiter)
    return draft, start


def records_of(
    text: str, fmt: CellFormat, source: str, *, lenient: bool = False, line: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """(end in the text, cells) of each record; blank lines and comments are skipped.

    ``lenient`` stops at a quote that is not closed, where the text may go on. ``line`` is the
    number of lines before the text. Raises DataError if a quote is not closed or misplaced.
    """
    lines = _Lines(text, fmt)
    reader = csv.reader(
        lines,
        delimiter=fmt.delimiter,
        quotechar=fmt.quote,
        quoting=csv.QUOTE_MINIMAL if fmt.quote else csv.QUOTE_NONE,
        skipinitialspace=fmt.delimiter != " ",
        strict=True,
    )
    try:
        for cells in reader:
            yield lines.at, cells
            lines.at_record = True
    except csv.Error as cause:
        if lenient and "unexpected end" in str(cause):
            return
        mark = fmt.quote or '"'
        raise DataError(
            f"line {line + lines.number}: {cause}",
            source=source,
            hint=f"a cell that contains a quote is written {mark}like {mark * 2}this{mark * 2}"
            f"{mark}; if quotes are ordinary characters: quote='', --quote ''",
        ) from None


class _Lines:
    """The lines of a text for a csv reader, without blank ones and comments between records.

    The caller sets ``at_record`` where the next line begins a record. ``at`` is where the last line
    ends in the text, and ``number`` its number from 1.
    """

    def __init__(self, text: str, fmt: CellFormat) -> None:
        self._text, self._fmt = text, fmt
        self.at_record, self.at, self.number = True, 0, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self.at < len(self._text):
            end = self._text.find("\n", self.at) + 1 or len(self._text)
            line = self._text[self.at : end]
            self.at, self.number = end, self.number + 1
            if not (self.at_record and is_blank_or_comment(line, self._fmt)):
                self.at_record = False
                return line
        raise StopIteration


def is_blank_or_comment(line: str, fmt: CellFormat) -> bool:
    """Whether a line between records is blank or a comment."""
    if fmt.comment is not None and line.startswith(fmt.comment):
        return True
    return not line.strip() and fmt.delimiter not in line


def _delimiter_of(text: str, draft: CellFormat, marks: Sequence[str | None] = ()) -> str:
    """The delimiter that all of the first rows have equally often.

    Of several, the one that leaves most numbers; then the most frequent one. ``marks`` are the
    decimal and thousands marks; one of them is a delimiter only if other cells than digits remain.
    """
    best, score = "", (-1.0, 1)
    for delimiter in _DELIMITERS:
        fmt = replace(draft, delimiter=delimiter)
        try:
            rows = [r for _, r in islice(records_of(text, fmt, "", lenient=True), 20)]
        except DataError:  # this delimiter leaves misplaced quotes, or the fault shows again
            continue
        widths = {len(row) for row in rows}
        if len(widths) != 1 or max(widths) < 2:
            continue
        cells = [cell.strip() for row in rows for cell in row]
        if delimiter in marks and all(map(_DIGITS.match, cells)):
            continue
        share = sum(bool(_NUMBER.match(cell)) for cell in cells) / len(cells)
        if (share, max(widths)) > score:
            best, score = delimiter, (share, max(widths))
    first = text.lstrip("\n").partition("\n")[0]
    return best or max((d for d in _DELIMITERS if d not in marks), key=first.count)


def _leading_comment(head: str, start: int, delimiter: str | None) -> str | None:
    """``#`` if the file begins with lines that begin with it and are no header."""
    lines = head[start:].lstrip("\n").split("\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    below = [line for line in lines[count:] if line.strip()][:1]
    if count == 0 or not below:
        return None
    if count == 1:  # as wide as a row: the header
        delimiters = [delimiter] if delimiter else _DELIMITERS
        for mark in delimiters:
            widths = {len(line.split(mark)) for line in (lines[0], below[0])}
            if len(widths) == 1 and widths != {1}:
                return None
    return "#"


def _number_marks(
    cells: Sequence[str], dialect: Dialect, delimiter: str, assumed: list[str]
) -> tuple[str, str | None]:
    """(decimal, thousands), given or detected from the stripped cells."""
    decimal, thousands = dialect.decimal, dialect.thousands
    if decimal is None and thousands is None:
        for (group, point), both in _BOTH.items():
            if any(map(both.match, cells)):
                other = _BOTH[point, group]
                lone = _POINT if point == "," else _COMMA
                alone = [c for c in cells if lone.match(c)]
                grouped = re.compile(rf"[+-]?[0-9]{{1,3}}{re.escape(group)}[0-9]{{3}}\Z")
                if not any(map(other.match, cells)) and all(map(grouped.match, alone)):
                    assumed.append(f"numbers are written like 1{group}234{point}5")
                    return point, group
    if decimal is None and "," not in (delimiter, thousands) and _commas_are_decimal(cells):
        assumed.append("the decimal mark is a comma")
        decimal = ","
    decimal = decimal or ("," if thousands == "." else ".")
    return decimal, thousands


def _commas_are_decimal(cells: Sequence[str]) -> bool:
    """Whether the numbers among the stripped cells have a decimal comma.

    A few cells with a point, such as versions, speak against many different numbers with a comma
    only if those may be digits in groups of three.
    """
    commas = {cell for cell in cells if _COMMA.match(cell)}
    points = {cell for cell in cells if _POINT.match(cell)}
    surely = not all(map(_GROUPED.match, commas))
    return bool(commas) and (not points or (surely and len(commas) > len(points)))


def _column_names(cells: Sequence[str], source: str) -> list[str]:
    """The names in a header; the position in place of a blank one."""
    names = [cell.strip() or str(i) for i, cell in enumerate(cells)]
    if len(cells) > 1 and names[0].startswith("# "):  # as numpy.savetxt writes it
        names[0] = names[0][2:].strip()
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        if seen.setdefault(name, i) != i:
            raise DataError(
                f"two columns have this name: {seen[name]} and {i}, counted from 0",
                column=name,
                source=source,
                hint="rename one; if the first line is data, give --no-header "
                "(in Python: header=False)",
            )
    return names


def _refuse_blanks(first: Sequence[str], source: str) -> None:
    """Refuse numbers separated by blanks, which look like one column of text."""
    parts = first[0].split() if len(first) == 1 else []
    if len(parts) > 1 and all(map(_NUMBER.match, parts)):
        raise DataError(
            f"blanks separate the numbers of the first line: {quoted(first[0].strip(), 40)}",
            source=source,
            hint="separate the cells by commas, semicolons or tabs; if it is always one blank: "
            "--delimiter ' ', delimiter=' '",
        )
