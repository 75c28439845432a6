"""What the numbers of a comparison mean and do not mean: footnotes for terminal and page."""

from __future__ import annotations

from layerkit.comparison.outcome import Comparison
from layerkit.comparison.timing import ROUNDS

__all__ = [
    "FILE_NOTE",
    "footnotes",
    "interval_notes",
    "timing_note",
    "training_note",
    "unsteady_note",
]


FILE_NOTE = "File: a model file without training state (weights_only), which prediction needs."


def footnotes(comparison: Comparison) -> list[str]:
    """Short lines below the table, cautions first."""
    lines = list(comparison.cautions)
    lines += [
        f"{title} {text}" if title.endswith("?") else f"{title}: {text}"
        for title, text in interval_notes(comparison)
    ]
    lines.append(FILE_NOTE)
    if any(c.timing for c in comparison.contestants):
        lines.append(timing_note(comparison))
        lines += [note for note in (unsteady_note(comparison),) if note]
    if any(c.training_seconds is None for c in comparison.contestants):
        lines.append(training_note())
    return lines


def interval_notes(comparison: Comparison) -> list[tuple[str, str]]:
    """(question, answer) for each kind of interval in this comparison."""
    differences = [d for c in comparison.contestants for d in c.differences.values()]
    notes = []
    if any(d.seeds for d in differences):
        notes.append(
            (
                "Over seeds: would another training run differ?",
                "Each contestant was trained with the same seeds; Student's t on the differences "
                "within each seed. A seed changes the start, the order of rows, dropout and the "
                "validation split.",
            )
        )
    if any(d.rows for d in differences):
        notes.append(
            (
                "Over rows: would another test set differ?",
                f"These very models, judged on other rows drawn like these {comparison.rows:,}; "
                "both contestants are judged on the same rows, and the interval is of the "
                "difference row by row.",
            )
        )
    notes.append(
        (
            "Not covered",
            "Other training rows, another split of train and test, other settings of the recipe. "
            "All seeds share one split; the settings may suit one contestant better.",
        )
    )
    if comparison.comparisons > 1:
        notes.append(
            (
                "Jointly",
                f"Each interval holds at {100 * comparison.confidence:g} % alone; the joint one is "
                f"widened (Bonferroni) so that all {comparison.comparisons} comparisons with "
                "the first hold at once. Words such as better and worse rest on the joint one. "
                "Several metrics are not accounted for, nor contestants compared with each other.",
            )
        )
    return notes


def timing_note(comparison: Comparison) -> str:
    """How inference was measured."""
    rows = max(c.timing.batch_rows for c in comparison.contestants if c.timing)
    return (
        f"Inference: predict() on raw rows, one row a call and {rows:,} at once, on one thread, "
        f"contestants taking turns in short blocks, medians of {ROUNDS} rounds. The seconds are "
        "this machine's, now; only the ratios to the first contestant compare, taken round by "
        "round (in brackets their middle half: wide means that the machine was busy)."
    )


def unsteady_note(comparison: Comparison) -> str | None:
    """A warning if the machine was busy while inference was timed."""
    if all(c.timing.steady for c in comparison.contestants if c.timing):
        return None
    return (
        "The machine was busy while inference was timed: do not trust those times and ratios; "
        "compare again when nothing else runs."
    )


def training_note() -> str:
    """Why some training times are missing."""
    return (
        "Training time is measured for specs trained here; a model file holds no times, because "
        "equal trainings give equal files (–)."
    )
