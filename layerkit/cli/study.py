"""``layerkit study``: train a grid of specs with several seeds, resumable; show how far it is."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, options, workers
from layerkit.cli.failures import UsageError
from layerkit.cli.figures import Figures, Html, check_report, write_report
from layerkit.display import printable, quoted

if TYPE_CHECKING:
    from layerkit.cli.progress import TrainingProgress
    from layerkit.studies import Study

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
_MOST_SEEDS = 1_000


def study(
    file: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study.json; see the example below.")
    ],
    *,
    data: options.Data = None,
    processes: workers.Processes = 1,
    engine: workers.Engine = None,
    scheduler: workers.Scheduler = None,
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
    timing: Annotated[
        bool,
        typer.Option(
            "--timing", help="Time inference here, with one model of each point, one thread."
        ),
    ] = False,
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
    from layerkit.cli.study_text import show, show_status
    from layerkit.studies.run import read_results

    check_report(html, figures, [file, data])
    executor = workers.chosen_executor(engine, scheduler, processes)
    seeds = {
        "add_seeds": _assigned("--add", add, {"seeds": int}).get("seeds", 0),
        **_precision(until),
    }
    training = processes > 1 or bool(add or until) or executor is not None
    if _reads_only(status=status, report=report, training=training, timing=timing):
        found = read_results(file, output, confidence, data=data, timing=timing)
        notices = list[str]()
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
            timing=timing,
            **seeds,
        )
    if html is not None or figures is not None:
        command = f"layerkit study {shlex.quote(file)}{_options(data, output, timing=timing)}"
        _save(found, file, output, data, command, html, figures, quiet=quiet or as_json)
    if as_json:
        console.emit_json({**found.to_json(), "notices": notices})
    elif status:
        show_status(found)
    else:
        show(found)


def _reads_only(*, status: bool, report: bool, training: bool, timing: bool) -> bool:
    """Whether nothing is to be trained; raises UsageError for options that contradict that."""
    if status and report:
        raise UsageError("expected --status or --report, not both")
    if status and timing:
        raise UsageError("--status shows no times: expected --report with --timing")
    if (status or report) and training:
        raise UsageError(
            "--status and --report train nothing: no --processes, --engine, --add or --until"
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


def _options(data: str | None, output: Path | None, *, timing: bool) -> str:
    """The options that say where the rows and the runs are, and what is measured."""
    given = {"--data": data, "-o": None if output is None else str(output)}
    words = "".join(f" {name} {shlex.quote(v)}" for name, v in given.items() if v is not None)
    return f"{words} --timing" if timing else words


def _save(
    found: Study,
    file: str,
    output: Path | None,
    data: str | None,
    command: str,
    html: str | None,
    figures: Path | None,
    *,
    quiet: bool,
) -> None:
    """Write the page and the pictures of what the folder holds."""
    from layerkit.studies.page import study_page
    from layerkit.studies.pictures import StudyView, study_figures

    view = StudyView.read(file, output, known=found, data=data)
    drawn = study_figures(view)
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
    from layerkit.studies.run import StudyStoppedError

    try:
        yield
    except StudyStoppedError as stopped:
        hint = "the same command trains the rest"
        raise progress.stopped(str(stopped), hint) from stopped
