"""Notes on what the numbers of a comparison mean and do not mean, for terminal and page."""

from __future__ import annotations

from collections.abc import Sequence

from layerkit.comparison.results import ComparisonResult, Timing
from layerkit.comparison.timing import ROUNDS
from layerkit.display import counted
from layerkit.reporting.numbers import level_text

Note = tuple[str, str]
"""A title, which may be a question, and the text."""


def footnotes(result: ComparisonResult) -> list[str]:
    """Lines below the table, cautions first."""
    lines = [*result.cautions, *training_warnings(result), *run_notes(result)]
    lines += [
        f"{title} {text}" if title.endswith("?") else f"{title}: {text}"
        for title, text in interval_notes(result)
    ]
    return [*lines, *cost_notes(result), *unsteady_notes(result)]


def training_warnings(result: ComparisonResult) -> list[str]:
    """Every warning from training, with contestant and seeds."""
    return [
        f"{c.name}, {'seed' if len(n.seeds) == 1 else 'seeds'} "
        f"{', '.join(map(str, n.seeds))}: {n.text}"
        for c in result.contestants
        for n in c.notices
    ]


def run_notes(result: ComparisonResult) -> list[str]:
    """Which runs were not trained now, and which contestants may be the best."""
    notes = []
    kept = sum(len(c.kept) for c in result.contestants)
    if kept:
        specs = [c for c in result.contestants if c.kind == "spec"]
        total = sum(len(c.seeds) + len(c.failures) for c in specs)
        notes.append(
            f"{kept} of {total} runs were kept from an earlier comparison and not trained again."
        )
    best = result.best
    if len(result.contestants) < 3 or not best:
        return notes
    found = [c.differences[result.metric] for c in result.ranked]
    about = "For these files and runs only: " if any(d.covers == "files" for d in found) else ""
    names = ", ".join(best)
    if len(best) == 1:
        notes.append(f"{about}Best in {result.metric}, told apart from all others: {names}.")
    else:
        notes.append(
            f"{about}Not told apart from the best in {result.metric}: {names} ({len(best)} of "
            f"{len(result.contestants)}; all pairs compared, jointly at "
            f"{level_text(result.confidence)})."
        )
    return notes


def interval_notes(result: ComparisonResult) -> list[Note]:
    """What each kind of interval in this comparison covers, and what none of them covers."""
    differences = [d for c in result.contestants for d in c.differences.values()]
    notes = []
    if any(d.both for d in differences):
        notes.append(_both_note(result))
    if any(d.rows and not d.both for d in differences):
        text = (
            f"The same models, judged on other rows drawn like these {result.rows:,}. Both "
            "contestants are judged on the same rows, and the interval is for the difference row "
            "by row. It does not cover other training runs."
        )
        notes.append(("Over rows: would another test set differ?", text))
    if any(d.seeds and not d.both for d in differences):
        text = "Student's t on the differences within each seed. It does not cover other test rows."
        notes.append(("Over seeds: would another training run differ?", text))
    if any(d.improvement for d in differences):
        text = (
            "Share of run pairs in which the contestant beats the first on these rows, with "
            "Newcombe's interval. Diverged runs count as losses."
        )
        notes.append(("A new run wins", text))
    split = ", another train/test split" if result.on == "test" else ""
    shared = "All seeds share one split, and the" if result.on == "test" else "The"
    text = f"Other training rows{split} and other settings of the recipe. {shared} "
    notes.append(("Not covered", f"{text}settings may suit one contestant better."))
    if result.comparisons > 1:
        text = (
            f"Each interval alone holds at {level_text(result.confidence)}; the joint one is "
            f"wider (Bonferroni), so that all {result.comparisons} comparisons with the first hold "
            "at once. The words better and worse hold at once too, settled in order of their "
            "evidence (Holm)."
        )
        notes.append(("Jointly", text))
    if len(result.metrics) > 1:
        text = (
            f"Only {result.metric} carries verdicts. The other metrics have intervals only, "
            "because with many metrics some would differ by chance."
        )
        notes.append(("One metric decides", text))
    return notes


def _both_note(result: ComparisonResult) -> Note:
    title = "Over seeds and rows: would other runs on other rows differ?"
    if result.on == "test":
        return (
            title,
            "One interval for both sources of variation: other training runs (initial weights, "
            "order of rows, dropout, validation split) and other rows drawn like these "
            f"{result.rows:,}. All contestants have the same seeds and rows, and differences are "
            "taken within each.",
        )
    return (
        title,
        "Each seed has its own validation rows, so the spread between seeds covers both sources of "
        "variation; the interval is widened because those rows come from one pool (Nadeau and "
        "Bengio).",
    )


def cost_notes(result: ComparisonResult) -> list[str]:
    """How size and times were measured."""
    notes = ["File: size of the model file without training state (weights_only)."]
    if any(c.macs is None for c in result.contestants):
        notes.append(
            "MACs/row: multiply-adds of one more row in inference; ? where a layer runs as it is "
            "written, so that nothing is known of its operations, or where rows meet."
        )
    times = [c.timing for c in result.contestants if c.timing]
    notes += timing_notes(times, result.control, result.versions.get("machine"), "contestant")
    if any(c.training_seconds is None for c in result.contestants):
        notes.append(
            "Training time is measured only for specs trained here; others show –, because a model "
            "file holds no times (equal trainings give equal files)."
        )
    return notes


def unsteady_notes(result: ComparisonResult) -> list[str]:
    """A warning if the machine was busy while inference was timed."""
    return unsteady_times([c.timing for c in result.contestants if c.timing], "contestant")


def timing_notes(
    times: Sequence[Timing], control: tuple[float, float] | None, machine: str | None, of: str
) -> list[str]:
    """How times were measured, each ``of`` a contestant or a point; nothing without any."""
    if not times:
        return []
    again = ""
    if control is not None:
        one, batch = (f"{ratio:.2f}" for ratio in control)
        again = f"Control (the first timed twice): {one} for one row, {batch} for a batch. "
    where = f" ({machine})" if machine else ""
    return [
        "Inference: predict() on raw rows, one row per call and "
        f"{max(t.batch_rows for t in times):,} at once, on one thread. All {of}s take turns in "
        f"short blocks; times are medians of {counted(ROUNDS, 'round')}, each started by a "
        f"different {of}. {again}Times depend on this machine{where} and its load: compare only "
        f"the ratios to the first {of}. Ratios are taken per round; brackets show the quartiles, "
        "and a wide gap means that the machine was busy."
    ]


def unsteady_times(times: Sequence[Timing], of: str) -> list[str]:
    """A warning if the machine was busy while they were measured."""
    if all(t.steady for t in times):
        return []
    return [
        f"The times are unsteady because the machine was busy (the first {of} differs from "
        "itself, or the rounds differ from each other): do not rely on these times and ratios; "
        "measure again when nothing else runs."
    ]
