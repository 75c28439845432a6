"""What every part says about itself: name, version, examples, exceptions, equations, source."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping

from layerkit.discovery.importing import CONTRACT_VERSION, OLDEST_CONTRACT
from layerkit.display import quoted
from layerkit.testing.rules import Battery, Failed
from layerkit.testing.subject import Subject

__all__ = ["BATTERY"]

BATTERY = Battery()

_TYPE_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?")  # that of the model file
_EQUATION = re.compile(r"^\s*\S.*[^=!<>:]=[^=].*\S", re.MULTILINE)
_GRADIENT = re.compile(r"(^|[^\w])(d[A-Za-z]\w*|∂|dL\s*/|grad\w*|f')", re.MULTILINE)
_SOURCE = re.compile(r"\b(sources?|references?|papers?)\s*(:|\n\s*-)|arxiv|\bdoi\b", re.I)


@BATTERY.rule(
    "declared.type_name",
    why="Specs, model files and entry points find a part by its type name and by nothing else.",
    fix='give the class a name of its own, such as `type_name = "acme.spline"`, and use the same '
    "word as the name of its entry point in pyproject.toml",
)
def _type_name(subject: Subject) -> str | None:
    name = vars(subject.part).get("type_name", getattr(subject.part, "type_name", None))
    if not isinstance(name, str):
        raise Failed(f"{subject.part.__name__} has no type_name")
    if not _TYPE_NAME.fullmatch(name):
        raise Failed(
            f"type_name {quoted(name)} cannot stand in a model file: lower-case letters, digits, "
            "'.', '_' and '-' are wanted, at most 128, a letter or digit at both ends"
        )
    for candidate in subject.registry.candidates(name):
        if candidate.dist is not None and candidate.value != subject.address:
            raise Failed(
                f"the type name {name!r} belongs to {candidate.value} of {candidate}, not to "
                f"{subject.address}",
                "choose a name with a prefix of your own, such as "
                f'`type_name = "acme.{name.rpartition(".")[2]}"`',
            )
    claims = _entry_points(subject)
    if claims and name not in claims:
        raise Failed(
            f"the installed entry point calls {subject.address} {claims[0]!r}, its type_name is "
            f"{name!r}",
            "make both the same, then install again: pip install -e .",
        )
    return None


def _entry_points(subject: Subject) -> list[str]:
    """Names under which installed distributions offer this class."""
    registry = subject.registry
    candidates = [candidate for name in registry.names() for candidate in registry.candidates(name)]
    return [o.name for o in candidates if o.dist is not None and o.value == subject.address]


@BATTERY.rule(
    "declared.version",
    why="Files record the version of a part's settings, and layerkit refuses a part that was "
    "written for another contract.",
    fix="`config_version` is a whole number of at least 1; raise it when settings change meaning",
)
def _version(subject: Subject) -> str | None:
    version = subject.part.config_version
    if type(version) is not int or version < 1:
        raise Failed(f"config_version is {quoted(version)}")
    contract = subject.part.contract_version
    if type(contract) is not int or not OLDEST_CONTRACT <= contract <= CONTRACT_VERSION:
        raise Failed(
            f"contract_version is {quoted(contract)}, this layerkit has {CONTRACT_VERSION}",
            f"write `contract_version = {CONTRACT_VERSION}` once the part keeps that contract",
        )
    return None


@BATTERY.rule(
    "declared.exceptions",
    why="A check that is expected to fail without a reason is a fault that somebody hid.",
    fix='write `conformance_exceptions = {"check.id": "why this part cannot pass it"}`',
)
def _exceptions(subject: Subject) -> str | None:
    from layerkit.testing.run import rules_for

    found = getattr(subject.part, "conformance_exceptions", {})
    if not isinstance(found, Mapping):
        raise Failed(f"conformance_exceptions is {quoted(found)}, no mapping from id to reason")
    known = {rule.id for rule in rules_for(subject.kind)}
    for check, reason in found.items():
        if check not in known:
            raise Failed(f"conformance_exceptions names {quoted(check)}, which is no check here")
        if not isinstance(reason, str) or len(reason.split()) < 3:
            raise Failed(f"the reason for {check!r} is {quoted(reason)}: a sentence is wanted")
    return None


@BATTERY.rule(
    "declared.methods",
    why="A class that lacks a method of its contract cannot be made at all.",
    fix="write the methods that are missing, with the arguments that the contract names",
)
def _methods(subject: Subject) -> str | None:
    missing = ", ".join(sorted(getattr(subject.part, "__abstractmethods__", ())))
    if missing:
        raise Failed(f"{subject.part.__name__} does not define {missing}")
    return None


@BATTERY.rule(
    "declared.examples",
    why="The kit, the documentation and other people's tests try a part on its own examples.",
    fix="examples() is a classmethod that returns pairs of settings and input shape, such as "
    '[({"units": 3}, (4,))]; its settings are those of the constructor',
    needs=("settings.keywords",),
)
def _examples(subject: Subject) -> str | None:
    with_settings = subject.part.settings()
    for example in subject.examples:
        unknown = [key for key in example.config if key not in with_settings]
        if unknown:
            raise Failed(
                f"{example}: the constructor has no keyword-only argument {unknown[0]!r}; it has "
                f"{', '.join(with_settings) or 'none'}"
            )
        for name, parameter in with_settings.items():
            if parameter.default is inspect.Parameter.empty and name not in example.config:
                raise Failed(f"{example} gives no {name!r}, which has no default")
    if not any(_positive(example.shape) for example in subject.examples):
        raise Failed("every example has an empty input shape: nothing could be checked")
    return None


def _positive(shape: tuple[int, ...]) -> bool:
    return all(d > 0 for d in shape)


@BATTERY.rule(
    "docs.equations",
    why="Whoever reads a hand-written gradient must be able to hold each line against the maths.",
    fix="write in the docstring of the module or class what it computes, one `name = expression` "
    "a line, with the gradients (`dx = ...`), and a line `Source: ...` that names a paper, a book "
    "or `Source: own work`",
)
def _equations(subject: Subject) -> str | None:
    module = sys.modules.get(subject.part.__module__)
    of_class = subject.part.__doc__ or ""
    text = "\n".join([inspect.cleandoc((module and module.__doc__) or ""), of_class])
    if not text.strip():
        raise Failed(f"neither {subject.part.__name__} nor its module has a docstring")
    computes = subject.kind in ("layers", "activations", "losses")
    missing = []
    if subject.kind != "data" and not _EQUATION.search(text):
        missing.append("an equation (`y = x W + b`)")
    if computes and not any(_GRADIENT.search(line) for line in text.splitlines() if "=" in line):
        missing.append("the equation of a gradient (`dx = dy W^T`)")
    if not _SOURCE.search(text):
        missing.append("a source (`Source: ...`)")
    if missing:
        raise Failed(f"the docstrings of the class and its module lack {' and '.join(missing)}")
    return None
