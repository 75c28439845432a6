"""``model.tensors`` and ``model.set_tensors``: copies out; all of them in, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import DataError, Model, TensorMismatchError

SPEC: dict[str, Any] = {
    "layerkit": 1,
    "input": {"shape": [3]},
    "layers": [
        {"type": "dense", "units": 2, "activation": "tanh"},
        {"type": "highway"},
        {"type": "dense", "units": 1},
    ],
    "output": {"link": "identity"},
}
ROWS = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)


@pytest.fixture
def model() -> Model:
    return layerkit.build(SPEC)


def test_tensors_are_copies(model: Model) -> None:
    before = model.predict(ROWS)
    tensors = model.tensors()
    assert sorted(tensors) == [
        "dense_1.W", "dense_1.b", "dense_2.W", "dense_2.b",
        "highway_1.WH", "highway_1.WT", "highway_1.bH", "highway_1.bT",
    ]  # fmt: skip
    for array in tensors.values():
        array[...] = 9
    np.testing.assert_array_equal(model.predict(ROWS), before)


def test_what_was_set_is_used_by_every_form(model: Model) -> None:
    other = layerkit.build(SPEC, settings=["train.seed=5"])
    model.predict(ROWS)  # its forms are made
    model.predict(ROWS[:1])
    given = other.tensors()
    model.set_tensors({name: np.asfortranarray(array) for name, array in given.items()})
    np.testing.assert_array_equal(model.predict(ROWS), other.predict(ROWS))
    np.testing.assert_allclose(model.predict(ROWS[:1]), other.predict(ROWS[:1]), rtol=1e-6)
    for array in given.values():
        array[...] = 9  # what was given stays the caller's
    np.testing.assert_array_equal(model.predict(ROWS), other.predict(ROWS))


def test_numbers_are_rounded_to_the_dtype_of_the_model(model: Model) -> None:
    model.set_tensors({n: a.astype(np.float64) + 1e-12 for n, a in model.tensors().items()})
    assert {a.dtype for a in model.tensors().values()} == {np.dtype(np.float32)}


def test_all_faults_are_named_at_once_and_nothing_is_set(model: Model) -> None:
    before = model.tensors()
    bad: dict[str, Any] = {name: array + 1 for name, array in before.items()}
    del bad["highway_1.bT"]
    bad["dense_3.W"] = np.zeros(2, np.float32)
    bad["dense_1.W"] = bad["dense_1.W"].T
    bad["dense_1.b"] = ["a", "b"]
    bad["dense_2.b"] = np.array([1e300])
    with pytest.raises(TensorMismatchError) as caught:
        model.set_tensors(bad)
    assert caught.value.missing == ("highway_1.bT",)
    assert caught.value.unexpected == ("dense_3.W",)
    assert [name for name, _, _ in caught.value.mismatched] == [
        "dense_1.W", "dense_1.b", "dense_2.b"
    ]  # fmt: skip
    assert "dense_1.W: expected float32 [3, 2], got float32 [2, 3]" in str(caught.value)
    assert "1e+300" in str(caught.value)
    for name, array in model.tensors().items():
        np.testing.assert_array_equal(array, before[name])


def test_other_weights_are_another_model(tmp_path: Path) -> None:
    spec = {**SPEC, "output": {"targets": ["y"]}, "train": {"epochs": 1}}
    data = {"a": ROWS[:, 0], "b": ROWS[:, 1], "c": ROWS[:, 2], "y": ROWS.sum(axis=1)}
    model = layerkit.train({**spec, "input": {"columns": list("abc")}}, data=data).model
    layerkit.save(model, tmp_path / "net.layerkit")
    model = layerkit.load(tmp_path / "net.layerkit")
    model.set_tensors({name: array + 1 for name, array in model.tensors().items()})
    assert (model.history, model.metrics, model.file_id, model.path) == ({}, {}, None, None)
    layerkit.save(model, tmp_path / "other.layerkit")
    again = layerkit.load(tmp_path / "other.layerkit")  # with a self-test of its own
    np.testing.assert_array_equal(again.predict(ROWS), model.predict(ROWS))


def test_weights_in_a_file_cannot_be_set(model: Model, tmp_path: Path) -> None:
    layerkit.save(model, tmp_path / "net.layerkit")
    mapped = layerkit.load(tmp_path / "net.layerkit", mmap=True)
    with pytest.raises(DataError, match="without mmap=True"):
        mapped.set_tensors(mapped.tensors())
