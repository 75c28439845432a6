"""Reading contestants: specs to train, and models, grouped as seeds of one recipe."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerkit.codec.layout import MAGIC
from layerkit.comparison.results import Kind
from layerkit.datacontract.convert_rows import same_numbers
from layerkit.display import quoted
from layerkit.errors import DataError, PluginError, SpecError
from layerkit.file.load import load
from layerkit.model import Model
from layerkit.paths import expanded
from layerkit.runs.keys import run_key
from layerkit.specs import Spec, read_spec
from layerkit.specs.ready import open_spec
from layerkit.training.recipe import loss_and_metrics

ContestantLike = str | Path | Mapping[str, Any] | Spec | Model


@dataclass
class Entry:
    """A contestant before it is judged; training a spec fills in its fields from ``models`` on."""

    name: str
    kind: Kind
    spec: Spec
    sources: list[str] = field(default_factory=list)
    models: dict[int | None, Model] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    notices: dict[int, tuple[str, ...]] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)  # seeds stored by an earlier comparison

    @property
    def first_model(self) -> Model | None:
        """The model of its first seed; None if all its trainings diverged."""
        return next(iter(self.models.values()), None)


def read_contestants(
    contestants: Sequence[ContestantLike], settings: Sequence[str] = ()
) -> list[Entry]:
    """Read all contestants; models that differ only in name and seed become one.

    Raises SpecError if there are none, or no spec that ``settings`` could change.
    """
    entries: list[Entry] = []
    by_recipe: dict[str, Entry] = {}
    for given in contestants:
        try:
            read = _read(given, settings)
        except (SpecError, PluginError) as error:
            if error.path is None and len(contestants) > 1 and isinstance(given, (str, Path)):
                error.path = os.fspath(given)  # name the contestant that an override does not fit
            raise
        if isinstance(read, Spec):
            source = [os.fspath(given)] if isinstance(given, (str, Path)) else []
            entries.append(Entry(read.name, "spec", read, source))
        else:
            kind: Kind = "model" if isinstance(given, Model) else "file"
            _add_model(entries, by_recipe, read, kind)
    if not entries:
        raise SpecError("nothing to compare: expected at least one model file or spec")
    if settings and all(e.kind != "spec" for e in entries):
        raise SpecError("settings change a spec, but only models were given")
    _make_names_unique(entries)
    return entries


def _read(given: ContestantLike, settings: Sequence[str]) -> Spec | Model:
    if isinstance(given, Model) or (isinstance(given, Spec) and not settings):
        return given
    if isinstance(given, Spec):
        given = given.to_document()
    if isinstance(given, Mapping):
        return read_spec(given, settings=settings)
    path = Path(expanded(os.fspath(given)))
    if path.suffix == ".layerkit":
        return load(given)  # unchanged, as it may be a URL
    with open_spec(str(path)) as file:
        is_model = file.read(len(MAGIC)) == MAGIC
    return load(path) if is_model else read_spec(path, settings=settings)


def _add_model(entries: list[Entry], by_recipe: dict[str, Entry], model: Model, kind: Kind) -> None:
    """Add ``model`` to the entry of its recipe, or as a new one if that has its seed already."""
    seed = None if model.spec.train is None else model.spec.train["seed"]
    key = kind + run_key(model.spec, 0)  # equal for seeds of one contestant
    entry = by_recipe.get(key)
    if entry is None or seed in entry.models:
        entry = by_recipe[key] = Entry(model.name, kind, model.spec)
        entries.append(entry)
    entry.models[seed] = model
    if model.path is not None:
        entry.sources.append(model.path)


def _make_names_unique(entries: list[Entry]) -> None:
    """Rename entries of the same name: after their files if those differ, or by number.

    Names label every line of a report, so no two may be equal.
    """
    names = [e.name for e in entries]
    for entry in entries:
        stem = Path(entry.sources[0]).stem if entry.sources else ""
        if names.count(entry.name) > 1 and stem:
            entry.name = stem
    taken: set[str] = set()
    for entry in entries:
        name, k = entry.name, 2
        while name in taken:
            name, k = f"{entry.name} ({k})", k + 1
        entry.name = name
        taken.add(name)


def check_same_task(entries: Sequence[Entry]) -> None:
    """Raise DataError, naming both contestants, if classes, targets or input differ."""
    tasks = [_task(e) for e in entries]
    for entry, task in zip(entries[1:], tasks[1:], strict=True):
        for what, expected in tasks[0].items():
            found = task[what]
            if expected is None or found is None or expected == found:
                continue
            if what != "input shape" or not same_numbers(tuple(expected), tuple(found)):
                raise DataError(
                    f"{quoted(entries[0].name)} and {quoted(entry.name)} answer different "
                    f"questions, so they cannot be compared: {what} {quoted(expected, 200)} "
                    f"against {quoted(found, 200)}"
                )


def _task(entry: Entry) -> dict[str, Any]:
    """What must be the same for all contestants; None where that is not known yet."""
    spec, model = entry.spec, entry.first_model
    classes, targets = spec.output["classes"], spec.output["targets"]
    if model is not None and model.contract.output is not None:  # it knows the learned classes
        classes, targets = model.contract.output.classes, model.contract.output.targets
    real = loss_and_metrics(spec)[0].target == "real"
    return {  # each model may have its own order of classes and targets
        "classes": None if classes is None else sorted(map(str, classes)),
        "targets": None if targets is None else sorted(map(str, targets)),
        "kind of answer": "numbers" if real else "classes",
        "input shape": list(spec.in_shape) if spec.input["columns"] is None else None,
        "answers": _answers(spec),
    }


def _answers(spec: Spec) -> str | None:
    """How many answers a row gets, in words; None where the layers cannot be planned yet."""
    with suppress(SpecError, PluginError):
        planned = spec.plan()
        steps = (planned[-1].out_shape if planned else spec.in_shape)[:-1]
        return f"one for each step, of {list(steps)}" if steps else "one for a row"
    return None
