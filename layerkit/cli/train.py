"""``layerkit train``: a spec from the start, or a model from its present weights."""

from __future__ import annotations

from typing import Annotated

import typer

from layerkit.cli import console, failures, options

__all__ = ["EXAMPLE", "train"]

EXAMPLE = console.example(
    "layerkit train highway-digits",
    "layerkit train net.json --data iris.csv --epochs 50 -o runs/",
    "layerkit train net.json --seeds 5           five models, and how much they differ",
    "layerkit train trained.layerkit --set train.optimizer.learning_rate=0.0003",
)


def train(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|MODEL",
            help="A JSON spec, the name of a ready one, or a model to train further; - for stdin.",
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
        int | None,
        typer.Option(min=0, help="In place of train.seed, the first if several."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In place of train.epochs.")] = None,
    settings: options.Settings = None,
    checkpoint: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="How often to save NAME-checkpoint.layerkit; 0: never."
        ),
    ] = 30.0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace OUT even if it is a model of another spec.")
    ] = False,
    dialect: options.Dialect,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train a spec or a model, and save it.

    A spec starts from its initial weights, a model from those it has. Progress goes to standard
    error: a bar on a terminal, one line an epoch elsewhere. Ctrl-C finishes the batch, undoes the
    epoch that it cuts short, saves the model and exits with 130 (SIGTERM: 143); layerkit resume
    goes on from there. A second Ctrl-C stops at once. A training that is killed leaves its last
    checkpoint, which layerkit resume takes as well. With --seeds, the same command again keeps what
    is finished and goes on with what is not.
    """
    from layerkit.cli import files, runs
    from layerkit.cli.progress import watcher
    from layerkit.specs import Spec
    from layerkit.specs.overrides import Setting

    changes = [*(settings or ())]
    for name, value in (("epochs", epochs), ("seed", seed)):
        if value is not None:
            changes.append(Setting(f"train.{name}={value}", f"--{name} {value}"))
    given = files.read_source(source, changes)
    if seeds is not None and not isinstance(given, Spec):
        raise failures.Misuse("--seeds starts from a spec: a model has its weights already")
    target = files.destination(output, given.name)
    recipe = (given if isinstance(given, Spec) else given.spec).train or {}
    first: int = recipe.get("seed", 0) if seed is None else seed
    with watcher(quiet=quiet, as_json=as_json) as watch:
        done = runs.run_all(
            given,
            target,
            watch,
            data=data,
            validation=validation,
            dialect=dialect,
            seed=seed,
            seeds=seeds,
            every=checkpoint,
            replace=replace,
        )
    wanted = range(first, first + seeds) if seeds is not None else []
    left = runs.unfinished_of(done, wanted)
    if as_json:
        runs.emit(given.name, done, watch, unfinished=left)
    elif seeds is not None:
        runs.show_seeds(done, unfinished=left)
    else:
        runs.show(done[0])
    if watch.interrupted:
        raise typer.Exit(watch.exit_code)
