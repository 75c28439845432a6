"""Gates, changes, lesions and keep curves of a model, on labelled rows.

A *block* is a layer of the model's own list whose ``watched`` shows a gate, or whose class writes
out its ``carry``. That a layer keeps the shape of rows, so that ``Model.without`` can leave it out,
makes it none: every activation would be one. A block that has no carry shows its gates alone. For
rows x of a block, outputs y and its carry c(x)::

    change = median over the rows of |y - c(x)| / |c(x)|
    gate   = mean over rows and units of T;  spread = deviation of the units' means

A single lesion leaves out one block, and tells how much the others make up for it, not whether it
works: the curves that keep the first or the last k blocks show what they do together.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.inside import has_carry, own_method, watched
from layerkit.core.rows import Rows
from layerkit.model import Model
from layerkit.training.evaluation import evaluate, judge

Scores = dict[str, float]
"""The loss and the metrics of the recipe, by name."""


@dataclass(frozen=True)
class Block:
    """What one block does.

    ``gates`` are the mean gates of the rows of each class, if a row has one answer; they, ``gate``
    and ``spread`` are absent where the layer shows no gate. ``without`` are the scores of the model
    with this block left out; they and ``change`` are absent where it has no carry.
    """

    name: str
    type: str
    change: float | None
    gate: float | None
    spread: float | None
    gates: dict[str, float]
    without: Scores | None


@dataclass(frozen=True)
class Lens:
    """What the blocks of a model do.

    ``first[k]`` are the scores with the first k of the blocks that have a carry kept; both lists
    are empty if none has.
    """

    model: str
    rows: int
    whole: Scores
    blocks: list[Block]
    first: list[Scores]
    last: list[Scores]

    def to_json(self) -> dict[str, Any]:
        """All numbers, for ``layerkit lens --json``."""
        return asdict(self)


def look(model: Model, rows: Rows) -> Lens:
    """Look at ``model`` on labelled rows.

    Raises ValueError if it has no block, DataError if the rows do not keep the data contract.
    """
    names = blocks_of(model)
    if not names:
        raise ValueError(nothing_to_see(model))
    whole = judge(model, rows)
    output = model.contract.output
    per_step = output is not None and bool(output.steps)
    truth = whole.truth if whole.target == "class" and not per_step else None
    scores = {"loss": whole.loss, **whole.values(whole.metrics)}
    layers = {p.name: p for p in model.network.planned}
    carried = [name for name in names if has_carry(layers[name])]
    blocks = [_block(model, rows, name, truth, carries=name in carried) for name in names]
    first, last = _curves(model, rows, carried, scores) if carried else ([], [])
    return Lens(model.name, len(rows), scores, blocks, first, last)


def blocks_of(model: Model) -> list[str]:
    """The names of the blocks, in order."""
    planned = model.network.planned
    one_row = np.zeros((1, *planned[0].in_shape), model.network.dtype)
    names = [p.name for p in planned if own_method(p.layer, "watched")]
    shown = watched(model.network, one_row, names) if names else {}
    return [
        p.name for p in planned if "gate" in shown.get(p.name, {}) or own_method(p.layer, "carry")
    ]


def nothing_to_see(model: Model) -> str:
    """Why there is nothing to look at in a model without blocks."""
    kinds = dict.fromkeys(record.type for record in model.spec.layers)
    return (
        f"the model {model.name!r} has no layer to look at: none ({', '.join(kinds)}) shows a gate "
        "or writes out its carry"
    )


def _curves(
    model: Model, rows: Rows, names: list[str], whole: Scores
) -> tuple[list[Scores], list[Scores]]:
    """The scores with the first, and with the last, 0, 1, ... of the named blocks kept."""
    count = len(names)
    none = evaluate(model.without(names), rows)
    first = [evaluate(model.without(names[k:]), rows) for k in range(1, count)]
    last = [evaluate(model.without(names[:-k]), rows) for k in range(1, count)]
    return [none, *first, whole], [none, *last, whole]


def _block(model: Model, rows: Rows, name: str, truth: Array | None, *, carries: bool) -> Block:
    shown = model.watch(rows, layers=[name]).get(name, {}).get("gate")
    gate = spread = change = without = None
    gates: dict[str, float] = {}
    if shown is not None and len(shown):
        flat = shown.reshape(len(shown), -1).astype(np.float64)
        gate, spread = float(flat.mean()), float(flat.mean(axis=0).std())
        if truth is not None:
            of_rows = flat.mean(axis=1)
            for i, label in enumerate(model.classes or ()):
                if (truth == i).any():
                    gates[str(label)] = float(of_rows[truth == i].mean())
    if carries:
        view = model.without([name])
        change = _change(*(one.encode(rows, layer=name) for one in (model, view)))
        without = evaluate(view, rows)
    kind = next(record.type for record in model.spec.layers if record.name == name)
    return Block(name, kind, change, gate, spread, gates, without)


def _change(y: Array, carried: Array) -> float:
    """The median over the rows of the size of the change, relative to what is carried."""
    if not len(y):
        return math.nan
    changed, kept = (
        np.linalg.norm(a.reshape(len(a), -1).astype(np.float64), axis=1)
        for a in (y - carried, carried)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.median(changed / kept))
