"""Finished trainings of a comparison, stored in a folder so that none is lost or done twice.

A file is named after a hash of everything that its result depends on: the resolved spec without its
name, the seed, the rows, the versions and the source of its parts. ``KEY.layerkit`` is the model,
``KEY.json`` holds what a model file does not: training time and warnings, or why the training
diverged. Files are replaced in one step, so a killed process leaves no partial file.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import layerkit
from layerkit.codec.atomic import replace_file
from layerkit.core.rows import Rows
from layerkit.discovery.engines import compiled_engine, eager
from layerkit.errors import LayerkitError
from layerkit.file.load import load
from layerkit.file.provenance import provenance
from layerkit.file.save import save
from layerkit.model import Model
from layerkit.specs import Spec
from layerkit.training.recipe import Recipe


@dataclass(frozen=True)
class StoredRun:
    """One finished training."""

    model: Model | None  # None if it diverged
    seconds: float | None  # None if unknown
    notices: tuple[str, ...] = ()
    diverged: str | None = None  # why


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


def run_key(spec: Spec, seed: int, *given: Any) -> str:
    """A hash of the resolved spec without its name, the seed, and what else is given."""
    document = spec.with_train(seed=seed).to_document()
    del document["name"]
    text = json.dumps([document, *given], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def made_by(spec: Spec) -> dict[str, Any]:
    """What besides spec, seed and rows decides the bits of a training: versions, kernels, source.

    JSON values.
    """
    return {
        "layerkit": layerkit.__version__,
        "kernels": _kernels(),
        "numpy": np.__version__,
        "types": provenance(spec),
        "source": sorted(_sources(spec)),
    }


def _kernels() -> str:
    """What runs the layers: compiled kernels, planned NumPy and the methods have other bits."""
    from importlib.metadata import PackageNotFoundError

    if eager():
        return "as written"
    try:
        versions = compiled_engine().versions()
    except PackageNotFoundError:
        return "numpy"
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _sources(spec: Spec) -> Iterator[str]:
    """Digests of the source of the spec's parts, so that an edited plugin is trained again."""
    recipe = Recipe.of(spec)
    for part in (*(r.part for r in spec.layers), recipe.loss, recipe.rule, recipe.schedule):
        with suppress(OSError, TypeError):
            source = Path(inspect.getfile(type(part))).read_bytes()
            yield hashlib.sha256(source).hexdigest()


def raw_rows_digest(splits: Mapping[str, Rows]) -> str:
    """A digest of all rows by split, in order."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        rows = splits[name]
        columns = {} if rows.columns is None else dict(rows.columns)
        arrays = {
            "": rows.values,
            "label": rows.labels,
            "text": rows.label_text,
            "weight": rows.weights,
            **{f"c {k}": v for k, v in columns.items()},
        }
        for key, array in arrays.items():
            if array is not None:
                held = np.ascontiguousarray(array)
                digest.update(f"{name} {key} {held.dtype} {held.shape}\n".encode())
                digest.update(repr(held.tolist()).encode() if held.dtype == object else held.data)
    return digest.hexdigest()
