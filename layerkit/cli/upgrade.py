"""``layerkit upgrade``: rewrite a model file in today's form."""

from __future__ import annotations

from typing import Annotated

import typer

from layerkit.cli import console, failures, files, options
from layerkit.display import printable

EXAMPLE = console.example(
    "layerkit upgrade old.layerkit",
    "layerkit upgrade old.layerkit -o new.layerkit",
    "layerkit upgrade old.layerkit --as-is -o copy.layerkit    needs no plugin",
)


def upgrade(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file.")],
    *,
    output: Annotated[str | None, options.output_option("MODEL itself")] = None,
    as_is: Annotated[
        bool,
        typer.Option(
            "--as-is", help="Neither migrate settings nor run the self-test; needs no plugin."
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Rewrite a model file as this version saves it.

    Migrates the settings of older layer versions. Runs the self-test and reads the new file back
    before it replaces the old one.
    """
    from layerkit import upgrade as upgrade_file

    if model == "-":
        raise failures.UsageError("expected a model file, got - (standard input)")
    target = output or model
    files.check_model_target(files.path_of(target))
    done = upgrade_file(model, output, as_is=as_is)
    if as_json:
        changes = [vars(change) for change in done.migrated]
        values = {"file": target, "before": done.before, "after": done.after, "migrated": changes}
        console.emit_json(values)
        return
    for change in done.migrated:
        console.out(printable(f"{change.path}: {change.before} is now {change.after}"))
    result = "rewritten" if done.changed else "already up to date"
    console.out(printable(f"{target}: {result}, {done.after}"))
