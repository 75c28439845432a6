"""Rows that hold other than the whole numbers that layers take are refused, with row and column."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import DataError
from layerkit.datacontract import InputContract

RNG = np.random.default_rng(0)
X = RNG.integers(0, 17, (60, 5))
Y = X.sum(axis=1) % 3


def spec(**given: Any) -> dict[str, Any]:
    """A net on five tokens, by position."""
    return {
        "layerkit": 1,
        "input": {"shape": [5], **given},
        "layers": [
            {"type": "embedding", "size": 17, "units": 4},
            {"type": "flatten"},
            {"type": "dense", "units": 3},
        ],
        "output": {"classes": [0, 1, 2]},
        "train": {"epochs": 2, "seed": 0},
    }


@pytest.fixture(scope="module")
def model() -> layerkit.Model:
    """Trained on tokens alone."""
    return layerkit.train(spec(), data=(X, Y)).model


def broken(value: Any) -> Any:
    """Rows of tokens, one of which is ``value``."""
    x = X.astype(float)
    x[3, 4] = value
    return x


def forms(x: Any) -> dict[str, Any]:
    """The same rows as users have them."""
    import pandas as pd
    import polars as pl

    names = [str(i) for i in range(x.shape[1])]
    return {
        "array": x,
        "float32": x.astype(np.float32),
        "lists": x.tolist(),
        "pandas": pd.DataFrame(x, columns=names),
        "polars": pl.DataFrame(x, schema=names),
        "columns": {name: x[:, i] for i, name in enumerate(names)},
        "text": x.astype(str),
    }


@pytest.mark.parametrize("form", list(forms(broken(0))))
@pytest.mark.parametrize(
    ("value", "got"),
    [(99, "99"), (17, "17"), (-1, "-1"), (3.5, "3.5"), (np.nan, "a missing value")],
)
def test_a_wrong_number_is_named_with_row_and_column(
    model: layerkit.Model, value: float, got: str, form: str
) -> None:
    with pytest.raises(DataError) as found:
        model.predict(forms(broken(value))[form])
    assert (found.value.row, str(found.value.column)) == (3, "4")
    wanted = f"row 3, column {'4' if isinstance(found.value.column, int) else repr('4')}: "
    assert f"{wanted}expected a whole number from 0 to 16, got {got}" in str(found.value)


@pytest.mark.parametrize("form", list(forms(broken(0))))
def test_whole_numbers_are_taken_in_any_form(model: layerkit.Model, form: str) -> None:
    np.testing.assert_array_equal(model.predict(forms(broken(2))[form]), model.predict(broken(2)))


def test_training_rows_are_refused_too() -> None:
    with pytest.raises(DataError, match="row 3, column 4: expected a whole number from 0 to 16"):
        layerkit.train(spec(), data=(broken(99), Y))


def test_files_of_any_reader_are_refused(model: layerkit.Model, tmp_path: Path) -> None:
    x, y = broken(99), Y
    names = [f"t{i}" for i in range(5)]
    rows = [dict(zip(names, map(float, row), strict=True)) for row in x]
    lines = [",".join([*names, "y"])]
    lines += [",".join(map(str, [*row, label])) for row, label in zip(x.tolist(), y, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    records = [{**row, "y": int(label)} for row, label in zip(rows, y, strict=True)]
    (tmp_path / "a.json").write_text(json.dumps(records))
    np.savez(tmp_path / "a.npz", x=x, y=y)
    for name in ("a.csv", "a.json"):
        named = {**spec(), "input": {"columns": names}}
        named["output"] = {"classes": [0, 1, 2], "column": "y"}
        with pytest.raises(DataError, match="row 3, column 't4': expected a whole number"):
            layerkit.train(named, data=str(tmp_path / name))
    with pytest.raises(DataError, match="row 3, column 4: expected a whole number"):
        layerkit.train(spec(), data=str(tmp_path / "a.npz"))
    with pytest.raises(DataError, match="row 3, column 4: expected a whole number"):
        layerkit.evaluate(model, (x, y))


def test_a_missing_value_is_not_filled() -> None:
    model = layerkit.train(spec(missing="mean"), data=(X, Y)).model
    with pytest.raises(DataError, match="got a missing value") as found:
        model.predict(broken(np.nan))
    assert "a whole number of their own" in str(found.value.hint)


def mixed(x: Any, whole: Any, **fit: Any) -> InputContract:
    """A contract of columns of which some are whole numbers."""
    return InputContract.fit(layerkit.Rows(values=x), whole=np.array(whole), **fit)


@pytest.mark.parametrize("scale", ["standardize", "minmax", {"divide": 2.0}])
def test_whole_numbers_are_not_scaled_and_others_are(scale: Any) -> None:
    x = np.array([[0.0, 10.0], [6.0, 30.0], [2.0, 20.0]])
    found = mixed(x, [7, 0], scale=scale)
    assert found.center is not None
    assert found.scale is not None
    plain = mixed(x[:, 1:], [0], scale=scale)
    assert (found.center[0], found.scale[0]) == (0, 1)
    assert (found.center[1], found.scale[1]) == (plain.center[0], plain.scale[0])  # type: ignore[index]
    np.testing.assert_array_equal(found.scale_rows(found.matrix(x))[:, 0], x[:, 0])


def test_fill_values_are_for_the_other_numbers() -> None:
    found = mixed(np.array([[0.0, 1.0], [6.0, np.nan]]), [7, 0], missing="mean")
    assert found.matrix([[3.0, np.nan]]).tolist() == [[3.0, 1.0]]
    with pytest.raises(DataError, match="row 0, column 0: expected a whole number from 0 to 6"):
        found.matrix([[np.nan, 1.0]])


def test_no_whole_number_lies_outside_the_range_of_training() -> None:
    model = layerkit.train(spec(), data=(np.minimum(X, 4), Y)).model
    assert not model.outside(X).any()


def test_the_self_test_of_a_file_holds_whole_numbers(model: layerkit.Model) -> None:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    loaded = layerkit.load(stream.getvalue())
    assert loaded.leftovers.selftest is not None
    rows = loaded.leftovers.selftest.rows
    assert ((rows == np.floor(rows)) & (rows >= 0) & (rows < 17)).all()
    with pytest.raises(DataError, match="expected a whole number from 0 to 16"):
        loaded.predict(broken(99))  # which layers take whole numbers follows from the layers


def test_a_model_that_is_built_has_a_self_test_too() -> None:
    stream = io.BytesIO()
    plain = {k: v for k, v in spec().items() if k not in ("train", "output")}
    layerkit.save(layerkit.build(plain), stream)
    layerkit.load(stream.getvalue())


@pytest.mark.parametrize("form", ["onnx", "c", "python"])
def test_exports_are_verified_with_whole_numbers(
    model: layerkit.Model, form: str, tmp_path: Path
) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    done = layerkit.export(model, tmp_path / "model", to=form, verify=True)
    assert done.verified is not None


def test_exported_python_refuses_what_no_vector_is_for(
    model: layerkit.Model, tmp_path: Path
) -> None:
    done = layerkit.export(model, tmp_path / "model.py")
    names: dict[str, Any] = {"__name__": "exported"}
    exec(done.path.read_text(), names)  # noqa: S102  # the file written above
    assert names["predict"]([1, 2, 3, 4, 5]) == pytest.approx(model.predict([1, 2, 3, 4, 5])[0])
    for wrong in (17, -1):
        with pytest.raises(ValueError, match="expected a whole number from 0 to 16"):
            names["predict"]([1, 2, wrong, 4, 5])


def test_the_doctor_does_not_ask_for_scaling() -> None:
    big = {
        **spec(),
        "layers": [{"type": "embedding", "size": 5000, "units": 4}, *spec()["layers"][1:]],
    }
    x = RNG.integers(0, 5000, (60, 5))
    found = layerkit.diagnose(big, data=(x, Y)).findings
    assert not [one for one in found if one.check in ("unscaled inputs", "vanishing gradients")]


def test_no_gradient_is_missed_behind_layers_that_move_numbers() -> None:
    turned = {**spec(), "layers": [{"type": "reshape", "shape": [5, 1]}, *spec()["layers"]]}
    found = layerkit.diagnose(turned, data=(X, Y)).findings
    assert not [one for one in found if one.check == "vanishing gradients"]
    with pytest.raises(DataError, match="row 3, column 4: expected a whole number from 0 to 16"):
        layerkit.build({**turned, "train": None}).predict(broken(17))


def test_float32_cannot_tell_larger_whole_numbers_apart() -> None:
    whole = np.array([2**25])
    with pytest.raises(DataError, match="from 0 to 16777215, got 16777216"):
        InputContract((1,), "float32", whole=whole).matrix([[2.0**24]])
    assert InputContract((1,), "float64", whole=whole).matrix([[2.0**24]]).tolist() == [[2.0**24]]
