"""The entry points of installed distributions, read from their folders on ``sys.path``.

``importlib.metadata`` gives the same, and is used where the path holds anything but folders. But it
takes 25 ms to import and half a millisecond per distribution, as long as everything else that
loading a model does. Here only ``entry_points.txt`` is read, and ``METADATA`` if that has entries.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_TARGET = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+)\s*)?(?:\[.*\]\s*)?$")


class EntryPoint(NamedTuple):
    """One line of a distribution's ``entry_points.txt``; ``target`` is module:attribute."""

    group: str
    name: str
    target: str
    dist: str
    version: str | None


def entry_points(prefix: str) -> list[EntryPoint]:
    """The entry points in groups that start with ``prefix``.

    Of several distributions with one name only the first on ``sys.path`` counts, since that one is
    imported. A distribution whose metadata cannot be parsed has no entry points.
    """
    others = [f for f in sys.meta_path if hasattr(f, "find_distributions") and f is not PathFinder]
    found = None if others else read_folders(sys.path, prefix)
    return read_importlib(prefix) if found is None else found


def read_folders(path: Iterable[str], prefix: str) -> list[EntryPoint] | None:
    """``entry_points`` of the folders on ``path``; None if it holds a file, such as a zip."""
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for folder in path:
        try:
            entries = os.listdir(folder or ".")  # noqa: PTH208  # pathlib takes 5 ms to import
        except NotADirectoryError:
            return None
        except OSError:  # missing or unreadable: imports skip it too
            continue
        for entry in entries:
            if entry.lower().endswith((".dist-info", ".egg-info", "egg-info")):
                found += _of_folder(os.path.join(folder, entry), prefix, seen)  # noqa: PTH118
    return found


def _of_folder(folder: str, prefix: str, seen: set[str]) -> list[EntryPoint]:
    """The entry points of one distribution, unless its name is in ``seen``; adds it there."""
    text = _read(folder, "entry_points.txt")
    stem = re.split(r"[\\/]", folder)[-1].partition("-")[0]
    if prefix not in text:
        seen.add(normalised(stem))
        return []
    name, version = _name_and_version(_read(folder, "METADATA") or _read(folder, "PKG-INFO"))
    dist = normalised(name or stem)
    if dist in seen:
        return []
    seen.add(dist)
    try:
        lines = list(_parsed(text, prefix))
    except ValueError:
        return []
    return [EntryPoint(*line, dist, version) for line in lines]


def _read(folder: str, file: str) -> str:
    try:
        with open(f"{folder}/{file}", encoding="utf-8", errors="surrogateescape") as f:  # noqa: PTH123
            return f.read()
    except OSError:
        return ""


def _name_and_version(text: str) -> tuple[str | None, str | None]:
    """Two headers of a METADATA file; they end at the first empty line."""
    found: dict[str, str] = {}
    for line in text.partition("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip().lower(), value.strip())
    return found.get("name"), found.get("version")


def _parsed(text: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    """(group, name, target) of the lines in groups that start with ``prefix``."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif line and not line.startswith("#"):
            name, value = line.split("=", 1)
            if group.startswith(prefix):
                target = _TARGET.match(value.strip())
                if target is None:
                    raise ValueError
                yield group, name.strip(), f"{target[1]}:{target[2]}"


def read_importlib(prefix: str) -> list[EntryPoint]:
    """``entry_points`` by importlib.metadata, which also knows zip files and other finders."""
    from importlib.metadata import distributions

    found: list[EntryPoint] = []
    seen: set[str] = set()
    for dist in distributions():
        try:
            name, version = normalised(dist.name or "unknown"), dist.version
        except Exception:  # noqa: BLE001, S112  # that of other finders, without metadata
            continue
        if name not in seen:
            seen.add(name)
            lines = _of_distribution(dist, prefix)
            found += [EntryPoint(*line, name, version) for line in lines]
    return found


def _of_distribution(dist: Distribution, prefix: str) -> list[tuple[str, str, str]]:
    try:
        return list(_parsed(dist.read_text("entry_points.txt") or "", prefix))
    except Exception:  # noqa: BLE001  # finders may raise anything
        return []


def normalised(name: str) -> str:
    """The name of a distribution as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()
