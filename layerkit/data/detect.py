"""What the first lines of a table tell of how it is written."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from layerkit.data.dialect import Dialect
from layerkit.data.form import Form
from layerkit.data.header import has_header
from layerkit.display import quoted
from layerkit.errors import DataError

__all__ = ["Settled", "records_of", "settle"]

_DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEP = re.compile(r'"?sep=(.)"?[ \t]*\n', re.IGNORECASE)
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?\Z")
_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?\Z")
_BOTH = {
    (".", ","): re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+\Z"),
    (",", "."): re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+\Z"),
}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_DIGITS = re.compile(r"[+-]?[0-9]*(?:[eE][+-]?[0-9]+)?\Z")
_SAMPLE = 200  # records


@dataclass(frozen=True)
class Settled:
    """How a table is written, as given or as its first lines tell.

    Attributes
    ----------
    form
        How its cells are written.
    names
        Of the columns, from the header; None if there is none.
    width
        Cells of a record.
    body
        Where in the text the records begin.
    notes
        What was assumed, in words.
    """

    form: Form
    names: list[str] | None
    width: int
    body: int
    notes: tuple[str, ...]


def settle(
    head: str, dialect: Dialect, source: str, *, whole: bool, wanted: Sequence[str] | None = None
) -> Settled:
    """How the table that begins with ``head`` is written.

    Parameters
    ----------
    head
        The first lines, whole ones.
    dialect
        What the user said; the rest is detected.
    whole
        Whether ``head`` is all of the file.
    wanted
        Names of columns: a first line that has them all is a header.

    Raises
    ------
    DataError
        If there are no rows, or the header is wrong.
    """
    assumed: list[str] = []
    start = 0
    delimiter, quote = dialect.delimiter, '"' if dialect.quote is None else dialect.quote or None
    said = _SEP.match(head)
    if said and (delimiter is None or delimiter == said[1]):
        delimiter, start = said[1], said.end()
    comment = dialect.comment or _leading_comment(head, start, delimiter, quote)
    if comment and not dialect.comment:
        assumed.append(f"lines that begin with {comment} are comments")
    text = head[start:]
    draft = Form(delimiter or ",", quote=quote, comment=comment)
    if delimiter is None:
        delimiter = _delimiter_of(text, draft, (dialect.decimal, dialect.thousands))
        if delimiter != "," and delimiter in text:
            shown = _NAMES.get(delimiter, quoted(delimiter))
            assumed.append(f"{shown} stand between the cells")
    draft = Form(delimiter, quote=quote, comment=comment)
    sample = list(islice(records_of(text, draft, source, lenient=not whole), _SAMPLE))
    if not sample:
        raise DataError("no rows: all lines are blank", source=source)
    cells = [cell for _, record in sample for cell in record]
    decimal, thousands = _number_marks(cells, dialect, delimiter, assumed)
    form = Form(delimiter, decimal, thousands, quote, comment, dialect.missing_values)
    records = [record for _, record in sample]
    _refuse_blanks(records[0], source)
    width = len(records[0])
    alike = [r for r in records[1:] if len(r) == width]
    header, told = has_header(records[0], alike, form, dialect.header, wanted)
    if told:
        assumed.append(told)
    if header and len(records) == 1 and whole:
        raise DataError(
            f"a header and no rows: {quoted(delimiter.join(records[0]))}",
            source=source,
            hint="if the first line is a row: header=False, --no-header",
        )
    body = start + (sample[0][0] if header else 0)
    names = _names(records[0], source) if header else None
    notes = (_told(assumed, source),) if assumed else ()
    return Settled(form, names, width, body, notes)


def _told(assumed: list[str], source: str) -> str:
    return f"assumed of {source}: {', '.join(assumed)} (see --delimiter, --decimal, --header)"


def records_of(
    text: str, form: Form, source: str, *, lenient: bool = False, line: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """(where it ends in the text, cells) of each record; blank lines and comments are none.

    Parameters
    ----------
    lenient
        End at a quote that is not closed, in a text that may go on.
    line
        Lines before the text, for messages.

    Raises
    ------
    DataError
        If quotes make no sense.
    """
    lines = _Lines(text, form)
    reader = csv.reader(
        lines,
        delimiter=form.delimiter,
        quotechar=form.quote,
        quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
        skipinitialspace=form.delimiter != " ",
        strict=True,
    )
    try:
        for cells in reader:
            yield lines.at, cells
            lines.fresh = True
    except csv.Error as cause:
        if lenient and "unexpected end" in str(cause):
            return
        raise DataError(
            f"line {line + lines.number}: {cause}", source=source, hint=_quote_hint(form)
        ) from None


def _quote_hint(form: Form) -> str:
    mark = form.quote or '"'
    return (
        f"a cell that holds a quote is written {mark}like {mark * 2}this{mark * 2}{mark}; where "
        "quotes are characters like others: quote='', --quote ''"
    )


class _Lines:
    """The lines of a text for a csv reader; before a record, blank ones and comments are left out.

    Attributes
    ----------
    fresh
        Set by the caller: the line that is asked for next begins a record.
    at, number
        Where the last line ends in the text, and its number from 1.
    """

    def __init__(self, text: str, form: Form) -> None:
        self.text, self.form = text, form
        self.fresh, self.at, self.number = True, 0, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while True:
            if self.at >= len(self.text):
                raise StopIteration
            end = self.text.find("\n", self.at) + 1 or len(self.text)
            line = self.text[self.at : end]
            self.at, self.number = end, self.number + 1
            if self.fresh and is_no_record(line, self.form):
                continue
            self.fresh = False
            return line


def is_no_record(line: str, form: Form) -> bool:
    """Whether a line that begins a record is blank, or a comment."""
    if form.comment is not None and line.startswith(form.comment):
        return True
    return not line.strip() and form.delimiter not in line


def _delimiter_of(text: str, draft: Form, marks: Sequence[str | None] = ()) -> str:
    """The delimiter that all of the first rows have equally often.

    Of several, the one that leaves most numbers; then the most frequent one. One of ``marks``,
    which stand in numbers, is a delimiter only where numbers with it are in quotes, or words.
    """
    best, score = "", (-1.0, 1)
    for delimiter in _DELIMITERS:
        form = Form(delimiter, quote=draft.quote, comment=draft.comment)
        try:
            rows = [r for _, r in islice(records_of(text, form, "", lenient=True), 20)]
        except DataError:  # quotes make no sense with this one, or a fault that is found again
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


def _leading_comment(head: str, start: int, delimiter: str | None, quote: str | None) -> str | None:
    """The mark # if the file begins with lines that do so and that are no header."""
    lines = head[start:].lstrip("\n").split("\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    below = [line for line in lines[count:] if line.strip()][:1]
    if count == 0 or not below:
        return None
    if count == 1:  # as wide as a row: it names the columns
        delimiters = [delimiter] if delimiter else _DELIMITERS
        for mark in delimiters:
            widths = {len(line.split(mark)) for line in (lines[0], below[0])}
            if len(widths) == 1 and widths != {1}:
                return None
    return "#"


def _number_marks(
    cells: Sequence[str], dialect: Dialect, delimiter: str, assumed: list[str]
) -> tuple[str, str | None]:
    """(decimal, thousands), as given or as the cells tell."""
    decimal, thousands = dialect.decimal, dialect.thousands
    stripped = [cell.strip() for cell in cells]
    if decimal is None and thousands is None:
        for (group, point), both in _BOTH.items():
            if any(map(both.match, stripped)):
                other = _BOTH[point, group]
                lone = _POINT if point == "," else _COMMA
                alone = [c for c in stripped if lone.match(c)]
                grouped = re.compile(rf"[+-]?[0-9]{{1,3}}{re.escape(group)}[0-9]{{3}}\Z")
                if not any(map(other.match, stripped)) and all(map(grouped.match, alone)):
                    assumed.append(f"numbers are written like 1{group}234{point}5")
                    return point, group
    if decimal is None and delimiter != "," and thousands != ",":
        commas = [cell for cell in stripped if _COMMA.match(cell)]
        if commas and not any(map(_POINT.match, stripped)):
            assumed.append("a comma begins the decimals")
            decimal = ","
    decimal = decimal or ("," if thousands == "." else ".")
    return decimal, thousands


def _names(cells: Sequence[str], source: str) -> list[str]:
    """Column names: a blank one is called by its position."""
    names = [cell.strip() or str(i) for i, cell in enumerate(cells)]
    if len(cells) > 1 and names[0].startswith("# "):  # as numpy.savetxt writes it
        names[0] = names[0][2:].strip()
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        if seen.setdefault(name, i) != i:
            raise DataError(
                f"two columns have this name, number {seen[name]} and number {i}",
                column=name,
                source=source,
                hint="rename one; if the first line is a row: header=False, --no-header",
            )
    return names


def _refuse_blanks(first: Sequence[str], source: str) -> None:
    """Numbers with only blanks between them look like one column of text: say so."""
    parts = first[0].split() if len(first) == 1 else []
    if len(parts) > 1 and all(map(_NUMBER.match, parts)):
        raise DataError(
            f"blanks between the numbers of the first line: {quoted(first[0].strip(), 40)}",
            source=source,
            hint="put commas, semicolons or tabs between the cells; where it is one blank each: "
            "--delimiter ' ', delimiter=' '",
        )
