"""The public function on small digits specs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit.comparison import Comparison, compare
from layerkit.core.rows import Rows
from layerkit.discovery.registry import LAYERS
from layerkit.file.save import save
from layerkit.training import Listener, train


def test_every_number_is_that_of_its_training(three: Comparison, highway: dict[str, Any]) -> None:
    runs = [train(highway, seed=s) for s in range(3)]
    found = three.contestants[1]
    assert found.seeds == (0, 1, 2)
    assert found.metrics["accuracy"].values == pytest.approx(
        [r.metrics["test_accuracy"] for r in runs]
    )
    assert found.metrics["loss"].values == pytest.approx([r.metrics["test_loss"] for r in runs])
    np.testing.assert_array_equal(found.histories[2]["loss"], runs[2].history["loss"])
    assert found.parameters == runs[0].model.network.size
    spec = runs[0].model.spec
    inputs, classes = spec.in_shape[0], spec.layers[-1].config["units"]
    assert found.macs == inputs * 16 + 2 * (2 * 16 * 16) + 16 * classes
    assert "MACs/row" not in " ".join(three.footnotes)


def test_multiply_adds_that_nobody_can_count_are_explained(
    plain: dict[str, Any], highway: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LAYERS["highway"], "eager", True)
    found = compare([plain, highway], seeds=2, timing=False)
    assert [c.macs is None for c in found.contestants] == [False, True]
    assert "?" in found.table()[2]
    assert "? where a layer runs as it is written" in " ".join(found.footnotes)


def test_differences_are_paired_with_the_first(three: Comparison) -> None:
    first, second, third = three.contestants
    assert first.differences == {}
    for other in (second, third):
        d = other.differences["accuracy"]
        gaps = np.subtract(other.metrics["accuracy"].values, first.metrics["accuracy"].values)
        assert d.values == pytest.approx(gaps)
        assert d.seeds is not None
        assert d.rows is not None
        assert d.seeds.joint_low < d.seeds.low
    assert three.comparisons == 2


def test_metrics_main_first_loss_last(three: Comparison) -> None:
    assert three.metrics == ["accuracy", "macro_f1", "loss"]
    f1 = three.contestants[1].differences["macro_f1"]
    assert f1.rows is not None
    assert "bootstrap" in f1.rows.method
    assert f1.rows_better is None


def test_the_size_is_that_of_the_saved_file(
    three: Comparison, plain: dict[str, Any], tmp_path: Path
) -> None:
    run = train(plain, seed=0)
    save(run.model, tmp_path / "a.layerkit", weights_only=True)
    assert three.contestants[0].file_bytes == (tmp_path / "a.layerkit").stat().st_size


def test_files_are_judged_and_not_trained(
    tmp_path: Path, plain: dict[str, Any], highway: dict[str, Any]
) -> None:
    paths = []
    for spec in (plain, highway):
        for seed in (0, 1):
            path = tmp_path / f"{spec['name']}-{seed}.layerkit"
            save(train(spec, seed=seed).model, path)
            paths.append(path)
    found = compare(paths, timing=False)
    trained = compare([plain, highway], seeds=2, timing=False)
    for a, b in zip(found.contestants, trained.contestants, strict=True):
        assert a.kind == "file"
        assert a.training_seconds is None
        assert a.timing is None
        assert a.metrics["accuracy"].values == b.metrics["accuracy"].values
    assert "holds no times" in " ".join(found.footnotes)
    assert found.table()[1][5] == "–"


def test_comparing_leaves_a_model_as_it_was(plain: dict[str, Any]) -> None:
    model = train(plain).model
    compare([model], timing=False)
    assert (model.file_id, model.path) == (None, None)


def test_all_specs_take_the_first_ones_seeds(
    plain: dict[str, Any], highway: dict[str, Any]
) -> None:
    plain, highway = (
        {**s, "train": {**s["train"], "seed": k}} for s, k in ((plain, 4), (highway, 9))
    )
    found = compare([plain, highway], seeds=2, timing=False)
    assert [c.seeds for c in found.contestants] == [(4, 5), (4, 5)]


def test_different_losses_are_not_subtracted() -> None:
    x = np.random.default_rng(0).normal(size=(80, 2))
    table = Rows(columns={"a": x[:, 0], "b": x[:, 1], "y": x.sum(axis=1)})
    spec = {
        "layerkit": 1,
        "input": {"columns": ["a", "b"]},
        "layers": [{"type": "dense", "units": 1}],
        "output": {"targets": ["y"]},
    }
    pair = [{**spec, "train": {"test": 0.5, "epochs": 2, "loss": k}} for k in ("mse", "huber")]
    found = compare(pair, data={"train": table}, seeds=2, timing=False)
    second = found.contestants[1]
    assert set(second.metrics) == {"mae", "r2", "loss"}
    assert set(second.differences) == {"mae", "r2"}
    assert "compare the shapes" in found.to_html()


def test_a_diverging_training_is_counted_and_told(
    plain: dict[str, Any], highway: dict[str, Any]
) -> None:
    sgd = {"type": "sgd", "learning_rate": 1e30}
    relu = {"type": "dense", "units": 16, "activation": "relu", "repeat": 2}
    wild = {**plain, "name": "wild", "train": {**plain["train"], "optimizer": sgd}}
    wild["layers"] = [relu, {"type": "dense", "units": 10}]
    found = compare([highway, wild], seeds=2)
    second = found.contestants[1]
    assert (second.seeds, set(second.failures)) == ((), {0, 1})
    assert second.metrics == {}
    assert any("2 of 2 trainings diverged" in text for text in found.cautions)
    for text in (found.to_csv(), found.to_html(), str(found.table()), str(found.to_json())):
        assert "wild" in text


def test_stopping_the_listener_stops_the_comparison(plain: dict[str, Any]) -> None:
    class Impatient(Listener):
        def stop(self) -> bool:
            return True

    with pytest.raises(KeyboardInterrupt):
        compare([plain], seeds=2, listener=Impatient())


def test_contestants_take_turns_within_a_seed(
    plain: dict[str, Any], highway: dict[str, Any]
) -> None:
    began: list[tuple[str, int]] = []

    class Log(Listener):
        def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
            began.append((name, seed))

    compare([plain, highway], seeds=2, listener=Log(), timing=False)
    assert began == [("plain", 0), ("highway", 0), ("plain", 1), ("highway", 1)]


@pytest.mark.parametrize("options", [{"seeds": 0}, {"confidence": 1.0}])
def test_impossible_arguments(plain: dict[str, Any], options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|between 0 and 1"):
        compare([plain], **options)


def test_the_command_repeats_the_comparison(tmp_path: Path, plain: dict[str, Any]) -> None:
    import json

    path = tmp_path / "a spec.json"
    path.write_text(json.dumps(plain))
    found = compare([path], seeds=2, settings=["train.epochs=1"], confidence=0.9, timing=False)
    assert found.command == (
        f"layerkit compare '{path}' --seeds 2 --set train.epochs=1 --confidence 0.9 "
        "--html report.html"
    )


def test_the_public_name_is_this_function() -> None:
    assert layerkit.compare is compare
