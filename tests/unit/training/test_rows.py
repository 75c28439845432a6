from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import DataError, Rows
from layerkit.training import judged_rows, splits_of

SPEC: dict[str, Any] = {
    "layerkit": 1,
    "input": {"shape": [2]},
    "layers": [{"type": "dense", "units": 2}],
    "output": {"classes": ["a", "b"]},
    "train": {"epochs": 30, "optimizer": {"type": "adam", "learning_rate": 0.1}},
}
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 5)
Y = ["a", "a", "b", "b"] * 5


def spec(**train: Any) -> Any:
    return layerkit.build({**SPEC, "train": {**SPEC["train"], **train}}).spec


def test_a_pair_of_arrays_trains_and_judges() -> None:
    run = layerkit.train(SPEC, data=(X, Y))
    assert run.metrics["train_accuracy"] == 1
    assert layerkit.evaluate(run.model, (X[:2], ["a", "b"]))["accuracy"] == 0.5


def test_pairs_by_split_and_a_pair_to_validate_on() -> None:
    data = {"train": (X, Y), "test": (X[:4], ["a", "a", "b", "a"])}
    run = layerkit.train(SPEC, data=data, validation_data=(X[:1], ["b"]))
    assert run.metrics["test_accuracy"] == 0.75
    assert run.metrics["val_accuracy"] == 0


def test_columns_by_name_with_labels_beside_them() -> None:
    given = {**SPEC, "input": {"columns": ["u", "v"]}}
    columns = {"v": X[:, 1], "u": X[:, 0]}
    assert layerkit.train(given, data=(columns, Y)).metrics["train_accuracy"] == 1


def test_compare_takes_a_pair_too() -> None:
    other = {**SPEC, "name": "other"}
    data = {"train": (X, Y), "test": (X, Y)}
    found = layerkit.compare([SPEC, other], data=data, seeds=2, timing=False)
    assert [c.name for c in found.contestants] == ["model", "other"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((X, Y[:-1]), "got 19 for 20 rows"),
        ((X, "a"), "expected an array, got the text 'a'"),
        ((X, 1), "got none for 20 rows"),
        ((X, Y, Y), "a pair"),
        ({"train": X}, "a pair"),
    ],
)
def test_what_is_no_pair_is_refused(data: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        layerkit.train(SPEC, data=data)


def test_headerless_numbers_with_the_label_by_position(tmp_path: Path) -> None:
    lines = [f"{a},{b},{'ab'.index(y)}" for (a, b), y in zip(X, Y, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    given = {**SPEC, "output": {"classes": [0, 1], "column": "2"}}
    run = layerkit.train(given, data=tmp_path / "rows.csv")
    assert run.metrics["train_accuracy"] == 1


def test_judged_rows_are_those_that_training_judges_by() -> None:
    rows = Rows(values=X, labels=np.array(Y))
    chosen = judged_rows(spec(test=0.25), {"train": rows})
    run = layerkit.train(spec(test=0.25), data={"train": rows})
    assert layerkit.evaluate(run.model, chosen)["loss"] == pytest.approx(run.metrics["test_loss"])
    assert len(chosen) == 5
    rest = judged_rows(spec(test=0.25), {"train": rows}, "train")
    assert len(rest) == 15
    with pytest.raises(DataError, match="expected the split"):
        judged_rows(spec(), {"train": rows}, "other")


def test_rows_are_split_by_the_recipe_and_not_changed() -> None:
    rows = Rows(values=X, labels=np.array(Y))
    assert splits_of(spec(), {"train": rows})["train"] is rows


@pytest.mark.parametrize("where", ["input", "label"])
@pytest.mark.parametrize("train", [{"test": 0.5}, {"validation": 0.5}, {"test": 0.3, "seed": 3}])
def test_a_bad_row_is_named_by_its_number_at_the_source(where: str, train: Any) -> None:
    for bad in range(20):
        x, y = X.copy(), list(Y)
        if where == "input":
            x[bad, 1] = np.nan
        else:
            y[bad] = "c"
        given = {**SPEC, "train": {**SPEC["train"], **train}}
        with pytest.raises(DataError) as caught:
            layerkit.train(given, data=(x, y))
        assert caught.value.row == bad


def test_rows_taken_twice_know_where_they_came_from() -> None:
    rows = Rows(values=X).take(np.array([5, 7, 9])).take(slice(1, None))
    assert rows.index is not None
    assert rows.index.tolist() == [7, 9]


def test_rows_of_labels_alone_are_counted() -> None:
    assert len(Rows(labels=np.zeros(3))) == 3


def test_pictures_are_flattened_for_a_model_of_one_axis() -> None:
    model = layerkit.build({**SPEC, "input": {"shape": [6]}})
    pictures = np.arange(12.0).reshape(2, 2, 3)
    flat = model.predict(pictures.reshape(2, 6))
    assert model.predict(pictures).tobytes() == flat.tobytes()
    with pytest.raises(DataError, match="6 numbers per row"):
        model.predict(np.zeros((2, 2, 2)))


def test_a_model_whose_classes_are_not_known_yet_says_so() -> None:
    model = layerkit.build({**SPEC, "output": {}})
    with pytest.raises(DataError, match="built but not trained"):
        layerkit.evaluate(model, (X, Y))


def test_the_test_rows_of_a_fraction_stay_what_they_are() -> None:
    """Another choice in a later version would let old models' test rows into their training."""
    rows = Rows(values=X, labels=np.array(Y))
    chosen = judged_rows(spec(test=0.25), {"train": rows})
    assert chosen.index is not None
    assert chosen.index.tolist() == [18, 7, 10, 2, 8]


def test_tables_of_every_kind_hold_their_labels() -> None:
    given = {**SPEC, "input": {"columns": ["u", "v"]}, "output": {"column": "kind"}}
    columns = {"u": X[:, 0].tolist(), "v": X[:, 1].tolist(), "kind": Y}
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    runs = [layerkit.train(given, data=d) for d in (columns, records, {"train": columns})]
    assert [run.metrics["train_accuracy"] for run in runs] == [1, 1, 1]
    assert layerkit.evaluate(runs[0].model, columns)["accuracy"] == 1
