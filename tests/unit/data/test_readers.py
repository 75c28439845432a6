"""File formats that plugins read: found by extension, whole and in blocks, damaged ones refused."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

import layerkit
from layerkit import MissingExtraError, PluginLoadError, Reader
from layerkit.data import load_data, read_rows
from layerkit.data.read import read_blocks
from layerkit.discovery.registry import READERS
from layerkit.errors import DataError, DataSourceError

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

COLUMNS = {
    "name": ["a", None, "c"],
    "size": [1.5, None, 3.0],
    "count": [1, 2, None],
    "good": [True, False, None],
    "kind": ["x", "y", "x"],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    table = pa.table(COLUMNS)
    table = table.set_column(4, "kind", table["kind"].dictionary_encode())
    pq.write_table(table, tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def missing_as_none(cells: Any) -> list[Any]:
    return [None if c is None or c != c else c for c in cells.tolist()]


def test_a_parquet_file_gives_what_was_written(path: Path) -> None:
    rows = read_rows(path, labels="kind")
    assert rows.source == str(path)
    assert rows.columns is not None
    found = {name: missing_as_none(cells) for name, cells in rows.columns.items()}
    assert found == {name: cells for name, cells in COLUMNS.items() if name != "kind"}
    assert rows.labels is not None
    assert rows.labels.tolist() == COLUMNS["kind"]


def test_polars_reads_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    expected = read_rows(path)
    hide(monkeypatch, "pyarrow")
    found = read_rows(path)
    assert found.columns is not None
    assert expected.columns is not None
    for name, cells in expected.columns.items():
        assert missing_as_none(found.columns[name]) == missing_as_none(cells)


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    from importlib.util import find_spec

    monkeypatch.setattr(
        "layerkit_plugins.readers.parquet.find_spec",
        lambda name: None if name in names else find_spec(name),
    )


def test_without_a_library_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "pyarrow", "polars")
    with pytest.raises(MissingExtraError) as caught:
        read_rows(path)
    assert caught.value.extra == "parquet"


def test_gzip_streams_and_folders(path: Path) -> None:
    raw = path.read_bytes()
    packed = path.parent / "train.parquet.gz"
    packed.write_bytes(gzip.compress(raw))
    path.rename(path.parent / "test.parquet")
    assert {split: len(rows) for split, rows in load_data(path.parent).items()} == {
        "train": 3,
        "test": 3,
    }
    assert len(read_rows(io.BytesIO(raw), format="parquet")) == 3


def test_blocks_are_the_whole_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = {"x": rng.normal(size=70_000), "n": rng.integers(0, 9, 70_000)}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    blocks = list(read_blocks(tmp_path / "t.parquet", rows=1000))
    assert max(map(len, blocks)) == 1000
    for name, cells in table.items():
        parts = [b.columns[name] for b in blocks if b.columns is not None]
        np.testing.assert_array_equal(np.concatenate(parts), cells)
    assert blocks[-1].index is not None
    assert blocks[-1].index[-1] == 69_999
    whole = read_rows(tmp_path / "t.parquet").columns
    assert whole is not None
    np.testing.assert_array_equal(whole["n"], table["n"])


def test_no_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": pa.array([], pa.float64())}), tmp_path / "t.parquet")
    rows = read_rows(tmp_path / "t.parquet")
    assert list(rows.columns or {}) == ["x"]
    assert len(rows) == 0


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_damaged_file_is_refused(path: Path, keep: float) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(DataError, match="not a readable parquet file"):
        read_rows(path)


def test_equal_rows_train_equal_models(path: Path, tmp_path: Path) -> None:
    spec = {
        "layerkit": 1,
        "input": {"columns": ["size", "count"], "missing": "mean"},
        "layers": [{"type": "dense", "units": 2}],
        "output": {"column": "kind"},
        "train": {"epochs": 2},
    }
    (tmp_path / "t.csv").write_text("size,count,kind\n1.5,1,x\n,2,y\n3.0,,x\n")
    ids = {
        layerkit.save(layerkit.train(spec, data=source).model, tmp_path / "m.layerkit")
        for source in (str(path), str(tmp_path / "t.csv"), pa.table(COLUMNS))
    }
    assert len(ids) == 1


class Pairs(Reader):
    """Lines of two numbers each."""

    type_name = "kit.pairs"

    def tables(self, file: BinaryIO) -> Iterator[Any]:
        for line in file:
            yield self.table(*line.split())

    def table(self, a: bytes, b: bytes) -> Any:
        return {"a": [float(a)], "b": [float(b)]}


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> type[Pairs]:
    monkeypatch.setitem(READERS._local, "kit.pairs", Pairs)
    return Pairs


def test_a_format_of_a_plugin(pairs: type[Pairs], tmp_path: Path) -> None:
    (tmp_path / "d.pairs").write_text("1 2\n3 4\n")
    rows = read_rows(tmp_path / "d.pairs")
    assert rows.columns is not None
    assert {name: cells.tolist() for name, cells in rows.columns.items()} == {
        "a": [1.0, 3.0],
        "b": [2.0, 4.0],
    }
    with pytest.raises(DataSourceError, match="did you mean 'pairs'"):
        read_rows(tmp_path / "d.pairs", format="pair")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (lambda a, b: np.eye(2), "expected a table with named columns, got an array"),
        (lambda a, b: {a.decode(): [1.0]}, r"expected the columns \['1'\], got \['3'\]"),
    ],
    ids=["array", "other columns"],
)
def test_a_reader_that_yields_something_else(
    pairs: type[Pairs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Any, words: str
) -> None:
    monkeypatch.setattr(Pairs, "table", staticmethod(table))
    (tmp_path / "d.pairs").write_text("1 2\n3 4\n")
    with pytest.raises(PluginLoadError, match=words):
        read_rows(tmp_path / "d.pairs")


def test_a_reader_that_yields_nothing(pairs: type[Pairs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "tables", lambda self, file: iter(()))
    with pytest.raises(PluginLoadError, match="expected one or more tables, got none"):
        read_rows(io.BytesIO(b"1 2"), format="pairs")
