"""The classes of the training rows, shown before a training starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from layerkit import Rows
    from layerkit.cli.progress import TrainingProgress
    from layerkit.specs import Spec


def show_classes(progress: TrainingProgress, spec: Spec, splits: Mapping[str, Rows]) -> None:
    """Show how many training rows each class has, if ``progress`` shows more than notices.

    Raises DataError if the test rows of ``spec`` cannot be set apart.
    """
    from layerkit.cli.progress import TrainingProgress
    from layerkit.training.class_counts import class_counts, counts_line
    from layerkit.training.prepare import test_split

    if type(progress) is TrainingProgress:
        return
    counts = class_counts(spec, test_split(splits, spec)[0])
    if counts:
        progress.show(counts_line(counts))
