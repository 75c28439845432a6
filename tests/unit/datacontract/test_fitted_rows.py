"""What a model was fitted on: the same for the same rows, whatever their form and order."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit.core.rows import Rows
from layerkit.datacontract.fitted_rows import Fit, fitted_rows, share_seen
from layerkit.errors import SpecError

SPEC: dict[str, Any] = {
    "layerkit": 1,
    "input": {"columns": ["a", "b", "c"], "missing": 0.0},
    "layers": [{"type": "dense", "units": 3}],
    "output": {"column": "y"},
    "train": {"epochs": 1, "batch_size": 1000},
}


def _table(count: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {name: rng.normal(size=count).round(3) for name in "abc"}
    columns["a"][3] = np.nan
    return {**columns, "y": np.array(["x", "y", "z"])[np.arange(count) % 3]}


def _trained(table: Any) -> layerkit.Model:
    return layerkit.train(SPEC, data=table).model


def _taken(table: dict[str, Any], index: Any) -> dict[str, Any]:
    return {name: column[index] for name, column in table.items()}


@pytest.mark.parametrize("count", [100, 5000])
def test_the_record_does_not_depend_on_order_or_form(count: int) -> None:
    table = _table(count)
    model = _trained(table)
    mixed = np.random.default_rng(1).permutation(count)
    texts = {k: np.array(["" if v != v else str(v) for v in c]) for k, c in table.items()}
    assert model.fit is not None
    for form in (_taken(table, mixed), texts, {k: table[k] for k in "ycba"}):
        assert fitted_rows(model.contract, Rows(columns=form)) == model.fit.rows
    assert model.fit.rows.count == count
    assert model.fit.rows.complete == (count <= 512)


@pytest.mark.parametrize("change", ["a", "b", "c", "y"])
def test_one_other_cell_is_another_row(change: str) -> None:
    table = _table(40)
    model = _trained(table)
    other = {name: column.copy() for name, column in table.items()}
    other[change][7] = "x" if change == "y" else 99.0
    assert model.fit is not None
    assert fitted_rows(model.contract, Rows(columns=other)).digest != model.fit.rows.digest
    assert share_seen(model.fit, model.contract, Rows(columns=other)) == pytest.approx(39 / 40)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("count", [300, 20_000])
def test_the_share_of_seen_rows(share: float, count: int) -> None:
    table = _table(2 * count)
    model = _trained(_taken(table, slice(0, count)))
    seen = int(share * count)
    judged = Rows(columns=_taken(table, np.r_[0:seen, count : 2 * count - seen]))
    found = share_seen(model.fit, model.contract, judged)
    assert found is not None
    # 512 of the fitted rows are kept: about as many of those judged count, at 4 deviations
    chance = 0.0 if count <= 512 else 4 * np.sqrt(share * (1 - share) / 512)
    assert abs(found - share) <= chance + 1e-9


def test_nothing_is_claimed_without_a_record_or_a_sample() -> None:
    table = _table(20_000)
    model = _trained(table)
    assert model.fit is not None
    unfitted = layerkit.build(SPEC)
    assert share_seen(unfitted.fit, unfitted.contract, Rows(columns=table)) is None
    least = Rows(columns=_taken(table, slice(0, 1)))
    assert (
        share_seen(model.fit, model.contract, least) is None
    )  # its hash is not among the smallest


def test_training_on_adds_rows_and_the_same_rows_add_nothing() -> None:
    one, two = _table(3000, 0), _table(3000, 1)
    model = _trained(one)
    first = model.fit
    assert first is not None
    layerkit.train(model, data=one)
    assert model.fit == first
    layerkit.train(model, data=two)
    assert model.fit is not None
    assert model.fit.rows.count == 6000
    both = {name: np.concatenate([one[name], two[name]]) for name in one}
    assert model.fit.rows.sketch == fitted_rows(model.contract, Rows(columns=both)).sketch
    assert [share_seen(model.fit, model.contract, Rows(columns=t)) for t in (one, two)] == [
        1.0,
        1.0,
    ]


def test_the_record_is_kept_in_files_and_no_part_of_the_models_identity(tmp_path: Any) -> None:
    model = _trained(_table(600))
    layerkit.save(model, tmp_path / "a.layerkit")
    loaded = layerkit.load(tmp_path / "a.layerkit")
    assert loaded.fit == model.fit
    layerkit.save(loaded, tmp_path / "b.layerkit")
    assert (tmp_path / "b.layerkit").read_bytes() == (tmp_path / "a.layerkit").read_bytes()
    layerkit.save(loaded, tmp_path / "small.layerkit", weights_only=True)
    assert layerkit.load(tmp_path / "small.layerkit").fit == model.fit
    fit, loaded.fit = loaded.fit, None
    layerkit.save(loaded, tmp_path / "none.layerkit")
    difference = layerkit.diff(tmp_path / "a.layerkit", tmp_path / "none.layerkit")
    assert not difference.spec
    assert fit is not None
    assert {c.path.split(".")[1] for c in difference.others} == {"fit"}


_GOOD = {
    "kernels": {"numpy": "2.0.0"},
    "rows": {"count": 3, "digest": "0" * 64, "sketch": [1, 5, 2**64 - 1]},
}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("kernels", {}),
        ("kernels", {"numpy": "2\n"}),
        ("kernels", {"numpy": "2", "cuda": "1"}),
        ("kernels", {"numpy": "2", "layers": "planned"}),
        ("kernels", None),
        ("rows", []),
        ("rows.count", 0),
        ("rows.count", True),
        ("rows.count", 2**63),
        ("rows.digest", "0" * 63),
        ("rows.digest", "G" * 64),
        ("rows.sketch", []),
        ("rows.sketch", [1, 1]),
        ("rows.sketch", [5, 1]),
        ("rows.sketch", [-1]),
        ("rows.sketch", [2**64]),
        ("rows.sketch", [1.0]),
        ("rows.sketch", [True]),
        ("rows.sketch", [1, 2, 3, 4]),
        ("rows.sketch", "1"),
        ("rows.more", 1),
        ("more", 1),
    ],
)
def test_a_malformed_record_is_refused(place: str, value: Any) -> None:
    written = {"kernels": {"numpy": "2.0.0", "layers": "as-written"}}
    for good in (_GOOD, {**_GOOD, **written}):
        assert Fit.from_spec(good).to_spec() == good
    wrong = json.loads(json.dumps(_GOOD))
    *path, last = place.split(".")
    at = wrong
    for key in path:
        at = at[key]
    at[last] = value
    with pytest.raises(SpecError) as caught:
        Fit.from_spec(wrong)
    assert (caught.value.location or "").startswith("spec.fit")
