"""Contestants as they come in: specs to be trained, and models, grouped as seeds of one recipe."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from layerkit.errors import PluginError, SpecError
from layerkit.file.load import load
from layerkit.model import Model
from layerkit.paths import expanded
from layerkit.specs import Spec, read_spec
from layerkit.specs.ready import open_spec

__all__ = ["Entry", "Given", "gather"]

Given = str | Path | Mapping[str, Any] | Spec | Model

_MAGIC = b"\x83\xa8layerkit"  # the first bytes of every model file


@dataclass
class Entry:
    """A contestant before it is judged: its spec and, by seed, its models.

    By seed, ``failures``, ``seconds`` and ``notices`` are filled in for specs, which are trained
    here, and ``kept``: the seeds that were not trained anew.
    """

    name: str
    kind: Literal["spec", "file", "model"]
    spec: Spec
    sources: list[str] = field(default_factory=list)
    models: dict[int | None, Model] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    notices: dict[int, tuple[str, ...]] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)


def gather(contestants: Sequence[Given], settings: Sequence[str] = ()) -> list[Entry]:
    """Read all contestants; models that differ in their seed alone become one.

    Raises
    ------
    SpecError, ModelFileError, OSError
        If one cannot be read, or there is none, or ``settings`` have no spec to change.
    """
    entries: list[Entry] = []
    groups: dict[str, Entry] = {}
    for given in contestants:
        try:
            read = _read(given, settings)
        except (SpecError, PluginError) as error:
            if error.path is None and len(contestants) > 1 and isinstance(given, (str, Path)):
                error.path = os.fspath(given)  # which of them an override does not fit
            raise
        if isinstance(read, Spec):
            source = [os.fspath(given)] if isinstance(given, (str, Path)) else []
            entries.append(Entry(read.name, "spec", read, source))
        else:
            kind: Literal["file", "model"] = "model" if isinstance(given, Model) else "file"
            _add_model(entries, groups, read, kind)
    if not entries:
        raise SpecError("nothing to compare: at least one model file or spec is wanted")
    if settings and all(e.kind != "spec" for e in entries):
        raise SpecError("settings change a spec, and only models were given")
    _tell_apart(entries)
    return entries


def _read(given: Given, settings: Sequence[str]) -> Spec | Model:
    if isinstance(given, (Model, Spec)):
        if settings and isinstance(given, Spec):
            return read_spec(given.to_document(), settings=settings)
        return given
    if isinstance(given, Mapping):
        return read_spec(given, settings=settings)
    path = Path(expanded(os.fspath(given)))
    if path.suffix == ".layerkit":
        return load(given)  # as given: it may be a URL
    with open_spec(str(path)) as file:
        is_model = file.read(len(_MAGIC)) == _MAGIC
    return load(path) if is_model else read_spec(path, settings=settings)


def _add_model(
    entries: list[Entry], groups: dict[str, Entry], model: Model, kind: Literal["file", "model"]
) -> None:
    """Put ``model`` beside those of the same recipe, or, if its seed is there already, apart."""
    seed = None if model.spec.train is None else model.spec.train["seed"]
    key = kind + recipe_of(model.spec)
    entry = groups.get(key)
    if entry is None or seed in entry.models:
        entry = groups[key] = Entry(model.name, kind, model.spec)
        entries.append(entry)
    entry.models[seed] = model
    if model.path is not None:
        entry.sources.append(model.path)


def recipe_of(spec: Spec) -> str:
    """The resolved spec as text, without its name and seed: equal for seeds of one contestant."""
    document = spec.to_document()
    del document["name"]
    if spec.train is not None:
        document["train"] = {k: v for k, v in spec.train.items() if k != "seed"}
    return json.dumps(document, sort_keys=True)


def _tell_apart(entries: list[Entry]) -> None:
    """Give entries of one name different ones: by their files' names if those differ, or counted.

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
