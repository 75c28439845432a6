"""A study gives the same files however it is run, and trains nothing twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import LayerkitError, Listener, StudyError, study
from layerkit.discovery.registry import DATA
from layerkit.runs.job import Job
from layerkit.runs.workers import outcomes
from layerkit.studies import Study
from layerkit.studies.pictures import StudyView
from layerkit.studies.run import StudyStoppedError, read_results

Truth = Callable[[str], dict[str, str]]


class Stop(Listener):
    """Stops a study after some runs; notices are kept."""

    def __init__(self, after: int = 1000) -> None:
        self.left, self.notices = after, list[str]()

    def end(self, seconds: float) -> None:
        self.left -= 1

    def stop(self) -> bool:
        return self.left <= 0

    def notice(self, text: str) -> None:
        self.notices.append(text)


def trained(document: Any, folder: str, **options: Any) -> list[str]:
    """The keys of the runs that a call trains."""
    found: list[str] = []
    study(document, folder=folder, finished=lambda line, *_: found.append(line["key"]), **options)
    return found


def test_a_run_is_what_train_gives(small: dict[str, Any]) -> None:
    small["grid"] = {"layers.1.repeat": [1, 2]}
    found = study(small)
    lines = [json.loads(line) for line in Path("small.study/runs.jsonl").read_text().splitlines()]
    line = next(x for x in lines if x["point"] == {"layers.1.repeat": "2"} and x["seed"] == 1)
    settings = ["train.epochs=1", "layers.0.units=8", "layers.1.repeat=2"]
    run = layerkit.train("highway-digits", settings=settings, seed=1)
    assert line["metrics"] == run.metrics
    assert line["epochs"] == 1
    model = layerkit.load(f"small.study/models/{line['key']}.layerkit", expected_id=line["file"])
    for name, tensor in run.model.tensors().items():
        np.testing.assert_array_equal(model.tensors()[name], tensor)
    row = next(r for r in found.rows if r.point == {"layers.1.repeat": "2"})
    assert row.summary is not None
    assert row.summary.values[1] == run.metrics["test_accuracy"]
    assert row.summary.interval is not None
    assert row.summary.interval.over == "both"
    assert row.parameters == run.model.network.size


def test_the_report_agrees_with_compare(small: dict[str, Any]) -> None:
    small["grid"] = {"layers.1.repeat": [1, 3]}
    found = study(small)
    models = sorted(map(str, Path("small.study/models").iterdir()))
    compared = {c.name: c for c in layerkit.compare(models, timing=False).contestants}
    assert len(compared) == 2
    for row in found.rows:
        other = compared[f"highway-digits-{row.point['layers.1.repeat']}"].metrics["accuracy"]
        assert row.summary is not None
        assert sorted(row.summary.values) == sorted(other.values)
        assert row.summary.interval is not None
        assert other.interval is not None
        np.testing.assert_allclose(
            [row.summary.interval.low, row.summary.interval.high],
            [other.interval.low, other.interval.high],
        )
    means = [row.summary.mean for row in found.rows if row.summary]
    assert means == sorted(means, reverse=True)


def test_what_is_trained_is_not_trained_again(small: dict[str, Any], truth: Truth) -> None:
    assert len(set(trained(small, "a"))) == 12
    before = truth("a")
    assert trained(small, "a") == []
    assert truth("a") == before
    assert len(trained(small, "a", add_seeds=1)) == 6
    assert trained(small, "a", add_seeds=1) == []
    small["grid"]["layers.1.repeat"].append(4)
    assert len(trained(small, "a")) == 4
    found = study(small, folder="a")
    assert (found.done, found.total) == (22, 22)
    assert {len(row.seeds) for row in found.rows} == {2, 3}


def test_runs_of_layers_as_written_differ_from_planned_ones(
    small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    small |= {"grid": {}, "seeds": 1}
    (written,) = study(small).kernels
    assert written == f"layers as-written, numpy {np.__version__}"
    monkeypatch.setenv("LAYERKIT_EAGER", "0")
    monkeypatch.setenv("LAYERKIT_FAST", "0")
    assert study(small, add_seeds=1).kernels == (written, f"numpy {np.__version__}")


def test_one_spec_at_two_points_is_one_run(small: dict[str, Any]) -> None:
    small["grid"] = {"layers.1.gate_bias": [-1, -1.0], "a": {"b": {}, "c": {"train.epochs": 1}}}
    small["seeds"] = 1
    assert len(trained(small, "a")) == 1
    found = study(small, folder="a")
    assert (found.done, found.total) == (1, 1)
    assert [len(row.seeds) for row in found.rows] == [1, 1, 1, 1]


def test_other_rows_are_other_runs(small: dict[str, Any], truth: Truth) -> None:
    small["seeds"] = 1
    small["grid"] = {}
    rng = np.random.default_rng(0)
    for name, n in (("one.csv", 60), ("two.csv", 150)):
        table = np.column_stack([rng.integers(0, 16, (n, 64)), np.arange(n) % 10])
        np.savetxt(name, table, fmt="%d", delimiter=",")
    small["data"] = "one.csv"
    assert len(trained(small, "a")) == 1
    small["data"] = "two.csv"
    assert len(trained(small, "a")) == 1
    assert len(truth("a")) == 5
    two = study(small, folder="a").rows[0].summary
    small["data"] = "one.csv"
    one = study(small, folder="a").rows[0].summary
    assert one is not None
    assert two is not None
    assert (one.rows, two.rows) == (10, 30)
    assert read_results(small, "a").rows[0].summary == one  # of the last command
    assert study_pictures_runs(small) == one.rows
    Path("a/rows.json").unlink()  # as if committed without it
    assert read_results(small, "a").rows[0].summary == two  # the rows of the last line
    Path("a/rows.json").write_text("[1]")
    assert read_results(small, "a").rows[0].summary == two


def study_pictures_runs(document: dict[str, Any]) -> int:
    """The number of test rows that the page and the pictures are made of."""
    (runs,) = StudyView.read(document, "a").findings.runs
    assert runs is not None
    return runs.count


def test_runs_of_another_teacher_do_not_count(small: dict[str, Any]) -> None:
    """Also those trained later, and those of seeds that only the other teacher has."""
    small["grid"], small["seeds"] = {}, 1
    small["set"]["train.teacher"] = {"model": "teacher.layerkit", "weight": 1}
    teachers = [layerkit.build("plain-digits", settings=[f"train.seed={i}"]) for i in range(2)]
    found = []
    for teacher, more in zip([*teachers, teachers[0]], (0, 1, 0), strict=True):
        layerkit.save(teacher, "teacher.layerkit")
        found.append(study(small, folder="a", add_seeds=more).rows[0])
    first, other, again = found
    assert first.summary != other.summary
    assert (first.seeds, other.seeds, again) == ((0,), (0, 1), first)
    layerkit.save(layerkit.build("highway-digits"), "teacher.layerkit")
    assert read_results(small, "a").rows[0] == other  # the last, if none is of this teacher
    Path("teacher.layerkit").unlink()
    assert read_results(small, "a").rows[0] == other


def test_a_stopped_study_goes_on(small: dict[str, Any], truth: Truth) -> None:
    study(small, folder="whole")
    for after in (1, 5):
        with pytest.raises(StudyStoppedError, match="of 12 runs finished, kept in a"):
            study(small, folder="a", listener=Stop(after))
    assert 0 < len(Path("a/runs.jsonl").read_text().splitlines()) < 12
    study(small, folder="a")
    assert truth("a") == truth("whole")


class StopInside(Stop):
    """Stops after some epochs, and counts those that are trained."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after, self.epochs = after, 0

    def epoch(self, number: int, values: Any) -> None:
        self.epochs += 1

    def stop(self) -> bool:
        return self.epochs >= self.after


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"train.optimizer": {"type": "adam"}, "train.schedule": {"type": "cosine"}},
        {"train.callbacks": [{"type": "early_stopping", "patience": 2}], "train.validation": 0.2},
    ],
    ids=["plain", "adam", "early"],
)
def test_a_run_goes_on_where_it_was_stopped(
    small: dict[str, Any], truth: Truth, recipe: dict[str, Any]
) -> None:
    small |= {"grid": {}, "seeds": 2}
    small["set"] |= {"train.epochs": 4, **recipe}
    study(small, folder="whole")
    with pytest.raises(StudyStoppedError, match="0 of 2 runs finished"):
        study(small, folder="a", listener=StopInside(3))
    assert len(list(Path("a/checkpoints").iterdir())) == 1
    after = StopInside(99)
    study(small, folder="a", listener=after)
    assert after.epochs <= 1 + 4
    assert truth("a") == truth("whole")
    assert not Path("a/checkpoints").exists()
    times = [json.loads(line) for line in Path("a/times.jsonl").read_text().splitlines()]
    assert [t["seconds"] is None for t in times] == [True, False]


def test_a_checkpoint_that_cannot_be_used_costs_no_more_than_itself(
    small: dict[str, Any], truth: Truth
) -> None:
    small |= {"grid": {}, "seeds": 1}
    study(small, folder="whole")
    key = json.loads(Path("whole/runs.jsonl").read_text())["key"]
    Path("a/checkpoints").mkdir(parents=True)
    Path(f"a/checkpoints/{key}.layerkit").write_bytes(b"torn")
    told = Stop()
    study(small, folder="a", listener=told)
    assert any("it begins again, because" in text for text in told.notices)
    assert truth("a") == truth("whole")


def test_processes_and_executors_give_the_same_files(small: dict[str, Any], truth: Truth) -> None:
    study(small, folder="serial")
    study(small, folder="two", processes=2)
    with ThreadPoolExecutor(2) as threads:
        study(small, folder="threads", executor=threads)
    assert truth("two") == truth("serial")
    assert truth("threads") == truth("serial")


def test_a_worker_that_dies_costs_its_run_only(small: dict[str, Any], truth: Truth) -> None:
    study(small, folder="serial")
    killed: list[int] = []

    def kill_one(line: Mapping[str, Any], done: int, total: int) -> None:
        if done in (2, 5):
            worker = multiprocessing.active_children()[-1]
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            killed.append(worker.pid)

    study(small, folder="two", processes=2, finished=kill_one)
    assert len(killed) == 2
    assert truth("two") == truth("serial")


class Broken(Executor):
    """Its workers have died with the first jobs, and it takes no more than ``most``."""

    def __init__(self, most: int) -> None:
        self.most = most

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        self.most -= 1
        if self.most < 0:
            raise BrokenProcessPool("all are dead")
        future: Future[Any] = Future()
        future.set_exception(BrokenProcessPool("dead"))
        return future


@pytest.mark.parametrize("most", [0, 12])
def test_a_given_executor_that_breaks_is_told(small: dict[str, Any], most: int) -> None:
    with pytest.raises(StudyError, match="has lost its workers: all are dead"):
        study(small, executor=Broken(most))


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"data": "nowhere.csv"}, {}),
        ({"grid": {"train.data": ["digits", "nowhere"]}}, {}),
        ({"validation": "nowhere.csv"}, {"processes": 2}),
        ({"set": {"train.teacher": {"model": "nowhere.layerkit"}}}, {}),
        ({}, {"executor": Broken(0)}),
    ],
    ids=["data", "data at a point", "validation", "teacher", "executor"],
)
def test_a_study_that_cannot_start_leaves_nothing_behind(
    small: dict[str, Any], changes: dict[str, Any], options: dict[str, Any]
) -> None:
    with pytest.raises((LayerkitError, OSError), match=r"nowhere|has lost its workers"):
        study({**small, **changes}, **options)
    assert not Path("small.study").exists()


def test_a_study_that_cannot_start_changes_no_folder(small: dict[str, Any]) -> None:
    Path("a").mkdir()
    Path("a/study.json").write_text("{}")
    with pytest.raises(OSError, match="nowhere"):
        study({**small, "data": "nowhere.csv"}, folder="a")
    assert [p.name for p in Path("a").iterdir()] == ["study.json"]
    assert Path("a/study.json").read_text() == "{}"
    with pytest.raises(StudyError):
        study(small, folder="a", executor=Broken(0))  # what was there before stays
    assert Path("a/study.json").exists()


def test_a_given_executor_that_is_shut_down_is_told(small: dict[str, Any]) -> None:
    with ThreadPoolExecutor(1) as threads:
        done = layerkit.study({**small, "grid": {}}, folder="a", executor=threads).done
        assert done == 2

        def shut_down(*_: Any) -> None:
            threads.shutdown(cancel_futures=True)

        with pytest.raises(StudyError, match="has lost its workers: cannot schedule"):
            study(small, folder="b", executor=threads, finished=shut_down)
    assert len(Path("b/runs.jsonl").read_text().splitlines()) in (1, 2, 3)


class Elsewhere(Executor):
    """A worker with another version, or with other rows."""

    def __init__(self, **other: Any) -> None:
        self.other = other

    def submit(self, function: Any, /, text: str, **_: Any) -> Future[Any]:  # type: ignore[override]
        job = json.loads(text)
        for name, value in self.other.items():
            job[name] = {**job[name], **value} if isinstance(value, dict) else value
        future: Future[Any] = Future()
        future.set_result(function(json.dumps(job)))
        return future


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"made_by": {"numpy": "1.0.0"}}, r"numpy .* instead of 1\.0\.0"),
        ({"rows": "0" * 64}, "reads other rows"),
    ],
    ids=["version", "rows"],
)
def test_a_worker_with_another_version_or_rows_is_refused(
    small: dict[str, Any], other: dict[str, Any], words: str
) -> None:
    with pytest.raises(StudyError, match=rf"12 of 12 runs failed: \d, -\d, seed \d: .*{words}"):
        study(small, executor=Elsewhere(**other))
    assert not list(Path("small.study/models").iterdir())


def test_runs_that_diverge_are_results(small: dict[str, Any], truth: Truth) -> None:
    small["grid"] = {"train.optimizer": {"sane": {}, "wild": {
        "train.optimizer": {"type": "sgd", "learning_rate": 1e30}, "layers.0.activation": "relu",
        "layers.1.activation": "relu"}}}  # fmt: skip
    told = Stop()
    found = study(small, folder="a", listener=told)
    assert [dict(row.point) for row in found.rows][-1] == {"train.optimizer": "wild"}
    assert set(found.rows[-1].diverged) == {0, 1}
    assert found.rows[-1].summary is None
    assert any(text.startswith("wild, seed 0: ") for text in told.notices)
    assert trained(small, "a") == []
    study(small, folder="b", processes=2)
    assert truth("a") == truth("b")


def test_a_run_that_fails_costs_itself_only(small: dict[str, Any]) -> None:
    nine = {"output.classes": list("012345678"), "layers.2.units": 9}
    small["grid"] = {"classes": {"nine": nine, "ten": {}}}
    with pytest.raises(
        StudyError, match=r"2 of 4 runs failed: nine, seed 0: .*, got 9\n"
    ) as caught:
        study(small)
    assert caught.value.hint is not None
    assert "add it to output.classes" in caught.value.hint
    assert "kept in small.study: 2 finished runs" in caught.value.hint
    found = read_results(small)
    assert [(r.missing, sorted(r.failed)) for r in found.rows] == [((), []), ((0, 1), [0, 1])]
    assert "got 9" in found.rows[-1].failed[1]
    with Path("small.study/failures.jsonl").open("ab") as file:
        file.write(b'{"key": "torn')
    small["grid"]["classes"] = {"ten": {}, "nine": {"train.epochs": 2}}
    found = study(small)
    assert [r.failed for r in found.rows] == [{}, {}]


def test_what_fails_every_run_is_told_in_full_once(small: dict[str, Any]) -> None:
    class Heard(Listener):
        def notice(self, text: str) -> None:
            told.append(text)

    told: list[str] = []
    nine = {"output.classes": list("012345678"), "layers.2.units": 9}
    small["grid"] = {"classes": {"nine": nine}}
    with pytest.raises(StudyError, match="2 of 2 runs failed: nine, seed 0: "):
        study(small, listener=Heard())
    assert ["got 9" in text for text in told] == [True, False]
    assert told[1] == "nine, seed 1: as before"


def test_intervals_of_any_metric_are_over_seeds_and_rows(small: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 2))
    np.savetxt("r.csv", np.column_stack([x, x @ [1, -2]]), delimiter=",", header="a,b,y",
               comments="")  # fmt: skip
    spec = {
        "layerkit": 1,
        "input": {"columns": ["a", "b"]},
        "layers": [{"type": "dense", "units": 1}],
        "output": {"targets": ["y"]},
        "train": {"data": "r.csv", "test": 0.25, "epochs": 2, "loss": "mse", "metrics": ["mae"]},
    }
    grid = {"train.epochs": [1, 40]}
    found = study({"layerkit_study": 1, "spec": spec, "grid": grid, "seeds": 3})
    assert found.metric == "test_mae"
    assert [row.point["train.epochs"] for row in found.rows] == ["40", "1"]
    assert _over(found) == ["both", "both"]
    compared = layerkit.compare(sorted(map(str, Path("study.study/models").iterdir())),
                                data="r.csv", timing=False)  # fmt: skip
    ends = {c.metrics["mae"].interval for c in compared.contestants}
    assert ends == {row.summary.interval for row in found.rows if row.summary}
    assert sum(row.among_best for row in found.rows) == 1
    for file in Path("study.study/predictions").iterdir():
        table = np.load(file)
        assert (table.dtype.names, len(table)) == (("prediction", "truth", "loss"), 20)
        file.unlink()
    without = read_results({"layerkit_study": 1, "spec": spec, "grid": grid, "seeds": 3})
    assert _over(without) == ["seeds", "seeds"]


def _over(found: Study) -> list[str]:
    return [r.summary.interval.over for r in found.rows if r.summary and r.summary.interval]


def test_a_metric_that_is_no_mean_over_rows_has_both_intervals(small: dict[str, Any]) -> None:
    small["grid"] = {"train.metrics": {"f1": {"train.metrics": ["macro_f1"]}}}
    found = study(small)
    assert found.metric == "test_macro_f1"
    assert _over(found) == ["both"]
    (compared,) = layerkit.compare(
        sorted(map(str, Path("small.study/models").iterdir())), timing=False
    ).contestants
    assert found.rows[0].summary is not None
    assert compared.metrics["macro_f1"].interval == found.rows[0].summary.interval


def test_the_answers_of_a_run_are_those_of_its_model(small: dict[str, Any]) -> None:
    """So that what is confused, and where runs disagree, is known without the model."""
    small |= {"grid": {}, "seeds": 1}
    study(small)
    line = json.loads(Path("small.study/runs.jsonl").read_text())
    model = layerkit.load(f"small.study/models/{line['key']}.layerkit")
    table = np.load(f"small.study/predictions/{line['key']}.npy")
    test = DATA.create("digits").load(None)["test"]
    assert test.values is not None
    assert test.labels is not None
    np.testing.assert_array_equal(table["prediction"], model.predict(test.values))
    assert [line["classes"][k] for k in table["truth"]] == [str(x) for x in test.labels]
    assert line["test_rows"] == len(table)


def test_validation_rows_of_each_seed_have_the_corrected_interval(small: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.integers(0, 16, (90, 64)), np.arange(90) % 3])
    np.savetxt("rows.csv", table, fmt="%d", delimiter=",")
    small |= {"seeds": 4, "grid": {}}
    small["set"] |= {"train.data": "rows.csv", "output.column": 64, "output.classes": list("012")}
    small["set"] |= {"train.validation": 0.25, "train.test": 0, "layers.2.units": 3}
    found = study(small)
    assert found.metric == "val_accuracy"
    summary = found.rows[0].summary
    assert summary is not None
    assert summary.sd is not None
    assert summary.interval is not None
    assert summary.interval.over == "both"
    t = 3.182446305284263  # of 3 degrees of freedom
    half = t * summary.sd * np.sqrt(1 / 4 + 0.25 / 0.75)
    np.testing.assert_allclose(summary.interval.high - summary.interval.low, 2 * half)


def test_no_worker_outlives_an_error(small: dict[str, Any]) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        study(small, processes=2, finished=fail)
    assert multiprocessing.active_children() == []


class Mortal(Executor):
    """Its workers do the first jobs, as many as ``lives``, and die of each one after."""

    def __init__(self, lives: int) -> None:
        self.lives = lives

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        self.lives -= 1
        future: Future[Any] = Future()
        if self.lives < 0:
            future.set_exception(BrokenProcessPool("dead"))
        else:
            text = json.dumps({"line": {}, "times": {}, "files": {}})
            future.set_result((text, {}))
        return future


def ends_of(workers: Executor) -> list[tuple[str, str]]:
    jobs = [Job(key, "", {}, key, 0, {}, None, None, "", {}) for key in "ab"]
    return [(job.key, outcome.failed) for job, outcome in outcomes(jobs, workers, lambda: False)]


def test_a_run_whose_workers_always_die_is_given_up() -> None:
    given_up = "its worker died 3 times, perhaps for lack of memory"
    assert ends_of(Mortal(1)) == [("a", ""), ("b", given_up)]


def test_workers_that_die_from_the_start_end_the_study() -> None:
    with pytest.raises(StudyError, match=r"3 workers died before one has finished a run"):
        ends_of(Mortal(0))
