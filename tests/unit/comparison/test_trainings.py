"""What happens while specs are trained: warnings, divergence, rows that were seen, kept runs."""

from __future__ import annotations

import hashlib
import inspect
import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit.comparison import ComparisonStoppedError, compare
from layerkit.comparison.overlap import Overlap, expected_overlap, overlap_cautions
from layerkit.core.rows import Rows
from layerkit.discovery.candidates import Candidate
from layerkit.discovery.registry import LAYERS
from layerkit.errors import PluginError, StudyError, TrainingDivergedError
from layerkit.runs.folder import RunFolder
from layerkit.runs.keys import job_key, made_by, raw_rows_digest
from layerkit.specs import read_spec
from layerkit.training import Listener, train

Telling = pytest.MonkeyPatch


class Log(Listener):
    """Keeps what it is told."""

    def __init__(self, most: int = 99) -> None:
        self.notices: list[str] = []
        self.began: list[tuple[str, int]] = []
        self.most = most

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        self.began.append((name, seed))

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def stop(self) -> bool:
        return len(self.began) > self.most


@pytest.fixture
def telling(monkeypatch: Telling) -> None:
    """Each training says something through its listener, and something through Python."""

    def told(spec: Any, *, listener: Listener, **given: Any) -> Any:
        listener.notice("carry: saturated")
        listener.notice("carry: saturated")
        warnings.warn("odd numbers", RuntimeWarning, stacklevel=1)
        return train(spec, listener=listener, **given)

    monkeypatch.setattr("layerkit.runs.training.train", told)


@pytest.mark.usefixtures("telling")
def test_every_warning_is_told_once_and_noted_everywhere(
    plain: dict[str, Any], highway: dict[str, Any], tmp_path: Path
) -> None:
    log = Log()
    with pytest.warns(RuntimeWarning, match="odd numbers") as caught:
        found = compare(
            [plain, highway], seeds=3, timing=False, listener=log, keep=tmp_path / "kept"
        )
    assert log.notices == ["plain: carry: saturated", "highway: carry: saturated"]
    assert len(caught) == 2
    for c in found.contestants:
        assert [(n.text, n.seeds) for n in c.notices] == [
            ("carry: saturated", (0, 1, 2)),
            ("odd numbers", (0, 1, 2)),
        ]
    line = "plain, seeds 0, 1, 2: carry: saturated"
    assert line in found.footnotes
    assert line in found.to_html()
    assert line in found.to_json()["warnings"]
    assert "carry: saturated; odd numbers" in found.to_csv()
    kept = compare([plain, highway], seeds=3, timing=False, keep=tmp_path / "kept")
    assert [c.notices for c in kept.contestants] == [c.notices for c in found.contestants]
    assert kept.contestants[0].kept == (0, 1, 2)


def test_diverged_runs_count_in_the_comparison(
    plain: dict[str, Any], highway: dict[str, Any], monkeypatch: Telling, tmp_path: Path
) -> None:
    """2 of 5 diverge: the survivors are no verdict; a kept failure is not tried again."""
    tried: list[int] = []

    def fragile(spec: Any, *, seed: int, **given: Any) -> Any:
        if spec.name == "highway":
            tried.append(seed)
            if seed in (1, 3):
                raise TrainingDivergedError("no longer finite", epoch=1, batch=1)
        return train(spec, seed=seed, **given)

    monkeypatch.setattr("layerkit.runs.training.train", fragile)
    found = compare([plain, highway], seeds=5, timing=False, keep=tmp_path)
    second = found.contestants[1]
    d = second.differences["accuracy"]
    assert (second.seeds, second.metrics["accuracy"].n, len(d.values)) == ((0, 2, 4), 3, 5)
    assert d.verdict in ("open", "worse")
    assert "3 of 5 runs of highway finished, 2 diverged and count as 0 %" in found.headline[0]
    assert second.failure_rate is not None
    assert second.failure_rate == pytest.approx((0.4, 0.1176, 0.7693), abs=1e-4)
    assert any("2 of 5 trainings diverged (95 % interval 12 to 77 %)" in c for c in found.cautions)
    assert found.table()[2][1] == "3 of 5"
    again = compare([plain, highway], seeds=5, timing=False, keep=tmp_path)
    assert tried == [0, 1, 2, 3, 4]
    assert again.headline == found.headline


def table(n: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    return Rows(
        columns={"a": rng.normal(size=n), "b": rng.normal(size=n)},
        labels=np.array([str(k) for k in rng.integers(0, 2, n)]),
    )


def joined(first: Rows, second: Rows) -> Rows:
    assert first.columns is not None
    assert second.columns is not None
    columns = {k: np.concatenate([v, second.columns[k]]) for k, v in first.columns.items()}
    return Rows(columns=columns, labels=np.concatenate([first.labels, second.labels]))


SMALL = {
    "layerkit": 1,
    "input": {"columns": ["a", "b"]},
    "layers": [{"type": "dense", "units": 2}],
    "output": {"classes": ["0", "1"]},
}


def fitted(name: str, rows: Rows, **recipe: Any) -> Any:
    spec = {**SMALL, "name": name, "train": {"epochs": 1, **recipe}}
    return train(spec, data={"train": rows}).model


def test_rows_that_a_model_was_fitted_on_are_told() -> None:
    judged, other = table(60, 0), table(60, 1)
    half = joined(judged.take(slice(0, 30)), table(50, 2))
    clean, some = fitted("clean", other), fitted("some", half)
    found = compare([clean, some], data={"train": other, "test": judged}, timing=False)
    assert [c.seen for c in found.contestants] == [0, 0.5]
    d = found.contestants[1].differences["accuracy"]
    assert d.seen == (None, 0.5)
    assert d.verdict in ("open", "files_worse")
    assert "some was fitted on about 50 % of these rows" in d.words
    assert any("fitted on different rows" in c for c in found.cautions)
    again = compare(
        [clean, fitted("same", other)], data={"train": other, "test": judged}, timing=False
    )
    assert again.cautions == ()


def test_rows_that_are_equal_by_nature_are_no_reproach() -> None:
    """Small whole numbers repeat: most judged rows equal fitted ones, and no model saw them."""
    rng = np.random.default_rng(0)
    drawn = [
        Rows(
            columns={"a": rng.integers(0, 8, n), "b": rng.integers(0, 8, n)},
            labels=rng.integers(0, 2, n).astype(str),
        )
        for n in (2000, 300)
    ]
    pair = [fitted(name, drawn[0]) for name in ("x", "y")]
    found = compare(pair, data={"train": drawn[0], "test": drawn[1]}, timing=False)
    assert all(c.seen is not None and c.seen > 0.9 for c in found.contestants)
    assert found.contestants[1].differences["accuracy"].seen == (None, None)
    assert not any("fitted on" in c for c in found.cautions)


def test_how_many_equal_rows_are_to_be_expected() -> None:
    assert expected_overlap([1] * 500, 10_000) == 0
    assert expected_overlap([50, *[1] * 450], 10_000) == 0.1  # one row that is common, no others
    assert expected_overlap([2] * 50, 100) == 1
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5000, 1000)
    alike = expected_overlap(np.unique(values, return_counts=True)[1].tolist(), 5000)
    assert alike == pytest.approx(1 - np.exp(-1), abs=0.12)


def test_validation_rows_are_never_seen(plain: dict[str, Any]) -> None:
    found = compare([plain, {**plain, "name": "again"}], seeds=2, on="validation", timing=False)
    assert [c.seen for c in found.contestants] == [None, None]
    d = found.contestants[1].differences["accuracy"]
    assert d.both is not None
    assert "Nadeau" in d.both.method
    assert d.mean == 0


def test_stopping_says_what_is_finished(
    plain: dict[str, Any], highway: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ComparisonStoppedError) as caught:
        compare([plain, highway], seeds=2, listener=Log(2), keep=tmp_path, timing=False)
    assert caught.value.finished == (("plain", 0), ("highway", 0))
    assert caught.value.unfinished == (("plain", 1), ("highway", 1))
    log = Log()
    found = compare([plain, highway], seeds=2, listener=log, keep=tmp_path, timing=False)
    assert log.began == [("plain", 1), ("highway", 1)]
    assert "2 of 4 runs were kept" in " ".join(found.footnotes)
    assert all(
        c.training_seconds is not None and c.training_seconds.n == 2 for c in found.contestants
    )


def test_a_run_is_kept_under_what_it_follows_from(
    plain: dict[str, Any], tmp_path: Path, monkeypatch: Telling
) -> None:
    spec = read_spec(plain)
    base = job_key(spec, 0, "rows")
    assert job_key(read_spec({**plain, "name": "other"}), 0, "rows") == base
    assert job_key(spec.with_train(seed=5), 0, "rows") == base
    assert job_key(spec, 1, "rows") != base
    assert job_key(spec, 0, "others") != base
    assert job_key(spec.with_train(epochs=9), 0, "rows") != base
    assert job_key(read_spec({**plain, "layers": plain["layers"][1:]}), 0, "rows") != base
    monkeypatch.setattr("layerkit.__version__", "0.0.1")
    assert job_key(spec, 0, "rows") == base


def test_an_edited_part_of_a_stranger_makes_other_runs(
    plain: dict[str, Any], monkeypatch: Telling
) -> None:
    """Its own source decides: not that of the class that all layers have in common."""
    source = Path(inspect.getfile(LAYERS["dense"])).read_bytes()
    assert hashlib.sha256(source).hexdigest() in made_by(read_spec(plain))["source"]
    before = job_key(read_spec(plain), 0, "rows")
    elsewhere = Candidate("layers", "dense", "strangers.layers:Dense", "strangers", "1.0")
    monkeypatch.setattr(type(LAYERS), "origin", lambda self, part: elsewhere)
    theirs = job_key(read_spec(plain), 0, "rows")
    assert theirs != before
    monkeypatch.setattr("layerkit.runs.keys._file_of", lambda part: b"edited")
    assert job_key(read_spec(plain), 0, "rows") != theirs


@pytest.mark.parametrize(
    "other",
    [
        {"train": table(30, 0), "test": table(5, 1)},
        {"test": table(30, 0)},
        {"train": table(29, 0)},
        {"train": Rows(values=np.zeros((30, 2)), labels=table(30, 0).labels)},
        {"train": replace(table(30, 0), weights=np.arange(30.0))},
    ],
)
def test_digests_of_other_rows_differ(other: dict[str, Rows]) -> None:
    assert raw_rows_digest(other) != raw_rows_digest({"train": table(30, 0)})
    assert raw_rows_digest({"train": table(30, 0)}) == raw_rows_digest({"train": table(30, 0)})


def test_few_seen_rows_are_told_and_withhold_no_verdict() -> None:
    judged, other = table(60, 0), table(60, 1)
    few = fitted("few", joined(judged.take(slice(0, 1)), other))
    found = compare(
        [fitted("clean", other), few], data={"train": other, "test": judged}, timing=False
    )
    assert found.contestants[1].differences["accuracy"].seen == (None, None)
    (told,) = [c for c in found.cautions if "fitted on about 2 %" in c]
    assert told.startswith("few was")
    alike = Overlap(0.01, 0.0, {})
    assert overlap_cautions(["few"], [alike], trained_here=[False]) != []
    assert overlap_cautions(["few"], [alike], trained_here=[True]) == []


def test_a_comparison_of_diverged_runs_alone_says_so() -> None:
    spec = {**SMALL, "train": {"epochs": 1, "optimizer": {"type": "sgd", "learning_rate": 1e200}}}
    specs = [{**spec, "name": name} for name in "ab"]
    rows = {"train": table(60, 0), "test": table(20, 1)}
    found = compare(specs, data=rows, seeds=2, timing=False)
    assert all(len(c.failures) == 2 for c in found.contestants)
    assert found.headline == ["Nothing to compare: every run diverged."]


def test_what_else_ran_the_layers_is_told(
    plain: dict[str, Any], tmp_path: Path, monkeypatch: Telling
) -> None:
    """Other kernels give other last bits: a run stays one run, and the difference is told."""
    found = compare([plain], seeds=1, timing=False, keep=tmp_path)
    assert not any("what ran the layers" in c for c in found.cautions)
    kernels = {"numpy": "0.0.1"}
    monkeypatch.setattr("layerkit.training.session.kernels_used", lambda **_: kernels)
    found = compare([plain], seeds=2, timing=False, keep=tmp_path)
    assert found.contestants[0].kept == (0,)
    (told,) = [c for c in found.cautions if "what ran the layers" in c]
    assert "numpy 0.0.1" in told
    assert told.endswith("so their seconds do not compare.")


def test_a_study_and_a_comparison_find_each_others_runs(
    plain: dict[str, Any], highway: dict[str, Any], tmp_path: Path, monkeypatch: Telling
) -> None:
    monkeypatch.chdir(tmp_path)
    kinds = {"layers.1.activation": ["tanh", "relu"]}
    layerkit.study({"layerkit_study": 1, "spec": highway, "grid": kinds, "seeds": 2}, folder="one")
    lines = Path("one/runs.jsonl").read_bytes()
    found = compare([plain, highway], seeds=2, timing=False, keep="one")
    assert [c.kept for c in found.contestants] == [(), (0, 1)]
    assert found.contestants[1].name == "highway"
    assert found.contestants[1].training_seconds is not None
    assert Path("one/runs.jsonl").read_bytes().startswith(lines)
    trained: list[Any] = []
    plan = {"layerkit_study": 1, "name": "two", "spec": plain, "seeds": 3}
    layerkit.study(plan, folder="one", finished=lambda line, *_: trained.append(line["seed"]))
    assert trained == [2]
    fresh = compare([plain, highway], seeds=2, timing=False)
    assert [c.metrics for c in fresh.contestants] == [c.metrics for c in found.contestants]


def test_processes_change_nothing(
    plain: dict[str, Any], highway: dict[str, Any], tmp_path: Path, monkeypatch: Telling
) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", "1")
    heard: list[tuple[int, int]] = []
    two = compare(
        [plain, highway], seeds=2, timing=False, keep=tmp_path / "two", processes=2,
        finished=lambda line, done, total: heard.append((done, total)),
    )  # fmt: skip
    one = compare([plain, highway], seeds=2, timing=False, keep=tmp_path / "one")
    assert [c.metrics for c in two.contestants] == [c.metrics for c in one.contestants]
    assert [c.seeds for c in two.contestants] == [(0, 1), (0, 1)]
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert kept_files(tmp_path / "two", 4) == kept_files(tmp_path / "one", 4)


def kept_files(folder: Path, count: int) -> dict[str, Any]:
    """The models and answers of a folder, as many as expected, and its lines."""
    found: dict[str, Any] = {"runs": sorted((folder / "runs.jsonl").read_bytes().splitlines())}
    for name in ("models", "predictions"):
        found[name] = {path.name: path.read_bytes() for path in (folder / name).iterdir()}
        assert len(found[name]) == count
    return found


def test_any_executor_trains(plain: dict[str, Any], tmp_path: Path, monkeypatch: Telling) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", "1")
    jobs: list[dict[str, Any]] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, function: Any, /, *args: Any, **more: Any) -> Any:
            jobs.append(json.loads(args[0]))
            return super().submit(function, *args, **more)

    heard: list[int] = []
    with Pool(1) as pool:
        two = compare([plain], seeds=2, timing=False, keep=tmp_path / "two", executor=pool,
                      finished=lambda line, done, total: heard.append(done))  # fmt: skip
        assert pool.submit(str, "0").result() == "0"  # it is still open
    one = compare([plain], seeds=2, timing=False, keep=tmp_path / "one")
    assert heard == [1, 2]
    assert [job["checkpoint"] for job in jobs[:2]] == [None, None]  # it may not see the folder
    assert two.contestants[0].metrics == one.contestants[0].metrics
    assert kept_files(tmp_path / "two", 2) == kept_files(tmp_path / "one", 2)
    with pytest.raises(PluginError, match="unknown executor 'rays'"):
        compare([plain], executor="rays")
    assert not list(tmp_path.glob("*/checkpoints"))


def test_rows_in_memory_are_for_one_process() -> None:
    rows = {"train": table(60, 0), "test": table(20, 1)}
    spec = {**SMALL, "train": {"epochs": 1}}
    with pytest.raises(ValueError, match="processes: expected data that have a path"):
        compare([spec], data=rows, processes=2)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="executor: expected data"):
        compare([spec], data=rows, executor=pool)


def test_a_worker_that_fails_is_told(tmp_path: Path, monkeypatch: Telling) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{k},{k % 3},{k % 2}" for k in range(40)]
    Path("t.csv").write_text("\n".join(["a,b,label", *lines]))
    spec = {**SMALL, "train": {"epochs": 1, "test": 0.25}}

    def gone(text: str) -> Any:
        raise RuntimeError(f"no such luck with {json.loads(text)['seed']}")

    monkeypatch.setattr("layerkit.runs.workers.LocalProcesses", Threads)
    monkeypatch.setattr("layerkit.runs.workers.do_job", gone)
    with pytest.raises(StudyError, match="seed 0: RuntimeError: no such luck with 0"):
        compare([spec], data="t.csv", processes=2, timing=False)


class Threads(ThreadPoolExecutor):
    """Workers in this process."""

    def __init__(self, count: int) -> None:
        super().__init__(1)
        self.count = 1

    def take(self) -> Threads:
        return self

    def give(self, executor: Any, *, dead: bool) -> None:
        assert not dead


def test_two_comparisons_at_once_lose_nothing_silently(
    plain: dict[str, Any], tmp_path: Path
) -> None:
    log = Log()
    with RunFolder(tmp_path / "kept").open_for_runs(None):
        compare([plain], seeds=1, timing=False, keep=tmp_path / "kept", listener=log)
    assert ["another process is running" in text for text in log.notices] == [True]
    assert "trainings cannot be kept" in log.notices[0]
