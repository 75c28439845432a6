"""Finished trainings of a comparison, kept in a folder so that none is lost and none done twice.

Each has a name of its own, a hash of what its result follows from: the resolved spec without its
name, the seed, the rows, the versions and the source of the parts in it. ``KEY.layerkit`` is the
model, ``KEY.json`` what a model file does not hold: how long it took, and its warnings; or why the
training diverged. Files are replaced in one step, so a process that is killed leaves no half one.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import layerkit
from layerkit.core.rows import Rows
from layerkit.errors import LayerkitError
from layerkit.file.load import load
from layerkit.file.provenance import provenance
from layerkit.file.save import save
from layerkit.model import Model
from layerkit.specs import Spec
from layerkit.training.recipe import Recipe

__all__ = ["Kept", "Shelf", "rows_digest"]


@dataclass(frozen=True)
class Kept:
    """What one training came to.

    Attributes
    ----------
    model
        None if it diverged.
    seconds
        Of training; None if that is not known.
    notices
        Its warnings.
    diverged
        Why, or None.
    """

    model: Model | None
    seconds: float | None
    notices: tuple[str, ...] = ()
    diverged: str | None = None


class Shelf:
    """The folder of kept trainings; without one, nothing is kept."""

    def __init__(self, folder: Path | None, splits: Mapping[str, Rows]) -> None:
        self.folder = folder
        self._rows = "" if folder is None else rows_digest(splits)
        self._made: set[Path] = set()

    def path(self, spec: Spec, seed: int, ending: str) -> Path:
        """Where the training of ``spec`` with ``seed`` is kept."""
        assert self.folder is not None  # noqa: S101  # asked only where there is one
        return self.folder / f"{_key(spec, seed, self._rows)}{ending}"

    def find(self, spec: Spec, seed: int) -> tuple[Kept | None, str | None]:
        """The kept training, if there is a sound one; and what is wrong with one that is not."""
        if self.folder is None:
            return None, None
        path = self.path(spec, seed, ".layerkit")
        if path in self._made:  # by a contestant of the same recipe, in this very comparison
            return None, None
        told = _told(path.with_suffix(".json"))
        if told.get("diverged"):
            return Kept(None, None, tuple(told.get("notices", ())), told["diverged"]), None
        if not path.exists():
            return None, None
        try:
            model = load(path)
        except (LayerkitError, OSError) as error:
            return None, f"{path} cannot be used and is trained anew ({error})"
        model.spec = spec.with_train(seed=seed)  # it may have been trained under another name
        return Kept(model, told.get("seconds"), tuple(told.get("notices", ()))), None

    def keep(self, spec: Spec, seed: int, run: Kept) -> str | None:
        """Keep what came of a training; why that failed, if it did."""
        if self.folder is None:
            return None
        told = {
            "name": spec.name,
            "seed": seed,
            "seconds": run.seconds,
            "notices": list(run.notices),
            "diverged": run.diverged,
        }
        path = self.path(spec, seed, ".layerkit")
        self._made.add(path)
        try:
            if not self.folder.is_file():  # or what follows says that it is no folder
                self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(told, indent=2).encode()
            _replace(path.with_suffix(".json"), text)
            if run.model is not None:
                held = run.model.path, run.model.file_id
                save(run.model, path)
                run.model.path, run.model.file_id = held
        except OSError as error:
            told_as = f"{self.folder}: {error.strerror or error}"
            self.folder = None
            return f"trainings cannot be kept ({told_as}), and an interruption would lose them"
        except LayerkitError as error:
            return f"{spec.name}, seed {seed}: the training could not be kept ({error})"
        return None


def _replace(path: Path, text: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(text)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _told(path: Path) -> dict[str, Any]:
    """What is beside the model; nothing if it is missing or damaged."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _key(spec: Spec, seed: int, rows: str) -> str:
    document = spec.with_train(seed=seed).to_document()
    del document["name"]
    made_by = {
        "layerkit": layerkit.__version__,
        "kernels": _kernels(),
        "numpy": np.__version__,
        "types": provenance(spec.layers),
        "source": sorted(_sources(spec)),
    }
    text = json.dumps([document, rows, made_by], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _kernels() -> str:
    """What computes: compiled kernels give other bits than NumPy alone."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"numba {version('numba')}"
    except PackageNotFoundError:
        return "numpy"


def _sources(spec: Spec) -> Iterator[str]:
    """Digests of the source of the spec's parts, so that an edited plugin is trained anew."""
    recipe = Recipe.of(spec)
    for part in (*(r.part for r in spec.layers), recipe.loss, recipe.rule, recipe.schedule):
        with suppress(OSError, TypeError):
            source = Path(inspect.getfile(type(part))).read_bytes()
            yield hashlib.sha256(source).hexdigest()


def rows_digest(splits: Mapping[str, Rows]) -> str:
    """A digest of all rows by split, in order."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        rows = splits[name]
        columns = {} if rows.columns is None else dict(rows.columns)
        arrays = {
            "": rows.values,
            "label": rows.labels,
            "text": rows.label_text,
            **{f"c {k}": v for k, v in columns.items()},
        }
        for key, array in arrays.items():
            if array is not None:
                held = np.ascontiguousarray(array)
                digest.update(f"{name} {key} {held.dtype} {held.shape}\n".encode())
                digest.update(repr(held.tolist()).encode() if held.dtype == object else held.data)
    return digest.hexdigest()
