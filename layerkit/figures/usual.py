"""What many figures have: the axis of a metric, and a panel of confusions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit.core.context import Array
from layerkit.display import printable, shortened
from layerkit.figures.figure import Axis, Cells, Panel

MOST_CLASSES = 26  # of a matrix that can be read
_NAME, _SHORT = 24, 3  # letters of a name beside the matrix, and above it


def metric_axis(metric: str, *, share: bool) -> Axis:
    """The axis of a metric, whose title is such as ``accuracy in per cent``."""
    return Axis(f"{metric} in per cent" if share else metric, share=share)


def confusion_panel(counts: Array, classes: Sequence[str], title: str = "") -> Panel:
    """Rows (k, k) by class and by guess, shaded by their share of the class."""
    names = [printable(name) for name in classes]
    numbered = max(map(len, names)) > _SHORT
    across = [str(j + 1) for j in range(len(names))] if numbered else names
    down = [f"{j + 1} {shortened(n, _NAME)}" if numbered else n for j, n in enumerate(names)]
    # The root lets few confusions be seen.
    shades = np.sqrt(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)))
    cells = Cells("rows", 0, counts.tolist(), 0.0, 1.0, written=True, shades=shades.tolist())
    below = Axis("guessed class", categories=tuple(across))
    return Panel(below, Axis("true class", categories=tuple(down)), [cells], title)
