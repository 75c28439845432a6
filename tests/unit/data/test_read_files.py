import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from layerkit.data import read_rows
from layerkit.errors import DataError, DataSourceError

CSV = b"a,b\n1,2\n"


@pytest.mark.parametrize("name", ["d.csv", "d.CSV.gz", "d.data", "d.txt.gz", "noextension"])
def test_csv_under_its_names(tmp_path: Path, name: str) -> None:
    raw = gzip.compress(CSV) if name.endswith(".gz") else CSV
    (tmp_path / name).write_bytes(raw)
    rows = read_rows(str(tmp_path / name))
    assert rows.columns is not None
    assert list(rows.columns) == ["a", "b"]
    assert rows.source == str(tmp_path / name)


def test_tsv_takes_tabs_only(tmp_path: Path) -> None:
    (tmp_path / "d.tsv").write_text("a,x\tb\n1\t2\n")
    rows = read_rows(tmp_path / "d.tsv")
    assert rows.columns is not None
    assert list(rows.columns) == ["a,x", "b"]


def test_the_first_bytes_tell_the_format_of_a_stream() -> None:
    stream = io.BytesIO()
    np.savez(stream, x=np.eye(2))
    for raw in (stream.getvalue(), b"[1, 0]\n[0, 1]\n", b"1,0\n0,1\n", gzip.compress(b"1,0\n0,1")):
        np.testing.assert_array_equal(read_rows(io.BytesIO(raw)).values, np.eye(2))


def test_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(CSV)

    monkeypatch.setattr(sys, "stdin", Stdin)
    rows = read_rows("-")
    assert rows.source == "standard input"
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (gzip.compress(CSV * 100, mtime=0)[:-9], "cut short"),
        (gzip.compress(CSV * 100, mtime=0)[:30] + b"\xff" * 60, "damaged"),
        (gzip.compress(CSV, mtime=0)[:-8] + b"\0" * 8, "damaged"),
        (b"a,b\n1,2\n", "not gzip data"),
        (b"<!DOCTYPE html><html>", "web page"),
    ],
)
def test_broken_gzip(tmp_path: Path, raw: bytes, words: str) -> None:
    (tmp_path / "d.csv.gz").write_bytes(raw)
    with pytest.raises(DataSourceError, match=words) as caught:
        read_rows(tmp_path / "d.csv.gz")
    assert "d.csv.gz" in str(caught.value)


def test_a_file_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(CSV)
    with pytest.raises(DataSourceError, match=r"did you mean 'train.csv'"):
        read_rows(tmp_path / "trian.csv")
    with pytest.raises(DataSourceError, match="nor its folder"):
        read_rows(tmp_path / "nowhere" / "train.csv")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataSourceError, match="expected a file, got a folder"):
        read_rows(tmp_path)


def test_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(DataSourceError, match=r"idx or parquet, got 'cvs'; did you mean 'csv'"):
        read_rows(io.BytesIO(CSV), format="cvs")
    (tmp_path / "d.feather").write_bytes(b"ARROW1")
    with pytest.raises(DataSourceError, match=r"no reader for .feather"):
        read_rows(tmp_path / "d.feather")


@pytest.mark.parametrize(
    ("raw", "words"), [(b"<html>no</html>", "web page"), (b"version https://git-lfs", "git lfs")]
)
def test_what_is_no_data_at_all(tmp_path: Path, raw: bytes, words: str) -> None:
    (tmp_path / "d.csv").write_bytes(raw)
    with pytest.raises(DataSourceError, match=words):
        read_rows(tmp_path / "d.csv")


def test_an_empty_file_names_itself(tmp_path: Path) -> None:
    (tmp_path / "d.npy").write_bytes(b"")
    with pytest.raises(DataError, match="empty") as caught:
        read_rows(tmp_path / "d.npy")
    assert caught.value.source == str(tmp_path / "d.npy")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("layerkit.data.read_bytes.open_input", refuse)
    with pytest.raises(DataSourceError, match=r"d\.csv cannot be read: Permission denied"):
        read_rows(tmp_path / "d.csv")
