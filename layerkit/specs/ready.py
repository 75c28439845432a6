"""The ready specs that come with layerkit and are found by name: ``layerkit build highway-digits``.

They live in ``models/`` of the source tree; a wheel holds that folder as ``layerkit/ready_specs``.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from layerkit.display import nearest
from layerkit.errors import PathError
from layerkit.paths import expanded, open_input


def folder() -> str:
    """The folder of the ready specs."""
    package = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120  # no pathlib at load time
    shipped = os.path.join(package, "ready_specs")  # noqa: PTH118
    if os.path.isdir(shipped):  # noqa: PTH112
        return shipped
    return os.path.join(os.path.dirname(package), "models")  # noqa: PTH118, PTH120


def ready_specs() -> dict[str, str]:
    """The path of each ready spec by its name."""
    place = folder()
    files = sorted(os.listdir(place)) if os.path.isdir(place) else []  # noqa: PTH112, PTH208
    return {f[:-5]: os.path.join(place, f) for f in files if f.endswith(".json")}  # noqa: PTH118


def open_spec(name: str) -> BinaryIO:
    """Open the file at the path ``name``, or else the ready spec of that name.

    Raises PathError; its hint names the ready spec that may have been meant.
    """
    path = expanded(name)
    ready = None if os.path.lexists(path) else ready_specs().get(name)
    try:
        return open_input(ready or path)
    except FileNotFoundError as error:
        if not isinstance(error, PathError) or error.hint:
            raise
        kind, hint = type(error), _hint(path)
        raise kind(error.message, path=error.path, errno=error.errno, hint=hint) from error


def _hint(path: str) -> str | None:
    stem = os.path.basename(path).removesuffix(".json")  # noqa: PTH119
    known = list(ready_specs())
    if stem in known:
        return f"{stem} is a ready spec: give its name alone, without a folder or .json"
    close = nearest(stem, known).removeprefix("; ") if stem == path else ""
    return f"among the ready specs, {close} 'layerkit models' lists them" if close else None
