"""The option ``--figures``: the pictures of a result as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerkit.cli import console
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from layerkit.figures import Figure

Figures = Annotated[
    Path | None,
    typer.Option(
        "--figures",
        metavar="DIR",
        help="Save the pictures in this folder: PNG and SVG (extra plot), their numbers as CSV.",
    ),
]
Html = Annotated[
    str | None, typer.Option("--html", metavar="FILE", help="Save a report as an HTML page.")
]


def check_report(html: str | None, figures: Path | None, inputs: Sequence[str | None]) -> None:
    """Raise, before any work, if the page or the pictures cannot be written.

    Errors are those of ``check_output``, and PathError.
    """
    from layerkit import PathError
    from layerkit.cli import files
    from layerkit.paths import check_folder, expanded

    files.check_output(html, inputs)
    if figures is None:
        return
    place = Path(expanded(str(figures)))
    if place.exists() and not place.is_dir():
        raise PathError(f"{place}: expected a folder for the pictures, got a file", path=str(place))
    if missing := [path for path in (place, *place.parents) if not path.exists()]:
        check_folder(str(missing[-1]))  # of those that will be made, the outermost


def write_report(
    html: str | None,
    page: Callable[[], str],
    folder: Path | None,
    figures: Sequence[Figure],
    *,
    quiet: bool,
) -> None:
    """Write ``page`` to the file ``html``, and ``figures`` in every form that can draw here.

    Why others cannot is told in any case.
    """
    from layerkit.figures import save_figures

    said = []
    if html is not None:
        console.write_file(Path(html), [page()])
        said.append(f"wrote {printable(html)}")
    if folder is not None:
        written = save_figures(figures, folder, notice=console.warning)
        forms = f"{counted(len(figures), 'figure')}, {counted(len(written), 'file')}"
        said.append(f"wrote {forms}, to {printable(folder)}")
    for text in said:
        if not quiet:
            console.err(text)
