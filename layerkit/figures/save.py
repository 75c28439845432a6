"""Figures as files, in the forms of the plugins of the group ``layerkit.figures``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from layerkit.codec.atomic import replace_bytes
from layerkit.core.parts import Renderer
from layerkit.discovery.registry import FIGURES
from layerkit.figures.figure import Figure
from layerkit.paths import expanded, path_errors

Kind = str | Mapping[str, Any]
"""A form of files by name, or with its settings and the name under "type"."""


def renderers(kinds: Sequence[Kind] | None = None) -> list[Renderer]:
    """The renderers of ``kinds``, by default of all that are installed, ready to draw.

    Raises
    ------
    PluginError, SpecError
        If there is no such kind, or it does not take its settings.
    MissingExtraError
        If a package that it needs is not installed.
    """
    found = [FIGURES.create(kind) for kind in (FIGURES.names() if kinds is None else kinds)]
    for one in found:
        one.require()
    return found


def save_figures(
    figures: Iterable[Figure],
    folder: str | os.PathLike[str],
    kinds: Sequence[Kind] | None = None,
) -> list[Path]:
    """Write each figure in each of ``kinds``: KEY.png, KEY.svg and KEY.csv in ``folder``.

    Parameters
    ----------
    figures
        Of distinct keys.
    folder
        Made if it is not there; files of these names are replaced.
    kinds
        Names of forms, such as ``["csv"]``, or their settings as in
        ``[{"type": "png", "dark": True}]``; all that are installed by default.

    Returns
    -------
    list of Path
        The files, in the order of ``figures``.

    Raises
    ------
    PluginError, SpecError, MissingExtraError
        Same as ``renderers``; nothing is written then.
    PathError
        If the folder cannot be written.
    ValueError
        If two figures have one key.
    """
    drawn = list(figures)
    keys = [figure.key for figure in drawn]
    if len(set(keys)) < len(keys):
        raise ValueError(f"expected figures of distinct keys, got {', '.join(keys)}")
    used = renderers(kinds)
    place = Path(expanded(os.fspath(folder)))
    written = []
    with path_errors(str(place), writing=True):
        place.mkdir(parents=True, exist_ok=True)
    for figure in drawn:
        for renderer in used:
            content = renderer.content(figure)
            target = place / f"{figure.key}{renderer.extension}"
            with path_errors(str(target), writing=True):
                replace_bytes(target, content, durable=False)
            written.append(target)
    return written
