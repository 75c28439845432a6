"""``layerkit study``: train a grid of specs with several seeds, resumable; show how far it is."""

from __future__ import annotations

import shlex
import signal
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, options
from layerkit.cli.failures import UsageError
from layerkit.cli.figures import Figures, Html, check_report, write_report
from layerkit.display import counted, printable, quoted

if TYPE_CHECKING:
    from layerkit.cli.progress import TrainingProgress
    from layerkit.studies import PointRow, Study

EXAMPLE = console.example(
    "layerkit study depth.json --processes 4   train what is missing, report",
    "layerkit study depth.json --add seeds=5   five seeds more than it lists",
    "layerkit study depth.json --until half-width=0.5",
    "layerkit study depth.json --engine dask --scheduler tcp://10.0.0.5:8786",
    "layerkit study depth.json --status        how far it is, even while it runs",
    "where depth.json holds a spec, a grid and seeds, as in",
    '  {"layerkit_study": 1, "spec": "highway-digits",',
    '   "grid": {"layers.1.repeat": [2, 4, 8],',
    '            "layers.1.gate_bias": [-1, -3]},',
    '   "seeds": 3}',
    "further fields: name, set, data, validation,",
    "match (widths of equal cost), search (equal tuning)",
)
_NONE = "–"
_LISTED = 12  # unfinished points
_MOST_SEEDS = 1_000


def study(
    file: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study.json; see the example below.")
    ],
    *,
    data: options.Data = None,
    processes: Annotated[
        int,
        typer.Option(
            min=1, max=512, metavar="N", help="Train N runs at once, each in its own process."
        ),
    ] = 1,
    engine: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Train on the workers of a cluster: dask."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Where the cluster of --engine is reached."),
    ] = None,
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="seeds=N", help="Train N seeds more than the study lists."),
    ] = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            "--until",
            metavar="half-width=W",
            help="Train seeds until no interval is wider than ± W: points of a share, else the "
            "metric's unit. At least 5 seeds, and at most 30 or those of --until seeds=N.",
        ),
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Train nothing; show which runs are missing.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Train nothing; report on the finished runs.")
    ] = False,
    confidence: Annotated[
        float,
        typer.Option(min=0.5, max=0.999, metavar="P", help="Confidence level of the intervals."),
    ] = 0.95,
    output: Annotated[
        Path | None, options.output_option("./NAME.study", "Keep the runs in this folder.")
    ] = None,
    html: Html = None,
    figures: Figures = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train a grid of specs with several seeds, resumable.

    A study sets fields of a spec to every combination of some values. Every run is kept in the
    folder NAME.study as soon as it is finished. Stop the study or kill it: the same command trains
    the rest. The files are the same with any number of processes.
    """
    from layerkit.cli.progress import training_progress
    from layerkit.studies.run import read_results

    check_report(html, figures, [file, data])
    executor = _executor(engine, scheduler, processes)
    seeds = {
        "add_seeds": _assigned("--add", add, {"seeds": int}).get("seeds", 0),
        **_precision(until),
    }
    training = processes > 1 or bool(add or until) or (data, executor) != (None, None)
    if _reads_only(status=status, report=report, training=training):
        found, notices = read_results(file, output, confidence), list[str]()
    else:
        found, notices = train(
            training_progress(quiet=quiet, as_json=as_json),
            file,
            quiet=quiet or as_json,
            folder=output,
            data=data,
            processes=processes,
            executor=executor,
            confidence=confidence,
            **seeds,
        )
    if html is not None or figures is not None:
        where = _where(data, output)
        _save(file, output, confidence, where, html, figures, quiet=quiet or as_json)
    if as_json:
        console.emit_json({**found.to_json(), "notices": notices})
    elif status:
        show_status(found)
    else:
        show(found)


def _executor(engine: str | None, scheduler: str | None, processes: int) -> dict[str, str] | None:
    """The configuration of the workers elsewhere; raises UsageError for options that contradict."""
    if engine is None:
        if scheduler is not None:
            raise UsageError("--scheduler needs --engine, such as --engine dask")
        return None
    if processes > 1:
        raise UsageError("expected --processes or --engine, not both")
    return {"type": engine} if scheduler is None else {"type": engine, "scheduler": scheduler}


def _reads_only(*, status: bool, report: bool, training: bool) -> bool:
    """Whether nothing is to be trained; raises UsageError for options that contradict that."""
    if status and report:
        raise UsageError("expected --status or --report, not both")
    if (status or report) and training:
        raise UsageError(
            "--status and --report train nothing: no --data, --processes, --engine, --add or "
            "--until"
        )
    return status or report


def _precision(until: Sequence[str] | None) -> dict[str, Any]:
    """The arguments of ``layerkit.study`` that ``--until`` stands for."""
    given = _assigned("--until", until, {"half-width": float, "seeds": int})
    if not given:
        return {}
    if "half-width" not in given:
        raise UsageError("--until seeds=N goes with --until half-width=W")
    most = {"most_seeds": given["seeds"]} if "seeds" in given else {}
    return {"half_width": given["half-width"], **most}


def _assigned(
    option: str, given: Sequence[str] | None, kinds: Mapping[str, Callable[[str], Any]]
) -> dict[str, Any]:
    """The values of an option of the form ``name=number``; raises UsageError."""
    found = {}
    for text in given or ():
        name, _, number = text.partition("=")
        try:
            value = kinds[name](number)
        except (KeyError, ValueError):
            value = 0
        if not 0 < value <= _MOST_SEEDS:
            expected = " or ".join(f"{known}=N" for known in kinds)
            raise UsageError(
                f"{option}: expected {expected} with a number above 0, got {quoted(text)}"
            )
        found[name] = value
    return found


def _where(data: str | None, output: Path | None) -> str:
    """The options that say where the rows and the runs are."""
    given = {"--data": data, "-o": None if output is None else str(output)}
    return "".join(f" {name} {shlex.quote(v)}" for name, v in given.items() if v is not None)


def _save(
    file: str,
    output: Path | None,
    confidence: float,
    where: str,
    html: str | None,
    figures: Path | None,
    *,
    quiet: bool,
) -> None:
    """Write the page and the pictures of what the folder holds."""
    from layerkit.studies.page import study_page
    from layerkit.studies.pictures import StudyView, study_figures

    view = StudyView.read(file, output, confidence)
    drawn = study_figures(view)
    command = f"layerkit study {shlex.quote(file)}{where}"
    write_report(html, lambda: study_page(view, drawn, command), figures, drawn, quiet=quiet)


def train(
    progress: TrainingProgress, file: str, *, quiet: bool, **how: Any
) -> tuple[Study, list[str]]:
    """Train what is missing; ``how`` are further arguments of ``layerkit.study``."""
    from layerkit import study as run_study

    def finished(line: Mapping[str, Any], done: int, total: int) -> None:
        if not quiet:
            progress.show(f"{done} of {total}: {_finished(line)}")

    with progress, _explain_interruption(progress):
        progress.after_stop = "exiting"
        return run_study(file, listener=progress, finished=finished, **how), progress.notices


def _finished(line: Mapping[str, Any]) -> str:
    """A finished run in a line: its point, seed or number of the trial, and last metric."""
    named = ", ".join(line["point"].values())
    which = f"trial {line['trial'] + 1}" if "trial" in line else f"seed {line['seed']}"
    run = f"{named}, {which}" if named else which
    if line["diverged"]:
        return printable(f"{run}  diverged")
    name, value = list(line["metrics"].items())[-1]
    return printable(
        f"{run}  {name} {console.metric(name, float('nan') if value is None else value)}"
    )


@contextmanager
def _explain_interruption(progress: TrainingProgress) -> Iterator[None]:
    """After a signal, say how far the study is and how to continue."""
    from layerkit.cli.failures import TerminationSignal
    from layerkit.studies.run import StudyStoppedError

    try:
        yield
    except StudyStoppedError as stopped:
        hint = "the same command trains the rest"
        if not progress.silent:
            for text in (str(stopped), hint):
                console.err(printable(text))
        kind = TerminationSignal if progress.signal == signal.SIGTERM else KeyboardInterrupt
        error = kind(str(stopped))
        error.hint = hint  # type: ignore[attr-defined]  # for --json
        raise error from stopped


def show(found: Study) -> None:
    """The table, best first, and what it means."""
    from layerkit.reporting.numbers import level_text

    level = level_text(found.confidence)
    head = [", ".join(found.axes) or "spec", found.metric or "metric", f"{level} interval",
            "seeds", "parameters"]  # fmt: skip
    marked = any(row.among_best for row in found.rows) and len(found.rows) > 1
    rows = [_cells(row, found, marked=marked) for row in found.rows]
    if found.search is not None:
        from layerkit.cli.search_text import show_search

        show_search(found.search, found.axes, level)
    console.out(console.table(head, rows, "lrrrr"))
    console.out()
    for note in _notes(found, level, marked=marked):
        _say(note)


def _say(text: str, indent: str = "  ") -> None:
    """A sentence, folded to the terminal's width."""
    width = console.width()
    console.out(text if width is None else textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ))  # fmt: skip


def _title(row: PointRow, found: Study) -> str:
    return ", ".join(row.point.values()) or found.name


def _cells(row: PointRow, found: Study, *, marked: bool) -> list[str]:
    from layerkit.comparison import formatting as fmt

    s = row.summary
    done = f"{len(row.seeds)}"
    if row.missing:
        done += f" of {len(row.seeds) + len(row.missing)}"
    return [
        f"{'* ' if row.among_best else '  ' if marked else ''}{_title(row, found)}",
        _NONE if s is None else fmt.mean_and_sd(s),
        _NONE if s is None else fmt.summary_ends(s) or _NONE,
        done,
        _NONE if row.parameters is None else f"{row.parameters:,}",
    ]


def _notes(found: Study, level: str, *, marked: bool) -> Iterator[str]:
    """What the table means, and its limits."""
    if marked:
        yield f"* not told apart from the best ({level}, all pairs jointly)"
    over = {r.summary.interval.over for r in found.rows if r.summary and r.summary.interval}
    meaning = {
        "both": "other trainings and other rows like those judged",
        "seeds": "other trainings on the same rows",
        "rows": "other test rows, of one training",
    }
    covered = " or ".join(meaning[source] for source in sorted(over))
    if covered:
        yield f"mean ± deviation over seeds; the interval is for {covered}"
    for row in found.rows:
        if row.diverged:
            seeds = ", ".join(map(str, row.diverged))
            others = "; the numbers are of its other runs" if row.summary else ""
            yield f"{_title(row, found)}: diverged with seed {seeds}{others}"
        yield from _failures(row, found)
    if matched := [row for row in found.rows if row.matched]:
        yield f"solved for equal {_unit(matched)}: {_worst(matched, found)}; --status shows widths"
    if len(found.kernels) > 1:
        yield f"runs differ in what ran the layers: {'; '.join(found.kernels)}"
    if found.precision is not None:
        yield printable(found.precision.words)
    if found.search is not None and found.metric.startswith("val_"):
        yield "there are no test rows: the best trials were chosen by rows like those judged here"
    yield _progress(found)


def _failures(row: PointRow, found: Study) -> Iterator[str]:
    """The runs of a point that failed when they were last tried."""
    for seed, reason in row.failed.items():
        first = reason.partition("\n")[0]
        yield f"{_title(row, found)}, seed {seed}: {printable(f'failed: {first}')}"


def _progress(found: Study) -> str:
    return f"{found.done} of {counted(found.total, 'run')} finished, in {printable(found.folder)}"


def _unit(matched: Sequence[PointRow]) -> str:
    from layerkit.studies.costs import WORDS

    return next(WORDS[row.matched.what] for row in matched if row.matched)


def _worst(matched: Sequence[PointRow], found: Study) -> str:
    """How many widths were solved for, and how far off at most."""
    from layerkit.studies.budget import percent

    off = {_title(row, found): row.matched.remainder for row in matched if row.matched}
    title = max(off, key=lambda name: abs(off[name]))
    return f"{counted(len(matched), 'point')}, at most {percent(off[title])} off ({title})"


def show_status(found: Study) -> None:
    """How many runs are finished, which are missing, and the widths that were solved for."""
    console.out(_progress(found))
    matched = [row for row in found.rows if row.matched]
    for row in matched[:_LISTED]:
        _say(f"  {_title(row, found)}: {row.matched}", "    ")
    if len(matched) > _LISTED:
        console.out(f"  and widths of {counted(len(matched) - _LISTED, 'point')} more (--json)")
    if found.search is not None:
        points = found.search.points
        done, every = sum(p.done for p in points), sum(p.total for p in points)
        console.out(f"{done} of {counted(every, 'trial')} of its search finished")
    unfinished = [row for row in found.rows if row.missing]
    for row in unfinished[:_LISTED]:
        seeds = ", ".join(map(str, row.missing))
        _say(f"  missing: {_title(row, found)}, seed {seeds}", "    ")
        for text in _failures(row, found):
            _say(f"    {text}", "      ")
    if len(unfinished) > _LISTED:
        console.out(f"  and of {counted(len(unfinished) - _LISTED, 'point')} more")
