"""What the numbers of a comparison mean and do not mean: footnotes for terminal and page."""

from __future__ import annotations

from layerkit.comparison.outcome import Comparison
from layerkit.comparison.timing import ROUNDS

__all__ = [
    "FILE_NOTE",
    "best_note",
    "footnotes",
    "interval_notes",
    "kept_note",
    "timing_note",
    "training_note",
    "training_notices",
    "unsteady_note",
]


FILE_NOTE = "File: a model file without training state (weights_only), which prediction needs."


def footnotes(comparison: Comparison) -> list[str]:
    """Short lines below the table, cautions first."""
    lines = [*comparison.cautions, *training_notices(comparison)]
    lines += [note for note in (kept_note(comparison), best_note(comparison)) if note]
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
    if any(d.both for d in differences):
        notes.append(_both_note(comparison))
    if any(d.rows and not d.both for d in differences):
        notes.append(
            (
                "Over rows: would another test set differ?",
                f"These very models, judged on other rows drawn like these {comparison.rows:,}; "
                "both contestants are judged on the same rows, and the interval is of the "
                "difference row by row. How other training runs would differ is not in it.",
            )
        )
    if any(d.seeds and not d.both for d in differences):
        notes.append(
            (
                "Over seeds: would another training run differ?",
                "Student's t on the differences within each seed. How other test rows would differ "
                "is not in it.",
            )
        )
    if any(d.improvement for d in differences):
        notes.append(
            (
                "A new run beats a new run",
                "The share of all pairs of runs in which it does, on these rows, with Newcombe's "
                "interval; runs that diverged lose.",
            )
        )
    notes.append(("Not covered", _not_covered(comparison)))
    if comparison.comparisons > 1:
        notes.append(
            (
                "Jointly",
                f"Each interval holds at {100 * comparison.confidence:g} % alone; the joint one is "
                f"widened (Bonferroni) so that all {comparison.comparisons} comparisons with "
                "the first hold at once. The words better and worse hold at once too, settled in "
                "order of their evidence (Holm).",
            )
        )
    if len(comparison.metrics) > 1:
        notes.append(
            (
                "One metric decides",
                f"Only {comparison.metric} carries verdicts; the others have intervals and no "
                "words, because with many metrics some would differ by chance.",
            )
        )
    return notes


def _both_note(comparison: Comparison) -> tuple[str, str]:
    title = "Over seeds and rows: would other runs on other rows differ?"
    if comparison.on == "test":
        return (
            title,
            "One interval for both chances: other training runs, in start, order of rows, dropout "
            f"and validation split; and other rows, drawn like these {comparison.rows:,}. All "
            "contestants have the same seeds and rows, and differences are taken within each.",
        )
    return (
        title,
        "Each seed keeps validation rows of its own, so the spread between seeds holds both "
        "chances; the interval is widened because those rows come from one pool (Nadeau and "
        "Bengio).",
    )


def _not_covered(comparison: Comparison) -> str:
    split = (
        "another split of train and test, other settings of the recipe. All seeds share one split; "
        if comparison.on == "test"
        else "other settings of the recipe; "
    )
    return f"Other training rows, {split}the settings may suit one contestant better."


def best_note(comparison: Comparison) -> str | None:
    """Who may be the best, if there are more than two contestants to choose from."""
    if len(comparison.contestants) < 3 or len(comparison.best) < 1:
        return None
    names = ", ".join(comparison.best)
    found = [c.differences[comparison.metric] for c in comparison.ranked]
    about = "Of these very files and runs: " if any(d.covers == "files" for d in found) else ""
    if len(comparison.best) == 1:
        return f"{about}Best in {comparison.metric}, told apart from all others: {names}."
    return (
        f"{about}Not told apart from the best in {comparison.metric}: {names} "
        f"({len(comparison.best)} of {len(comparison.contestants)}; all pairs compared, jointly at "
        f"{100 * comparison.confidence:g} %)."
    )


def training_notices(comparison: Comparison) -> list[str]:
    """Every warning of a training, with contestant and seeds."""
    return [
        f"{c.name}, {'seed' if len(n.seeds) == 1 else 'seeds'} "
        f"{', '.join(map(str, n.seeds))}: {n.text}"
        for c in comparison.contestants
        for n in c.notices
    ]


def kept_note(comparison: Comparison) -> str | None:
    """That some runs were not trained now."""
    kept = sum(len(c.kept) for c in comparison.contestants)
    if not kept:
        return None
    total = sum(len(c.seeds) + len(c.failures) for c in comparison.contestants if c.kind == "spec")
    return f"{kept} of {total} runs were kept from an earlier comparison and not trained again."


def timing_note(comparison: Comparison) -> str:
    """How inference was measured."""
    rows = max(c.timing.batch_rows for c in comparison.contestants if c.timing)
    return (
        f"Inference: predict() on raw rows, one row a call and {rows:,} at once, on one thread, "
        f"contestants taking turns in short blocks, medians of {ROUNDS} rounds, each begun by "
        f"another. {_control(comparison)}The seconds are "
        "this machine's, now; only the ratios to the first contestant compare, taken round by "
        "round (in brackets their middle half: wide means that the machine was busy)."
    )


def _control(comparison: Comparison) -> str:
    if comparison.control is None:
        return ""
    one, batch = (f"{ratio:.2f}" for ratio in comparison.control)
    return f"The first against itself: {one} for one row, {batch} for a batch. "


def unsteady_note(comparison: Comparison) -> str | None:
    """A warning if the machine was busy while inference was timed."""
    if all(c.timing.steady for c in comparison.contestants if c.timing):
        return None
    return (
        "The times are unsteady, because the machine was busy while they were taken (the first "
        "contestant differs from itself, or rounds from each other): do not trust those times and "
        "ratios; compare again when nothing else runs."
    )


def training_note() -> str:
    """Why some training times are missing."""
    return (
        "Training time is measured for specs trained here; a model file holds no times, because "
        "equal trainings give equal files (–)."
    )
