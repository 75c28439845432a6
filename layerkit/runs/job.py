"""One run of a study as a job that any process can do: JSON in; JSON and files out.

The worker reads the rows itself, and refuses if they, its versions or its kernels differ from those
of the process that asked, because the bits would differ too.
"""

from __future__ import annotations

import base64
import io
import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.core.rows import Rows
from layerkit.data import Dialect
from layerkit.display import jsonable
from layerkit.errors import LayerkitError, StudyError
from layerkit.file.save import save
from layerkit.model import Model
from layerkit.runs.answers import (
    Evaluation,
    evaluate_on,
    is_right_or_wrong,
    packed,
    row_values,
)
from layerkit.runs.folder import answers_file, model_file
from layerkit.runs.keys import made_by, raw_rows_digest
from layerkit.runs.training import NoticeRecorder, StoredRun, train_once
from layerkit.specs import Spec, read_spec
from layerkit.training import Listener
from layerkit.training.prepare import test_split, to_arrays
from layerkit.training.recipe import loss_and_metrics
from layerkit.training.training_data import labelled_rows, splits_of

_MOST_ROWS = 20_000  # that a line calls right or wrong
_MOST_CLASSES = 100  # that a line names


@dataclass(frozen=True)
class Job:
    """A run that is to be done; JSON values."""

    key: str
    recipe: str  # hash of the spec alone
    point: dict[str, str]
    title: str
    seed: int
    spec: dict[str, Any]
    data: Any  # a path, or what train.data may hold; None for what the spec names
    validation: str | None
    rows: str  # digest of all rows
    made_by: dict[str, Any]
    checkpoint: str | None = None  # a path that the worker can write to
    read_as: dict[str, Any] | None = None  # the spec that says how to read the rows, if another
    dialect: dict[str, Any] | None = None
    trial: dict[str, Any] | None = None  # of a search: its number, see layerkit.runs.trial


@dataclass(frozen=True)
class Outcome:
    """What became of a job; all is empty if it ``failed``.

    ``files`` are those of its model and answers, by path in the folder.
    """

    line: dict[str, Any]
    times: dict[str, Any]
    files: dict[str, bytes]
    failed: str = ""

    @classmethod
    def failure(cls, reason: str) -> Outcome:
        """That of a job that failed."""
        return cls({}, {}, {}, reason)


@dataclass(frozen=True)
class StudyRows:
    """The rows of a run, and their digest."""

    splits: dict[str, Rows]
    validation: Rows | None
    digest: str


class RowReader:
    """Reads the rows of specs, the same ones only once in a row."""

    def __init__(self) -> None:
        self._held = "", StudyRows({}, None, "")

    def rows(
        self, spec: Spec, data: Any, validation: str | None, dialect: Dialect | None = None
    ) -> StudyRows:
        """The rows of a run; raises DataError or DataSourceError."""
        named = {k: (spec.train or {}).get(k) for k in ("data", "test", "sample_weight")}
        given = [spec.input, spec.output, named, data, validation]
        text = json.dumps([*given, dialect and asdict(dialect)], sort_keys=True)
        known, rows = self._held  # in one step, for threads
        if text != known:
            splits = splits_of(spec, data, dialect=dialect)
            held = None if validation is None else labelled_rows(spec, validation, dialect=dialect)
            every = splits if held is None else {**splits, "validation": held}
            rows = StudyRows(splits, held, raw_rows_digest(every))
            self._held = text, rows
        return rows


_reader = RowReader()


def do_job(text: str) -> tuple[str, dict[str, bytes]]:
    """Do a ``Job`` in a worker: (an ``Outcome`` as JSON, its files)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the process that asked shows them
        job = Job(**json.loads(text))
        try:
            outcome = run_job(job, _reader, Listener())
        except Exception as error:  # noqa: BLE001  # exceptions of plugins may not travel
            outcome = Outcome.failure(failure_text(error))
    assert outcome is not None  # noqa: S101  # nothing stops a run in a worker
    held = {**asdict(outcome), "files": {}}
    return json.dumps(jsonable(held)), outcome.files


def failure_text(error: BaseException) -> str:
    """An error of a run in words."""
    if isinstance(error, (LayerkitError, OSError)):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def run_job(job: Job, reader: RowReader, listener: Listener) -> Outcome | None:
    """Train a run; None if the listener stopped it.

    Raises the errors of ``train``, and StudyError if rows, versions or kernels are others here.
    """
    spec = read_spec(job.spec)
    dialect = None if job.dialect is None else Dialect(**job.dialect)
    read_as = spec if job.read_as is None else read_spec(job.read_as)
    rows = reader.rows(read_as, job.data, job.validation, dialect)
    if rows.digest != job.rows:
        raise StudyError("the worker reads other rows than the process that runs the study")
    if (here := jsonable(made_by(spec))) != job.made_by:
        differ = [_difference(k, here[k], job.made_by.get(k)) for k in here
                  if here[k] != job.made_by.get(k)]  # fmt: skip
        raise StudyError(f"the worker has other versions: {'; '.join(differ)}")
    if job.trial is not None:
        from layerkit.runs.trial import run_trial

        return run_trial(job, spec, rows, listener)
    recorder = NoticeRecorder(listener)
    recorder.start_run(job.title)
    checkpoint = None if job.checkpoint is None else Path(job.checkpoint)
    run = train_once(spec, job.seed, rows.splits, recorder, job.title, rows.validation, checkpoint)
    return None if run is None else outcome_of(job, spec, run, rows)


def _difference(name: str, here: Any, there: Any) -> str:
    """What a worker has, and what the process that runs the study."""
    return "other source of plugins" if name == "source" else f"{name} {here} instead of {there}"


def outcome_of(job: Job, spec: Spec, run: StoredRun, rows: StudyRows) -> Outcome:
    """What the files of the study keep of a run."""
    line = first_facts(job, run)
    times = {"key": job.key, "seconds": run.seconds, "notices": list(run.notices)}
    model = run.model
    if model is None:
        return Outcome(line, times, {})
    buffer = io.BytesIO()
    line["file"] = save(model, buffer)
    files = {model_file(job.key): buffer.getvalue()}
    line["epochs"] = max((len(s) for s in model.history.values()), default=0)
    line["metrics"] = dict(model.metrics)
    line["kernels"] = {} if model.fit is None else dict(model.fit.kernels)
    classes = None if model.contract.output is None else model.contract.output.classes
    if classes is not None and len(classes) <= _MOST_CLASSES:
        line["classes"] = list(classes)
    if answers := _answers(model, spec, rows):
        line["test_rows"] = len(answers)
        if (right := _right_rows(answers, spec)) is not None:
            line["right"] = right
        if (kept := packed(answers)) is not None:
            files[answers_file(job.key)] = kept
    return Outcome(jsonable(line), times, files)


def first_facts(job: Job, run: StoredRun) -> dict[str, Any]:
    """What the line of every run says, diverged or not."""
    return {
        "key": job.key,
        "point": job.point,
        "seed": job.seed,
        "recipe": job.recipe,
        "rows": job.rows,
        "layerkit": job.made_by["layerkit"],
        "diverged": run.diverged,
    }


def _answers(model: Model, spec: Spec, rows: StudyRows) -> Evaluation | None:
    """The answers on the test rows; None if there are none."""
    _, test = test_split(rows.splits, spec)
    if test is None or not len(test):
        return None
    loss, metrics = loss_and_metrics(spec)
    return evaluate_on(to_arrays(model.contract, test, loss), model, loss, metrics)


def _right_rows(answers: Evaluation, spec: Spec) -> dict[str, Any] | None:
    """Which test rows are right by the first metric; None if it does not count right rows."""
    _, metrics = loss_and_metrics(spec)
    if not metrics or len(answers) > _MOST_ROWS:
        return None
    name, metric = next(iter(metrics.items()))
    if metric.target == ("real",):
        return None
    table = row_values(answers, name, metric)
    if table is None or not is_right_or_wrong(table):
        return None
    bits = base64.b64encode(np.packbits(table.astype(bool)).tobytes()).decode()
    return {"metric": name, "count": len(table), "bits": bits}


def unpacked(right: dict[str, Any]) -> Any:
    """(n,) 1.0 for each right row of a line's ``right``, else 0.0."""
    packed = np.frombuffer(base64.b64decode(right["bits"]), np.uint8)
    return np.unpackbits(packed, count=right["count"]).astype(np.float64)
