"""Figures as files, in the forms of the plugins of the group ``layerkit.figures``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from layerkit.codec.atomic import replace_bytes
from layerkit.core.parts import Renderer
from layerkit.discovery.registry import FIGURES
from layerkit.display import few
from layerkit.errors import LayerkitError, MissingExtraError, PluginError
from layerkit.figures.figure import Figure
from layerkit.paths import expanded, path_errors

Kind = str | Mapping[str, Any]
"""A form of files by name, or with its settings and the name under "type"."""

Notice = Callable[[str], object]
_NAMED = 4  # figures in a message


def save_figures(
    figures: Iterable[Figure],
    folder: str | os.PathLike[str],
    kinds: Sequence[Kind] | None = None,
    *,
    notice: Notice | None = None,
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
        ``[{"type": "png", "dark": True}]``. By default all that are installed, and one that cannot
        draw here, for want of its package perhaps, does not keep the others from it.
    notice
        Called with the reason why a form of the default has not drawn; a warning by default.

    Returns
    -------
    list of Path
        The files, in the order of ``figures``.

    Raises
    ------
    PluginError, SpecError
        If there is no such kind, or it does not take its settings; nothing is written then. Or if
        one of ``kinds`` fails to draw a figure, after all others have been written.
    MissingExtraError
        If a package that one of ``kinds`` needs is not installed; nothing is written then.
    PathError
        If the folder cannot be written.
    ValueError
        If two figures have one key.
    """
    drawn = list(figures)
    keys = [figure.key for figure in drawn]
    if len(set(keys)) < len(keys):
        raise ValueError(f"expected figures of distinct keys, got {', '.join(keys)}")
    used, reasons = _usable() if kinds is None else ([_ready(kind) for kind in kinds], [])
    written, failed = _write(drawn, Path(expanded(os.fspath(folder))), used)
    if kinds is not None and failed:
        raise PluginError("\n".join(failed))
    for reason in (*reasons, *failed):
        if notice is None:
            warnings.warn(reason, stacklevel=2)
        else:
            notice(reason)
    return written


def _ready(kind: Kind) -> Renderer:
    """A renderer that can draw here; errors are those of ``save_figures``."""
    found = FIGURES.create(kind)
    found.require()
    return found


def _usable() -> tuple[list[Renderer], list[str]]:
    """All installed renderers that can draw here, and why the others cannot."""
    used, reasons = list[Renderer](), list[str]()
    missing: dict[str, list[str]] = {}
    for name in FIGURES.names():
        try:
            used.append(_ready(name))
        except MissingExtraError as error:
            missing.setdefault(error.extra, []).append(name)
        except Exception as error:  # noqa: BLE001  # an author's code may raise anything
            reasons.append(f"{name} cannot draw: {_said(error)}")
    for extra, names in missing.items():
        need = "need" if len(names) > 1 else "needs"
        command = f'python -m pip install "layerkit[{extra}]"'
        reasons.append(f"{' and '.join(names)} {need} the extra {extra}: {command}")
    return used, reasons


def _write(
    figures: Sequence[Figure], folder: Path, used: Sequence[Renderer]
) -> tuple[list[Path], list[str]]:
    """The files written, and for each renderer that failed what it has not drawn, and why."""
    written = []
    failed: dict[str, tuple[list[str], Exception]] = {}
    with path_errors(str(folder), writing=True):
        folder.mkdir(parents=True, exist_ok=True)
    for figure in figures:
        for renderer in used:
            try:
                content = bytes(memoryview(renderer.content(figure)))  # refuses text
                target = folder / f"{figure.key}{renderer.extension}"
            except Exception as error:  # noqa: BLE001  # an author's code may raise anything
                failed.setdefault(renderer.type_name, ([], error))[0].append(figure.key)
                continue
            with path_errors(str(target), writing=True):
                replace_bytes(target, content, durable=False)
            written.append(target)
    reasons = [
        f"{name} cannot draw {few(keys, _NAMED)}: {_said(error)}"
        for name, (keys, error) in failed.items()
    ]
    return written, reasons


def _said(error: Exception) -> str:
    """The first line of an error; its class too if it is not layerkit's."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, LayerkitError) else f"{type(error).__name__}: {text}"
