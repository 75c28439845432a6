"""Finished trainings of a comparison, stored in a folder so that none is lost or done twice.

A file is named after a hash of everything that its result depends on: the resolved spec without its
name, the seed, the rows, the versions and the source of its parts. ``KEY.layerkit`` is the model,
``KEY.json`` holds what a model file does not: training time and warnings, or why the training
diverged. Files are replaced in one step, so a killed process leaves no partial file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from layerkit.codec.atomic import replace_file
from layerkit.core.rows import Rows
from layerkit.errors import LayerkitError
from layerkit.file.load import load
from layerkit.file.save import save
from layerkit.runs.keys import made_by, raw_rows_digest, run_key
from layerkit.runs.training import StoredRun
from layerkit.specs import Spec
from layerkit.training.teacher import with_teacher_id


class RunStore:
    """The folder of finished trainings; with None, nothing is stored.

    ``warn`` gets what cannot be read or written.
    """

    def __init__(
        self, folder: Path | None, splits: Mapping[str, Rows], warn: Callable[[str], object] = str
    ) -> None:
        self.folder = folder
        self._warn = warn
        self._rows = "" if folder is None else raw_rows_digest(splits)
        self._saved: set[Path] = set()

    def path(self, spec: Spec, seed: int) -> Path:
        """The model file of the training of ``spec`` with ``seed``."""
        assert self.folder is not None  # noqa: S101  # called only where there is one
        spec = with_teacher_id(spec)
        return self.folder / f"{run_key(spec, seed, self._rows, made_by(spec))}.layerkit"

    def load(self, spec: Spec, seed: int) -> StoredRun | None:
        """The stored training, if there is a sound one."""
        if self.folder is None:
            return None
        path = self.path(spec, seed)
        if path in self._saved:  # in this comparison, by a contestant of the same recipe
            return None
        details = _read_details(path.with_suffix(".json"))
        notices = tuple(details.get("notices", ()))
        if details.get("diverged"):
            return StoredRun(None, None, notices, details["diverged"])
        if not path.exists():
            return None
        try:
            model = load(path)
        except (LayerkitError, OSError) as error:
            self._warn(f"{path} cannot be used, so its run is trained again ({error})")
            return None
        # It may have been trained under another name; its categories may have been learned.
        model.spec = spec.with_train(seed=seed).with_columns(model.spec.input["columns"])
        return StoredRun(model, details.get("seconds"), notices)

    def save(self, spec: Spec, seed: int, run: StoredRun) -> None:
        """Store a training."""
        if self.folder is None:
            return
        details = {
            "name": spec.name,
            "seed": seed,
            "seconds": run.seconds,
            "notices": list(run.notices),
            "diverged": run.diverged,
        }
        path = self.path(spec, seed)
        self._saved.add(path)
        try:
            if not self.folder.is_file():  # writing into it then fails with the clearer message
                self.folder.mkdir(parents=True, exist_ok=True)
            content = json.dumps(details, indent=2).encode()
            replace_file(path.with_suffix(".json"), lambda out: out.put(content), durable=False)
            if run.model is not None:
                origin = run.model.path, run.model.file_id
                save(run.model, path)
                run.model.path, run.model.file_id = origin
        except OSError as error:
            reason = f"{self.folder}: {error.strerror or error}"
            self.folder = None
            self._warn(f"trainings cannot be kept ({reason}), so an interruption would lose them")
        except LayerkitError as error:
            self._warn(f"{spec.name}, seed {seed}: the training could not be kept ({error})")


def _read_details(path: Path) -> dict[str, Any]:
    """The file beside the model; empty if it is missing or damaged."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict):
            return found
    return {}
