"""``layerkit compare``: train and judge models alike; differences come with intervals."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from layerkit.cli import console, options, workers
from layerkit.cli.figures import Figures, Html, check_report, write_report
from layerkit.display import counted, few, printable

if TYPE_CHECKING:
    from layerkit.cli.progress import TrainingProgress
    from layerkit.comparison import AcrossDataSets, Comparison

EXAMPLE = console.example(
    "layerkit compare plain.json highway.json --seeds 5 --html report.html",
    "layerkit compare runs/plain-s*.layerkit runs/highway-s*.layerkit",
    "layerkit compare a.layerkit b.layerkit --data new.csv --csv numbers.csv",
    "layerkit compare a.json b.json --data iris.csv --data wine.csv --data digits",
)

_KEEP = Path("compare-runs")
_LISTED = 6  # unfinished trainings


def compare(
    contestants: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL|SPEC",
            help="Specs to train and models to judge; the first is the baseline. Models that "
            "differ only in their seed count as one.",
        ),
    ],
    *,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Read the data from this file, folder or data source instead of the spec's; "
            "several times: train every spec on each, and compare over all of them.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Train each spec N times.")] = 5,
    on: Annotated[
        Literal["test", "validation"],
        typer.Option(help="Rows to evaluate on; validation leaves the test rows untouched."),
    ] = "test",
    confidence: Annotated[
        float,
        typer.Option(min=0.5, max=0.999, metavar="P", help="Confidence level of the intervals."),
    ] = 0.95,
    csv: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Save all numbers as CSV.")
    ] = None,
    html: Html = None,
    figures: Figures = None,
    timing: Annotated[
        bool, typer.Option("--timing/--no-timing", help="Whether to time inference.")
    ] = True,
    dialect: options.Dialect,
    keep: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Keep trained models here, and reuse those found here."),
    ] = _KEEP,
    processes: workers.Processes = 1,
    engine: workers.Engine = None,
    scheduler: workers.Scheduler = None,
    no_keep: Annotated[
        bool, typer.Option("--no-keep", help="Neither keep nor reuse trained models.")
    ] = False,
    settings: options.Settings = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Compare specs and models on the same rows.

    Each difference comes with an interval. It counts only if it would hold for another training and
    for other test rows. Over several data sets, ranks are compared.
    """
    from layerkit import compare as compare_all
    from layerkit.cli import compare_across, files
    from layerkit.cli.progress import training_progress
    from layerkit.comparison import Comparison

    inputs = [*contestants, *(data or ())]
    files.check_output(csv, inputs)
    check_report(html, figures, inputs)
    executor = workers.chosen_executor(engine, scheduler, processes)
    with (
        training_progress(quiet=quiet, as_json=as_json) as progress,
        _explain_interruption(keep, progress),
    ):
        progress.after_stop = "exiting"
        how: dict[str, Any] = {
            "dialect": dialect,
            "seeds": seeds,
            "settings": settings or (),
            "confidence": confidence,
            "on": on,
            "keep": None if no_keep else keep,
            "processes": processes,
            "executor": executor,
        }
        found: Comparison | AcrossDataSets
        if data is not None and len(data) > 1:
            found = compare_across.run(contestants, data, progress, quiet=quiet or as_json, **how)
        else:
            one = data[0] if data else None
            elsewhere = processes > 1 or executor is not None
            told = _finished(progress) if elsewhere and not (quiet or as_json) else None
            found = compare_all(
                contestants, data=one, listener=progress, timing=timing, finished=told, **how
            )
    if csv is not None:
        console.write_file(Path(csv), [found.to_csv()])
    drawn = () if figures is None else found.figures()
    write_report(html, found.to_html, figures, drawn, quiet=as_json)
    if as_json:
        console.emit_json({**found.to_json(), "notices": progress.notices})
        return
    if isinstance(found, Comparison):
        show(found)
        each: Sequence[Comparison] = [found]
    else:
        compare_across.show(found)
        each = found.comparisons
    runs = [c for one_set in each for c in one_set.contestants if c.kind == "spec"]
    trained = sum(len(c.seeds) - len(c.kept) for c in runs)
    if trained and not no_keep and not quiet:
        console.err(f"kept {counted(trained, 'trained model')} in {printable(keep)}")
    if csv is not None:
        console.err(f"wrote {printable(csv)}")


def _finished(progress: TrainingProgress) -> Callable[[Mapping[str, Any], int, int], None]:
    """Shows the trainings that other processes have finished."""

    def show(line: Mapping[str, Any], done: int, total: int) -> None:
        end = "  diverged" if line["diverged"] else ""
        run = f"{line['point']['spec']}, seed {line['seed']}{end}"
        progress.show(printable(f"{done} of {total}: {run}"))

    return show


@contextmanager
def _explain_interruption(keep: Path, progress: TrainingProgress) -> Iterator[None]:
    """After a signal, say which trainings are finished and how to continue."""
    from layerkit.comparison import ComparisonStoppedError

    try:
        yield
    except ComparisonStoppedError as stopped:
        finished, unfinished = stopped.finished, stopped.unfinished
        where = f", kept in {stopped.folder}" if stopped.folder and finished else ""
        names = few([f"{name} seed {seed}" for name, seed in unfinished], _LISTED)
        total = len(finished) + len(unfinished)
        message = f"trainings finished: {len(finished)} of {total}{where}; not: {names}"
        option = "" if keep == _KEEP else f" --keep {shlex.quote(str(keep))}"
        hint = "" if stopped.folder is None else f"continue with: {stopped.command}{option}"
        raise progress.stopped(message, hint) from stopped


def show(found: Comparison) -> None:
    """Print the table, the result in words, and its limits."""
    head, *rows = found.table()
    console.out(console.table(head, rows, "l" + "r" * (len(head) - 1)))
    for block in (found.headline, found.footnotes):
        console.out()
        for sentence in block:
            console.sentence(sentence)
    console.out()
