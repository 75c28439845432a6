"""Against the format's own reference: its samples, its verifier, its hostile files."""

from __future__ import annotations

import gc
import importlib
import io
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import errors, inspect
from layerkit.codec import load_tensors, open_document, write

SAMPLES = (
    *("dtypes", "empty", "full", "newer", "plugins"),
    *("selftest", "tied", "tiny", "training", "unicode"),
)


@pytest.fixture(scope="module")
def tools(oracle: Path) -> Iterator[Any]:
    """Import a module of the reference by name; nothing is written beside it."""
    before, flag = [*sys.path], sys.dont_write_bytecode
    sys.path.insert(0, str(oracle))
    sys.dont_write_bytecode = True
    try:
        yield importlib.import_module
    finally:
        sys.path[:], sys.dont_write_bytecode = before, flag


@pytest.fixture(scope="module")
def expected(oracle: Path) -> Any:
    return json.loads((oracle / "samples" / "expected.json").read_text())


def texts(array: Any) -> list[Any]:
    """Up to eight leading values in the form of expected.json."""
    flat = array.reshape(-1)[:8]
    if array.dtype.kind == "c":
        return [[repr(float(v.real)), repr(float(v.imag))] for v in flat]
    return [repr(float(v)) if array.dtype.kind == "f" else str(int(v)) for v in flat]


def test_every_sample_is_tested(expected: Any) -> None:
    assert sorted(expected) == [f"{name}.layerkit" for name in SAMPLES]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("kind", ["copy", "mmap", "stream"])
def test_samples_hold_what_is_expected(
    oracle: Path, expected: Any, tools: Any, name: str, kind: str
) -> None:
    path, want = oracle / "samples" / f"{name}.layerkit", expected[f"{name}.layerkit"]
    source = io.BytesIO(path.read_bytes()) if kind == "stream" else path
    with open_document(source, mmap=kind == "mmap") as document:
        tensors = document.read()
        assert document.file_id == want["file_id"]
        assert document.size == want["size"]
        assert list(document.version) == want["format"]
        assert document.aliases == want["aliases"]
        assert sorted(document.header) == want["sections"]
        types = document.header["types"]
        assert {key: record["dist"] for key, record in types.items()} == want["types"]
        assert len(document.tensors) == len(want["tensors"])
    report = tools("lkverify").verify(path)
    for record in want["tensors"]:
        found, array = document.tensors[record["name"]], tensors[record["name"]]
        for key in ("role", "dtype", "nbytes", "file_offset"):
            assert getattr(found, key) == record[key]
        assert list(array.shape) == record["shape"]
        assert found.sha256.hex() == record["sha256"]
        assert texts(array) == record["first"]
        assert array.tobytes() == report.array(record["name"]).tobytes()


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "newer"])
def test_what_was_read_is_written_back_byte_for_byte(oracle: Path, name: str) -> None:
    raw = (oracle / "samples" / f"{name}.layerkit").read_bytes()
    with open_document(io.BytesIO(raw)) as document:
        tensors = document.read([*document.tensors])
    header, out = document.header, io.BytesIO()
    sections: dict[str, Any] = {key: header.get(key) for key in ("metrics", "training", "selftest")}
    sections |= {key: header[key] for key in ("aliases", "metadata", "producer", "features")}
    file_id = write(
        out,
        spec=header["spec"],
        types=header["types"],
        tensors={key: (document.tensors[key].role, array) for key, array in tensors.items()},
        history={key: value["unit"] for key, value in header.get("history", {}).items()},
        **sections,
    )
    assert out.getvalue() == raw
    assert file_id == document.file_id


def test_the_verifier_accepts_what_is_written(tools: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    layers = [{"type": "a.b", "name": f"n{i}", "config": {"i": i}} for i in range(20)]
    tensors = {
        f"n{i}.W": ("param", rng.standard_normal((i, 3, 2)).astype(dtype).T)
        for i, dtype in enumerate(["<f4", ">f8", "i1", "?", ">c16", "<u8", "f2"] * 3)
        if i < 20
    }
    path = tmp_path / "m.layerkit"
    file_id = write(
        path,
        spec={"schema": 1, "model": {"layers": layers}},
        types={"a.b": {"config_version": 1, "dist": "a-b", "version": "1.0"}},
        tensors=tensors,
        metadata={f"k{i}": -i for i in range(300)},
    )
    report = tools("lkverify").verify(path)
    assert report.file_id == file_id
    for name, (_, array) in tensors.items():
        np.testing.assert_array_equal(report.array(name), array)


def test_every_truncation_is_refused_as_such(oracle: Path, tools: Any) -> None:
    raw = (oracle / "samples" / "tied.layerkit").read_bytes()
    for size, cut in tools("hostile").truncations(raw):
        wanted = errors.NotAModelFileError if size < 10 else errors.TruncatedFileError
        with pytest.raises(wanted):
            load_tensors(io.BytesIO(cut))


def test_every_flipped_byte_is_noticed(oracle: Path, tools: Any) -> None:
    raw = (oracle / "samples" / "tied.layerkit").read_bytes()
    for at, mask, flipped in tools("hostile").flips(raw):
        try:
            load_tensors(io.BytesIO(flipped))
        except errors.ModelFileError:
            continue
        pytest.fail(f"byte {at} xor {mask:#x} went unnoticed")


@pytest.mark.parametrize(
    "name",
    ["full", *(pytest.param(name, marks=pytest.mark.slow) for name in ("newer", "dtypes"))],
)
def test_hostile_files_get_their_verdict(
    oracle: Path, tools: Any, tmp_path: Path, name: str
) -> None:
    path, count = tmp_path / "case.layerkit", 0
    raw = (oracle / "samples" / f"{name}.layerkit").read_bytes()
    for case, data in tools("hostile").generate(raw, light=True):
        if "skipped" in case:
            continue
        count += 1
        path.write_bytes(data)
        for view, read in (("inspect", inspect), ("tensors", load_tensors)):
            state = (gc.isenabled(), np.geterr(), [*warnings.filters])
            verdict, text = outcome(read, path)
            assert state == (gc.isenabled(), np.geterr(), [*warnings.filters])
            if case[view] == "accept":
                assert verdict == "OK", (case["name"], view, text)
                continue
            wanted = case["expect"]
            assert verdict in wanted or (wanted == ["ModelFileError"] and verdict != "OK"), (
                *(case["name"], view),
                text,
            )
            assert all(word.lower() in text.lower() for word in case["mentions"]), case["name"]
            assert text.replace("\n", "").isprintable(), case["name"]
    assert count > 500


def outcome(read: Any, path: Path) -> tuple[str, str]:
    """Name of the error class, or OK; anything but a ModelFileError passes through."""
    try:
        read(path)
    except errors.ModelFileError as error:
        return type(error).__name__, str(error)
    return "OK", ""
