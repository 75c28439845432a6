"""Tensors read into arrays that are there already, whatever their memory looks like."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import errors
from layerkit.codec import layout, open_document, payload, write

SHAPE = (40, 30)
VALUES = np.random.default_rng(0).standard_normal(SHAPE).astype("<f4")

LAYOUTS: dict[str, Callable[[], Any]] = {
    "rows": lambda: np.zeros(SHAPE, "<f4"),
    "columns of a wider matrix": lambda: np.zeros((40, 70), "<f4")[:, 20:50],
    "every other element": lambda: np.zeros((40, 60), "<f4")[:, ::2],
    "backwards": lambda: np.zeros(SHAPE, "<f4")[::-1, ::-1],
    "Fortran order": lambda: np.zeros(SHAPE, "<f4", order="F"),
    "big-endian": lambda: np.zeros(SHAPE, ">f4"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a matrix, its alias, a scalar, an empty tensor and a bool one."""
    write(
        tmp_path / "m",
        spec={"schema": 1, "model": {"layers": [{"type": "x", "name": "d", "config": {}}]}},
        types={"x": {"config_version": 1, "dist": None, "version": None}},
        tensors={
            "d.W": ("param", VALUES),
            "d.empty": ("param", np.zeros((0, 3), "<f4")),
            "d.mask": ("state", np.array([True, False, True])),
            "d.one": ("param", np.array(2.5, "<f8")),
        },
        aliases={"d.tied": "d.W"},
    )
    return tmp_path / "m"


def read(path: Path, kind: str, into: dict[str, Any], **keys: Any) -> dict[str, Any]:
    source: Any = io.BytesIO(path.read_bytes()) if kind == "stream" else path
    with open_document(source, mmap=kind == "mmap") as document:
        return document.read(into=into, **keys)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("kind", ["copy", "mmap", "stream"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_array_of_the_shape_is_filled(
    path: Path, layout: str, kind: str, verify: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload, "_BLOCK", 100)
    target = LAYOUTS[layout]()
    loaded = read(path, kind, {"d.W": target}, verify=verify)
    assert loaded["d.W"] is target
    np.testing.assert_array_equal(target, VALUES)
    np.testing.assert_array_equal(loaded["d.mask"], [True, False, True])


def test_what_lies_beside_a_target_is_left_alone(path: Path) -> None:
    whole = np.full((40, 70), 7, "<f4")
    read(path, "copy", {"d.W": whole[:, 20:50]})
    assert (np.delete(whole, slice(20, 50), axis=1) == 7).all()


def test_scalars_and_empty_arrays_are_filled_too(path: Path) -> None:
    one, empty = np.array(0.0), np.zeros((0, 3), "<f4")
    loaded = read(path, "copy", {"d.one": one, "d.empty": empty})
    assert (loaded["d.one"] is one, float(one), loaded["d.empty"] is empty) == (True, 2.5, True)


def test_an_alias_may_have_a_place_of_its_own(path: Path) -> None:
    first, second = np.zeros(SHAPE, "<f4"), np.zeros(SHAPE, "<f4", order="F")
    loaded = read(path, "copy", {"d.tied": second, "d.W": first})
    assert loaded["d.W"] is first
    assert loaded["d.tied"] is second
    np.testing.assert_array_equal(first, VALUES)
    np.testing.assert_array_equal(second, VALUES)
    alone = np.zeros(SHAPE, "<f4")
    assert read(path, "copy", {"d.tied": alone})["d.W"] is alone


def test_a_place_for_a_name_that_is_not_asked_for_is_left_alone(path: Path) -> None:
    target = np.zeros(SHAPE, "<f4")
    assert list(read(path, "copy", {"d.W": target}, names=["d.one"])) == ["d.one"]
    assert not target.any()


def frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "target",
    [
        np.zeros((30, 40), "<f4"),
        np.zeros(SHAPE, "<f8"),
        np.zeros(SHAPE, "<i4"),
        frozen(np.zeros(SHAPE, "<f4")),
    ],
)
def test_an_array_that_does_not_fit_is_refused(path: Path, target: Any) -> None:
    with pytest.raises(ValueError, match=r"into\['d.W'\]"):
        read(path, "copy", {"d.W": target})


def test_lazy_and_into_exclude_each_other(path: Path) -> None:
    with open_document(path, mmap=True) as document, pytest.raises(ValueError, match="lazy"):
        document.read(verify="lazy", into={"d.W": np.zeros(SHAPE, "<f4")})  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["copy", "mmap", "stream"])
@pytest.mark.parametrize("layout", ["rows", "Fortran order"])
def test_digests_are_over_the_bytes_handed_out(path: Path, layout: str, kind: str) -> None:
    raw = bytearray(path.read_bytes())
    raw[raw.index(VALUES.tobytes()) + 77] ^= 1
    path.write_bytes(raw)
    with pytest.raises(errors.CorruptFileError, match=r"'d\.W'"):
        read(path, kind, {"d.W": LAYOUTS[layout]()})
    target = LAYOUTS[layout]()
    read(path, kind, {"d.W": target}, verify=False)
    assert np.count_nonzero(target != VALUES) == 1


@pytest.mark.parametrize("target", [np.zeros(3, bool), np.zeros(6, bool)[::2]])
def test_a_bool_byte_is_0_or_1(path: Path, target: Any) -> None:
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"\xc6\x00\x00\x00\x03") + 7] = 2
    path.write_bytes(raw)
    with pytest.raises(errors.MalformedFileError, match=r"4\.1"):
        read(path, "copy", {"d.mask": target}, verify=False)


def test_chunks_end_where_pieces_do_not(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_document(path) as document:
        head = document.header
    other = path.with_name("chunked")
    monkeypatch.setattr(layout, "MAX_CHUNK", 64)
    write(other, spec=head["spec"], types=head["types"], tensors={"d.W": ("param", VALUES)})
    monkeypatch.setattr(payload, "_BLOCK", 100)
    target = LAYOUTS["columns of a wider matrix"]()
    read(other, "copy", {"d.W": target})
    np.testing.assert_array_equal(target, VALUES)


@pytest.mark.parametrize("make", [lambda s: np.zeros(s, "<f4"), lambda s: np.zeros(s, ">f4")])
def test_filling_takes_a_few_blocks_beyond_the_array(tmp_path: Path, make: Any) -> None:
    shape = (2048, 4096)
    write(
        tmp_path / "m",
        spec={"schema": 1, "model": {"layers": [{"type": "x", "name": "d", "config": {}}]}},
        types={"x": {"config_version": 1, "dist": None, "version": None}},
        tensors={"d.W": ("param", np.ones(shape, "<f4"))},
    )
    target = make((shape[0], 2 * shape[1]))[:, shape[1] :]
    tracemalloc.start()
    try:
        read(tmp_path / "m", "copy", {"d.W": target})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    assert (target == 1).all()
