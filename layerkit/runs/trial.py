"""One trial of a search: a training on the training rows alone, which a search may end early."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from layerkit.core.callback import Callback
from layerkit.core.rng import random_stream
from layerkit.core.rows import Rows
from layerkit.core.search import Search, Trial
from layerkit.discovery.registry import SEARCHES
from layerkit.display import jsonable
from layerkit.runs.job import Job, Outcome, StudyRows, first_facts
from layerkit.runs.training import NoticeRecorder, train_once
from layerkit.specs import Spec
from layerkit.training import Listener
from layerkit.training.prepare import test_split

_READ = "settings", "metrics", "reported", "pruned"


class GivesUp(Callback):
    """Ends a trial after the epoch at which the search calls it hopeless."""

    type_name = "gives_up"

    def __init__(self, *, search: Search, trials: Sequence[Trial], on: str, sign: int) -> None:
        self.search, self.trials, self.on, self.sign = search, trials, on, sign
        self.reported: list[float] = []
        self.pruned = False

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Ask the search."""
        self.reported.append(self.sign * values[self.on])
        self.pruned = bool(self.search.hopeless(self.trials, self.reported))

    def over(self) -> str:
        """Why the training is over."""
        return "the search gives this trial up" if self.pruned else ""


class _Quiet(Listener):
    """Passes all on but notices: wild settings are part of a search. ``times.jsonl`` has them."""

    def __init__(self, listener: Listener) -> None:
        for name in ("begin", "batch", "epoch", "end", "stop"):
            setattr(self, name, getattr(listener, name))


def run_trial(job: Job, spec: Spec, rows: StudyRows, listener: Listener) -> Outcome | None:
    """Train a trial; None if the listener stopped it. Raises the errors of ``train``."""
    assert job.trial is not None  # noqa: S101  # see run_job
    given = job.trial
    watch = GivesUp(
        search=SEARCHES.create(given["engine"]),
        trials=[trial_of(line, given["on"], given["sign"]) for line in given["history"]],
        on=given["on"],
        sign=given["sign"],
    )
    splits = {"train": training_rows(spec, rows.splits, given["rows"], job.seed)}
    recorder = NoticeRecorder(_Quiet(listener))
    recorder.start_run(job.title)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = train_once(
            spec.with_train(test=None), job.seed, splits, recorder, job.title, rows.validation,
            callbacks=[watch],
        )  # fmt: skip
    if run is None:
        return None
    line = {
        **first_facts(job, run),
        "trial": given["number"],
        "settings": given["settings"],
        "pruned": watch.pruned,
    }
    if run.model is not None:
        line["metrics"] = dict(run.model.metrics)
        line["epochs"] = max((len(s) for s in run.model.history.values()), default=0)
        line["kernels"] = {} if run.model.fit is None else dict(run.model.fit.kernels)
    if watch.search.batch is not None:  # it looks at other trials
        line["reported"] = [watch.sign * score for score in watch.reported]
    if given["timed"]:
        line["seconds"] = run.seconds
    times = {"key": job.key, "seconds": run.seconds, "notices": list(run.notices)}
    return Outcome(jsonable(line), times, {})


def value_of(line: Mapping[str, Any], on: str) -> float | None:
    """What decides, of a finished trial; None if it diverged."""
    found: float | None = line.get("metrics", {}).get(on)
    return found


def trial_of(line: Mapping[str, Any], on: str, sign: int) -> Trial:
    """A finished trial as searches see it; ``sign`` is -1 where a lower value is better."""
    value = value_of(line, on)
    reported = tuple(sign * r for r in line.get("reported", ()) if r is not None)
    score = None if value is None else sign * value
    return Trial(line["settings"], score, reported, line["pruned"])


def told(line: Mapping[str, Any]) -> dict[str, Any]:
    """What of a line ``trial_of`` reads."""
    return {name: line[name] for name in _READ if name in line}


def training_rows(spec: Spec, splits: Mapping[str, Rows], most: int | None, seed: int) -> Rows:
    """At most ``most`` of the training rows, drawn at random; no test row is among them."""
    rows, _ = test_split(splits, spec)
    choice = (spec.train or {})["test"]
    if isinstance(choice, dict) and choice["column"] not in (spec.column_names or ()):
        held = {k: v for k, v in (rows.columns or {}).items() if k != choice["column"]}
        rows = replace(rows, columns=held)  # the column tells the split, so it is no input
    if most is None or most >= len(rows):
        return rows
    drawn = random_stream(seed, "search", "rows").permutation(len(rows))[:most]
    return rows.take(np.sort(drawn))
