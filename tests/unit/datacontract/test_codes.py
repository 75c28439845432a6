"""Categories as codes: one number for each cell, that of its category."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import DataError, SpecError
from layerkit.datacontract import InputContract

COLORS = ["blue", "green", "red"]
RNG = np.random.default_rng(1)
CELLS = RNG.choice(COLORS, 90)
SIZES = RNG.integers(1, 4, 90)
LABELS = np.where((CELLS == "red") ^ (SIZES == 2), "yes", "no")
TABLE = {"color": CELLS, "size": SIZES, "label": LABELS}


def column(name: str, categories: Any, **more: Any) -> dict[str, Any]:
    """A column of codes."""
    return {"name": name, "categories": categories, "encode": "code", **more}


def spec(*columns: Any, size: int = 3) -> dict[str, Any]:
    """A net that looks all columns up in one table of vectors."""
    return {
        "layerkit": 1,
        "input": {"columns": list(columns)},
        "layers": [
            {"type": "embedding", "size": size, "units": 4},
            {"type": "flatten"},
            {"type": "dense", "units": 8, "activation": "tanh"},
            {"type": "dense", "units": 2},
        ],
        "output": {"column": "label", "classes": ["no", "yes"]},
        "train": {
            "epochs": 40,
            "seed": 0,
            "batch_size": 8,
            "optimizer": {"type": "adam", "learning_rate": 0.02},
        },
    }


BOTH = spec(column("color", COLORS), column("size", ["1", "2", "3"]))


@pytest.fixture(scope="module")
def model() -> layerkit.Model:
    """Trained on a color and a size."""
    return layerkit.train(BOTH, data=TABLE).model


def fitted(field: dict[str, Any], cells: list[Any]) -> InputContract:
    """The contract of one column."""
    return InputContract.fit(layerkit.Rows(columns={"c": np.array(cells, object)}), columns=[field])


def codes(contract: InputContract, cells: list[Any]) -> list[float]:
    return [v for (v,) in contract.matrix({"c": np.array(cells, object)}).tolist()]


def test_a_category_becomes_its_number_in_the_list() -> None:
    found = fitted(column("c", ["b", "a", "7"]), ["a", "b", 7])
    assert found.columns == ("c",)
    assert codes(found, ["b", "a", 7, 7.0, " a "]) == [0, 1, 2, 2, 1]
    with pytest.raises(DataError, match="row 1, column 'c': expected one of 3 categories, got 'x'"):
        codes(found, ["a", "x"])


@pytest.mark.parametrize(
    ("rules", "wanted", "count"),
    [
        ({"unknown": "other"}, [0, 1, 2], 3),
        ({"missing": "category"}, [0, 1, None, 2], 3),
        ({"unknown": "other", "missing": "category"}, [0, 1, 3, 2], 4),
    ],
    ids=["other", "missing", "both"],
)
def test_missing_values_and_others_have_codes_of_their_own(
    rules: dict[str, str], wanted: list[Any], count: int
) -> None:
    cells = ["a", "b", "x", ""]
    cells = [
        cell for cell, code in zip(cells, [*wanted, None][:4], strict=True) if code is not None
    ]
    found = fitted(column("c", ["a", "b"], **rules), ["a", "b"])
    assert codes(found, cells) == [code for code in wanted if code is not None]
    (field,) = found.encoder.fields  # type: ignore[union-attr]
    assert field.codes == count  # type: ignore[union-attr]


def test_codes_are_not_scaled() -> None:
    rows = layerkit.Rows(columns={"c": np.array(["a", "b"]), "n": np.array([1.0, 5.0])})
    found = InputContract.fit(rows, columns=[column("c", ["a", "b"]), "n"], scale="standardize")
    assert found.scale_rows(found.matrix(rows)).tolist() == [[0, -1], [1, 1]]


def test_a_net_learns_from_codes(model: layerkit.Model) -> None:
    assert layerkit.evaluate(model, TABLE)["accuracy"] > 0.95
    assert model.classify({"color": "red", "size": 2}).tolist() == ["no"]


def test_raw_cells_are_taken_in_any_form(model: layerkit.Model) -> None:
    import pandas as pd
    import polars as pl

    given = {"color": CELLS, "size": SIZES}
    wanted = model.predict(given)
    array = np.array([CELLS, SIZES.astype(str)], object).T
    forms: list[Any] = [pd.DataFrame(given), pl.DataFrame(given), array, array.tolist()]
    for rows in forms:
        np.testing.assert_array_equal(model.predict(rows), wanted)


def test_an_array_of_numbers_holds_cells_and_not_codes() -> None:
    numbers = RNG.integers(1, 4, (60, 2)) * 10
    labels = np.where(numbers[:, 0] == 20, "yes", "no")
    learned = spec(column("a", "learn"), column("b", "learn"))
    model = layerkit.train(learned, data=(numbers, labels)).model
    assert model.spec.input["columns"][0]["categories"] == ["10", "20", "30"]
    assert layerkit.evaluate(model, (numbers, labels))["accuracy"] == 1
    for kind in (np.int64, np.float32, np.float64):
        assert (model.classify(numbers.astype(kind)) == labels).all()
    with pytest.raises(DataError, match="expected one of 3 categories, got '1'"):
        model.predict([[1, 2]])


def test_learned_categories_decide_how_many_vectors_are_needed() -> None:
    learned = spec(column("color", "learn"), column("size", "learn", max=2), size=2)
    with pytest.raises(SpecError, match=r"'color' has 3 codes, 0 to 2, .* expected at least 3"):
        layerkit.train(learned, data=TABLE)
    found = layerkit.train({**learned, "layers": BOTH["layers"]}, data=TABLE).model
    assert found.spec.input["columns"][1]["unknown"] == "other"
    assert found.spec.input["columns"][1]["encode"] == "code"


@pytest.mark.parametrize(
    ("field", "count"),
    [
        (column("c", COLORS), 3),
        (column("c", COLORS, unknown="other"), 4),
        (column("c", COLORS, unknown="other", missing="category"), 5),
    ],
    ids=["listed", "other", "missing"],
)
def test_too_few_vectors_are_refused_with_the_number_wanted(field: Any, count: int) -> None:
    layerkit.build(spec(field, size=count))
    with pytest.raises(SpecError, match=f"expected at least {count}") as found:
        layerkit.build(spec(field, size=count - 1))
    assert "layers[0]" in str(found.value) or "layers.0" in str(found.value)


def test_codes_are_held_against_the_layer_that_takes_them() -> None:
    picked = spec("n", column("c", COLORS), size=2)
    picked["layers"] = [{"type": "select", "columns": [1]}, *picked["layers"]]
    with pytest.raises(SpecError, match=r"column 'c' has 3 codes, .*'embedding_1' takes"):
        layerkit.build(picked)
    picked["layers"][0]["columns"] = [0]
    layerkit.build(picked)  # the numbers are taken, the codes are not


def test_codes_come_back_from_the_file(model: layerkit.Model, tmp_path: Path) -> None:
    path = tmp_path / "m.layerkit"
    layerkit.save(model, path)
    loaded = layerkit.load(path)
    given = {"color": CELLS, "size": SIZES}
    np.testing.assert_array_equal(loaded.predict(given), model.predict(given))
    fields = layerkit.inspect(path).header["spec"]["data"]["table"]["fields"]
    assert [field["encode"] for field in fields] == ["code", "code"]
    again = io.BytesIO()
    layerkit.save(loaded, again)
    assert again.getvalue() == path.read_bytes()


def test_one_hot_columns_are_written_as_they_were(tmp_path: Path) -> None:
    plain = {"name": "c", "categories": COLORS, "encode": "one_hot"}
    model = layerkit.build({"layerkit": 1, "input": {"columns": [plain]}, "layers": []})
    assert "encode" not in json.dumps(model.spec.to_document())
    assert "encode" not in json.dumps(model.contract.to_spec())


def test_training_goes_on_with_the_same_codes(tmp_path: Path) -> None:
    def filed(model: layerkit.Model) -> bytes:
        stream = io.BytesIO()
        layerkit.save(model, stream)
        return stream.getvalue()

    short = {**BOTH, "train": {**BOTH["train"], "epochs": 2}}
    whole = layerkit.train({**BOTH, "train": {**BOTH["train"], "epochs": 4}}, data=TABLE).model
    half = layerkit.load(filed(layerkit.train(short, data=TABLE).model))
    assert filed(layerkit.resume(half, data=TABLE, epochs=4).model) == filed(whole)


@pytest.mark.parametrize("form", ["onnx", "c", "python"])
def test_exports_are_verified(model: layerkit.Model, form: str, tmp_path: Path) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    for verify in (True, TABLE):
        done = layerkit.export(model, tmp_path / "model", to=form, verify=verify)
        assert done.verified is not None


def test_exported_python_takes_raw_cells(tmp_path: Path) -> None:
    rules = {"unknown": "other", "missing": "category"}
    model = layerkit.train(spec(column("color", COLORS, **rules), size=5), data=TABLE).model
    done = layerkit.export(model, tmp_path / "model.py")
    names: dict[str, Any] = {"__name__": "exported"}
    exec(done.path.read_text(), names)  # noqa: S102  # the file written above
    for cell in ("red", "green", "mauve", None):
        wanted = model.predict({"color": [cell]})[0]
        assert names["predict"]([cell]) == pytest.approx(wanted, abs=1e-6)


def test_categories_that_training_did_not_see_lie_outside() -> None:
    field = column("color", [*COLORS, "white"], unknown="other")
    model = layerkit.train(spec(field, size=5), data=TABLE).model
    found = model.outside({"color": ["red", "blue", "white", "mauve"]})
    assert found.ravel().tolist() == [False, False, True, True]


def test_codes_are_one_input_of_other_layers_too() -> None:
    plain = spec(column("color", COLORS), "size")
    plain["layers"] = plain["layers"][2:]
    plain["input"]["scale"] = "standardize"
    model = layerkit.train(plain, data=TABLE).model
    assert model.network.planned[0].in_shape == (2,)
    stream = io.BytesIO()
    layerkit.save(model, stream)
    layerkit.load(stream.getvalue())


def wide_and_deep(size: int = 3) -> dict[str, Any]:
    """Numbers beside the vectors of two columns of codes."""

    def way(column: int, name: str) -> dict[str, Any]:
        layers = [
            {"type": "select", "columns": [column]},
            {"type": "embedding", "size": size, "units": 2},
            {"type": "flatten"},
        ]
        return {"type": "sequence", "name": name, "layers": layers}

    found = spec("n", column("color", "learn"), column("size", ["1", "2", "3"]))
    ways = [{"type": "select", "columns": [0]}, way(1, "colors"), way(2, "sizes")]
    found["layers"] = [{"type": "branch", "layers": ways}, *found["layers"][2:]]
    found["input"]["scale"] = "standardize"
    return found


@pytest.mark.parametrize("form", ["onnx", "c", "python"])
def test_codes_reach_embeddings_side_by_side(form: str, tmp_path: Path) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    table = {"n": RNG.normal(50, 9, 90), **TABLE}
    model = layerkit.train(wide_and_deep(), data=table).model
    assert model.contract.input.whole is not None
    assert model.contract.input.whole.tolist() == [0, 3, 3]
    assert layerkit.evaluate(model, table)["accuracy"] > 0.9
    assert layerkit.export(model, tmp_path / "m", to=form, verify=table).verified is not None
    path = tmp_path / "m.layerkit"
    layerkit.save(model, path)
    np.testing.assert_array_equal(layerkit.load(path).predict(table), model.predict(table))


def test_too_few_vectors_in_a_branch_are_refused() -> None:
    table = {"n": RNG.normal(50, 9, 90), **TABLE}
    with pytest.raises(SpecError, match=r"column 'color' has 3 codes, .*expected at least 3"):
        layerkit.train(wide_and_deep(size=2), data=table)


def test_a_container_takes_whole_numbers_from_the_input_only() -> None:
    late = wide_and_deep()
    late["layers"].insert(0, {"type": "dense", "units": 3})
    late["input"]["columns"][1] = column("color", COLORS)
    with pytest.raises(SpecError, match="'branch_1' takes whole numbers, which 'dense_1'"):
        layerkit.build(late)


def test_the_layer_that_takes_too_few_codes_is_named_inside_a_container() -> None:
    inside = spec("n", column("c", COLORS), size=2)
    embedding, flatten, *rest = inside["layers"]

    def way(i: int) -> dict[str, Any]:
        layers = [{"type": "select", "columns": [i]}, embedding, flatten]
        return {"type": "sequence", "layers": layers}

    ways: list[Any] = [way(1), {"type": "dense", "units": 2}]
    inside["layers"] = [{"type": "branch", "layers": ways}, *rest]
    with pytest.raises(SpecError, match=r"'branch_1.sequence_1.embedding_1' takes"):
        layerkit.build(inside)
    ways[1] = way(0)
    with pytest.raises(SpecError, match=r"but 'branch_1' takes"):  # either may be meant
        layerkit.build(inside)
