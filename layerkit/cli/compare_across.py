"""``layerkit compare`` with several ``--data``: the same specs on several data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layerkit.cli import console
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit.cli.progress import TrainingProgress
    from layerkit.comparison import AcrossDataSets


def run(
    contestants: Sequence[str],
    data: Sequence[str],
    progress: TrainingProgress,
    *,
    quiet: bool,
    **how: Any,
) -> AcrossDataSets:
    """Compare with a line for each data set that is done; ``how`` as for ``compare_across``."""
    from layerkit import compare_across

    def finished(name: str, done: int, total: int) -> None:
        if not quiet:
            progress.show(printable(f"data set {done} of {total} done: {name}"))

    return compare_across(contestants, data, listener=progress, finished=finished, **how)


def show(found: AcrossDataSets) -> None:
    """Print the table, the critical-difference line, the result in words, and its limits."""
    head, *rows = found.table()
    console.out(console.table(head, rows, "l" + "r" * (len(head) - 1)))
    console.out()
    console.sentence(_heading(found))
    for line in found.diagram():
        console.out(printable(line))
    for block in (found.headline, found.footnotes):
        console.out()
        for sentence in block:
            console.sentence(sentence)
    console.out()


def _heading(found: AcrossDataSets) -> str:
    text = "average rank, 1 is best"
    if not found.enough:
        return text
    if found.critical_difference is not None:
        text += f"; critical difference {found.critical_difference:.3f}"
    return f"{text}; bars join contestants that are not told apart"
