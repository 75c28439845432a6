"""``layerkit lens``: what the gated layers of a model do, and what is left of it without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerkit.cli import console, failures, options
from layerkit.display import counted, printable, shortened

if TYPE_CHECKING:
    from layerkit.lens import Lens

EXAMPLE = console.example(
    "layerkit lens highway-digits.layerkit",
    "layerkit lens iris.layerkit --data new.csv --json",
)
_SHOWN = 12  # rows of the table of curves


def lens(
    model: options.ModelFile,
    *,
    data: options.Data = None,
    split: Annotated[
        Literal["test", "train", "all"] | None,
        typer.Option(
            help="Rows to look at.",
            show_default="all rows of a file given by --data, else test rows if any, else all",
        ),
    ] = None,
    dialect: options.Dialect,
    as_json: options.Json = False,
) -> None:
    """Look at the gated layers of a model on labelled rows.

    Those are the layers that show a gate or write out their carry. For each: how far its gates open
    (the mean, its spread over the units, and the lowest and highest mean of a class) and, if it has
    a carry, how much it changes what it carries and the scores of the model without it. Then the
    scores with only the first or the last of them kept: without one layer the others make up for
    it, so its lesion does not tell whether it works. --json has every number.
    """
    from layerkit.cli import evaluate, files
    from layerkit.lens import blocks_of, look, nothing_to_see

    loaded = files.load_model(model)
    if not blocks_of(loaded):
        raise failures.UsageError(nothing_to_see(loaded))
    rows, split = evaluate.chosen_rows(loaded, data, split, dialect)
    seen = look(loaded, rows)
    if as_json:
        console.emit_json(seen.to_json())
        return
    console.out(printable(f"{loaded.name} on {rows.source}, {counted(len(rows), 'row')}"))
    main = list(seen.whole)[:2]
    values = ", ".join(f"{name} {console.metric(name, seen.whole[name])}" for name in main[::-1])
    console.out(f"whole model: {values}")
    carried = [one for one in seen.blocks if one.without is not None]
    console.out("\ngates, and the scores without this layer" if carried else "\ngates")
    console.out(_blocks(seen, main if carried else None))
    if not carried:
        console.out("\nNo layer has a carry that could stand in its place, so none is left out.")
        return
    console.out("\nthe scores with only the first or the last layers kept")
    console.out(_curves(seen, main))


def _blocks(seen: Lens, main: list[str] | None) -> str:
    """The table of blocks; without ``main``, the scores that are shown, that of gates alone."""
    rows = []
    for one in seen.blocks:
        known = [one.gate, one.spread, min(one.gates.values(), default=None)]
        known.append(max(one.gates.values(), default=None))
        if main is not None:
            known.append(one.change)
        numbers = ["" if value is None else f"{value:.3f}" for value in known]
        left = [console.metric(n, one.without[n]) if one.without else "" for n in main or ()]
        rows.append([shortened(one.name, 20), *numbers, *left])
    head = ["layer", "gate", "spread", "low", "high"]
    if main is not None:
        head += ["change", *(shortened(n, 10) for n in main)]
    return console.table(head, rows, "l" + "r" * (len(head) - 1))


def _curves(seen: Lens, main: list[str]) -> str:
    count = len(seen.first) - 1
    steps = sorted({round(i * count / (_SHOWN - 1)) for i in range(_SHOWN)})
    rows = []
    for k in steps:
        scores = [curve[k][name] for curve in (seen.first, seen.last) for name in main]
        rows.append([str(k), *map(console.metric, [*main, *main], scores)])
    head = ("kept", *(f"{end}: {shortened(n, 10)}" for end in ("first", "last") for n in main))
    return console.table(head, rows, "r" * len(head))
