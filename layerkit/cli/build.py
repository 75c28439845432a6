"""``layerkit build``: a spec checked, its layers shown, its model written with initial weights."""

from __future__ import annotations

from typing import Annotated

import typer

from layerkit.cli import console, failures, options

__all__ = ["EXAMPLE", "build"]

EXAMPLE = console.example(
    "layerkit build highway-digits",
    "layerkit build net.json --set layers.1.repeat=20 --dry-run",
)


def build(
    spec: Annotated[
        str,
        typer.Argument(metavar="SPEC", help="A JSON spec or the name of a ready one; - for stdin."),
    ],
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="File or folder; by default ./NAME.layerkit."
        ),
    ] = None,
    settings: options.Settings = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it, write nothing.")] = False,
    as_json: options.Json = False,
) -> None:
    """Check a spec and write its untrained model.

    The table shows each layer with its type, who provides it, the shape it gives, its parameters,
    the multiply-accumulate operations (MACs) of one row and the memory of its parameters.
    """
    from layerkit import Model, save
    from layerkit import build as make
    from layerkit.cli import files, summary
    from layerkit.file.check_savable import check_savable

    source = files.read_source(spec, settings or ())
    if isinstance(source, Model):
        raise failures.Misuse(f"{spec} is a model already: layerkit inspect shows it")
    model = make(source)
    check_savable(model)
    told = summary.summarise(model)
    target = None if dry_run else files.destination(output, model.name)
    if target is not None and output is None:
        files.keep_trained(target)
    replaced = target is not None and target.exists()
    file_id = None if target is None else save(model, target)
    if as_json:
        console.emit_json({**told, "file": target, "file_id": file_id})
        return
    console.out(f"{told['name']}: input {summary.shape(source.in_shape)}, {told['dtype']}\n")
    console.out(summary.layer_table(told))
    if target is not None and file_id is not None:
        console.out(f"\n{summary.saved(target, file_id, replaced=replaced)}, not trained yet")
