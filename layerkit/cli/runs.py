"""Train runs and save their models: what ``train``, ``resume`` and ``demo`` share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerkit.cli.class_counts import show_classes
from layerkit.cli.files import same_file
from layerkit.cli.run_file import RunFile, SaveResult

if TYPE_CHECKING:
    from layerkit import Model, Run
    from layerkit.cli.progress import TrainingProgress
    from layerkit.core.callback import Listener, Outcome
    from layerkit.data import Dialect
    from layerkit.specs import Spec


@dataclass(frozen=True)
class SavedRun:
    """A run, the path of its model, and what happened to that file."""

    run: Run
    path: Path
    result: SaveResult


def seeds_of(source: Spec | Model, seeds: int | None) -> range:
    """The seeds of the runs: ``seeds`` of them, or one, from the recipe's upwards."""
    first = (_spec_of(source).train or {}).get("seed", 0)
    return range(first, first + (seeds or 1))


def run_all(
    source: Spec | Model,
    target: Path,
    progress: TrainingProgress,
    *,
    data: str | None = None,
    validation: str | None = None,
    dialect: Dialect | None = None,
    seeds: int | None = None,
    every: float = 30.0,
    max_seconds: float | None = None,
    device: str | None = None,
    replace: bool = False,
) -> list[SavedRun]:
    """Train and save one run after another, until all are done or a signal arrives.

    With ``seeds``, the file of each run is named after its seed, finished runs found there are kept
    and unfinished ones resumed. ``every`` and ``replace`` are those of ``RunFile``. Raises
    FileExistsError if a file or checkpoint of another training would be replaced.
    """
    from layerkit import Model, train
    from layerkit.training import splits_of
    from layerkit.training.training_data import labelled_rows

    spec = _spec_of(source)
    files = {}
    for seed in seeds_of(source, seeds):
        path = target if seeds is None else _numbered(target, seed)
        seeded = spec if spec.train is None else spec.with_train(seed=seed)
        files[seed] = file = RunFile(path, seeded, replace=replace, every=every)
        if seeds is not None:
            file.own_earlier()
        elif isinstance(source, Model) and source.path and same_file(path, Path(source.path)):
            file.own(path)
        file.check()
    inputs: dict[str, Any] = {
        "data": splits_of(spec, data, dialect=dialect),
        "validation_data": validation and labelled_rows(spec, validation, dialect=dialect),
        "listener": listeners(progress, max_seconds),
        "device": device,
    }
    show_classes(progress, spec, inputs["data"])
    done: list[SavedRun] = []
    for seed, file in files.items():
        if progress.interrupted:
            break
        saved = None if seeds is None else _continue_earlier(file, inputs)
        if saved is None:
            with keep_model_of_errors(file):
                run = train(source, seed=seed, **inputs, **checkpointing(file))
            saved = save_run(run, file, several=seeds is not None)
        if saved.run.epochs or seeds is None:
            done.append(saved)
        if saved.run.ended == "interrupted":
            break
    return done


def listeners(progress: TrainingProgress, max_seconds: float | None) -> list[Listener]:
    """The listeners of a run that takes at most ``max_seconds``."""
    from layerkit.discovery.registry import CALLBACKS

    if max_seconds is None:
        return [progress]
    return [progress, CALLBACKS.create({"type": "time_budget", "seconds": max_seconds})]


def checkpointing(file: RunFile) -> dict[str, Any]:
    """The arguments of ``layerkit.train`` and ``layerkit.resume`` that save checkpoints."""
    return {"checkpoint": file.save_checkpoint, "every": file.every or math.inf}


def _continue_earlier(file: RunFile, inputs: dict[str, Any]) -> SavedRun | None:
    """An earlier run of the same spec, seed and rows, resumed unless it is over."""
    from layerkit import DataError, SpecError, load
    from layerkit.training.run import resumed_session

    for path in (file.path, file.checkpoint):
        if not file.owns(path):
            continue
        try:
            session = resumed_session(load(path), **inputs, **checkpointing(file))
        except (SpecError, DataError):  # other rows, or no training state
            file.disown(path)
            continue
        if session.over():
            over: Outcome = "finished" if session.done >= session.recipe.epochs else "early"
            if path == file.path:
                file.remove_checkpoint()
                return SavedRun(session.result(over), path, "kept")
        elif path == file.path and file.owns(file.checkpoint):
            continue  # the checkpoint is of a later start
        with keep_model_of_errors(file):
            run = session.run()
        return save_run(run, file, several=True)
    file.check()
    return None


def save_run(run: Run, file: RunFile, *, several: bool = False) -> SavedRun:
    """Save the model of a run; of ``several`` runs, none that has completed no epoch."""
    if several and not run.epochs:
        return SavedRun(run, file.path, "nothing")
    path, result = file.save(run.model, interrupted=run.ended == "interrupted")
    return SavedRun(run, path, result)


@contextmanager
def keep_model_of_errors(file: RunFile) -> Iterator[None]:
    """Save the model of a training that ends in an error.

    After a callback's error, it is saved as that of an interrupted training. The last good model of
    one that diverges goes to NAME-last-good.layerkit.
    """
    from layerkit import CallbackError, TrainingDivergedError

    try:
        yield
    except CallbackError as error:
        if error.run is not None and error.run.epochs:
            path, _ = file.save(error.run.model, interrupted=error.run.ended == "interrupted")
            error.hint = (
                f"the model as it was after epoch {error.run.epochs} is in {path}; correct the "
                f"callback, then: layerkit resume {path}"
            )
        raise
    except TrainingDivergedError as error:
        if error.last_good is not None:
            stem = file.path.name.removesuffix(".layerkit")
            beside = RunFile(file.path.with_name(f"{stem}-last-good.layerkit"), file.spec)
            try:
                path, _ = beside.save(error.last_good)
                hint = f"the model as it was after epoch {error.epoch - 1} is in {path}"
            except OSError as failure:
                hint = getattr(failure, "hint", None) or str(failure)
            error.hint = hint if error.hint is None else f"{error.hint}\n{hint}"
        raise


def _spec_of(source: Spec | Model) -> Spec:
    from layerkit import Model

    return source.spec if isinstance(source, Model) else source


def _numbered(path: Path, seed: int) -> Path:
    ending = path.suffix if path.suffix == ".layerkit" else ""
    return path.with_name(f"{path.name.removesuffix('.layerkit')}-s{seed}{ending}")
