"""One run of a study as a job that any process can do: JSON in; JSON and a model's bytes out.

The worker reads the rows itself, and refuses if they, its versions or its kernels differ from those
of the process that asked, because the bits would differ too.
"""

from __future__ import annotations

import base64
import io
import json
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from layerkit.core.rows import Rows
from layerkit.display import jsonable
from layerkit.errors import LayerkitError, StudyError
from layerkit.file.save import save
from layerkit.model import Model
from layerkit.runs.answers import evaluate_on, is_right_or_wrong, row_values
from layerkit.runs.keys import made_by, raw_rows_digest
from layerkit.runs.training import NoticeRecorder, StoredRun, train_once
from layerkit.specs import Spec, read_spec
from layerkit.training import Listener
from layerkit.training.prepare import test_split, to_arrays
from layerkit.training.recipe import loss_and_metrics
from layerkit.training.training_data import labelled_rows, splits_of

_MOST_ROWS = 20_000  # whose answers are kept as right or wrong


@dataclass(frozen=True)
class Job:
    """A run that is to be done; JSON values."""

    key: str
    recipe: str  # hash of the spec alone
    point: dict[str, str]
    title: str
    seed: int
    spec: dict[str, Any]
    data: str | None
    validation: str | None
    rows: str  # digest of all rows
    made_by: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a job; ``line`` and ``model`` are empty if it ``failed``."""

    line: dict[str, Any]
    times: dict[str, Any]
    model: bytes | None
    failed: str = ""


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

    def rows(self, spec: Spec, data: str | None, validation: str | None) -> StudyRows:
        """The rows of a run; raises DataError or DataSourceError."""
        named = {k: (spec.train or {}).get(k) for k in ("data", "test", "sample_weight")}
        text = json.dumps([spec.input, spec.output, named, data, validation], sort_keys=True)
        known, rows = self._held  # in one step, for threads
        if text != known:
            splits = splits_of(spec, data)
            held = None if validation is None else labelled_rows(spec, validation)
            every = splits if held is None else {**splits, "validation": held}
            rows = StudyRows(splits, held, raw_rows_digest(every))
            self._held = text, rows
        return rows


_reader = RowReader()


def do_job(text: str) -> tuple[str, bytes | None]:
    """Do a ``Job`` in a worker: (an ``Outcome`` as JSON, the bytes of its model)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the process that asked shows them
        job = Job(**json.loads(text))
        try:
            outcome = run_job(job, _reader, Listener())
        except Exception as error:  # noqa: BLE001  # exceptions of plugins may not travel
            outcome = Outcome({}, {}, None, failure_text(error))
    assert outcome is not None  # noqa: S101  # nothing stops a run in a worker
    held = asdict(outcome)
    return json.dumps(jsonable({**held, "model": None})), outcome.model


def failure_text(error: BaseException) -> str:
    """An error of a run in words."""
    if isinstance(error, (LayerkitError, OSError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def run_job(job: Job, reader: RowReader, listener: Listener) -> Outcome | None:
    """Train a run; None if the listener stopped it.

    Raises the errors of ``train``, and StudyError if rows, versions or kernels are others here.
    """
    spec = read_spec(job.spec)
    rows = reader.rows(spec, job.data, job.validation)
    if rows.digest != job.rows:
        raise StudyError("the worker reads other rows than the process that runs the study")
    if (here := jsonable(made_by(spec))) != job.made_by:
        differ = [f"{k} {job.made_by[k]} there, {here[k]} here" for k in here
                  if here[k] != job.made_by.get(k)]  # fmt: skip
        raise StudyError(f"the worker has other versions: {'; '.join(differ)}")
    recorder = NoticeRecorder(listener)
    recorder.start_run(job.title)
    run = train_once(spec, job.seed, rows.splits, recorder, job.title, rows.validation)
    return None if run is None else _outcome(job, spec, run, rows)


def _outcome(job: Job, spec: Spec, run: StoredRun, rows: StudyRows) -> Outcome:
    """What the files of the study keep of a run."""
    line: dict[str, Any] = {
        "key": job.key,
        "point": job.point,
        "seed": job.seed,
        "recipe": job.recipe,
        "rows": job.rows,
        "layerkit": job.made_by["layerkit"],
        "diverged": run.diverged,
    }
    times = {"key": job.key, "seconds": run.seconds, "notices": list(run.notices)}
    model = run.model
    if model is None:
        return Outcome(line, times, None)
    buffer = io.BytesIO()
    line["file"] = save(model, buffer)
    line["epochs"] = max((len(s) for s in model.history.values()), default=0)
    line["metrics"] = dict(model.metrics)
    line["kernels"] = {} if model.fit is None else dict(model.fit.kernels)
    if (right := _right_rows(model, spec, rows)) is not None:
        line["right"] = right
    return Outcome(jsonable(line), times, buffer.getvalue())


def _right_rows(model: Model, spec: Spec, rows: StudyRows) -> dict[str, Any] | None:
    """Which test rows are right by the first metric; None if it does not count right rows."""
    _, test = test_split(rows.splits, spec)
    loss, metrics = loss_and_metrics(spec)
    if test is None or not 0 < len(test) <= _MOST_ROWS or not metrics:
        return None
    name, metric = next(iter(metrics.items()))
    if metric.target == ("real",):
        return None
    evaluation = evaluate_on(to_arrays(model.contract, test, loss), model, loss, {name: metric})
    table = row_values(evaluation, name, metric)
    if table is None or not is_right_or_wrong(table):
        return None
    bits = base64.b64encode(np.packbits(table.astype(bool)).tobytes()).decode()
    return {"metric": name, "count": len(table), "bits": bits}


def unpacked(right: dict[str, Any]) -> Any:
    """(n,) 1.0 for each right row of a line's ``right``, else 0.0."""
    packed = np.frombuffer(base64.b64decode(right["bits"]), np.uint8)
    return np.unpackbits(packed, count=right["count"]).astype(np.float64)
