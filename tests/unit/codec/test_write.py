from __future__ import annotations

import enum
import gzip
import io
import math
import struct
import tracemalloc
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import sentinel

import numpy as np
import pytest

import layerkit
from layerkit import errors
from layerkit.codec import Limits, arrays, layout, load_tensors, open_document, write

Content = dict[str, Any]


def tiny_content() -> Content:
    return {
        "spec": {
            "schema": 1,
            "model": {
                "layers": [{"type": "dense", "name": "d", "config": {"outputs": 1, "inputs": 2}}]
            },
        },
        "types": {
            "dense": {
                "version": "1.0.0",
                "dist": "layerkit",
                "entry_point": "dense",
                "config_version": 1,
            }
        },
        "tensors": {
            "d.b": ("param", np.array([0.5], "<f4")),
            "d.W": ("param", np.array([[1.0], [2.0]], "<f4")),
        },
        "producer": {"version": "1.0", "name": "lkwrite"},
    }


def saved(**changes: Any) -> bytes:
    stream = io.BytesIO()
    write(stream, **{**tiny_content(), **changes})
    return stream.getvalue()


def read(raw: bytes) -> Any:
    return open_document(io.BytesIO(raw))


# --- bytes ---


def test_the_worked_example_is_written_byte_for_byte(tiny: bytes, tmp_path: Path) -> None:
    target = tmp_path / "tiny.layerkit"
    file_id = write(target, **tiny_content())
    assert target.read_bytes() == tiny
    assert file_id == "sha256:f7a60d0a7b9d0e9bc57b2cff129bdb41ef53574989d31b192e7cb59c5f92d72c"
    assert saved() == tiny


@pytest.mark.parametrize(
    "make",
    [
        lambda a: np.asfortranarray(a),
        lambda a: a.astype(">f4"),
        lambda a: np.ascontiguousarray(a[::-1])[::-1],
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.asfortranarray(a.astype(">f4")),
        lambda a: np.broadcast_to(a, (1, *a.shape))[0],
        lambda a: np.ascontiguousarray(a.T).T,
        lambda a: np.frombuffer(a.tobytes(), "<f4").reshape(a.shape),
    ],
)
def test_memory_layout_does_not_show(make: Callable[[Any], Any]) -> None:
    weights = np.arange(6_000, dtype="<f4").reshape(3, 2_000)
    plain = {"d.W": ("param", weights)}
    assert saved(tensors={"d.W": ("param", make(weights))}) == saved(tensors=plain)


@pytest.mark.parametrize("dtype", ["<c16", ">c16", ">f8", ">i2", "?", "<u1", ">f2"])
def test_large_arrays_of_any_layout_are_written_in_pieces(
    monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    monkeypatch.setattr(arrays, "_BLOCK", 64)
    weights = np.arange(30 * 17).reshape(30, 17).astype(dtype)
    for view in (weights, weights.T, weights[::3, ::-2], weights[:, None, 3]):
        raw = saved(tensors={"d.W": ("param", view)})
        np.testing.assert_array_equal(load_tensors(io.BytesIO(raw))["d.W"], view)


def test_every_dtype_keeps_its_bits() -> None:
    nans = np.array([0x7FC00001, 0xFF800001, 0x80000000], "<u4").view("<f4")
    tensors = {"d.nan": ("state", nans), "d.big": ("state", nans.astype(">f4"))}
    names = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
    tensors |= {f"d.{name.strip('?') or 'b'}": ("state", np.ones(3, name)) for name in names}
    loaded = load_tensors(io.BytesIO(saved(tensors=tensors)))
    for name, (_, array) in tensors.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("<")
        assert loaded[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


def test_a_true_of_another_bit_pattern_is_written_as_1() -> None:
    odd = np.array([0, 2, 255], np.uint8).view(np.bool_)
    raw = saved(tensors={"d.m": ("state", odd)})
    assert raw.endswith(b"\0\1\1")
    assert load_tensors(io.BytesIO(raw))["d.m"].tolist() == [False, True, True]


def test_scalars_and_empty_arrays_keep_their_shape() -> None:
    tensors = {
        "d.s": ("state", np.float64(2.25)),
        "d.a": ("state", np.array(7)),
        "d.e": ("state", np.zeros((3, 0, 2), ">i4")),
    }
    loaded = load_tensors(io.BytesIO(saved(tensors=tensors)))
    assert loaded["d.s"].shape == ()
    assert loaded["d.s"][()] == 2.25
    assert loaded["d.a"] == 7
    assert loaded["d.e"].shape == (3, 0, 2)


def test_order_of_insertion_does_not_show() -> None:
    one = saved(metadata={"a": 1, "b": {"c": 2, "d": 3}}, aliases={"d.x": "d.W", "d.a": "d.b"})
    other = saved(metadata={"b": {"d": 3, "c": 2}, "a": 1}, aliases={"d.a": "d.b", "d.x": "d.W"})
    assert one == other


def test_chunks_are_cut_wherever_a_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_CHUNK", 128)
    monkeypatch.setattr(arrays, "_BLOCK", 80)
    values = np.arange(1_000, dtype="<u2")
    tensors = {"d.W": ("param", values), "d.v": ("param", values[::-1])}
    raw = saved(tensors=tensors)
    loaded = load_tensors(io.BytesIO(raw))
    np.testing.assert_array_equal(loaded["d.W"], values)
    np.testing.assert_array_equal(loaded["d.v"], values[::-1])
    assert len(read(raw).tensors["d.W"].frames) == 16


def test_saving_takes_little_memory() -> None:
    weights = np.zeros((4_000, 4_000), "<f4")

    class Sink:
        def write(self, data: memoryview) -> int:
            return len(data)

    tracemalloc.start()
    try:
        for view in (weights, weights.T, weights.astype(">f4", copy=False)[:, ::2]):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            write(Sink(), **{**tiny_content(), "tensors": {"d.W": ("param", view)}})  # type: ignore[arg-type]
            _, peak = tracemalloc.get_traced_memory()
            if view.dtype.byteorder != ">":
                assert peak - before < 32 << 20
    finally:
        tracemalloc.stop()


# --- sections ---


def test_every_section_comes_back() -> None:
    training = {
        "callbacks": {"stop": {"best": math.inf, "seen": [math.nan]}},
        "epoch": np.int64(3),
        "optimizer": {"type": "adam", "config": {"rate": 0.1}, "slots": ("m",), "state": {}},
        "rng": {},
        "step": 12,
    }
    sections: Content = {
        "tensors": {
            **tiny_content()["tensors"],
            "optimizer/m/d.W": ("optimizer", np.zeros((2, 1))),
            "history/loss": ("history", np.array([1.0, np.nan])),
            "selftest/input": ("selftest", np.zeros((2, 2))),
            "selftest/output": ("selftest", np.zeros((2, 1))),
        },
        "aliases": {"d.V": "d.W"},
        "metadata": {"license": "MIT", "n": [1, (2.5, None)]},
        "history": {"loss": "epoch"},
        "metrics": {"val.loss": np.float32(0.5), "n": 3},
        "training": training,
        "selftest": {"atol": np.int64(0), "rtol": 1e-4},
        "features": {"optional": ["hint:a"], "required": []},
    }
    header = read(saved(**sections)).header
    assert header["history"] == {"loss": {"unit": "epoch"}}
    assert header["metadata"] == {"license": "MIT", "n": [1, [2.5, None]]}
    assert header["metrics"] == {"val.loss": 0.5, "n": 3}
    assert header["selftest"] == {"atol": 0.0, "rtol": 1e-4}
    assert header["training"]["epoch"] == 3
    assert header["training"]["callbacks"]["stop"]["best"] == math.inf
    assert header["features"]["optional"] == ["hint:a"]
    assert header["aliases"] == {"d.V": "d.W"}


def test_an_empty_section_is_absent_and_defaults_are_filled_in() -> None:
    raw = saved(
        producer=None, history={}, metrics={}, training={}, selftest=None, metadata={}, aliases=None
    )
    header = read(raw).header
    assert sorted(header) == [
        *["aliases", "features", "metadata", "producer", "spec", "tensors", "types"]
    ]
    assert header["producer"] == {"name": "layerkit", "version": layerkit.__version__}
    assert header["features"] == {"optional": [], "required": []}


def test_the_entry_point_repeats_the_key() -> None:
    record = {"config_version": 1, "dist": None, "version": None}
    assert read(saved(types={"dense": record})).header["types"]["dense"]["entry_point"] == "dense"


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(-0.0), -0.0),
        (np.bool_(True), True),
        (np.str_("é"), "é"),
        (np.array([[1, 2], [3, 4]], ">i2"), [[1, 2], [3, 4]]),
        (np.array(2.5), 2.5),
        (np.array([True]), [True]),
        ((1, (2,)), [1, [2]]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        ({np.str_("k"): 0}, {"k": 0}),
        (-(2**63), -(2**63)),
    ],
)
def test_values_become_plain(value: object, stored: object) -> None:
    found = read(saved(metadata={"v": value})).header["metadata"]["v"]
    assert found == stored
    assert type(found) is type(stored)
    assert repr(found) == repr(stored)


class Loop(list[Any]):
    def __init__(self) -> None:
        super().__init__([self])


@pytest.mark.parametrize(
    "value",
    [
        *[b"bytes", {1, 2}, sentinel.unknown, date(2024, 1, 1), 1j, Fraction(1, 2), range(3)],
        *[2**64, -(2**63) - 1, math.nan, -math.inf, "\ud800"],
        *[np.longdouble(1), np.datetime64("2024"), np.timedelta64(1, "s"), np.complex64(1)],
        *[np.array(["a"]), np.array([sentinel.unknown]), np.array([math.nan]), np.array([1j])],
        *[np.zeros(1, [("a", "i4")]), np.ma.masked_array([1, 2], [True, False]), np.bytes_(b"x")],
        *[{1: "a"}, {None: 1}, {"__proto__": 1}, {"\ud800": 1}],
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_does_not_fit_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(errors.MalformedFileError) as caught:
        saved(metadata={"deep": [{"v": value}]})
    assert caught.value.where.startswith("metadata.deep[0].v")
    spec = tiny_content()["spec"]
    spec["model"]["layers"][0]["config"]["a b"] = value
    with pytest.raises(errors.SpecError) as found:
        saved(spec=spec)
    assert found.value.location.startswith("spec.model.layers[0].config['a b']")
    assert str(found.value).isprintable()


def test_a_container_that_holds_itself_meets_the_depth_limit() -> None:
    with pytest.raises(errors.LimitExceededError, match=r"Limits\.depth"):
        saved(metadata={"v": Loop()})


def test_nan_is_written_in_one_way_where_it_may_be() -> None:
    (odd,) = struct.unpack(">d", bytes.fromhex("fff8000000000001"))
    assert saved(metrics={"loss": odd}) == saved(metrics={"loss": math.nan})


@pytest.mark.parametrize(
    "array",
    [
        *[np.array([sentinel.unknown]), np.array(["a"]), np.array([b"a"]), np.zeros(1, "M8[s]")],
        *[np.zeros(1, "m8[s]"), np.zeros(1, [("a", "f4")]), np.zeros(2, np.longdouble)],
        *[np.zeros(2, np.clongdouble), np.zeros(2, "V4"), np.ma.masked_array([1.0], [True])],
        *[[1.0, 2.0], 3.0, None],
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_array_that_does_not_fit_is_refused_by_name(array: Any) -> None:
    with pytest.raises(errors.MalformedFileError, match=r"tensor 'd\.W'"):
        saved(tensors={"d.W": ("param", array)})


# --- what a reader would refuse is not written ---


def spec_with(**changes: Any) -> Content:
    return {**tiny_content()["spec"], **changes}


@pytest.mark.parametrize(
    ("changes", "kind", "word"),
    [
        ({"tensors": {"../x": ("param", np.ones(1))}}, "MalformedFileError", "x"),
        ({"tensors": {"d.é": ("param", np.ones(1))}}, "MalformedFileError", "ASCII"),
        ({"tensors": {"d.W": ("weight", np.ones(1))}}, "MalformedFileError", "role"),
        ({"tensors": {"d.W": (1, np.ones(1))}}, "MalformedFileError", "role"),
        ({"tensors": {"q.W": ("param", np.ones(1))}}, "TensorMismatchError", r"q\.W"),
        ({"aliases": {"q.W": "d.W"}}, "TensorMismatchError", r"q\.W"),
        ({"aliases": {"d.V": "d.Z"}}, "MalformedFileError", r"d\.Z"),
        ({"history": {"loss": "epoch"}}, "MalformedFileError", "history"),
        ({"selftest": {"atol": 0.0, "rtol": 0.0}}, "MalformedFileError", "selftest"),
        ({"metrics": {"a b": 1.0}}, "MalformedFileError", "a b"),
        ({"producer": {"name": "a b", "version": "1"}}, "MalformedFileError", "producer.name"),
        ({"types": {}}, "MalformedFileError", "dense"),
        ({"types": {"dense": "layerkit"}}, "MalformedFileError", r"types\.dense"),
        ({"types": {1: {}}}, "MalformedFileError", "types"),
        ({"features": {"optional": [], "required": ["x"]}}, "UnsupportedFormatError", "x"),
        ({"spec": {"model": {"layers": []}}, "types": {}}, "SpecError", "schema"),
        ({"spec": spec_with(schema=2)}, "UnsupportedFormatError", "schema 2"),
        ({"spec": spec_with(model={"layers": [1]})}, "SpecError", r"layers\[0\]"),
        ({"spec": spec_with(data={})}, "SpecError", r"spec\.data"),
        ({"metadata": {"a": "x" * (1 << 20)}}, "LimitExceededError", "metadata_bytes"),
        ({"metadata": {"a": [0] * 65_537}}, "LimitExceededError", "items"),
        ({"limits": Limits(tensors=1)}, "LimitExceededError", "tensors"),
        ({"limits": Limits(header_bytes=400)}, "LimitExceededError", "header_bytes"),
        ({"limits": Limits(layers=0)}, "LimitExceededError", "layers"),
    ],
)
def test_nothing_is_written_that_cannot_be_loaded(
    tmp_path: Path, changes: Content, kind: str, word: str
) -> None:
    target = tmp_path / "m.layerkit"
    with pytest.raises(getattr(errors, kind), match=word):
        write(target, **{**tiny_content(), **changes})
    assert [*tmp_path.iterdir()] == []


# --- streams ---


class Grudging(io.RawIOBase):
    """Takes at most seven bytes at a time and is interrupted."""

    def __init__(self) -> None:
        self.taken, self.turn = bytearray(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.turn += 1
        if self.turn % 5 == 0:
            raise InterruptedError
        self.taken += data[:7]
        return min(7, len(data))


def test_a_stream_may_take_little_at_a_time(tiny: bytes) -> None:
    stream = Grudging()
    write(stream, **tiny_content())  # type: ignore[arg-type]
    assert bytes(stream.taken) == tiny
    assert not stream.closed


def test_a_stream_that_takes_nothing_ends_the_save() -> None:
    class Full(io.RawIOBase):
        def __init__(self, answer: int | None) -> None:
            self.answer = answer

        def write(self, data: Any) -> int | None:
            return self.answer

    for answer in (0, None):
        with pytest.raises(BlockingIOError):
            write(Full(answer), **tiny_content())  # type: ignore[arg-type]


def test_a_writer_without_a_count_took_everything(tiny: bytes) -> None:
    class Plain:
        taken = b""

        def write(self, data: Any) -> None:
            self.taken += bytes(data)

    stream = Plain()
    write(stream, **tiny_content())  # type: ignore[arg-type]
    assert stream.taken == tiny


def test_a_compressing_stream_works(tiny: bytes) -> None:
    out = io.BytesIO()
    with gzip.open(out, "wb") as stream:
        write(stream, **tiny_content())  # type: ignore[arg-type]
    assert gzip.decompress(out.getvalue()) == tiny


def test_a_stream_cannot_be_checked() -> None:
    with pytest.raises(ValueError, match="check=True needs a local file"):
        saved(check=True)
