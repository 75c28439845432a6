"""``layerkit train``: a spec from the start, or a model from its present weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, failures, options

if TYPE_CHECKING:
    from layerkit import Model, Run
    from layerkit.cli.progress import Quiet
    from layerkit.spec import Spec

__all__ = ["EXAMPLE", "run_all", "train"]

EXAMPLE = console.example(
    "layerkit train models/highway-digits.json",
    "layerkit train net.json --data iris.csv --epochs 50 -o runs/",
    "layerkit train net.json --seeds 5           five models, and how much they differ",
    "layerkit train trained.layerkit --set train.optimizer.learning_rate=0.0003",
)


def train(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|MODEL", help="A JSON spec, or a model file to train further; - for stdin."
        ),
    ],
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="File or folder; by default ./NAME.layerkit."
        ),
    ] = None,
    data: options.Data = None,
    validation: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Rows to validate on, in place of train.validation."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Train N times from seeds that follow each other; -sSEED files."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="In place of train.seed, the first if several.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In place of train.epochs.")] = None,
    settings: options.Settings = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train a spec or a model, and save it.

    A spec starts from its initial weights, a model from those it has.
    Progress goes to standard error: a bar on a terminal, one line an epoch elsewhere. Ctrl-C
    finishes the batch, saves the model as it is and exits with 130; a second Ctrl-C stops at once.
    """
    from layerkit.cli import files
    from layerkit.cli.progress import watcher

    changes = [*(settings or ()), *([] if epochs is None else [f"train.epochs={epochs}"])]
    given = files.read_source(source, changes)
    if seeds is not None and not hasattr(given, "with_train"):
        raise failures.Misuse("--seeds starts from a spec: a model has its weights already")
    target = files.destination(output, given.name)
    with watcher(quiet=quiet, as_json=as_json) as watch:
        runs = run_all(
            given, target, watch, data=data, validation=validation, seed=seed, seeds=seeds
        )
        if as_json:
            told = [_told(run, path) for run, path, _ in runs]
            console.emit_json({"name": given.name, "runs": told, "notices": watch.notices})
        elif seeds is not None:
            _show_seeds(runs)
        else:
            _show(*runs[0])
    if watch.interrupted:
        raise typer.Exit(130)


Saved = tuple["Run", Path, bool]


def run_all(
    given: Spec | Model,
    target: Path,
    watch: Quiet,
    *,
    data: str | None = None,
    validation: str | None = None,
    seed: int | None = None,
    seeds: int | None = None,
) -> list[Saved]:
    """Each run trained and saved, one after the other, until all are done or Ctrl-C."""
    from layerkit import load_data
    from layerkit import train as train_one
    from layerkit.spec import Spec

    spec = given if isinstance(given, Spec) else given.spec
    recipe = spec.train or {}
    first = recipe.get("seed", 0) if seed is None else seed
    rows = load_data(recipe["data"], where=data) if recipe else None
    runs: list[Saved] = []
    for k in range(seeds or 1):
        path = target if seeds is None else _numbered(target, first + k)
        with _last_good_kept(path):
            run = train_one(
                given, data=rows, validation_data=validation, seed=first + k, listener=watch
            )
        runs.append((run, path, _save(run.model, path)))
        if run.ended == "interrupted":
            break
    return runs


def _numbered(path: Path, seed: int) -> Path:
    ending = path.suffix if path.suffix == ".layerkit" else ""
    return path.with_name(f"{path.name.removesuffix('.layerkit')}-s{seed}{ending}")


def _save(model: Model, path: Path) -> bool:
    """Save; whether a file was replaced."""
    from layerkit import save

    replaced = path.exists()
    save(model, path)
    return replaced


class _last_good_kept:  # noqa: N801  # reads as a statement
    """Saves what a diverged training leaves, beside the file that it was to become."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        from layerkit import TrainingDivergedError

        if isinstance(error, TrainingDivergedError) and error.last_good is not None:
            stem = self.path.name.removesuffix(".layerkit")
            kept = self.path.with_name(f"{stem}-last-good.layerkit")
            _save(error.last_good, kept)
            told = f"the model as it was after epoch {error.epoch - 1} is in {kept}"
            error.hint = told if error.hint is None else f"{error.hint}\n{told}"


def _told(run: Run, path: Path) -> dict[str, Any]:
    return {
        "seed": run.seed,
        "file": path,
        "file_id": run.model.file_id,
        "ended": run.ended,
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "steps": run.steps,
        "seconds": run.seconds,
        "metrics": run.metrics,
    }


def _show(run: Run, path: Path, replaced: bool) -> None:
    from layerkit.cli import summary

    console.out(f"{run.model.name}: {_ending(run)}\n")
    console.out(summary.metric_table(run.metrics))
    console.out(f"\n{summary.saved(path, run.model.file_id or '', replaced=replaced)}")


def _ending(run: Run) -> str:
    words = {
        "finished": f"{run.epochs} epochs",
        "early": f"stopped early after {run.epochs} epochs, epoch {run.best_epoch} was the best",
        "interrupted": f"interrupted in epoch {run.epochs}",
    }
    return f"{words[run.ended]}, {run.seconds:.1f} s, seed {run.seed}"


def _show_seeds(runs: list[Saved]) -> None:
    from layerkit.cli import summary

    names = [n for n in runs[0][0].metrics if not n.startswith("train_")] or list(
        runs[0][0].metrics
    )
    rows: list[list[object]] = [
        [run.seed, run.epochs, *(console.metric(n, run.metrics[n]) for n in names)]
        for run, _, _ in runs
    ]
    console.out(console.table(["seed", "epochs", *names], rows, "rr" + "r" * len(names)))
    console.out()
    for run, path, replaced in runs:
        console.out(summary.saved(path, run.model.file_id or "", replaced=replaced))
