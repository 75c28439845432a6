"""What ``layerkit explain`` knows: error codes, fields of specs and studies, parts, settings.

The texts are the docstrings of errors and parts, the descriptions of fields, and the annotations
of constructors, so that nothing is written twice.
"""

from __future__ import annotations

import difflib
import inspect
import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, NotRequired, TypedDict

import layerkit.errors
from layerkit.display import nearest

if TYPE_CHECKING:
    from layerkit.specs.validate.declare import Section

_CODE = re.compile(r"(?i)(lk-?)?\d{3}")
_REQUIRED = "none: it is required"


class Topic(TypedDict):
    """One answer; it has the optional facts that apply."""

    name: str
    kind: str
    description: str
    type: NotRequired[str]
    default: NotRequired[str]
    names: NotRequired[list[str]]
    provider: NotRequired[str]
    settings: NotRequired[list[str]]


def is_code(term: str) -> bool:
    """Whether ``term`` is written as an error code is: LK-201, lk201 or 201."""
    return _CODE.fullmatch(term) is not None


def topics(term: str) -> list[Topic]:
    """What ``term`` means: an error code, a field by path or last word, a part, or PART.SETTING."""
    if is_code(term):
        return _errors(f"LK-{term[-3:]}")
    path = re.sub(r"\[\d+\]|\.\d+(?=\.|$)", "", term.strip())
    spec, study = _documents()
    of_spec = spec.named(path) or _parts(path) or _settings(path) or spec.ending(path)
    return [*of_spec, *(study.named(path) or study.ending(path))]


def suggestion(term: str) -> str:
    """The names nearest to an unknown ``term``, as the end of a sentence."""
    if is_code(term):
        return f"; known codes: {', '.join(sorted({kind.code for kind in _error_classes()}))}"
    near = "" if re.match(r"layers(\[\d+\]|\.\d+)\.", term) else nearest(term, _known_names(term))
    return near or "; write a setting of a part as PART.SETTING, such as highway.gate_bias"


def _error_classes() -> list[type[layerkit.errors.LayerkitError]]:
    base = layerkit.errors.LayerkitError
    return [
        v for v in vars(layerkit.errors).values() if isinstance(v, type) and issubclass(v, base)
    ]


def _errors(code: str) -> list[Topic]:
    return [
        Topic(name=f"{code} {kind.__name__}", kind="error", description=inspect.getdoc(kind) or "")
        for kind in _error_classes()
        if kind.code == code
    ]


def _known_names(term: str) -> list[str]:
    """Names that a misspelt ``term`` may stand for; imports at most the part before its dot."""
    from layerkit.discovery.registry import REGISTRIES

    names = [path for document in _documents() for path in document.paths()]
    names += [path.rpartition(".")[2] for path in names]
    for kind, registry in REGISTRIES.items():
        names += [*registry.names(), *(f"{kind}.{name}" for name in registry.names())]
    owner = term.rpartition(".")[0]
    if owner and not _parts_named(owner):
        owner = next(iter(difflib.get_close_matches(owner, names, n=1)), "")
    for kind, name in _parts_named(owner):
        names += [f"{owner}.{setting}" for setting in REGISTRIES[kind][name].settings()]
    return names


class _Document(NamedTuple):
    """A kind of file: what its fields are called, and its sections by path."""

    kind: str
    sections: Mapping[str, type[Section]]

    def paths(self) -> list[str]:
        """All fields."""
        return [
            f"{section}.{name}".lstrip(".")
            for section, model in self.sections.items()
            for name in model.model_fields
        ]

    def named(self, path: str) -> list[Topic]:
        """The field at ``path``, if there is one."""
        return [_field(self, path)] if path in self.paths() else []

    def ending(self, word: str) -> list[Topic]:
        """The fields whose last word is ``word``."""
        return [_field(self, path) for path in self.paths() if path.rpartition(".")[2] == word]


def _documents() -> tuple[_Document, _Document]:
    """Specs and studies."""
    from layerkit.specs.sections import SECTIONS
    from layerkit.studies.sections import STUDY_SECTIONS

    return _Document("field of the spec", SECTIONS), _Document("field of a study", STUDY_SECTIONS)


def _field(document: _Document, path: str) -> Topic:
    from layerkit.discovery.registry import REGISTRIES
    from layerkit.specs.messages import describe_annotation
    from layerkit.specs.validate.declare import part_group

    section, _, name = path.rpartition(".")
    info = document.sections[section].model_fields[name]
    annotation = info.annotation
    topic = Topic(name=path, kind=document.kind, description=info.description or "")
    if path in document.sections:
        topic["settings"] = list(document.sections[path].model_fields)
    else:
        topic["type"] = describe_annotation(annotation)
    default = None if info.is_required() else info.get_default()
    topic["default"] = _REQUIRED if info.is_required() else json.dumps(default)
    group = name if name in ("metrics", "layers", "data") else part_group(annotation)
    if group is not None:
        topic["names"] = REGISTRIES[group].names()
    return topic


def _parts_named(path: str) -> list[tuple[str, str]]:
    """(group, name) of the parts that ``path`` names: adam, optimizers.adam, train.optimizer.adam.

    A part's own name may hold dots (acme.spline).
    """
    from layerkit.discovery.registry import REGISTRIES
    from layerkit.specs.document import annotation_at
    from layerkit.specs.validate.declare import part_group

    found = []
    paths = _documents()[0].paths()
    for kind, registry in REGISTRIES.items():
        fields = [p for p in paths if part_group(annotation_at(tuple(p.split(".")))) == kind]
        for prefix in ("", f"{kind}.", *(f"{field}." for field in fields)):
            name = path.removeprefix(prefix)
            if path.startswith(prefix) and name in registry:
                found.append((kind, name))
    return found


def _parts(path: str) -> list[Topic]:
    from layerkit.discovery.registry import REGISTRIES

    found = []
    for kind, name in _parts_named(path):
        registry = REGISTRIES[kind]
        candidate = registry.choose(name)
        part = registry.load(candidate)
        page = inspect.getdoc(sys.modules[part.__module__])  # the module has the equations
        topic = Topic(
            name=name,
            kind=registry.singular,
            description="\n\n".join(filter(None, (inspect.getdoc(part), page))),
            provider=f"{candidate}, {candidate.value}",
            settings=[_signature(p) for p in part.settings().values()] or ["none"],
        )
        found.append(topic)
    return found


def _signature(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return f"{parameter.name} (required)"
    return f"{parameter.name}={json.dumps(parameter.default)}"


def _settings(path: str) -> list[Topic]:
    from layerkit.discovery.registry import REGISTRIES
    from layerkit.specs.messages import describe_annotation
    from layerkit.specs.validate.declare import named_group
    from layerkit.specs.validate.settings import setting_types

    owner, _, setting = path.rpartition(".")
    found = []
    for kind, name in _parts_named(owner):
        part = REGISTRIES[kind][name]
        if setting not in part.settings():
            continue
        annotation = setting_types(part)[setting]
        default = part.settings()[setting].default
        topic = Topic(
            name=f"{name}.{setting}",
            kind=f"setting of the {REGISTRIES[kind].singular} {name}",
            description=parameter_texts(inspect.getdoc(part) or "").get(setting)
            or f"See: layerkit explain {kind}.{name}",
            type=describe_annotation(annotation),
            default=_REQUIRED if default is inspect.Parameter.empty else json.dumps(default),
        )
        group = named_group(annotation)
        if group is not None:
            topic["names"] = REGISTRIES[group].names()
        found.append(topic)
    return found


def parameter_texts(docstring: str) -> dict[str, str]:
    """Name to text of the section ``Parameters`` of a numpy docstring."""
    lines = docstring.splitlines()
    texts: dict[str, list[str]] = {}
    if "Parameters" not in lines:
        return {}
    section = lines[lines.index("Parameters") + 2 :]
    names: list[str] = []
    for line, after in zip(section, [*section[1:], ""], strict=True):
        if set(after) == {"-"}:  # the next section
            break
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
            texts |= {name: [] for name in names}
        else:
            for name in names:
                texts[name].append(line.strip())
    return {name: "\n".join(text).strip() for name, text in texts.items()}
