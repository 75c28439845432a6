"""Declarations of every part: name, versions, examples, exceptions, methods and documentation."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping

from layerkit.codec.names import TYPE_KEY
from layerkit.discovery.importing import CONTRACT_VERSION, OLDEST_CONTRACT
from layerkit.display import quoted
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Subject
from layerkit.testing.verdicts import Failed

BATTERY = Battery()

_EQUATION = re.compile(r"^\s*\S.*[^=!<>:]=[^=].*\S", re.MULTILINE)
_GRADIENT = re.compile(r"(^|[^\w])(d[A-Za-z]\w*|∂|dL\s*/|grad\w*|f')", re.MULTILINE)
_WITHOUT_EQUATIONS = {
    *("callbacks", "data", "devices", "engines", "executors", "exporters", "figures"),
    *("importers", "readers", "searches"),
}
_SOURCE = re.compile(r"\b(sources?|references?|papers?)\s*(:|\n\s*-)|arxiv|\bdoi\b", re.I)


@BATTERY.once(
    "declared.type_name",
    why="Specs, model files and entry points find a part by its type name only.",
    fix='give the class a unique name, such as `type_name = "acme.spline"`, and use the same name '
    "for its entry point in pyproject.toml",
)
def _type_name(subject: Subject) -> None:
    name = vars(subject.part).get("type_name", getattr(subject.part, "type_name", None))
    if not isinstance(name, str):
        raise Failed(f"{subject.part.__name__} has no type_name")
    if not TYPE_KEY.fullmatch(name):
        raise Failed(
            "type_name: expected 1 to 128 lower-case letters, digits, '.', '_' and '-', with a "
            f"letter or digit at both ends, got {quoted(name)}"
        )
    registry = subject.registry
    for candidate in registry.candidates(name):
        if candidate.dist is not None and candidate.value != subject.address:
            raise Failed(
                f"the type name {name!r} belongs to {candidate.value} of {candidate}, not to "
                f"{subject.address}",
                "choose a name with your own prefix, such as "
                f'`type_name = "acme.{name.rpartition(".")[2]}"`',
            )
    candidates = [c for known in registry.names() for c in registry.candidates(known)]
    offered = [c.name for c in candidates if c.dist is not None and c.value == subject.address]
    if offered and name not in offered:
        raise Failed(
            f"the installed entry point calls {subject.address} {offered[0]!r}, but its type_name "
            f"is {name!r}",
            "make both the same, then install again: pip install -e .",
        )


@BATTERY.once(
    "declared.version",
    why="Files record the version of a part's settings, and layerkit refuses a part that was "
    "written for another version of its base class.",
    fix="make `config_version` an integer >= 1; raise it when settings change meaning",
)
def _version(subject: Subject) -> str | None:
    version = subject.part.config_version
    if type(version) is not int or version < 1:
        raise Failed(f"config_version: expected an integer >= 1, got {quoted(version)}")
    contract = subject.part.contract_version
    if type(contract) is not int or not OLDEST_CONTRACT <= contract <= CONTRACT_VERSION:
        raise Failed(
            f"contract_version: expected {CONTRACT_VERSION}, got {quoted(contract)}",
            f"write `contract_version = {CONTRACT_VERSION}` once the part fits that version",
        )
    if contract < CONTRACT_VERSION:
        return f"written for version {contract}: runs as it is written, for one release"
    return None


@BATTERY.once(
    "declared.exceptions",
    why="A check that is expected to fail, without a reason, hides a fault.",
    fix='write `conformance_exceptions = {"check.id": "why this part cannot pass it"}`',
)
def _exceptions(subject: Subject) -> None:
    found = getattr(subject.part, "conformance_exceptions", {})
    if not isinstance(found, Mapping):
        raise Failed(
            f"conformance_exceptions: expected a mapping from check to reason, got {quoted(found)}"
        )
    for check, reason in found.items():
        if check not in subject.checks:
            raise Failed(f"conformance_exceptions names {quoted(check)}, which is not a check")
        if not isinstance(reason, str) or len(reason.split()) < 3:
            raise Failed(
                f"conformance_exceptions[{check!r}]: expected a sentence, got {quoted(reason)}"
            )


@BATTERY.once(
    "declared.methods",
    why="A class that lacks an abstract method cannot be instantiated.",
    fix="write the missing methods, with the arguments of the base class",
)
def _methods(subject: Subject) -> None:
    missing = ", ".join(sorted(getattr(subject.part, "__abstractmethods__", ())))
    if missing:
        raise Failed(f"{subject.part.__name__} does not define {missing}")


@BATTERY.once(
    "declared.examples",
    why="The kit, the documentation and other people's tests try a part on its own examples.",
    fix="make examples() a classmethod that returns pairs of settings and input shape, such as "
    '[({"units": 3}, (4,))]; its settings are those of the constructor',
    needs=("settings.keywords",),
)
def _examples(subject: Subject) -> None:
    settings = subject.part.settings()
    for example in subject.examples:
        unknown = [key for key in example.config if key not in settings]
        if unknown:
            raise Failed(
                f"{example}: the constructor has no keyword-only argument {unknown[0]!r}; it has "
                f"{', '.join(settings) or 'none'}"
            )
        for name, parameter in settings.items():
            if parameter.default is inspect.Parameter.empty and name not in example.config:
                raise Failed(f"{example} gives no {name!r}, which has no default")
    if not any(all(example.shape) for example in subject.examples):
        raise Failed("every example has an empty input shape: nothing could be checked")


@BATTERY.once(
    "docs.equations",
    why="Readers of a hand-written gradient need the equations, to compare each line with them.",
    fix="write in the docstring of the module or class what it computes, one `name = expression` "
    "per line, with the gradients (`dx = ...`), and a line `Source: ...` that names a paper, a "
    "book or `Source: own work`",
)
def _equations(subject: Subject) -> None:
    module = sys.modules.get(subject.part.__module__)
    of_class = subject.part.__doc__ or ""
    text = "\n".join([inspect.cleandoc((module and module.__doc__) or ""), of_class])
    if not text.strip():
        raise Failed(f"neither {subject.part.__name__} nor its module has a docstring")
    computes = subject.kind in ("layers", "activations", "losses")
    missing = []
    if subject.kind not in _WITHOUT_EQUATIONS and not _EQUATION.search(text):
        missing.append("an equation (`y = x W + b`)")
    if computes and not any(_GRADIENT.search(line) for line in text.splitlines() if "=" in line):
        missing.append("the equation of a gradient (`dx = dy W^T`)")
    if subject.kind not in ("callbacks", "engines") and not _SOURCE.search(text):
        missing.append("a source (`Source: ...`)")
    if missing:
        raise Failed(f"the docstrings of the class and its module lack {' and '.join(missing)}")
