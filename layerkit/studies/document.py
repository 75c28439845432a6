"""Reading ``study.json``: a spec, a grid over its fields, and seeds.

An axis of the grid is a list of values for the field at a path, or an object of named alternatives
that each set some fields. The points of the grid are all combinations, in the order of the file,
the last axis fastest.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from layerkit.display import nearest, quoted, shortened
from layerkit.errors import LayerkitError, PathError, PluginError, SpecError
from layerkit.paths import expanded, open_input, path_errors
from layerkit.runs.keys import run_key
from layerkit.specs import Spec, read_spec
from layerkit.specs.json_source import JsonSource, parse, spell, strict_json
from layerkit.specs.overrides import Setting
from layerkit.specs.ready import ready_specs
from layerkit.studies.budget import Matched
from layerkit.studies.match_field import Match, read_match
from layerkit.studies.search import SearchPlan, read_search
from layerkit.studies.sections import StudySection

VERSION = 1
_FIELDS = tuple(StudySection.model_fields)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_MOST_POINTS, _MOST_SEEDS = 10_000, 1_000


@dataclass(frozen=True)
class Point:
    """A combination of the grid: the label of its value on each axis, and the spec it makes.

    ``matched`` are the widths of the spec that were solved for, if any. ``settings`` make
    it from the spec of the study, before they are; those at the end that the grid sets are its
    ``own``.
    """

    labels: Mapping[str, str]
    spec: Spec
    matched: Matched | None = None
    settings: tuple[Setting, ...] = ()
    own: tuple[Setting, ...] = ()

    @property
    def title(self) -> str:
        """Its labels in one line."""
        return ", ".join(self.labels.values()) or self.spec.name

    @cached_property
    def recipe(self) -> str:
        """A hash of its spec, without its name and seed."""
        return run_key(self.spec, 0)


@dataclass(frozen=True)
class StudyPlan:
    """A valid study, as read; ``text`` is the file as given."""

    name: str
    text: bytes
    points: tuple[Point, ...]
    seeds: tuple[int, ...]
    data: str | None
    validation: str | None
    match: Match | None = None
    base: Any = None  # the spec as the study gives it
    search: SearchPlan | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of the grid."""
        return tuple(self.points[0].labels)


def read_study(given: str | os.PathLike[str] | Mapping[str, Any]) -> StudyPlan:
    """Read and check a study: a file, or the parsed object.

    Raises SpecError, which names the field or the point of the grid, and the errors of
    ``read_spec``.
    """
    path: str | None = None
    if isinstance(given, Mapping):
        tree = strict_json(given)
        text = json.dumps(tree, indent=2).encode() + b"\n"
        source, default = JsonSource(tree), "study"
    else:
        path = expanded(os.fspath(given))
        text = _content(path)
        try:
            source = parse(text.decode("utf-8-sig"), name=path)
        except UnicodeDecodeError as error:
            reason = f"expected UTF-8, got an invalid byte at position {error.start}"
            raise SpecError(reason, path=path) from error
        default = re.sub(r"[^\w.-]+", "-", Path(path).stem, flags=re.ASCII)[:64] or "study"
    return _Reader(source, path).read(default, text)


def _content(path: str) -> bytes:
    """What the file of a study holds; the name of a ready spec is none."""
    try:
        with open_input(path) as file, path_errors(path):
            return file.read()
    except PathError as error:
        if path in ready_specs():
            error.hint = f"{path} is a ready spec; a study is a file that names it in 'spec'"
        elif (given := Path(path, "study.json")).is_file():
            error.hint = f"it holds the runs of a study: layerkit study {given} -o {path}"
        raise


class _Reader:
    """Checks one field after another; messages name the file, the field and its line."""

    def __init__(self, source: JsonSource, path: str | None) -> None:
        self.source, self.path = source, path
        self.tree: dict[str, Any] = source.tree if isinstance(source.tree, dict) else {}

    def read(self, default: str, text: bytes) -> StudyPlan:
        tree = self.tree
        if not isinstance(self.source.tree, dict):
            self.refuse((), f"expected an object with {', '.join(_FIELDS)}")
        if "layerkit" in tree and "layerkit_study" not in tree:
            self.refuse(("layerkit",), "this is a spec; a study is a file that names it in 'spec'")
        for field in tree:
            if field not in _FIELDS:
                known = f"{nearest(field, list(_FIELDS))} (valid fields: {', '.join(_FIELDS)})"
                self.refuse((field,), f"unknown field{known}")
        if tree.get("layerkit_study") != VERSION or tree["layerkit_study"] is True:
            found = quoted(tree["layerkit_study"]) if "layerkit_study" in tree else "nothing"
            reason = f"expected {VERSION}, the version of the form, got {found}"
            self.refuse(("layerkit_study",), reason)
        if not isinstance(tree.get("spec"), (str, dict)):
            found = quoted(tree["spec"]) if "spec" in tree else "nothing"
            expected = "a spec: its path, the name of a ready one, or an object"
            self.refuse(("spec",), f"expected {expected}, got {found}")
        name = tree.get("name", default)
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            expected = "a name of at most 64 letters, digits, '_', '-' or '.'"
            self.refuse(("name",), f"expected {expected}, got {quoted(name)}")
        points = tuple(self._points())
        for field in ("data", "validation"):
            if not isinstance(tree.get(field), (str, type(None))):
                self.refuse((field,), f"expected a path, got {quoted(tree[field])}")
        data, validation = tree.get("data"), tree.get("validation")
        seeds, match, search = self._seeds(points), self._match(points), None
        if tree.get("search") is not None:
            search = read_search(tree["search"], tree["spec"], points, validation, self)
        return StudyPlan(name, text, points, seeds, data, validation, match, tree["spec"], search)

    def _match(self, points: Sequence[Point]) -> Match | None:
        if self.tree.get("match") is None:
            return None
        axes = {axis: [p.labels[axis] for p in points] for axis in points[0].labels}
        try:
            found = read_match(self.tree["match"], axes)
        except SpecError as error:
            self.refuse(tuple(error.location.split(".", 2)), error.reason)
        return replace(found, path=self.path, line=self.source.lines([("match",)])[0])

    def _seeds(self, points: Sequence[Point]) -> tuple[int, ...]:
        given = self.tree.get("seeds", 1)
        if type(given) is int and 0 < given <= _MOST_SEEDS:
            first = (points[0].spec.train or {})["seed"]
            return tuple(range(first, first + given))
        listed = given if isinstance(given, list) else []
        whole = all(type(s) is int and 0 <= s < 2**63 for s in listed)
        if not listed or not whole or len(set(listed)) < len(listed) or len(listed) > _MOST_SEEDS:
            expected = f"a count from 1 to {_MOST_SEEDS:,}, or a list of distinct integers >= 0"
            self.refuse(("seeds",), f"expected {expected}, got {quoted(given)}")
        return tuple(listed)

    def _points(self) -> Iterator[Point]:
        common = self.settings(("set",), self.tree.get("set", {}))
        grid = self.tree.get("grid", {})
        if not isinstance(grid, dict):
            self.refuse(("grid",), f"expected an object of axes, got {quoted(grid)}")
        axes = [list(self._axis(axis, values)) for axis, values in grid.items()]
        if (count := _product(axes)) > _MOST_POINTS:
            reason = f"expected at most {_MOST_POINTS:,} combinations, got {count:,}"
            self.refuse(("grid",), reason)
        for chosen in itertools.product(*axes):
            labels = dict(zip(grid, (label for label, _ in chosen), strict=True))
            own = tuple(s for _, each in chosen for s in each)
            settings = (*common, *own)
            yield Point(labels, self._spec(settings, labels), settings=settings, own=own)

    def _axis(self, axis: str, values: Any) -> Iterator[tuple[str, list[Setting]]]:
        """The label of each value, and the fields it sets."""
        at = ("grid", axis)
        if isinstance(values, dict) and values:
            for label, fields in values.items():
                yield label, self.settings((*at, label), fields)
        elif isinstance(values, list) and values:
            texts = [json.dumps(value) for value in values]
            if twice := next((text for text in texts if texts.count(text) > 1), None):
                self.refuse(at, f"expected different values, got {shortened(twice, 40)} twice")
            for label, value in zip(_labels(values), values, strict=True):
                yield label, self.settings(at, {axis: value})
        else:
            expected = "a list of values, or an object of named alternatives"
            self.refuse(at, f"expected {expected}, got {quoted(values)}")

    def settings(self, at: tuple[str, ...], fields: Any) -> list[Setting]:
        """The overrides that ``fields`` (path to value) stand for."""
        if not isinstance(fields, dict):
            self.refuse(at, f'expected an object such as {{"layers.1.units": 50}}, got '
                        f"{quoted(fields)}")  # fmt: skip
        made = []
        for path, value in fields.items():
            if not path.strip() or "=" in path:
                self.refuse(at, f"expected the path of a field, as in layers.1.units, got "
                            f"{quoted(path)}")  # fmt: skip
            if path.strip() == "train.seed":
                self.refuse(at, "seeds are no field of the grid: list them in 'seeds'")
            text = f"{path}={json.dumps(value)}"
            made.append(Setting(text, f"{spell(at[:1])} {text}"))
        return made

    def _spec(self, settings: Sequence[Setting], labels: Mapping[str, str]) -> Spec:
        where = ", ".join(f"{axis} {label}" for axis, label in labels.items())
        named_by = f"named by the field 'spec' of {self.path or 'the study'}"
        try:
            spec = read_spec(self.tree["spec"], settings=settings)
        except (SpecError, PluginError) as error:
            named = error.path is not None and error.path == self.tree["spec"]
            by_study = any(setting.label[:97] in error.message for setting in settings)
            if by_study or not named:
                error.path = self.path
            else:
                _add_hint(error, named_by)
            if where:
                _add_hint(error, f"at the point of the grid: {where}")
            raise
        except PathError as error:
            _add_hint(error, named_by)
            raise
        if spec.train is None:
            reason = "expected a spec with a training section ('train'), which says how to train it"
            self.refuse(("spec",), reason)
        parts = (re.sub(r"[^A-Za-z0-9_.]+", "-", label).strip("-") for label in labels.values())
        name = "-".join([spec.name, *parts])[:64]
        return replace(spec, name=name)

    def refuse(self, at: tuple[str, ...], reason: str) -> NoReturn:
        """Raise the SpecError of the field at ``at``."""
        line = self.source.lines([at])[0] if at else None
        raise SpecError(reason, location=spell(at), line=line, path=self.path)


def _add_hint(error: LayerkitError, hint: str) -> None:
    error.hint = hint if error.hint is None else f"{error.hint}\n{hint}"


def _product(axes: Sequence[Sequence[Any]]) -> int:
    count = 1
    for axis in axes:
        count *= len(axis)
    return count


def _labels(values: Sequence[Any]) -> list[str]:
    """Short distinct labels: the type of a part, or the value as JSON."""
    types = [v.get("type") if isinstance(v, dict) else None for v in values]
    if all(isinstance(t, str) for t in types) and len(set(types)) == len(types):
        return [str(t) for t in types]
    plain = [v if isinstance(v, str) else json.dumps(v) for v in values]
    cut = [shortened(text, 24) for text in plain]
    return [f"{t} ({i + 1})" if cut.count(t) > 1 else t for i, t in enumerate(cut)]
