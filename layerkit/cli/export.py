"""``layerkit export``: a model in another form."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from layerkit.cli import console, failures, files, options
from layerkit.display import byte_size, counted, printable

EXAMPLE = console.example(
    "layerkit export highway-digits.layerkit -o digits.onnx",
    "layerkit export iris.layerkit --to c -o iris.h --verify rows.csv",
    "layerkit export iris.layerkit --to python --verify self",
)


def export(
    model: options.ModelFile,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="FORM",
            help="onnx, c, python, npz, safetensors, or what a plugin writes.",
            show_default="by the name of OUT",
        ),
    ] = None,
    output: Annotated[str | None, options.output_option("NAME with the form's extension")] = None,
    verify: Annotated[
        str | None,
        typer.Option(
            metavar="ROWS",
            help="Run the written form on these rows, and compare it with the model; self: on rows "
            "drawn from the range of training.",
            show_default=False,
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of ROWS to ignore, by name or position.",
        ),
    ] = None,
    dialect: options.Dialect,
    as_json: options.Json = False,
) -> None:
    """Write a model as ONNX, C, Python or bare weights.

    ONNX, C and Python take raw rows and give what `predict` gives: probabilities, or targets in raw
    units. Python takes the cells of a row as they are, text too; ONNX and C take numbers, one for
    each category of a column. npz and safetensors hold the weights alone. With --verify nothing is
    written if the numbers differ by more than rounding. Training state and plugins stay behind.
    """
    from layerkit import export as write
    from layerkit.data import read_rows
    from layerkit.discovery.registry import EXPORTERS
    from layerkit.training.training_data import read_options

    if to is None and output is None:
        known = ", ".join(EXPORTERS.names())
        raise failures.UsageError(f"give the form with --to ({known}), or a file with -o")
    loaded = files.load_model(model)
    target = files.path_of(output or f"{loaded.name}{EXPORTERS[to or ''].extension}")
    itself = verify == "self"
    files.check_output(str(target), [model, None if itself else verify])
    rows: Any = itself
    if verify is not None and not itself:
        rows = read_rows(verify, labels=label, **read_options(loaded.spec, dialect))
    done = write(loaded, target, to=to, verify=rows)
    if as_json:
        seen = None if done.verified is None else done.verified._asdict()
        facts = {"file": done.path, "form": done.form, "bytes": done.size, "verified": seen}
        console.emit_json(facts)
        return
    console.out(printable(f"wrote {done.path} ({done.form}, {byte_size(done.size)})"))
    if done.verified is not None:
        count, most, largest = done.verified
        console.out(
            f"verified on {counted(count, 'row')}: largest difference {most:.2g}, largest output "
            f"{largest:.3g}"
        )
