"""Tables in any dialect: the rows and cells that other readers count, whole or in blocks."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerkit.core.rows import Rows
from layerkit.data import read_blocks, read_bytes, read_rows
from layerkit.data.readers import csv as csv_reader
from layerkit.data.readers import csv_blocks
from layerkit.datacontract import InputContract
from layerkit.errors import DataError

ODD = ["", "?", "0", "1", "-2.5", "1e3", "007", "x", "a b", "NA", "é", "1_0", "nan", " 3 ", "true"]


def columns_of(rows: Rows) -> dict[str, list[Any]]:
    if rows.columns is not None:
        return {name: np.asarray(c).tolist() for name, c in rows.columns.items()}
    assert rows.values is not None
    return {str(j): rows.values[:, j].tolist() for j in range(rows.values.shape[1])}


@st.composite
def written(draw: st.DrawFn) -> tuple[str, list[list[str]], str]:
    """(text, records below the header, delimiter) in any shape that a file may have."""
    width = draw(st.integers(1, 4))
    delimiter = draw(st.sampled_from(",;\t|"))
    cell = st.sampled_from([*ODD, f"q{delimiter}r", 'say "so"', "two\nlines"])
    records = draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=9))
    full = draw(st.booleans())
    stream = io.StringIO()
    writer = csv.writer(
        stream,
        delimiter=delimiter,
        quoting=csv.QUOTE_ALL if full else csv.QUOTE_MINIMAL,
        lineterminator="\n",
    )
    writer.writerow([f"c{j}" for j in range(width)])
    for record in records:
        if draw(st.booleans()):
            stream.write(draw(st.sampled_from(["", "\n", "\n\n"])))
        writer.writerow(record)
    text = stream.getvalue() + draw(st.sampled_from(["", "\n", "\n\n"]))
    return text, records, delimiter


def framed(text: str, end: str, packed: bool) -> bytes:
    raw = text.replace("\n", end).encode("utf-8-sig" if packed else "utf-8")
    return gzip.compress(raw) if packed else raw


@given(written(), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_rows_out_are_records_in(
    table: tuple[str, list[list[str]], str], end: str, packed: bool
) -> None:
    text, records, delimiter = table
    raw = framed(text, end, packed)
    rows = read_rows(io.BytesIO(raw), format="csv", delimiter=delimiter, header=True)
    assert rows.spelling is not None
    for j, name in enumerate(rows.columns or ()):
        spelled = rows.spelling(name)
        assert spelled is not None
        assert spelled.tolist() == [record[j].strip() for record in records]
    assert len(rows) == len(records)


FORMS: list[dict[str, Any]] = [
    {}, {"missing_values": ("NA", "-2.5", "x")}, {"decimal": ","}, {"quote": ""},
    {"thousands": ".", "decimal": ","}, {"comment": "0"},
]  # fmt: skip


@given(written(), st.sampled_from(FORMS), st.sampled_from([False, True, None]))
def test_every_way_gives_the_same_cells(
    table: tuple[str, list[list[str]], str], form: dict[str, Any], header: bool | None
) -> None:
    text, _, delimiter = table
    if delimiter in form.values():
        return

    def read() -> Any:
        options = {"format": "csv", "delimiter": delimiter, "header": header, **form}
        try:
            rows = read_rows(io.StringIO(text), **options)
            found = columns_of(rows)
        except DataError as error:
            return str(error)
        assert rows.spelling is not None
        return found, {name: rows.spelling(name).tolist() for name in found}  # type: ignore[union-attr]

    quick = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_lines_alike", lambda *_: None)
        careful = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_LARGE", 0)
        polars = read()
    np.testing.assert_equal(quick, careful)
    np.testing.assert_equal(polars, careful)


@settings(max_examples=60)
@given(
    written(),
    st.booleans(),
    st.integers(20, 60),
    st.integers(1, 5),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_blocks_are_the_rows_in_pieces(
    table: tuple[str, list[list[str]], str], header: bool, piece: int, size: int, end: str
) -> None:
    text, _, delimiter = table
    options: dict[str, Any] = {"format": "csv", "delimiter": delimiter, "header": header}
    whole = read_rows(io.StringIO(text), **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_bytes, "_PIECE", piece)
        patch.setattr(csv_blocks, "_PIECE", piece)
        patch.setattr(csv_reader, "_LINES", 2)
        raw = framed(text, end, packed=piece % 2 == 0)
        found = list(read_blocks(io.BytesIO(raw), rows=size, **options))
    index = np.concatenate([rows.index for rows in found if rows.index is not None])
    assert index.tolist() == list(range(len(whole)))
    assert max(map(len, found)) <= size
    assert whole.spelling is not None
    for name in columns_of(whole):
        parts = [rows.spelling(name) for rows in found if rows.spelling]
        cells = np.concatenate([part for part in parts if part is not None])
        spelled = whole.spelling(name)
        assert spelled is not None
        assert cells.tolist() == spelled.tolist()


NUMBERS = st.lists(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
    min_size=3, max_size=20,
)  # fmt: skip


@given(NUMBERS, st.sampled_from([";", "\t", "|"]), st.booleans())
def test_decimal_commas_are_the_same_numbers(
    table: list[list[float]], delimiter: str, hole: bool
) -> None:
    cells = [[repr(value).replace(".", ",") for value in row] for row in table]
    if hole:
        cells[-1][0] = ""
    text = f"a{delimiter}b\n" + "\n".join(map(delimiter.join, cells)) + "\n"
    rows = read_rows(io.StringIO(text), format="csv", delimiter=delimiter, decimal=",")
    wanted = np.array(table)
    if hole:
        wanted[-1, 0] = np.nan
    assert rows.columns is not None
    found = np.stack([rows.columns[name] for name in "ab"], axis=1)
    np.testing.assert_array_equal(found, wanted)


@given(NUMBERS)
def test_numbers_are_those_of_polars_to_the_bit(table: list[list[float]]) -> None:
    text = "a,b\n" + "\n".join(",".join(map(repr, row)) for row in table) + "\n"
    rows = read_rows(io.StringIO(text), format="csv")
    frame = pl.read_csv(text.encode(), schema=dict.fromkeys("ab", pl.Float64))
    assert rows.columns is not None
    for name in "ab":
        assert rows.columns[name].tobytes() == frame[name].to_numpy().tobytes()


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(2**53, 2**53 + 9), min_size=1))
def test_whole_labels_keep_every_digit(labels: list[int]) -> None:
    table = "x,y\n" + "".join(f"0,{label}\n" for label in labels)
    lines = "".join(json.dumps({"x": 0, "y": label}) + "\n" for label in labels)
    for text, kind in ((table, "csv"), (lines, "jsonl"), (f"[{','.join(lines.split())}]", "json")):
        if kind == "json":
            text = "[" + ",".join(lines.splitlines()) + "]"
        rows = read_rows(io.StringIO(text), format=kind, labels="y")
        assert rows.labels is not None
        assert rows.labels.dtype == np.int64
        assert rows.labels.tolist() == labels


SPELLED = st.lists(
    st.sampled_from(["007", "7", "7.0", "07", "true", "True", "1e1", "10", "-0", "0", "x y"]),
    min_size=1, max_size=8,
)  # fmt: skip


@given(SPELLED, st.booleans())
def test_labels_are_spelled_as_written(labels: list[str], header: bool) -> None:
    text = ("x,y\n" if header else "") + "".join(f"0.5,{label}\n" for label in labels)
    for which in ("y", 1, "1") if header else (1, "1"):
        rows = read_rows(io.StringIO(text), format="csv", labels=which, header=header)
        assert rows.labels is not None
        spelled = rows.labels if rows.label_text is None else rows.label_text
        assert [str(label) for label in spelled.tolist()] == labels


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_truth_is_text_in_every_format(kind: str) -> None:
    text = {
        "csv": "x,y\n1,true\n2,false\n",
        "jsonl": '{"x": 1, "y": true}\n{"x": 2, "y": false}\n',
        "json": '[\n {"x": 1, "y": true},\n {"x": 2, "y": false}\n]',
    }[kind]
    rows = read_rows(io.StringIO(text), format=kind, labels="y")
    assert rows.labels is not None
    assert rows.labels.tolist() == ["true", "false"]


def test_json_labels_are_spelled_as_written() -> None:
    rows = read_rows(io.StringIO('{"y": 1.50}\n{"y": 1.5}\n{"y": "a"}\n'), format="jsonl")
    assert rows.spelling is not None
    spelled = rows.spelling("y")
    assert spelled is not None
    assert spelled.tolist() == ["1.50", "1.5", "a"]


@pytest.mark.parametrize(
    "text", ['[{"a": 1}, {"a": 2}]', '[\n  {"a": 1},\n  {"a": 2}\n]\n', '{"a": 1}\n{"a": 2}\n']
)
def test_json_objects_in_one_array_are_rows(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.json"
    path.write_text(text)
    for source in (path, io.StringIO(text)):
        assert columns_of(read_rows(source)) == {"a": [1.0, 2.0]}
    (found,) = read_blocks(path)
    assert columns_of(found) == {"a": [1.0, 2.0]}


def test_json_arrays_in_one_array_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text("[[1, 2], [3, 4]]")
    assert columns_of(read_rows(path)) == {"0": [1.0, 3.0], "1": [2.0, 4.0]}
    path.write_text("[\n[1, 2],\n[3, 4]\n]")
    assert columns_of(read_rows(path)) == {"0": [1.0, 3.0], "1": [2.0, 4.0]}
    line = read_rows(io.StringIO("[[1, 2], [3, 4]]"), format="jsonl")
    assert line.values is not None
    assert line.values.shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("cells", "row"), [(["1,5", "1.500", "2,5"], 1), (["1,5", "2,5", "x", "1.5"], 2)]
)
def test_a_cell_of_another_dialect_is_no_number(cells: list[str], row: int) -> None:
    text = "a;b\n" + "".join(f"{cell};1\n" for cell in cells)
    rows = read_rows(io.StringIO(text), format="csv", delimiter=";", decimal=",")
    with pytest.raises(DataError) as caught:
        InputContract.fit(rows, columns=["a"])
    assert (caught.value.row, caught.value.column) == (row, "a")


NOTED: list[tuple[str, str, list[str]]] = [
    ("a;b\n1,5;2\n2,5;3\n", "decimal mark", ["a", "b"]),
    ("sep=;\na;b\n1;2\n", "", ["a", "b"]),
    ("# by a tool\n# twice\na,b\n1,2\n", "comments", ["a", "b"]),
    ("# a,b\n1,2\n3,4\n", "", ["a", "b"]),
    ("a|b\n1|2\n", "bars", ["a", "b"]),
    ("a\tb\n1,5\t2\n", "tabs", ["a", "b"]),
    ("a;b\n1.234,5;2\n0,5;3\n", "1.234,5", ["a", "b"]),
    ("2019,2020\n" + "1,2\n3,4\n" * 3, "of numbers", ["2019", "2020"]),
    ("0,1,2\n" + "0.5,1.5,2.5\n" * 3, "of numbers", ["0", "1", "2"]),
    ("a,b\n1,2\n", "", ["a", "b"]),
]


@pytest.mark.parametrize(("text", "told", "names"), NOTED)
def test_what_is_plain_is_detected_and_told(text: str, told: str, names: list[str]) -> None:
    rows = read_rows(io.StringIO(text), format="csv")
    assert list(rows.columns or ()) == names
    assert all(np.asarray(c).dtype == np.float64 for c in (rows.columns or {}).values())
    assert len(rows.notes) == bool(told)
    assert all(told in note and "\n" not in note for note in rows.notes)
    (block, *_) = read_blocks(io.StringIO(text), format="csv")
    assert (columns_of(block), block.notes) == (columns_of(rows), rows.notes)


@pytest.mark.parametrize(
    "text",
    [
        "0,1,2\n3,4,5\n6,7,8\n9,10,11\n",
        "1,2\n3,4\n5,6\n7,8\n",
        "0,1,2\n1,2,0\n2,0,1\n0,2,1\n",
        "1990,1991\n1992,1993\n1994,1995\n1996,1997\n",
    ],
)
def test_a_first_line_of_numbers_is_a_row_in_doubt(text: str) -> None:
    assert len(read_rows(io.StringIO(text), format="csv")) == text.count("\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1", "cp1252", "utf-8"])
def test_encodings(encoding: str) -> None:
    raw = "a,b\n1,é\n".encode(encoding)
    given = None if encoding in ("utf-16", "utf-8") else encoding
    for rows in (
        read_rows(io.BytesIO(raw), format="csv", encoding=given),
        *read_blocks(io.BytesIO(raw), format="csv", encoding=given),
    ):
        assert columns_of(rows) == {"a": [1.0], "b": ["é"]}


class Counted(io.RawIOBase):
    """A stream that counts what is read of it."""

    def __init__(self, line: bytes, lines: int) -> None:
        self.line, self.left, self.read_bytes = line, lines, 0

    def read(self, size: int = -1) -> bytes:
        count = min(self.left, max(1, size // len(self.line)))
        self.left -= count
        self.read_bytes += count * len(self.line)
        return self.line * count


@pytest.mark.parametrize(
    ("kind", "line"),
    [("csv", b"1.5,2.5,text\n"), ("csv", b'1.5,"2,5"\n'), ("jsonl", b'{"a": 1}\n'),
     ("jsonl", b"[1, 2]\n"), ("csv", b"1;5,5\n")],
)  # fmt: skip
def test_blocks_read_no_further_than_they_must(kind: str, line: bytes) -> None:
    stream = Counted(line, 40_000_000)
    found = read_blocks(stream, format=kind)  # type: ignore[arg-type]
    seen = sum(len(next(found)) for _ in range(20))
    assert seen > 0
    assert stream.read_bytes < 20 * 2**20
