"""Runs saved, shown and told: what ``train``, ``resume`` and ``demo`` have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerkit.cli import console

if TYPE_CHECKING:
    from layerkit import Model, Run
    from layerkit.cli.progress import Quiet
    from layerkit.data import Dialect
    from layerkit.spec import Spec

__all__ = [
    "Saved",
    "checkpoint_of",
    "emit",
    "last_good_kept",
    "run_all",
    "save_run",
    "show",
    "show_seeds",
]

Saved = tuple["Run", Path, bool]


def run_all(
    given: Spec | Model,
    target: Path,
    watch: Quiet,
    *,
    data: str | None = None,
    validation: str | None = None,
    dialect: Dialect | None = None,
    seed: int | None = None,
    seeds: int | None = None,
    every: float = 30.0,
) -> list[Saved]:
    """Each run trained and saved, one after the other, until all are done or Ctrl-C.

    Every ``every`` seconds (0: never) a checkpoint is saved beside the file that it is to become;
    it is removed when that file is there.
    """
    from layerkit import train as train_one
    from layerkit.spec import Spec
    from layerkit.training import splits_of
    from layerkit.training.rows import labelled_rows

    spec = given if isinstance(given, Spec) else given.spec
    first = (spec.train or {}).get("seed", 0) if seed is None else seed
    rows = splits_of(spec, data, dialect=dialect)
    held = None if validation is None else labelled_rows(spec, validation, dialect=dialect)
    runs: list[Saved] = []
    for k in range(seeds or 1):
        path = target if seeds is None else _numbered(target, first + k)
        checkpoint = checkpoint_of(path)
        with last_good_kept(path):
            run = train_one(
                given,
                data=rows,
                validation_data=held,
                seed=first + k,
                listener=watch,
                checkpoint=checkpoint if every else None,
                every=every,
            )
        runs.append((run, path, save_run(run.model, path)))
        if every:
            checkpoint.unlink(missing_ok=True)
        if run.ended == "interrupted":
            break
    return runs


def checkpoint_of(path: Path) -> Path:
    """Where checkpoints of a training that is to become ``path`` are saved."""
    return path.with_name(f"{path.name.removesuffix('.layerkit')}-checkpoint.layerkit")


def _numbered(path: Path, seed: int) -> Path:
    ending = path.suffix if path.suffix == ".layerkit" else ""
    return path.with_name(f"{path.name.removesuffix('.layerkit')}-s{seed}{ending}")


def save_run(model: Model, path: Path) -> bool:
    """Save; whether a file was replaced."""
    from layerkit import save

    replaced = path.exists()
    save(model, path)
    return replaced


@contextmanager
def last_good_kept(path: Path) -> Iterator[None]:
    """Save what a diverged training leaves, beside the file that it was to become."""
    from layerkit import TrainingDivergedError

    try:
        yield
    except TrainingDivergedError as error:
        if error.last_good is not None:
            stem = path.name.removesuffix(".layerkit")
            kept = path.with_name(f"{stem}-last-good.layerkit")
            save_run(error.last_good, kept)
            told = f"the model as it was after epoch {error.epoch - 1} is in {kept}"
            error.hint = told if error.hint is None else f"{error.hint}\n{told}"
        raise


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
        "preparing": run.preparing,
        "metrics": run.metrics,
    }


def emit(name: str, runs: Sequence[Saved], watch: Quiet) -> None:
    """All runs as one JSON document."""
    told = [_told(run, path) for run, path, _ in runs]
    console.emit_json({"name": name, "runs": told, "notices": watch.notices})


def show(run: Run, path: Path, replaced: bool) -> None:
    """How it ended, its final metrics, and where it is."""
    from layerkit.cli import summary

    console.out(f"{run.model.name}: {_ending(run)}\n")
    console.out(summary.metric_table(run.metrics))
    console.out(f"\n{summary.saved(path, run.model.file_id or '', replaced=replaced)}")
    if run.ended == "interrupted":
        word = "resume" if run.epochs else "train"  # before the first epoch all is as it began
        console.out(console.safe(f"go on with: layerkit {word} {path}"))


def _ending(run: Run) -> str:
    words = {
        "finished": f"{run.epochs} epochs",
        "early": f"stopped early after {run.epochs} epochs, epoch {run.best_epoch} was the best",
        "interrupted": f"interrupted after {run.epochs} epochs",
    }
    loaded = "" if run.preparing < 0.05 else f" (kernels loaded in {run.preparing:.1f} s)"
    return f"{words[run.ended]}, {run.seconds:.1f} s{loaded}, seed {run.seed}"


def show_seeds(runs: Sequence[Saved]) -> None:
    """A line a seed, and where they are."""
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
