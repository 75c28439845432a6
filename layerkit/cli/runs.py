"""Runs trained, saved, shown and told: what ``train``, ``resume`` and ``demo`` have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerkit.cli import console
from layerkit.cli.keeping import How, Place
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit import Model, Rows, Run
    from layerkit.cli.progress import Quiet
    from layerkit.data.dialect import Dialect
    from layerkit.specs import Spec
    from layerkit.training.session import Outcome

__all__ = [
    "Saved",
    "emit",
    "last_good_kept",
    "run_all",
    "save_run",
    "show",
    "show_seeds",
    "unfinished_of",
]


@dataclass(frozen=True)
class Saved:
    """A run, where its model is, and what became of that file."""

    run: Run
    path: Path
    how: How


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
    replace: bool = False,
) -> list[Saved]:
    """Each run trained and saved, one after the other, until all are done or a signal comes.

    Every ``every`` seconds (0: never) a checkpoint is saved beside the file that it is to become;
    it is removed when that file is there. Of several seeds those that are there already are kept
    and those begun are gone on with.

    Raises
    ------
    FileExistsError
        If a file of another spec is there and not to be replaced, or another run's checkpoint.
    LayerkitError, OSError
        As ``train`` and ``save``.
    """
    from layerkit.specs import Spec
    from layerkit.training import splits_of
    from layerkit.training.training_data import labelled_rows

    spec = given if isinstance(given, Spec) else given.spec
    first = (spec.train or {}).get("seed", 0) if seed is None else seed
    places = {}
    for k in range(first, first + (seeds or 1)):
        path = target if seeds is None else _numbered(target, k)
        places[k] = Place(path, _seeded(spec, k), replace=replace, every=every)
        if seeds is not None:
            places[k].own_earlier()
        elif not isinstance(given, Spec) and given.path and _same(path, given.path):
            places[k].own(path)
        places[k].check()
    rows = splits_of(spec, data, dialect=dialect)
    held = None if validation is None else labelled_rows(spec, validation, dialect=dialect)
    runs: list[Saved] = []
    for k, place in places.items():
        if watch.interrupted:
            break
        work = _Work(given, rows, held, k, every, watch, seeds is not None)
        done = _earlier(work, place) if seeds is not None else None
        done = done or _trained(work, place)
        if done.run.epochs or seeds is None:
            runs.append(done)
        if done.run.ended == "interrupted":
            break
    return runs


@dataclass(frozen=True)
class _Work:
    given: Spec | Model
    rows: dict[str, Rows]
    validation: Rows | None
    seed: int
    every: float
    watch: Quiet
    several: bool

    def options(self, place: Place) -> dict[str, Any]:
        return {
            "data": self.rows,
            "validation_data": self.validation,
            "listener": self.watch,
            "checkpoint": place.checkpoint,
            "every": self.every or math.inf,
        }


def _trained(work: _Work, place: Place) -> Saved:
    from layerkit import train

    with last_good_kept(place):
        run = train(work.given, seed=work.seed, **work.options(place))
    return save_run(run, place, several=work.several)


def _earlier(work: _Work, place: Place) -> Saved | None:
    """A run of this spec, seed and rows that is there already, gone on with if it is not over."""
    from layerkit import DataError, SpecError, load
    from layerkit.training.run import resumed_session

    for path in (place.path, place.spare):
        if not place.owns(path):
            continue
        try:
            session = resumed_session(load(path), **work.options(place))
        except (SpecError, DataError):  # other rows, or no training state
            place.disown(path)
            continue
        if session.over():
            over: Outcome = "finished" if session.done >= session.recipe.epochs else "early"
            if path == place.path:
                place.clear()
                return Saved(session.result(over), path, "kept")
        elif path == place.path and place.owns(place.spare):
            continue  # the checkpoint is of a later start
        with last_good_kept(place):
            run = session.run()
        return save_run(run, place, several=True)
    place.check()
    return None


def save_run(run: Run, place: Place, *, several: bool = False) -> Saved:
    """Save what a run made, where it belongs; of several seeds none that has learned nothing.

    Raises
    ------
    OSError, LayerkitError
        If it cannot be saved there.
    """
    if several and not run.epochs:
        return Saved(run, place.path, "nothing")
    path, how = place.save(run.model, interrupted=run.ended == "interrupted")
    return Saved(run, path, how)


def _seeded(spec: Spec, seed: int) -> Spec:
    return spec if spec.train is None else spec.with_train(seed=seed)


def _same(path: Path, other: str) -> bool:
    return path.exists() and Path(other).exists() and path.samefile(other)


def _numbered(path: Path, seed: int) -> Path:
    ending = path.suffix if path.suffix == ".layerkit" else ""
    return path.with_name(f"{path.name.removesuffix('.layerkit')}-s{seed}{ending}")


@contextmanager
def last_good_kept(place: Place) -> Iterator[None]:
    """Save what a diverged training leaves, beside the file that it was to become."""
    from layerkit import TrainingDivergedError

    try:
        yield
    except TrainingDivergedError as error:
        if error.last_good is not None:
            stem = place.path.name.removesuffix(".layerkit")
            beside = Place(place.path.with_name(f"{stem}-last-good.layerkit"), place.spec)
            try:
                kept, _ = beside.save(error.last_good)
                told = f"the model as it was after epoch {error.epoch - 1} is in {kept}"
            except OSError as failure:
                told = getattr(failure, "hint", None) or str(failure)
            error.hint = told if error.hint is None else f"{error.hint}\n{told}"
        raise


def _told(saved: Saved) -> dict[str, Any]:
    run = saved.run
    return {
        "seed": run.seed,
        "file": None if saved.how == "nothing" else saved.path,
        "file_id": run.model.file_id,
        "kept": saved.how == "kept",
        "ended": run.ended,
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "steps": run.steps,
        "seconds": run.seconds,
        "preparing": run.preparing,
        "metrics": run.metrics,
    }


def emit(name: str, runs: Sequence[Saved], watch: Quiet, *, unfinished: Sequence[int] = ()) -> None:
    """All runs as one JSON document."""
    told = {"name": name, "runs": [_told(run) for run in runs], "unfinished": list(unfinished)}
    console.emit_json({**told, "notices": watch.notices})


def unfinished_of(runs: Sequence[Saved], seeds: Sequence[int]) -> list[int]:
    """Those of ``seeds`` that are not trained to the end."""
    ended = {done.run.seed for done in runs if done.run.ended != "interrupted"}
    return [seed for seed in seeds if seed not in ended]


def show(saved: Saved) -> None:
    """How it ended, its final metrics, and where it is."""
    from layerkit.cli import summary

    run, path = saved.run, saved.path
    console.out(f"{run.model.name}: {_ending(run)}\n")
    console.out(summary.metric_table(run.metrics))
    if saved.how == "nothing":
        console.out(printable(f"\nnothing was saved: {path} is as it was"))
        return
    console.out(f"\n{_where(saved)}")
    if run.ended == "interrupted":
        word = "resume" if run.epochs else "train"  # before the first epoch all is as it began
        console.out(printable(f"go on with: layerkit {word} {path}"))


def _where(saved: Saved) -> str:
    from layerkit.cli import summary

    if saved.how == "kept":
        return printable(f"kept {saved.path}: it was trained already")
    file_id = saved.run.model.file_id or ""
    return summary.saved(saved.path, file_id, replaced=saved.how == "replaced")


def _ending(run: Run) -> str:
    words = {
        "finished": f"{run.epochs} epochs",
        "early": f"stopped early after {run.epochs} epochs, epoch {run.best_epoch} was the best",
        "interrupted": f"interrupted after {run.epochs} epochs",
    }
    loaded = "" if run.preparing < 0.05 else f" (kernels loaded in {run.preparing:.1f} s)"
    return f"{words[run.ended]}, {run.seconds:.1f} s{loaded}, seed {run.seed}"


def show_seeds(runs: Sequence[Saved], *, unfinished: Sequence[int] = ()) -> None:
    """A line a seed, where they are, and which are not finished."""
    if runs:
        _show_table(runs)
    for saved in runs:
        console.out(_where(saved))
    if unfinished:
        begun = {done.run.seed: done.run.epochs for done in runs}
        words = [
            f"{seed} (after {begun[seed]} epochs)" if seed in begun else f"{seed} (not begun)"
            for seed in unfinished
        ]
        console.out(f"\nnot finished: seed {', '.join(words)}")
        console.out("go on with the same command: what is finished is kept")


def _show_table(runs: Sequence[Saved]) -> None:
    there = sorted(runs[0].run.metrics, key=_usual_order)  # a file has them by the alphabet
    names = [n for n in there if not n.startswith("train_")] or there
    rows: list[list[object]] = [
        [s.run.seed, s.run.epochs, *(console.metric(n, s.run.metrics[n]) for n in names)]
        for s in runs
    ]
    console.out(console.table(["seed", "epochs", *names], rows, "rr" + "r" * len(names)))
    console.out()


def _usual_order(name: str) -> tuple[int, bool]:
    """The place of a metric: by split, the loss first."""
    split, _, metric = name.partition("_")
    return ("train", "val", "test").index(split), metric != "loss"
