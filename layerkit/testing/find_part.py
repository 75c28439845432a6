"""Finding the class to check: by its type name, or ``module:Class`` if it is not installed."""

from __future__ import annotations

import importlib
import traceback
from typing import Any

from layerkit.core.parts import Part
from layerkit.discovery.registry import REGISTRIES
from layerkit.display import nearest, quoted
from layerkit.testing.subject import registry_of


def find_part(target: str, group: str | None = None) -> type[Part]:
    """The class with the type name ``target``, or at ``module:Class``.

    ``group`` ("layers", ...) is needed where several have a part of that name. Raises ValueError if
    no part, or more than one, has the name, or the class is not a part.
    """
    if ":" in target:
        return _from_module(target)
    kinds = [group] if group else list(REGISTRIES)
    found = [kind for kind in kinds if target in REGISTRIES[kind]]
    if not found:
        known = sorted({name for kind in kinds for name in REGISTRIES[kind].names()})
        near = nearest(target, known) or (
            "; for a class that is not installed, write MODULE:CLASS; one that is installed needs "
            f'an entry point in its pyproject.toml: [project.entry-points."layerkit.{kinds[0]}"]'
        )
        raise ValueError(f"unknown part {quoted(target)}{near}")
    if len(found) > 1:
        raise ValueError(f"several kinds ({', '.join(found)}) have a part {target!r}: add --group")
    part: type[Part] = REGISTRIES[found[0]][target]
    return part


def _from_module(target: str) -> type[Part]:
    module, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        near = " (looked in the current folder too)" if isinstance(error, ImportError) else ""
        if module.endswith(".py") or "/" in module or not module:
            raise ValueError(
                f"expected module:Class, got the path {quoted(target)}; for a class Spline in the "
                "file spline.py of the current folder write spline:Spline"
            ) from error
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise ValueError(
                f"cannot import {module!r}: no such module, here or installed"
            ) from error
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise ValueError(
            f"importing {module!r} raised {type(error).__name__}: {error}{near}, "
            f"{where.filename}, line {where.lineno}"
        ) from error
    for step in name.split("."):
        if not hasattr(found, step):
            classes = [k for k, v in vars(found).items() if isinstance(v, type)]
            raise ValueError(f"module {module!r} has no class {name!r}{nearest(name, classes)}")
        found = getattr(found, step)
    try:
        registry_of(found)
    except TypeError as error:
        raise ValueError(f"{target}: {error}") from error
    part: type[Part] = found
    return part


def installed_parts(group: str | None = None) -> list[tuple[str, str]]:
    """(kind, type name) of every installed part."""
    kinds = [group] if group else list(REGISTRIES)
    return [(kind, name) for kind in kinds for name in REGISTRIES[kind].names()]
