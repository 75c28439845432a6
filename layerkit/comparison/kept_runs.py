"""The runs that a comparison keeps, in a folder as studies have it, so that none is done twice.

A folder that cannot be written ends no comparison: it goes on, and says what is lost.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from layerkit.errors import LayerkitError
from layerkit.file.load import load
from layerkit.model import Model
from layerkit.runs.folder import Line, RunFolder, model_file
from layerkit.runs.job import Job, Outcome, StudyRows, outcome_of
from layerkit.runs.training import StoredRun
from layerkit.specs import Spec


class KeptRuns:
    """A context: from the first run kept, no other process adds any. Without a path, none is kept.

    ``warn`` gets what cannot be read or written.
    """

    def __init__(self, path: Path | None, warn: Callable[[str], object]) -> None:
        self.path = path
        self._folder = None if path is None else RunFolder(path)
        self._warn = warn
        self._open, self._is_open = ExitStack(), False
        self._lines: Mapping[str, Line] = {}
        self._notes: Mapping[str, Line] = {}

    def __enter__(self) -> KeptRuns:
        """Raises StudyError if a line is no run."""
        if self._folder is not None:
            self._lines, self._notes = self._read(self._folder)
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def _read(self, folder: RunFolder) -> tuple[Mapping[str, Line], Mapping[str, Line]]:
        try:
            return folder.lines(), folder.notes()
        except OSError:
            return {}, {}  # what cannot be read cannot be written, which is told

    def _try(self, write: Callable[[RunFolder], object]) -> None:
        """Write; if that fails, say so and keep nothing from then on."""
        if self._folder is None:
            return
        try:
            write(self._folder)
        except (LayerkitError, OSError) as error:
            reason = str(error).partition("\n")[0]
            self._folder = self.path = None
            self._warn(f"trainings cannot be kept ({reason}), so an interruption would lose them")

    def find(self, job: Job, spec: Spec) -> StoredRun | None:
        """The run of a job, if there is a sound one."""
        line, notes = self._lines.get(job.key), self._notes.get(job.key, {})
        if line is None or self._folder is None:
            return None
        notices = tuple(notes.get("notices", ()))
        if line["diverged"]:
            return StoredRun(None, None, notices, line["diverged"])
        path = self._folder.model(job.key)
        if not path.exists():
            return None
        try:
            model = load(path)
        except (LayerkitError, OSError) as error:
            self._warn(f"{path} cannot be used, so its run is trained again ({error})")
            return None
        return StoredRun(_named(model, job, spec), notes.get("seconds"), notices)

    def checkpoint(self, key: str) -> Path | None:
        """Where a run leaves its checkpoints; None if nothing is kept."""
        return None if self._folder is None else self._folder.checkpoint(key).absolute()

    def checkpoint_text(self, key: str) -> str | None:
        """The same for a job."""
        path = self.checkpoint(key)
        return None if path is None else str(path)

    def keep(self, job: Job, spec: Spec, run: StoredRun, rows: StudyRows) -> None:
        """Keep a run of this process."""
        if self._folder is None:
            return
        model = run.model
        origin = None if model is None else (model.path, model.file_id)
        try:
            outcome = outcome_of(job, spec, run, rows)
        except LayerkitError as error:
            self._warn(f"{job.title}, seed {job.seed}: the training could not be kept ({error})")
            return
        finally:
            if model is not None and origin is not None:
                model.path, model.file_id = origin
        self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """Keep what became of a job."""
        self._try(lambda folder: self._add(folder, outcome))

    def _add(self, folder: RunFolder, outcome: Outcome) -> None:
        if not self._is_open:
            self._open.enter_context(folder.open_for_runs(None))
            self._is_open = True
        folder.add(outcome.line, outcome.times, outcome.files)


def run_of(outcome: Outcome, job: Job, spec: Spec) -> StoredRun:
    """The run behind what a worker has sent."""
    notices = tuple(outcome.times["notices"])
    if outcome.line["diverged"]:
        return StoredRun(None, None, notices, outcome.line["diverged"])
    model = load(io.BytesIO(outcome.files[model_file(job.key)]))
    return StoredRun(_named(model, job, spec), outcome.times["seconds"], notices)


def _named(model: Model, job: Job, spec: Spec) -> Model:
    """The model as the contestant's: trained under another name, its categories learned."""
    model.spec = spec.with_train(seed=job.seed).with_columns(model.spec.input["columns"])
    return model
