"""Contestants that answer different questions are refused; the judged rows are the same for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit.comparison import compare
from layerkit.comparison.contestants import read_contestants
from layerkit.comparison.data import load_comparison_data
from layerkit.comparison.judging import shared_metrics
from layerkit.core.rows import Rows
from layerkit.errors import DataError, LayerkitError, SpecError
from layerkit.model import build

X = np.random.default_rng(0).normal(size=(60, 2))
TABLE = Rows(columns={"a": X[:, 0], "b": X[:, 1], "y": X.sum(axis=1), "z": X[:, 0] * 2})


def regression(target: str, **train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "name": f"of-{target}",
        "input": {"columns": ["a", "b"]},
        "layers": [{"type": "dense", "units": 1}],
        "output": {"targets": [target]},
        "train": {"data": "table", "epochs": 1, "test": 0.5, **train},
    }


def test_different_classes_are_refused(plain: dict[str, Any], highway: dict[str, Any]) -> None:
    odd = {**highway, "output": {"classes": [f"digit {k}" for k in range(10)]}}
    with pytest.raises(DataError, match=r"'plain' and 'highway' answer different questions.*digit"):
        compare([plain, odd], seeds=1)


def test_the_order_of_classes_is_each_models_own_business(plain: dict[str, Any]) -> None:
    turned = {**plain, "name": "turned", "output": {"classes": [str(k) for k in range(9, -1, -1)]}}
    found = compare([plain, turned], seeds=1, timing=False)
    assert found.contestants[1].metrics["accuracy"].mean > 0.2


def test_different_targets_are_refused() -> None:
    with pytest.raises(DataError, match=r"targets \['y'\] against \['z'\]"):
        compare([regression("y"), regression("z")], data={"train": TABLE}, seeds=1)


def test_classes_against_numbers_are_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(LayerkitError, match="different questions"):
        compare([plain, regression("y")], seeds=1)


def test_an_answer_for_a_row_against_one_for_each_step_is_refused() -> None:
    def spec(name: str, sequence: bool) -> dict[str, Any]:
        gru = {"type": "gru", "units": 3, "sequence": sequence}
        layers = [gru, {"type": "dense", "units": 2}]
        return {"layerkit": 1, "name": name, "input": {"shape": [5, 2]}, "layers": layers,
                "train": {"data": "none.npz"}}  # fmt: skip

    expected = r"answers 'one for a row' against 'one for each step, of \[5\]'"
    with pytest.raises(DataError, match=expected):
        compare([spec("one", sequence=False), spec("each", sequence=True)], seeds=1)


def test_different_input_shapes_are_refused(plain: dict[str, Any], highway: dict[str, Any]) -> None:
    small = {**highway, "input": {"shape": [63]}}
    with pytest.raises(DataError, match="input shape"):
        load_comparison_data(read_contestants([plain, small]), None, "test")


@pytest.mark.parametrize("shape", [[8, 8], [8, 8, 1], [1, 8, 8]], ids=str)
def test_nets_on_the_same_numbers_are_compared(plain: dict[str, Any], shape: list[int]) -> None:
    picture = {**plain, "name": "picture", "input": {**plain["input"], "shape": shape}}
    picture["layers"] = [{"type": "flatten"}, *plain["layers"]]
    found = compare([plain, picture], seeds=1, timing=False)
    first, second = found.contestants
    assert first.metrics["accuracy"].mean == second.metrics["accuracy"].mean


def test_numbers_in_another_order_are_not_the_same(plain: dict[str, Any]) -> None:
    pair = []
    for shape in ([8, 4, 2], [2, 8, 4]):
        layers = [{"type": "flatten"}, *plain["layers"]]
        pair.append(
            {**plain, "name": f"net-{shape[0]}", "input": {"shape": shape}, "layers": layers}
        )
    with pytest.raises(DataError, match=r"input shape \[8, 4, 2\] against \[2, 8, 4\]"):
        load_comparison_data(read_contestants(pair), None, "test")


def test_learned_classes_are_held_against_each_other(plain: dict[str, Any]) -> None:
    """A model made for other labels, its classes not in the spec, is found out after training."""
    rows = Rows(values=np.zeros((20, 64)), labels=np.array([f"k{i % 10}" for i in range(20)]))
    digits = Rows(values=np.zeros((20, 64)), labels=np.arange(20) % 10)
    learner = {**plain, "name": "learner", "output": {}}
    with pytest.raises(LayerkitError, match=r"k0|classes"):
        compare([learner, plain], data={"train": rows, "test": rows}, seeds=1)
    assert compare([learner, plain], data={"train": digits, "test": digits}, seeds=1, timing=False)


def test_different_data_need_a_choice(plain: dict[str, Any], highway: dict[str, Any]) -> None:
    other = {**highway, "train": {**highway["train"], "data": "mnist"}}
    with pytest.raises(DataError, match=r"different data: 'digits' in 'plain', 'mnist'"):
        load_comparison_data(read_contestants([plain, other]), None, "test")


def test_different_test_fractions_are_refused() -> None:
    pair = read_contestants([regression("y"), regression("y", test=0.25)])
    with pytest.raises(SpecError, match=r"0\.5 in 'of-y'.*0\.25"):
        load_comparison_data(pair, {"train": TABLE}, "test")


def test_test_rows_are_those_of_training() -> None:
    found = load_comparison_data(read_contestants([regression("y")]), {"train": TABLE}, "test")
    assert found.rows is not None
    assert len(found.rows) == 30


def test_no_test_rows() -> None:
    with pytest.raises(DataError, match="no test rows"):
        load_comparison_data(
            read_contestants([regression("y", test=None)]), {"train": TABLE}, "test"
        )


def test_files_may_be_judged_on_all_rows_given_with_a_caution() -> None:
    entries = read_contestants([build(regression("y", test=None))])
    found = load_comparison_data(entries, {"train": TABLE}, "test")
    assert found.rows is TABLE
    assert "looks better than it is" in found.cautions[0]


def test_validation_rows_are_each_seeds_own() -> None:
    spec = regression("y", validation=0.4)
    found = compare([spec, {**spec, "name": "b"}], data={"train": TABLE}, seeds=2, on="validation")
    second = found.contestants[1].differences["mae"]
    assert (found.rows, found.on) == (12, "validation")
    assert second.values == (0.0, 0.0)  # the same spec twice: the same rows, the same numbers
    assert second.rows is None


def test_validation_values_are_those_of_training() -> None:
    from layerkit.training import train

    spec = regression("y", validation=0.4)
    run = train(spec, data={"train": TABLE}, seed=1)
    found = compare(
        [spec], data={"train": TABLE}, settings=["train.seed=1"], seeds=1, on="validation"
    )
    assert found.contestants[0].metrics["mae"].mean == pytest.approx(run.metrics["val_mae"])


def test_models_have_no_known_validation_rows() -> None:
    entries = read_contestants([build(regression("y", validation=0.4))])
    with pytest.raises(DataError, match="which rows it was validated on"):
        load_comparison_data(entries, {"train": TABLE}, "validation")


def test_all_are_judged_by_the_metrics_of_any(plain: dict[str, Any]) -> None:
    more = {**plain, "train": {**plain["train"], "metrics": ["macro_f1", "accuracy"]}}
    assert list(shared_metrics(read_contestants([plain, more]))) == ["accuracy", "macro_f1"]
