"""What ``layerkit explain`` knows: error classes, fields of the spec, parts and their settings.

Nothing is written here twice: the words come from the docstrings of errors and parts, from the
descriptions in the spec's sections, and from the constructors' annotations.
"""

from __future__ import annotations

import difflib
import inspect
import json
import re
import sys
from typing import Any, NotRequired, TypedDict

import layerkit.errors

__all__ = ["Topic", "errors", "fields", "near"]


class Topic(TypedDict):
    """One answer; the optional facts are those that the kind of thing has."""

    name: str
    kind: str
    description: str
    type: NotRequired[str]
    default: NotRequired[str]
    names: NotRequired[list[str]]
    provider: NotRequired[str]
    settings: NotRequired[list[str]]


def errors(code: str) -> list[Topic]:
    """The error classes with that code, in the order of the module."""
    return [
        Topic(name=f"{code} {kind.__name__}", kind="error", description=inspect.getdoc(kind) or "")
        for kind in _error_classes()
        if kind.code == code
    ]


def _error_classes() -> list[type[layerkit.errors.LayerkitError]]:
    base = layerkit.errors.LayerkitError
    found = vars(layerkit.errors).values()
    return [v for v in found if isinstance(v, type) and issubclass(v, base)]


def fields(term: str) -> list[Topic]:
    """What ``term`` names: a field by its path, a part by its name, a setting as PART.SETTING."""
    path = re.sub(r"\[\d+\]|\.\d+(?=\.|$)", "", term.strip())
    return _spec_field(path) or _parts(path) or _settings(path) or _short(path)


def near(term: str) -> str:
    """The nearest names to a ``term`` that names nothing, as the end of a sentence."""
    if re.fullmatch(r"(?i)(lk-?)?\d{3}", term):
        return f": the codes are {', '.join(sorted({kind.code for kind in _error_classes()}))}"
    known = {word.lower(): word for word in _known(term)}
    found = difflib.get_close_matches(term.lower(), list(known), n=2, cutoff=0.7)
    if found:
        return f"; did you mean {' or '.join(repr(known[word]) for word in found)}?"
    return "; a setting of a part is written PART.SETTING, such as highway.gate_bias"


def _known(term: str) -> list[str]:
    """All names that a misspelt ``term`` may stand for; imports at most the part before its dot."""
    from layerkit.discovery.registry import REGISTRIES

    words = [path for path in _spec_paths() if path]
    words += [path.rpartition(".")[2] for path in _spec_paths()]
    for kind, registry in REGISTRIES.items():
        words += [*registry.names(), *(f"{kind}.{name}" for name in registry.names())]
    owner = term.rpartition(".")[0]
    close = [owner, *difflib.get_close_matches(owner, words, n=1)]
    for word in close[: 1 if _named(owner) else 2]:
        for kind, name in _named(word):
            words += [f"{word}.{setting}" for setting in REGISTRIES[kind][name].settings()]
    return words


def _spec_paths() -> list[str]:
    from layerkit.specs.sections import SECTIONS

    return [
        f"{section}.{name}".lstrip(".")
        for section, model in SECTIONS.items()
        for name in model.model_fields
    ]


def _spec_field(path: str) -> list[Topic]:
    from layerkit.discovery.registry import REGISTRIES
    from layerkit.specs.document import annotation_at
    from layerkit.specs.messages import describe
    from layerkit.specs.sections import SECTIONS
    from layerkit.specs.validate.settings import part_group

    if path not in _spec_paths():
        return []
    section, _, name = path.rpartition(".")
    info = SECTIONS[section].model_fields[name]
    annotation = annotation_at(tuple(path.split(".")))
    topic = Topic(name=path, kind="field of the spec", description=info.description or "")
    inner = SECTIONS.get(path)
    if inner is not None:
        topic["settings"] = list(inner.model_fields)
    else:
        topic["type"] = describe(annotation)
    topic["default"] = "none: it is required" if info.is_required() else _shown(info.get_default())
    group = {"metrics": "metrics", "layers": "layers", "data": "data"}.get(name)
    group = group or part_group(annotation)
    if group is not None:
        topic["names"] = REGISTRIES[group].names()
    return [topic]


def _shown(default: Any) -> str:
    return json.dumps(default.model_dump() if hasattr(default, "model_dump") else default)


def _named(path: str) -> list[tuple[str, str]]:
    """(group, name) of the parts that ``path`` names: adam, optimizers.adam, train.optimizer.adam.

    A part's own name may hold dots (acme.spline).
    """
    from layerkit.discovery.registry import REGISTRIES
    from layerkit.specs.document import annotation_at
    from layerkit.specs.validate.settings import part_group

    found = []
    for kind, registry in REGISTRIES.items():
        fields = [
            p for p in _spec_paths() if part_group(annotation_at(tuple(p.split(".")))) == kind
        ]
        for prefix in ("", f"{kind}.", *(f"{field}." for field in fields)):
            name = path.removeprefix(prefix)
            if path.startswith(prefix) and name in registry:
                found.append((kind, name))
    return found


def _parts(path: str) -> list[Topic]:
    from layerkit.discovery.registry import REGISTRIES

    topics = []
    for kind, name in _named(path):
        registry = REGISTRIES[kind]
        candidate = registry.choose(name)
        part = registry.load(candidate)
        topic = Topic(
            name=name,
            kind=registry.singular,
            description="\n\n".join(filter(None, (inspect.getdoc(part), _page(part)))),
            provider=f"{candidate}, {candidate.value}",
            settings=[_signed(p) for p in part.settings().values()] or ["none"],
        )
        topics.append(topic)
    return topics


def _page(part: type) -> str | None:
    """The docstring of the part's module, where its equations are."""
    return inspect.getdoc(sys.modules[part.__module__])


def _signed(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return f"{parameter.name} (required)"
    return f"{parameter.name}={_shown(parameter.default)}"


def _settings(path: str) -> list[Topic]:
    from layerkit.discovery.registry import REGISTRIES
    from layerkit.specs.messages import describe
    from layerkit.specs.validate.settings import part_group, setting_types

    owner, _, setting = path.rpartition(".")
    topics = []
    for kind, name in _named(owner):
        part = REGISTRIES[kind][name]
        if setting not in part.settings():
            continue
        annotation = setting_types(part)[setting]
        default = part.settings()[setting].default
        required = default is inspect.Parameter.empty
        topic = Topic(
            name=f"{name}.{setting}",
            kind=f"setting of the {REGISTRIES[kind].singular} {name}",
            description=_parameter_text(inspect.getdoc(part) or "", setting)
            or f"See: layerkit explain {kind}.{name}",
            type=describe(annotation),
            default="none: it is required" if required else _shown(default),
        )
        group = part_group(annotation)
        if group is not None:
            topic["names"] = REGISTRIES[group].names()
        topics.append(topic)
    return topics


def _parameter_text(docstring: str, name: str) -> str:
    """What the "Parameters" section of a numpy docstring says of ``name``."""
    taken: list[str] = []
    inside = False
    for line in docstring.split("\n"):
        if line and not line.startswith(" "):
            inside = name in re.split(r"[,\s]+", line.partition(":")[0])
        elif inside:
            taken.append(line.strip())
    return "\n".join(taken).strip()


def _short(path: str) -> list[Topic]:
    """Fields of the spec by their last word: ``epochs``."""
    paths = [p for p in _spec_paths() if p.rpartition(".")[2] == path]
    return [topic for p in paths for topic in _spec_field(p)]
