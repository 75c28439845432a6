import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from layerkit.data import read_rows
from layerkit.errors import DataError

X = np.arange(6, dtype=np.float32).reshape(3, 2)


def idx(code: int, sizes: list[int], body: bytes) -> bytes:
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + body


def test_npy_keeps_its_dtype(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    rows = read_rows(tmp_path / "x.npy")
    assert rows.values is not None
    assert rows.values.dtype == np.float32
    np.testing.assert_array_equal(rows.values, X)


@pytest.mark.parametrize(
    ("x", "y"), [("x", "y"), ("X", "labels"), ("rows", "Y"), ("features", None), ("other", "y")]
)
def test_npz_by_its_usual_keys(tmp_path: Path, x: str, y: str | None) -> None:
    arrays = {x: X} if y is None else {x: X, y: np.array([1, 0, 1])}
    np.savez_compressed(tmp_path / "d.npz", **arrays)
    rows = read_rows(tmp_path / "d.npz")
    np.testing.assert_array_equal(rows.values, X)
    assert (rows.labels is None) == (y is None)


def test_npz_labels_by_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, answer=np.array(["a", "b", "a"]))
    rows = read_rows(tmp_path / "d.npz", labels="answer")
    assert rows.labels is not None
    assert rows.labels.tolist() == ["a", "b", "a"]
    with pytest.raises(DataError, match="keys there: x, answer"):
        read_rows(tmp_path / "d.npz", labels="z")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X, "rows": X}, "keys x, rows"),
        ({"x": X, "y": X[:, 0], "labels": X[:, 0]}, "keys y, labels"),
        ({"u": X, "v": X}, "keys u, v"),
        ({"x": X, "y": X[:2, 0]}, "3 rows under 'x', but 2 labels under 'y'"),
    ],
)
def test_npz_that_does_not_say_which_is_which(
    tmp_path: Path, arrays: dict[str, np.ndarray], words: str
) -> None:
    np.savez(tmp_path / "d.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=words):
        read_rows(tmp_path / "d.npz")


def test_object_arrays_are_refused(tmp_path: Path) -> None:
    objects = np.array([1, "a", None], dtype=object)
    np.save(tmp_path / "o.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "o.npz", x=objects)
    for name in ("o.npy", "o.npz"):
        with pytest.raises(DataError, match="holds Python objects"):
            read_rows(tmp_path / name)


@pytest.mark.parametrize(
    "array", [np.array(3.0), np.array([1 + 2j]), np.zeros(2, [("a", "f4")]), np.zeros(2, "M8[s]")]
)
def test_arrays_without_rows_of_numbers(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match="expected"):
        read_rows(tmp_path / "a.npy")


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("cut", [1, 7, 9, 50, 127, 130, 151])
def test_npy_cut_short(cut: int) -> None:
    with pytest.raises(DataError, match=r"damaged|not an npy"):
        read_rows(io.BytesIO(_npy(X)[:cut]), format="npy")


def test_npy_with_a_header_that_lies() -> None:
    raw = _npy(X).replace(b"(3, 2)", b"(9, 9)")
    with pytest.raises(DataError, match="damaged"):
        read_rows(io.BytesIO(raw), format="npy")
    raw = _npy(X).replace(b"'fortran_order'", b"'fortran_ordex'")
    with pytest.raises(DataError, match="damaged"):
        read_rows(io.BytesIO(raw), format="npy")


def test_npz_damaged_or_of_other_files() -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, x=np.arange(1000.0))
    raw = bytearray(stream.getvalue())
    with pytest.raises(DataError, match="damaged"):
        read_rows(io.BytesIO(bytes(raw[:-30])), format="npz")
    raw[80] ^= 255
    with pytest.raises(DataError, match=r"damaged|expected"):
        read_rows(io.BytesIO(bytes(raw)), format="npz")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("sheet.xml", "<x/>")
    with pytest.raises(DataError, match="does not hold NumPy arrays"):
        read_rows(io.BytesIO(other.getvalue()), format="npz")
    with pytest.raises(DataError, match="not a zip archive"):
        read_rows(io.BytesIO(b"hello"), format="npz")


@pytest.mark.parametrize(
    ("code", "dtype"), [(8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_idx_of_every_type(code: int, dtype: str) -> None:
    array = np.arange(12).reshape(3, 2, 2)
    rows = read_rows(io.BytesIO(idx(code, [3, 2, 2], array.astype(dtype).tobytes())))
    assert rows.values is not None
    assert rows.values.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(rows.values, array)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (idx(8, [3], b"12"), r"cut short: expected 11 bytes for \[3\], got 10"),
        (idx(8, [3], b"1234"), "longer than its header says"),
        (idx(8, [3, 2], b"")[:9], "cut short"),
        (idx(8, [2**31, 2**31, 2**31], b"1"), "cut short"),
        (idx(7, [3], b"123"), "got 00 00 07 01"),
        (b"\0\0\x08", "not an IDX file"),
        (b"\0\0\x08\0abc", "not an IDX file"),
    ],
)
def test_idx_that_is_damaged(raw: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_rows(io.BytesIO(raw), format="idx")
