"""The result of training runs, as text or JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from layerkit.cli import console, summary
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from layerkit import Run
    from layerkit.cli.progress import TrainingProgress
    from layerkit.cli.runs import SavedRun


def finish(
    name: str,
    runs: Sequence[SavedRun],
    progress: TrainingProgress,
    *,
    seeds: Sequence[int] = (),
    as_json: bool,
) -> None:
    """Print the result of one run, or of one run for each of ``seeds``.

    Raises typer.Exit, with the exit code of the signal, if one has stopped the training.
    """
    ended = {saved.run.seed for saved in runs if saved.run.ended != "interrupted"}
    unfinished = [seed for seed in seeds if seed not in ended]
    if as_json:
        values = {"name": name, "runs": list(map(_values, runs)), "unfinished": unfinished}
        console.emit_json({**values, "notices": progress.notices})
    elif seeds:
        _show_seeds(runs, unfinished)
    else:
        _show(runs[0])
    if progress.interrupted:
        raise typer.Exit(progress.exit_code)


def _values(saved: SavedRun) -> dict[str, Any]:
    run = saved.run
    return {
        "seed": run.seed,
        "file": None if saved.result == "nothing" else saved.path,
        "file_id": run.model.file_id,
        "kept": saved.result == "kept",
        "ended": run.ended,
        "reason": run.reason,
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "steps": run.steps,
        "seconds": run.seconds,
        "preparing": run.preparing,
        "metrics": run.metrics,
    }


def _show(saved: SavedRun) -> None:
    run, path = saved.run, saved.path
    console.out(f"{run.model.name}: {_ending(run)}\n")
    if reason := _reason(run):
        console.out(f"{reason}\n")
    console.out(summary.metric_table(run.metrics))
    if saved.result == "nothing":
        console.out(printable(f"\nnothing was saved: {path} is unchanged"))
        return
    console.out(f"\n{_where(saved)}")
    if run.ended == "interrupted":
        command = "resume" if run.epochs else "train"  # there is nothing yet to resume
        console.out(printable(f"continue with: layerkit {command} {path}"))


def _where(saved: SavedRun) -> str:
    if saved.result == "kept":
        return printable(f"kept {saved.path}, which was trained earlier")
    file_id = saved.run.model.file_id or ""
    return summary.saved(saved.path, file_id, replaced=saved.result == "replaced")


def _ending(run: Run) -> str:
    epochs = counted(run.epochs, "epoch")
    best = "" if run.best_epoch is None else f", epoch {run.best_epoch} was the best"
    endings = {
        "finished": epochs,
        "early": f"stopped early after {epochs}{best}",
        "interrupted": f"interrupted after {epochs}",
    }
    loaded = "" if run.preparing < 0.05 else f" (kernels loaded in {run.preparing:.1f} s)"
    return f"{endings[run.ended]}, {run.seconds:.1f} s{loaded}, seed {run.seed}"


def _reason(run: Run) -> str:
    """Why a run ended early, unless ``_ending`` says it: by early stopping."""
    return "" if run.reason.startswith("early stopping") else printable(run.reason)


def _show_seeds(runs: Sequence[SavedRun], unfinished: Sequence[int]) -> None:
    if runs:
        console.out(_seed_table(runs) + "\n")
    for saved in runs:
        console.out(_where(saved))
    for saved in runs:
        if reason := _reason(saved.run):
            console.out(f"seed {saved.run.seed}: {reason}")
    if unfinished:
        epochs = {saved.run.seed: saved.run.epochs for saved in runs}
        begun = {seed: f"after {counted(epochs[seed], 'epoch')}" for seed in epochs}
        states = [f"{seed} ({begun.get(seed, 'not begun')})" for seed in unfinished]
        console.out(f"\nnot finished: seed {', '.join(states)}")
        console.out("continue with the same command: it keeps what is finished")


def _seed_table(runs: Sequence[SavedRun]) -> str:
    found = sorted(runs[0].run.metrics, key=_metric_order)  # a file has them in alphabetical order
    names = [name for name in found if not name.startswith("train_")] or found
    rows: list[list[object]] = [
        [s.run.seed, s.run.epochs, *(console.metric(n, s.run.metrics[n]) for n in names)]
        for s in runs
    ]
    ended = [s.run for s in runs if s.run.ended != "interrupted"]
    if len(ended) > 1:
        values = {n: [run.metrics[n] for run in ended] for n in names}
        means = [console.metric(n, statistics.fmean(values[n])) for n in names]
        spreads = [console.metric(n, statistics.stdev(values[n])) for n in names]
        rows += [["mean", "", *means], ["sd", "", *spreads]]
    spread = 2 if len(ended) > 1 else 0
    return console.table(["seed", "epochs", *names], rows, "rr" + "r" * len(names), total=spread)


def _metric_order(name: str) -> tuple[int, bool]:
    """By split, the loss first."""
    split, _, metric = name.partition("_")
    return ("train", "val", "test").index(split), metric != "loss"
