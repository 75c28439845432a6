"""``layerkit upgrade`` and ``layerkit deploy``: a model file written anew."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from layerkit.cli import console, failures, files, options
from layerkit.display import byte_size, printable

__all__ = ["DEPLOY_EXAMPLE", "UPGRADE_EXAMPLE", "deploy", "upgrade"]

UPGRADE_EXAMPLE = console.example(
    "layerkit upgrade old.layerkit",
    "layerkit upgrade old.layerkit -o new.layerkit",
    "layerkit upgrade old.layerkit --as-is -o copy.layerkit      where a plugin is missing",
)
DEPLOY_EXAMPLE = console.example("layerkit deploy trained.layerkit -o small.layerkit")
Source = Annotated[str, typer.Argument(metavar="MODEL", help="A model file.")]


def upgrade(
    model: Source,
    *,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="OUT", help="By default MODEL itself.")
    ] = None,
    as_is: Annotated[
        bool,
        typer.Option("--as-is", help="Migrate and run nothing: needs no plugin, loses nothing."),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write a model file as this layerkit writes it today.

    Settings of older layer versions are migrated. The self-test is run first and the new file read
    back before it replaces the old one.
    """
    from layerkit import upgrade as write_anew

    if model == "-":
        raise failures.Misuse("upgrade needs a file: standard input cannot be written anew")
    files.check_model_target(files.path_of(output or model))
    done = write_anew(model, output, as_is=as_is)
    target = output or model
    if as_json:
        changes = [vars(change) for change in done.migrated]
        told = {"file": target, "before": done.before, "after": done.after, "migrated": changes}
        console.emit_json(told)
        return
    for change in done.migrated:
        console.out(printable(f"{change.path}: {change.before} is now {change.after}"))
    word = "written anew" if done.changed else "up to date already"
    console.out(printable(f"{target}: {word}, {done.after}"))


def deploy(
    model: Source,
    *,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="OUT", help="By default MODEL-deploy.layerkit."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write a model without its training state.

    Optimizer state and history are left out. It predicts the same to the last bit; it can no longer
    be resumed.
    """
    from layerkit import load, save

    if model == "-" and not output:
        raise failures.Misuse(
            "a model from standard input needs -o FILE: it has no name of its own"
        )
    raw = sys.stdin.buffer.read() if model == "-" else None
    before = files.path_of(model).stat().st_size if raw is None else len(raw)
    loaded = files.load_model(model) if raw is None else load(io.BytesIO(raw))
    stem = files.path_of(model).name.removesuffix(".layerkit")
    target = (
        files.path_of(output)
        if output
        else files.path_of(model).with_name(f"{stem}-deploy.layerkit")
    )
    files.check_model_target(target)
    file_id = save(loaded, target, weights_only=True)
    after = target.stat().st_size
    if as_json:
        console.emit_json({"file": target, "file_id": file_id, "bytes": after, "before": before})
    else:
        sizes = f"{byte_size(before)} -> {byte_size(after)}"
        console.out(printable(f"saved {target} ({sizes}, {file_id[:19]}...)"))
