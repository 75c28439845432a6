"""``layerkit demo --depth``: Fig. 1 of the highway paper in small, as a study of digits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerkit.cli import console
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from layerkit.studies import Study

_DEPTHS = (1, 4, 10, 20, 40)


def document(seeds: int, settings: Sequence[str]) -> dict[str, Any]:
    """The study: two kinds of layers at five depths, of as many parameters at each."""
    from layerkit.specs.overrides import read_value

    given = (text.partition("=") for text in settings)
    return {
        "layerkit_study": 1,
        "name": "depth",
        "spec": "highway-digits",
        "set": {"train.epochs": 8} | {path: read_value(value) for path, _, value in given},
        "grid": {
            "kind": {
                "plain": {"layers.1": {"type": "dense", "units": 32, "activation": "tanh"}},
                "highway": {},
            },
            "layers": {str(n): {"layers.1.repeat": n} for n in _DEPTHS},
        },
        "match": {"what": "params", "to": "highway"},
        "seeds": seeds,
    }


def _sizes(found: Study) -> str:
    """The parameters of both kinds, and the widths that make them equal."""
    matched = [row for row in found.rows if row.matched is not None]
    rows = sorted(matched, key=lambda row: int(row.point["layers"]))
    widths = [row.matched.widths["layers.1.units"] for row in rows if row.matched]
    ends = (
        f"{row.parameters:,} with {counted(int(row.point['layers']), 'layer')}"
        for row in (rows[0], rows[-1])
    )
    return (
        f"Both kinds have the same number of parameters at each depth, within 2 %: about "
        f"{' and '.join(ends)}. For that a plain layer has {min(widths)} to {max(widths)} units, "
        "more than a highway layer, which has a gate too."
    )


def demo_depth(
    out: Path, seeds: int, settings: Sequence[str], *, quiet: bool, as_json: bool
) -> None:
    """Train what is missing of the study in ``out``; show its table, picture and page."""
    from layerkit.cli import study, study_text
    from layerkit.cli.progress import training_progress
    from layerkit.studies.page import study_page
    from layerkit.studies.pictures import StudyView, study_figures

    out.mkdir(parents=True, exist_ok=True)
    file, folder, page = out / "depth.json", out / "depth.study", out / "depth.html"
    text = json.dumps(document(seeds, settings), indent=1) + "\n"
    console.write_file(file, [text])
    command = f"layerkit study {file} -o {folder} --html {page}"
    if not as_json:
        console.out(printable(f"$ {command}"))
    found, notices = study.train(
        training_progress(quiet=quiet, as_json=as_json), str(file), quiet=quiet or as_json,
        folder=folder,
    )  # fmt: skip
    view = StudyView.read(str(file), folder)
    figures = study_figures(view)
    console.write_file(page, [study_page(view, figures, command)])
    if as_json:
        console.emit_json({"report": page, **found.to_json(), "notices": notices})
        return
    study_text.show(found)
    console.out()
    for sentence in (figures[0].words, _sizes(found)) if figures else ():
        console.sentence(sentence)
    console.out()
    console.out(printable(f"open {page} in a browser: {page.resolve().as_uri()}"))
