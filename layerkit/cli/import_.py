"""``layerkit import``: weights of another library as a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, failures, files, options
from layerkit.display import counted, printable
from layerkit.errors import WeightsError
from layerkit.paths import open_input

if TYPE_CHECKING:
    from layerkit import Rows

EXAMPLE = console.example(
    "layerkit import net.keras -o net.layerkit",
    "layerkit import net.safetensors --spec net.json --map names.json",
    "layerkit import net.npz --spec net.json --prove rows.csv answers.npy",
)


def import_(
    weights: Annotated[
        str,
        typer.Argument(
            metavar="WEIGHTS", help="A file of weights: .safetensors, .npz, .keras, .weights.h5."
        ),
    ],
    *,
    spec: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="A JSON spec or the name of a ready one; .keras files bring their own.",
        ),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="MAP",
            help="A JSON file of the source's names by those of the model, such as "
            '{"dense_1": "fc1"} or {"dense_1.W": "fc1.weight"}; "ignore" lists what to leave out.',
            show_default="names are equal, or tell the order",
        ),
    ] = None,
    output: options.ModelOutput = None,
    prove: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="ROWS ANSWERS",
            help="Files of rows and of the source's answers: save nothing if the model gives "
            "others.",
        ),
    ] = None,
    within: Annotated[
        float,
        typer.Option(
            min=0, metavar="SHARE", help="Largest difference to ANSWERS, of the largest answer."
        ),
    ] = 1e-6,
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Make a model with the weights of another library.

    Says where each tensor came from. What is missing, left over or of another shape is listed at
    once, and nothing is guessed. PyTorch keeps a matrix called `weight` as (outputs, inputs), so
    it is transposed.
    """
    from layerkit import Model, import_weights, read_rows, save
    from layerkit.cli import summary

    source = None if spec is None else files.read_source(spec, settings or ())
    if isinstance(source, Model):
        raise failures.UsageError(f"{spec} is a model; --spec takes a spec")
    given = None if prove is None else (read_rows(prove[0]), _answers(read_rows(prove[1])))
    done = import_weights(
        weights,
        source,
        mapping=None if mapping is None else _read_map(mapping),
        settings=(settings or ()) if source is None else (),
        prove_with=given,
        within=within,
    )
    target = files.destination(output, done.model.name)
    if output is None:
        files.check_untrained(target)
    replaced = target.exists()
    file_id = save(done.model, target)
    if as_json:
        proved = None if done.proved is None else done.proved._asdict()
        facts = {"file": target, "file_id": file_id, "notes": done.notes, "proved": proved}
        console.emit_json(facts)
        return
    for note in done.notes:
        console.out(printable(note))
    if done.proved is not None:
        count, most, largest = done.proved
        console.out(
            f"proved on {counted(count, 'row')}: largest difference {most:.2g}, largest answer "
            f"{largest:.3g}"
        )
    console.out(summary.saved(target, file_id, replaced=replaced))
    if not done.model.ready:
        console.out("it cannot predict before it is trained: the spec asks for fitted scaling")


def _answers(rows: Rows) -> Any:
    """The numbers (n, k) of a file of answers, whose columns go by position."""
    if rows.values is not None:
        return rows.values
    return list(zip(*(rows.columns or {}).values(), strict=True))


def _read_map(name: str) -> Any:
    with open_input(name) as file:
        raw = file.read()
    try:
        found = json.loads(raw)
    except ValueError as cause:
        raise WeightsError(f"{name}: not valid JSON: {cause}") from cause
    if not isinstance(found, dict):
        raise WeightsError(f"{name}: expected a JSON object of names")
    return found
