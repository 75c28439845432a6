"""``layerkit build``: check a spec, show its layers, save its untrained model."""

from __future__ import annotations

from typing import Annotated

import typer

from layerkit.cli import console, failures, options

EXAMPLE = console.example(
    "layerkit build highway-digits",
    "layerkit build net.json --set layers.1.repeat=20 --dry-run",
)


def build(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC", help="A JSON spec or the name of a ready one; - reads stdin."
        ),
    ],
    *,
    output: options.ModelOutput = None,
    settings: options.Settings = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and show the spec; save nothing.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Check a spec and save its untrained model.

    Prints each layer with its type, provider, output shape, parameters, multiply-accumulate
    operations (MACs) per row and memory.
    """
    from layerkit import Model, save
    from layerkit import build as build_model
    from layerkit.cli import files, summary
    from layerkit.file.check_savable import check_savable

    source = files.read_source(spec, settings or ())
    if isinstance(source, Model):
        raise failures.UsageError(f"{spec} is already a model; layerkit inspect shows it")
    model = build_model(source)
    check_savable(model)
    values = summary.summarise(model)
    target = None if dry_run else files.destination(output, model.name)
    if target is not None and output is None:
        files.check_untrained(target)
    replaced = target is not None and target.exists()
    file_id = None if target is None else save(model, target)
    if as_json:
        console.emit_json({**values, "file": target, "file_id": file_id})
        return
    console.out(f"{values['name']}: input {summary.shape(source.in_shape)}, {values['dtype']}\n")
    console.out(summary.layer_table(values))
    if target is not None and file_id is not None:
        console.out(f"\n{summary.saved(target, file_id, replaced=replaced)}, not trained yet")
