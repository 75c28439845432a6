"""Specs whose categories are learned: from the training rows only, the same for the same rows."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import DataError, Listener, SpecError
from layerkit.specs import read_spec
from layerkit.training.learned_categories import explicit_spec
from layerkit.training.training_data import splits_of

LEARN = {"name": "job", "categories": "learn"}
SPEC: dict[str, Any] = {
    "layerkit": 1,
    "name": "jobs",
    "input": {"columns": ["age", LEARN], "scale": "standardize"},
    "layers": [{"type": "dense", "units": 4}, {"type": "dense", "units": 2}],
    "output": {"column": "y"},
    "train": {"epochs": 2, "batch_size": 8},
}


def table(n: int = 40) -> dict[str, Any]:
    jobs = np.array([f"job{i % 7}" for i in range(n)])
    return {"age": np.arange(n), "job": jobs, "y": np.array(["no", "yes"])[np.arange(n) % 2]}


def spec(job: dict[str, Any] | None = None, **recipe: Any) -> dict[str, Any]:
    made = copy.deepcopy(SPEC)
    made["input"]["columns"][1] = job or LEARN
    made["train"].update(recipe)
    return made


def categories(model: layerkit.Model) -> list[str]:
    found: list[str] = model.spec.input["columns"][1]["categories"]
    return found


def test_the_model_and_its_file_are_explicit(tmp_path: Path) -> None:
    model = layerkit.train(spec(), data=table()).model
    assert categories(model) == [f"job{k}" for k in range(7)]
    layerkit.save(model, tmp_path / "m.layerkit")
    again = layerkit.load(tmp_path / "m.layerkit")
    assert not again.spec.learns
    assert "max" not in again.spec.input["columns"][1]
    row = {"age": 3, "job": "job3"}
    np.testing.assert_array_equal(again.predict(row), model.predict(row))
    explicit = again.spec.to_document()
    assert layerkit.train(explicit, data=table()).model.spec == model.spec


def test_equal_data_give_equal_files_whatever_holds_them(tmp_path: Path) -> None:
    ids = []
    columns = [cells.tolist() for cells in table().values()]
    rows = [dict(zip(table(), row, strict=True)) for row in zip(*columns, strict=True)]
    (tmp_path / "t.csv").write_text(
        "\n".join(["age,job,y", *(",".join(map(str, row.values())) for row in rows)])
    )
    forms: list[Any] = [table(), rows, tmp_path / "t.csv"]
    for kind in ("pandas", "polars"):
        try:
            frame = __import__(kind).DataFrame(table())
        except ImportError:
            continue
        forms.append(frame)
        forms.append(frame.astype({"job": "category"}) if kind == "pandas" else frame)
    for form in forms:
        model = layerkit.train(spec(), data=form).model
        ids.append(layerkit.save(model, tmp_path / "m.layerkit"))
    assert len(set(ids)) == 1


@pytest.mark.parametrize("seed", range(3))
def test_only_training_rows_are_learned_from(seed: int) -> None:
    data = table()
    data["job"] = np.array([f"job{i}" for i in range(40)])  # each in one row
    lenient = {**LEARN, "unknown": "other"}
    run = layerkit.train(spec(lenient, validation=0.25, test=0.2, seed=seed), data=data)
    assert run.model.fit is not None
    assert len(categories(run.model)) == run.model.fit.rows.count == 24
    with pytest.raises(DataError, match="expected one of 24 categories"):
        layerkit.train(spec(validation=0.25, test=0.2, seed=seed), data=data)


def test_given_validation_and_test_rows_are_not_learned_from() -> None:
    seen, rest = table(), table()
    rest["job"] = np.array(["new"] * 40)
    run = layerkit.train(
        spec({**LEARN, "unknown": "other"}),
        data=seen,
        validation_data=(({k: rest[k] for k in ("age", "job")}), rest["y"]),
    )
    assert "new" not in categories(run.model)


def test_too_many_categories_are_cut_with_a_notice() -> None:
    notices: list[str] = []

    class Heard(Listener):
        def notice(self, text: str) -> None:
            notices.append(text)

    model = layerkit.train(spec({**LEARN, "max": 5}), data=table(), listener=Heard()).model
    assert categories(model) == [f"job{k}" for k in range(5)]
    assert model.spec.input["columns"][1]["unknown"] == "other"
    (notice,) = notices
    assert (
        notice
        == "10 of 40 rows have none of the 5 categories of 'job': they are taken as \"other\""
    )
    assert model.predict({"age": [1], "job": ["new"]}).shape == (1, 2)
    assert not model.outside({"age": [1], "job": ["new"]}).any()


def test_spellings_of_missing_values_that_only_the_data_have(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("age,job,y\n" + "1,NA,no\n2,007,yes\n3,7,no\n4,NA,yes\n")
    given = spec(
        {**LEARN, "missing": "category"}, data={"path": str(path), "missing_values": ["NA"]}
    )
    model = layerkit.train(given).model
    assert categories(model) == ["007", "7"]
    assert model.contract.input.columns == ("age", "job=007", "job=7", "job=?")
    path = tmp_path / "t.json"
    path.write_text(
        '[{"age": 1, "job": "NA", "y": "no"}, {"age": 2, "job": "007", "y": "yes"},'
        ' {"age": 3, "job": 7, "y": "no"}, {"age": 4, "y": "yes"}]'
    )
    given["train"]["data"]["path"] = str(path)
    assert layerkit.train(given).model.spec.input == model.spec.input


def test_resuming_reaches_the_same_bits(tmp_path: Path) -> None:
    whole = layerkit.train(spec(epochs=4), data=table()).model
    half = layerkit.train(spec(epochs=2), data=table()).model
    layerkit.save(half, tmp_path / "half.layerkit")
    more = layerkit.resume(tmp_path / "half.layerkit", data=table(), epochs=4).model
    assert layerkit.save(more, tmp_path / "a") == layerkit.save(whole, tmp_path / "b")
    other = table()
    other["job"] = other["job"][::-1].copy()
    with pytest.raises(SpecError, match="rows"):
        layerkit.resume(tmp_path / "half.layerkit", data=other, epochs=5)


def test_seeds_and_comparisons(tmp_path: Path) -> None:
    runs = layerkit.train_seeds(spec(), seeds=2, data=table())
    assert [categories(run.model) for run in runs] == [[f"job{k}" for k in range(7)]] * 2
    explicit = {**runs[0].model.spec.to_document(), "name": "explicit"}
    found = layerkit.compare(
        [spec(test=0.25), explicit], data=table(), seeds=2, settings=["train.test=0.25"]
    )
    first, second = found.contestants
    assert (first.parameters, second.parameters) == (8 * 4 + 4 + 10, 8 * 4 + 4 + 10)
    assert first.metrics["loss"] == second.metrics["loss"]


def test_a_spec_without_its_categories_has_no_width() -> None:
    read = read_spec(spec())
    assert read.learns == ("job",)
    with pytest.raises(SpecError, match="the width of the input is not known yet") as caught:
        layerkit.build(read)
    assert caught.value.hint is not None
    assert "layerkit train" in caught.value.hint
    splits = splits_of(read, table())
    assert explicit_spec(read, splits).in_shape == (8,)
    assert explicit_spec(explicit_spec(read, splits), splits).learns == ()


def test_layers_that_do_not_fit_are_found_once_the_width_is_known() -> None:
    wrong = spec()
    wrong["layers"] = [{"type": "dense", "units": 3}]
    wrong["output"]["classes"] = ["no", "yes"]
    with pytest.raises(SpecError, match="set its units to 2"):
        layerkit.train(wrong, data=table())


def test_arrays_of_raw_cells_go_by_position() -> None:
    data = table()
    x = np.stack([data["age"].astype(object), data["job"].astype(object)], axis=1)
    model = layerkit.train(spec(), data=(x, data["y"])).model
    named = layerkit.train(spec(), data=data).model
    rows = {name: data[name] for name in ("age", "job")}
    np.testing.assert_array_equal(model.predict(rows), named.predict(rows))
    np.testing.assert_array_equal(model.predict(x), named.predict(rows))
    assert json.dumps(model.spec.to_document()) == json.dumps(named.spec.to_document())


ADULT = Path(__file__).parents[4] / "shared" / "data" / "adult" / "adult-train.csv"
TEXT = (1, 3, 5, 6, 7, 8, 9, 13)


def adult(*, text: bool) -> dict[str, Any]:
    listed = [
        {"name": str(j), "categories": "learn", "missing": "category"} if j in TEXT else str(j)
        for j in range(14)
        if text or j not in TEXT
    ]
    return {
        "layerkit": 1,
        "input": {"columns": listed, "scale": "standardize"},
        "layers": [
            {"type": "dense", "units": 16, "activation": "relu"},
            {"type": "dense", "units": 2},
        ],
        "output": {"column": 14},
        "train": {"epochs": 2, "batch_size": 128, "test": 0.25},
    }


@pytest.mark.skipif(not ADULT.exists(), reason="the adult table of ../shared/data is not there")
def test_the_text_of_adult_is_worth_two_points() -> None:
    without, with_text = (
        layerkit.train(adult(text=text), data=ADULT).metrics["test_accuracy"]
        for text in (False, True)
    )
    assert with_text > without + 0.02
