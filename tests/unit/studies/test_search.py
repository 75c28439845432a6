"""A search gives every point the same trials, decides without test rows, and trains the best."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Dimension, Listener, Rows, Search, SpecError, StudyError, Trial, study
from layerkit.core.rng import random_stream
from layerkit.discovery.registry import SEARCHES
from layerkit.figures import Line
from layerkit.runs.job import Job
from layerkit.runs.trial import training_rows
from layerkit.specs import read_spec
from layerkit.statistics.expected_best import expected_best
from layerkit.studies.document import read_study
from layerkit.studies.matching import match_points
from layerkit.studies.pictures import StudyView, study_figures
from layerkit.studies.run import StudyStoppedError, read_results
from layerkit.studies.search_figure import search_figure
from layerkit.studies.search_result import SearchReport, TunedPoint
from layerkit.studies.trials import Trials
from layerkit.training import splits_of

Truth = Callable[[str], dict[str, str]]
RATE = "train.optimizer.learning_rate"
GATE = "layers.1.gate_bias"


@pytest.fixture
def searched(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two points with three trials of a moment each, then one run each."""
    monkeypatch.setenv("LAYERKIT_EAGER", "1")  # starts faster
    plain = {"layers.1": {"type": "dense", "units": 8, "activation": "tanh"}}
    return small | {
        "set": {**small["set"], "layers.1.repeat": 2},
        "grid": {"kind": {"gated": {}, "plain": plain}},
        "seeds": 1,
        "search": {
            "trials": 3,
            "space": {RATE: {"from": 0.001, "to": 0.1, "log": True}},
            "only": {"kind": {"gated": {GATE: {"from": -4, "to": -1, "whole": True}}}},
            "set": {"train.validation": 0.25, "train.batch_size": 64},
            "rows": 160,
        },
    }  # fmt: skip


def trials_of(folder: str) -> list[dict[str, Any]]:
    lines = Path(folder, "trials.jsonl").read_text().splitlines()
    return sorted(map(json.loads, lines), key=lambda line: (line["point"]["kind"], line["trial"]))


def settings(values: Mapping[str, Any]) -> list[str]:
    return [f"{path}={json.dumps(value)}" for path, value in values.items()]


def test_a_trial_is_a_training_on_the_rows_that_are_no_test_rows(searched: dict[str, Any]) -> None:
    study(searched, folder="a")
    trials = trials_of("a")
    assert [(t["point"]["kind"], t["trial"]) for t in trials] == [
        (kind, n) for kind in ("gated", "plain") for n in range(3)
    ]
    one = trials[1]
    assert set(one["settings"]) == {RATE, GATE}
    assert not any(name.startswith("test_") for t in trials for name in t["metrics"])
    given = {"layers.0.units": 8, "layers.1.repeat": 2, "train.epochs": 1, "train.batch_size": 64,
             "train.validation": 0.25, **one["settings"]}  # fmt: skip
    rows = splits_of(read_spec("highway-digits"))["train"]
    order = random_stream(0, "search", "rows").permutation(len(rows))[:160]
    run = layerkit.train(
        "highway-digits", settings=settings(given), data={"train": rows.take(np.sort(order))}
    )
    assert one["metrics"] == run.metrics


def test_the_best_trial_is_trained_with_the_seeds_of_the_study(searched: dict[str, Any]) -> None:
    searched["seeds"] = [3, 5]
    found = study(searched)
    assert found.search is not None
    best = max((t for t in trials_of("small.study") if t["point"]["kind"] == "gated"),
               key=lambda t: t["metrics"]["val_accuracy"])  # fmt: skip
    tuned = found.search.points[0]
    assert (tuned.settings, tuned.value) == (best["settings"], best["metrics"]["val_accuracy"])
    base = {"layers.0.units": 8, "layers.1.repeat": 2, "train.epochs": 1}
    row = next(r for r in found.rows if r.point == {"kind": "gated"})
    for seed in (3, 5):
        run = layerkit.train(
            "highway-digits", settings=settings(base | best["settings"]), seed=seed
        )
        assert row.summary is not None
        assert run.metrics["test_accuracy"] in row.summary.values
    assert (found.done, found.total) == (4, 4)
    assert len(list(Path("small.study/models").iterdir())) == 4


def test_the_report_is_the_expected_best_of_the_trials(searched: dict[str, Any]) -> None:
    found = study(searched, confidence=0.9)
    assert found.search is not None
    assert (found.search.on, found.search.engine) == ("val_accuracy", "random")
    values = [
        t["metrics"]["val_accuracy"]
        for t in trials_of("small.study")
        if t["point"]["kind"] == "plain"
    ]
    tuned = found.search.points[1]
    assert tuned.expected == expected_best(values, 0.9)
    assert tuned.so_far == tuple(np.maximum.accumulate(values))
    assert json.loads(json.dumps(found.to_json()))["search"]["points"][1]["value"] == max(values)
    assert read_results(searched, None, 0.9) == found


class Stop(Listener):
    """Stops after some trainings."""

    def __init__(self, after: int) -> None:
        self.left = after

    def end(self, seconds: float) -> None:
        self.left -= 1

    def stop(self) -> bool:
        return self.left <= 0


def whole(folder: str, truth: Truth) -> tuple[list[str], dict[str, str]]:
    return sorted(Path(folder, "trials.jsonl").read_text().splitlines()), truth(folder)


@pytest.mark.parametrize("engine", ["random", {"type": "optuna", "start": 1, "parallel": 2}],
                         ids=["random", "optuna"])  # fmt: skip
def test_the_files_are_the_same_however_it_is_run(
    searched: dict[str, Any], truth: Truth, engine: Any
) -> None:
    if engine != "random":
        pytest.importorskip("optuna")
    searched["search"] |= {"engine": engine}
    study(searched, folder="a")
    for after in (1, 4):
        with pytest.raises(StudyStoppedError, match=r"^\d of 8 runs finished"):
            study(searched, folder="b", listener=Stop(after))
    with ThreadPoolExecutor(2) as threads:
        study(searched, folder="b", executor=threads)
    assert whole("b", truth) == whole("a", truth)


@pytest.mark.slow  # starts processes; threads hold the same
def test_processes_give_the_same_files(searched: dict[str, Any], truth: Truth) -> None:
    study(searched, folder="a")
    study(searched, folder="two", processes=2)
    assert whole("two", truth) == whole("a", truth)


def test_more_trials_keep_those_there_are(searched: dict[str, Any]) -> None:
    study(searched, folder="a")
    first = trials_of("a")
    searched["search"] |= {"trials": 4, "on": "val_loss"}
    found = study(searched, folder="a")
    again = trials_of("a")
    assert len(again) == 8
    assert [t for t in again if t["trial"] < 3] == first
    assert found.search is not None
    losses = [t["metrics"]["val_loss"] for t in again if t["point"]["kind"] == "gated"]
    assert not found.search.higher_is_better
    assert found.search.points[0].value == min(losses)


def test_another_space_or_budget_has_other_trials(searched: dict[str, Any]) -> None:
    keys = []
    changes: list[dict[str, Any]] = [
        {},
        {"rows": 300},
        {"seed": 1},
        {"set": {"train.validation": 0.5}},
    ]
    for change in changes:
        plan = read_study({**searched, "search": {**searched["search"], **change}})
        keys += [job.key for job in Trials(plan, {}, lambda _: "rows").due()]
    assert len(set(keys)) == len(keys) == 24


def test_draws_depend_on_seed_point_and_number_alone(searched: dict[str, Any]) -> None:
    def drawn(document: dict[str, Any]) -> list[Any]:
        jobs = Trials(read_study(document), {}, lambda _: "rows").due()
        return sorted(json.dumps([j.point, j.trial["number"], j.trial["settings"]], sort_keys=True)
                      for j in jobs if j.trial)  # fmt: skip

    turned = copy.deepcopy(searched)
    turned["grid"]["kind"] = dict(reversed(searched["grid"]["kind"].items()))
    assert drawn(turned) == drawn(searched)
    rates = [json.loads(text)[2][RATE] for text in drawn(searched)]
    assert len(set(rates)) == 6
    assert min(rates) >= 0.001
    assert max(rates) <= 0.1


def test_trials_that_diverge_are_the_worst(searched: dict[str, Any]) -> None:
    wild = {"type": "sgd", "learning_rate": 1e30}
    searched["search"] |= {
        "space": {"train.optimizer": ["adam", wild, {**wild, "learning_rate": 2e30}]},
        "only": {}, "trials": 4,
    }  # fmt: skip
    searched["search"]["set"] |= {"layers.0.activation": "relu", "layers.1.activation": "relu"}
    told: list[str] = []

    class Heard(Listener):
        def notice(self, text: str) -> None:
            told.append(text)

    found = study(searched, listener=Heard())
    assert found.search is not None
    assert sum(p.diverged for p in found.search.points) >= 2
    assert not [text for text in told if "trial" in text]
    values = [t.get("metrics", {}).get("val_accuracy") for t in trials_of("small.study")]
    worst = min(v for v in values if v is not None)
    for p, held in zip(found.search.points, (values[:4], values[4:]), strict=True):
        assert p.settings == {"train.optimizer": "adam"}
        assert p.expected == expected_best([worst if v is None else v for v in held])


def line_of(job: Job, **more: Any) -> dict[str, Any]:
    """The line of a finished trial."""
    assert job.trial is not None
    metrics = {"val_accuracy": 0.5}
    return {"key": job.key, "settings": job.trial["settings"], "metrics": metrics,
            "pruned": False, **more}  # fmt: skip


class Timed:
    """Lines of trials that took so many seconds."""

    def __init__(self, document: dict[str, Any], *seconds: float) -> None:
        self.trials = Trials(read_study(document), {}, lambda _: "rows")
        for i, value in enumerate(seconds):
            job = next(j for j in self.trials.due() if j.point["kind"] == "plain")
            assert job.trial is not None
            assert job.trial["number"] == i
            self.trials.add(line_of(job, seconds=value))


@pytest.mark.parametrize(
    ("seconds", "counted", "more"),
    [((1, 1), 3, True), ((1, 4.5), 1, False), ((9,), 1, False), ((2, 4), 1, False)],
)  # fmt: skip
def test_trials_count_until_their_time_is_used_up(
    searched: dict[str, Any], seconds: Sequence[float], counted: int, more: bool
) -> None:
    searched["search"]["seconds"] = 5.0
    held = Timed(searched, *seconds).trials
    assert len(held.of_points()[1].keys) == counted
    assert any(j.point["kind"] == "plain" for j in held.due()) == more


def test_the_column_that_tells_the_split_is_no_input_of_a_trial() -> None:
    spec = read_spec({
        "layerkit": 1,
        "input": {"shape": [1]},
        "layers": [{"type": "dense", "units": 2}],
        "output": {"column": "y", "classes": ["a", "b"]},
        "train": {"data": "rows.csv", "test": {"column": "part", "values": ["late"]}},
    })  # fmt: skip
    columns = {
        "x": np.arange(6.0),
        "part": np.array(["early", "late"] * 3),
        "y": np.array(["a"] * 6),
    }
    rows = training_rows(spec, {"train": Rows(columns=columns)}, None, 0)
    assert list(rows.columns or {}) == ["x", "y"]
    assert (rows.columns or {})["x"].tolist() == [0, 2, 4]


def test_rows_that_are_drawn_for_the_test_are_in_no_trial(searched: dict[str, Any]) -> None:
    table = np.column_stack([np.zeros((40, 64)), np.arange(40) % 2])
    np.savetxt("rows.csv", table, fmt="%d", delimiter=",")
    searched["set"] |= {"train.data": "rows.csv", "output.column": 64, "output.classes": ["0", "1"],
                        "train.test": 0.5, "layers.2.units": 2}  # fmt: skip
    searched["search"] |= {"rows": 16, "trials": 2}
    searched["search"]["set"]["train.batch_size"] = 12
    found = study(searched)
    assert found.metric == "test_accuracy"
    for trial in trials_of("small.study"):
        assert {name.split("_")[0] for name in trial["metrics"]} == {"train", "val"}
        assert trial["metrics"]["val_accuracy"] * 4 in range(5)  # a quarter of 16 rows


HALF = {"rows": 18, "set": {"train.validation": 0.5, "train.batch_size": 4}}
FEW: dict[str, tuple[dict[str, Any], str]] = {
    "judges": ({"rows": 24}, r"search.rows \(line \d+\): expected at least 10 rows to validate on, "
               r"as many as there are classes, got 6\n(.|\n)*raise search.rows to 86 or more"),
    "one row": ({"rows": 1}, r"search.rows \(line \d+\): expected rows to train on and rows to "
                r"validate on, got too few: .*1 row cannot be split"),
    "classes": (HALF, r"expected rows of all 10 classes to train on, got 9 rows without class \d"),
    "classes that are not named": (HALF, r"expected rows of all 10 classes to train on, got 9"),
    "a batch": ({"rows": 100}, r"expected at least a batch of rows to train on \(train.batch_size "
                r"80\), got 75\n(.|\n)*raise search.rows to 107 or more"),
    "no limit": ({"set": {"train.validation": 0.001}}, r"search \(line \d+\): expected at least 10 "
                 r"rows to validate on(.|\n)*another train.validation in its 'set'"),
}  # fmt: skip


@pytest.mark.parametrize("what", FEW)
def test_too_few_rows_for_trials_are_told_before_any(searched: dict[str, Any], what: str) -> None:
    changes, expected = FEW[what]
    if what == "a batch":
        searched["search"]["space"]["train.batch_size"] = [16, 80]
        del searched["search"]["set"]["train.batch_size"]
    searched["search"] |= changes
    if what == "classes that are not named":
        searched["set"]["output.classes"] = None
    if what == "no limit":
        del searched["search"]["rows"]
    Path("few.json").write_text(json.dumps(searched, indent=1))
    with pytest.raises(SpecError, match=expected) as caught:
        study("few.json")
    assert "few.json" in str(caught.value)
    line = Path("few.json").read_text().splitlines()[(caught.value.line or 0) - 1]
    assert ("search" if what == "no limit" else "rows") in line
    assert "at the point of the grid: gated" in str(caught.value.hint)
    assert not Path("small.study").exists()


def test_trials_with_validation_rows_of_their_own_need_just_a_batch(
    searched: dict[str, Any],
) -> None:
    held = splits_of(read_spec("highway-digits"))["test"]
    labels = np.asarray(held.labels, np.int64)
    np.savetxt(
        "held.csv", np.column_stack([np.asarray(held.values), labels]), fmt="%d", delimiter=","
    )
    searched["search"] |= {"rows": 40, "set": {"train.batch_size": 64}}
    searched["validation"] = "held.csv"
    with pytest.raises(SpecError, match="got 40") as caught:
        study(searched)
    assert "raise search.rows to 64 or more" in str(caught.value.hint)


def test_few_rows_to_judge_trials_by_are_told_once(searched: dict[str, Any]) -> None:
    class Heard(Stop):
        def notice(self, text: str) -> None:
            told.append(text)

    told: list[str] = []
    searched["search"] |= {"rows": 40, "set": {"train.validation": 0.3, "train.batch_size": 8}}
    with pytest.raises(StudyStoppedError):
        study(searched, listener=Heard(0))
    assert told == [
        "search: 12 rows to validate on decide between trials, so one more right row is 8 points "
        "of a share"
    ]


def test_a_trial_that_was_given_up_is_chosen_only_without_another(searched: dict[str, Any]) -> None:
    trials = Trials(read_study(searched), {}, lambda _: "rows")
    (low, high, lost) = (job for job in trials.due() if job.point["kind"] == "plain")
    trials.add(line_of(high, metrics={"val_accuracy": 0.9}, pruned=True))
    trials.add({**line_of(lost, metrics={}), "diverged": "the loss is not finite"})
    for one, best in ((line_of(low, metrics={}), high), (line_of(low), low)):
        trials.add(one)
        found = trials.best(trials.of_points()[1])
        assert found is not None
        assert found["key"] == best.key


def test_widths_that_are_solved_for_hold_in_trials_too(searched: dict[str, Any]) -> None:
    searched |= {"match": {"what": "params", "to": 1500, "free": ["layers.0.units"], "allow": 0.1}}
    searched["grid"] = {"kind": {"plain": searched["grid"]["kind"]["plain"]}}
    searched["grid"]["kind"]["plain"]["layers.1.units"] = 8
    searched["search"] |= {"only": {}, "trials": 2}
    found = study(searched)
    (row,) = found.rows
    assert row.matched is not None
    assert row.matched.widths["layers.0.units"] > 8
    plan, _ = match_points(read_study(searched), {})
    for job in Trials(plan, {}, lambda _: "rows").due():
        assert job.spec["layers"][0]["config"]["units"] == row.matched.widths["layers.0.units"]
    assert row.parameters == row.matched.cost
    view = StudyView.read(searched)  # what the page is made of
    assert view.study.rows == found.rows
    assert {"runs", "search"} <= {figure.key for figure in study_figures(view)}
    searched["search"]["space"] = {"layers.0.units": [4, 8]}
    with pytest.raises(SpecError, match=r"fields that 'match' does not solve for, got layers.0"):
        study(searched)


class Middle(Search):
    """Suggests the middle of everything, then gives up."""

    type_name = "acme.middle"

    @property
    def batch(self) -> int:
        return 1

    def suggest(
        self, space: Mapping[str, Dimension], trials: Sequence[Trial], rng: np.random.Generator
    ) -> Mapping[str, Any]:
        assert all(trial.reported for trial in trials)
        return {name: one.at(0.5 / (1 + len(trials))) for name, one in space.items()}

    def hopeless(self, trials: Sequence[Trial], reported: Sequence[float]) -> bool:
        return bool(trials)


@pytest.fixture
def middle(register: Callable[[Any], Any]) -> None:
    register(Middle)


@pytest.mark.usefixtures("middle")
def test_a_search_of_ones_own_sees_its_trials(searched: dict[str, Any]) -> None:
    searched["set"]["train.epochs"] = 2
    searched["search"]["engine"] = "acme.middle"
    found = study(searched)
    assert found.search is not None
    assert found.search.adaptive
    tuned = found.search.points[1]
    assert tuned.expected is None
    assert tuned.pruned == 2
    trials = trials_of("small.study")[3:]
    assert [len(t["reported"]) for t in trials] == [2, 1, 1]
    assert tuned.settings == trials[0]["settings"] == {RATE: 0.01}  # one that was not given up


def test_a_search_that_fails_is_told(
    searched: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise IndexError("no more")

    monkeypatch.setattr(SEARCHES["random"], "suggest", broken)
    with pytest.raises(StudyError, match="the search 'random' failed: IndexError: no more"):
        study(searched)


def test_the_border_of_a_space_is_told(searched: dict[str, Any]) -> None:
    searched["search"] |= {"only": {}, "space": {
        RATE: {"from": 1e-7, "to": 1e-5}, "train.batch_size": [32, 64, 128],
        "layers.0.units": [4, 8],
        "train.clip_norm": {"from": 0.2, "to": 0.3}}}  # fmt: skip
    searched["search"]["set"] = {"train.validation": 0.25}
    plan = read_study(searched)
    trials = Trials(plan, {}, lambda _: "rows")
    best = {RATE: 1e-5, "train.batch_size": 32, "layers.0.units": 8, "train.clip_norm": 0.21}
    for job in trials.due():
        trials.add(line_of(job, settings=best))
    for point in SearchReport.of(trials, 0.95).points:
        assert point.border == (RATE, "train.batch_size")


WRONG: dict[str, tuple[Any, str]] = {
    "no object": (3, r"search \(line \d+\): expected an object with trials and space, got 3"),
    "a misspelt field": ({"trails": 3}, r"search.trails .*: unknown field.*'trials'"),
    "one trial": ({"trials": 1}, r"search.trials \(line \d+\): expected an integer >= 2"),
    "nothing to search": (
        {"space": {}}, r"search.space .*: expected a field to search for every point, got none for "
        r"plain"),
    "a range turned": (
        {"space": {RATE: {"from": 1, "to": 0.1}}}, r"numbers 'from' < 'to', got 1 and 0.1"),
    "a range without end": (
        {"space": {RATE: {"from": -1e308, "to": 1}}}, r"'to', each from -1e.300 to 1e.300, got"),
    "half a range": (
        {"space": {RATE: {"from": 1}}}, r"a range has 'from' and 'to': there is no 'to'"),
    "a logarithm of zero": (
        {"space": {RATE: {"from": 0, "to": 1, "log": True}}}, r"'from' > 0 in a range with 'log'"),
    "a fraction in whole numbers": (
        {"space": {RATE: {"from": 0.5, "to": 3, "whole": True}}}, r"expected whole numbers 'from'"),
    "a range with another field": (
        {"space": {RATE: {"form": 1, "to": 2}}}, r"form .*: unknown field; did you mean 'from'"),
    "one choice": ({"space": {RATE: [0.1]}}, r"two or more different values, or a range"),
    "a field that is not there": (
        {"space": {"layers.1.gate_bias": [-1, -2]}, "only": {}},
        r"search layers.1.gate_bias=-1: unknown field(.|\n)*fields that only some points have "
        r"belong to 'only'(.|\n)*at the point.*: plain"),
    "an end that is not allowed": (
        {"space": {RATE: {"from": -1, "to": 1}}}, r"search .*=-1.0: expected a number > 0"),
    "fractions of units": (
        {"space": {"layers.0.units": {"from": 2, "to": 9}}, "only": {}},
        r"units=2.0: (.|\n)*layers.0.units takes whole numbers: add \"whole\": true"),
    "seeds": ({"space": {"train.seed": [1, 2]}}, r"seeds are no field of the grid"),
    "a field of the grid": (
        {"space": {"layers.1": [1, 2]}, "only": {}},
        r"layers.1 would overwrite layers.1, which the grid at plain sets"),
    "a field of its own set": (
        {"space": {"train.batch_size": [8, 16]}}, r"would overwrite train.batch_size, which 'set'"),
    "another metric": ({"on": "accuracy"}, r"search.on .*: expected one of val_accuracy, val_loss"),
    "an axis that is none": ({"only": {"kinds": {}}}, r"an axis of the grid \(kind\), got 'kinds'"),
    "a label that is none": (
        {"only": {"kind": {"gate": {}}}}, r"a label of the axis \(gated, plain\), got 'gate'"),
    "an engine that is none": (
        {"engine": "randm"}, r"unknown search 'randm'; did you mean 'random'"),
    "an engine's setting": (
        {"engine": {"type": "optuna", "parallel": 0}}, r"engine.parallel .*an integer >= 1"),
    "other test rows": (
        {"set": {"train.validation": 0.2, "train.test": 0.1}}, r"train.test decides which rows are "
        r"test rows, which no trial may see: expected that of the study"),
    "other data": (
        {"space": {"train.data": ["digits", "mnist"]}, "only": {}}, r"train.data decides which"),
    "other validation rows": (
        {"space": {"train.validation": [0.1, 0.2]}, "set": {}, "only": {}},
        r"train.validation decides on which rows trials are judged: expected one value"),
    "no validation": ({"set": {}}, r"gated has no validation rows, which decide between trials"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_search_is_told_with_its_place(searched: dict[str, Any], what: str) -> None:
    change, expected = WRONG[what]
    searched["search"] = {**searched["search"], **change} if isinstance(change, dict) else change
    Path("study.json").write_text(json.dumps(searched, indent=1))
    with pytest.raises(Exception, match=expected) as caught:
        read_study("study.json")
    assert isinstance(caught.value, ValueError | LookupError)
    assert "study.json" in str(caught.value)


def report(*values: Sequence[float | None], adaptive: bool = False) -> SearchReport:
    """The report of points with these values of trials."""
    points = []
    for name, held in zip(("highway", "plain"), values, strict=True):
        known = [v for v in held if v is not None]
        curve = None if adaptive or not known else expected_best(known)
        points.append(TunedPoint({"kind": name}, len(held), 4, 0, 0, None, None, tuple(held), curve,
                                 ()))  # fmt: skip
    return SearchReport("random", adaptive, "val_accuracy", True, 4, None, tuple(points))


def test_the_picture_has_a_line_with_a_band_for_each_point() -> None:
    found = search_figure(report([0.9, 0.5, 0.7, 0.9], [0.1, 0.2, 0.3, 0.8]))
    assert found is not None
    (panel,) = found.panels
    one, two = panel.marks
    curve = expected_best([0.9, 0.5, 0.7, 0.9])
    assert isinstance(one, Line)
    assert isinstance(two, Line)
    assert (one.y, one.low, one.high) == (curve.values, curve.low, curve.high)
    assert (one.x, one.solid_to, one.name) == ((1, 2, 3, 4), 2, "highway")
    assert (two.series, panel.y.share) == (1, True)
    assert found.words == (
        "Expected best val_accuracy against the number of trials, with a bootstrap band, dotted "
        "beyond half the trials: highway from 75.0 % (1) to 83.8 % (2); plain from 35.0 % (1) to "
        "48.8 % (2)."
    )


def test_the_picture_of_an_adaptive_search_is_the_best_so_far() -> None:
    found = search_figure(report([0.5, 0.5, 0.7], [None, 0.2], adaptive=True))
    assert found is not None
    one, two = found.panels[0].marks
    assert isinstance(one, Line)
    assert isinstance(two, Line)
    assert (one.y, one.low, one.solid_to) == ((0.5, 0.5, 0.7), (), None)
    assert (two.x, two.y) == ((2,), (0.2,))
    assert search_figure(report([], [])) is None
