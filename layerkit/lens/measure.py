"""Gates, changes, drift, lesions and keep curves of a model.

A *block* is a layer whose ``watched`` shows a gate, or whose class writes out its ``carry``; one
inside a container too, named by its path. A layer that merely keeps the shape of rows is none,
although ``Model.without`` can leave it out: every activation would be one. A block that has no
carry shows its gates alone. For rows x of a block, outputs y and its carry c(x)::

    change = quartiles over the rows of |y - c(x)| / |c(x)|
    gate   = mean over rows and units of T;  spread = deviation of the units' means
    drift  = parameter minus the number that it started at

A single lesion leaves out one block, and tells how much the others make up for it, not whether it
works: the curves that keep the first or the last k blocks show what they do together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from layerkit.core.context import Array
from layerkit.core.inside import has_carry, own_method, watched
from layerkit.core.network import Network
from layerkit.core.rows import Rows
from layerkit.display import printable
from layerkit.errors import DataError
from layerkit.lens.drift import drift_of
from layerkit.lens.gates import by_step_and_unit, look_inside
from layerkit.lens.lesions import Choice, keep_first, keep_last, lesion, scores_without
from layerkit.lens.results import Block, Lens, RowGates, Scores
from layerkit.lens.scores import Judge
from layerkit.model import Model

Progress = Callable[[int, int], object]
"""Told how much of how much is done."""

Judged = tuple[Scores, dict[str, Scores], list[Scores], list[Scores]]
"""The scores of the whole model, without each block, and with the first and the last k kept."""

NO_LABELS = (
    "the rows have no labels: here are gates, changes and drifts; scores without layers, and gates "
    "by class, need labels"
)


def look(
    model: Model,
    rows: Rows,
    *,
    row: int | None = None,
    progress: Progress = lambda done, of: None,
) -> Lens:
    """Look at ``model`` on rows; ``row``, counted from 0, is one whose own gates are shown.

    Rows without labels have no scores and no classes. Raises ValueError if the model has no block,
    DataError if the rows do not keep the data contract or there is no such row.
    """
    names = blocks_of(model)
    if not names:
        raise ValueError(nothing_to_see(model))
    check_row(row, rows)
    output = model.contract.output
    judge = Judge(model, rows) if output is not None and output.has_labels(rows) else None
    x = model.scaled(rows)
    truth = None if judge is None else judge.truth
    classes = [str(label) for label in model.classes or ()] if truth is not None else []
    seen = look_inside(model.network, x, names, truth, classes)
    layers = {p.name: p for p in model.network.nested()}
    carried = [name for name in names if has_carry(layers[name])]
    curve = [n for n in carried if not any(n.startswith(f"{other}.") for other in carried)]
    found = _Lesions(model.network, x, carried, curve)
    whole, without, first, last = (
        ({}, {}, [], []) if judge is None else found.judged(judge, progress)
    )
    blocks = [
        Block(
            name=n,
            type=layers[n].layer.type_name,
            gates=seen[n][0],
            change=seen[n][1],
            drift=drift_of(layers[n]),
            without=without.get(n),
        )
        for n in names
    ]
    one = None if row is None else _look_at(model, rows, row, names)
    notes = [NO_LABELS] if judge is None else []
    curve = curve if first else []
    return Lens(model.name, rows.source, len(rows), whole, blocks, curve, first, last, one, notes)


def blocks_of(model: Model) -> list[str]:
    """The names of the blocks, in order."""
    network = model.network
    one_row = np.zeros((1, *network.planned[0].in_shape), network.dtype)
    shown = watched(network, one_row)
    return [
        p.name
        for p in network.nested()
        if "gate" in shown.get(p.name, {}) or own_method(p.layer, "carry")
    ]


def nothing_to_see(model: Model) -> str:
    """Why there is nothing to look at in a model without blocks."""
    kinds = dict.fromkeys(record.type for record in model.spec.layers)
    return (
        f"the model {model.name!r} has no layer to look at: none ({', '.join(kinds)}) shows a gate "
        "or writes out its carry"
    )


def check_row(row: int | None, rows: Rows) -> None:
    """Raise DataError if there is no row of that number, counted from 0."""
    if row is not None and not 0 <= row < len(rows):
        there = f"a row from 0 to {len(rows) - 1:,}" if len(rows) else "no row, as there are none"
        raise DataError(f"expected {there}, got row {row}", source=rows.source)


class _Lesions:
    """The choices of blocks to leave out: each alone, and all but the first or last k."""

    def __init__(self, network: Network, x: Array, names: list[str], curve: list[str]) -> None:
        self.network, self.x, self.names, self.curve = network, x, names, curve
        self.choices: dict[tuple[str, int], Choice] = {}
        for i, name in enumerate(names):
            self.choices["without", i] = lesion(network, name)
        for k in range(len(curve)):
            self.choices["first", k] = keep_first(network, curve, k)
        for k in range(1, len(curve)):
            self.choices["last", k] = keep_last(network, curve, k)

    def judged(self, judge: Judge, progress: Progress) -> Judged:
        """The scores of all choices."""
        keys, total = list(self.choices), len(self.choices) * len(self.x)
        whole = judge.answers(judge.model.scores_of(self.x))
        found: dict[tuple[str, int], Scores] = {}
        network, choices = self.network, list(self.choices.values())
        told: Callable[[int], object] = lambda done: progress(done, total)  # noqa: E731
        for k, scores in scores_without(network, self.x, self.curve, choices, told):
            found[keys[k]] = judge.scores(judge.answers(scores), whole)
        own = judge.scores(whole, whole)
        if not self.names:
            return own, {}, [], []
        without = {name: found["without", i] for i, name in enumerate(self.names)}
        count = len(self.curve)
        first = [found["first", k] for k in range(count)]
        last = [first[0], *(found["last", k] for k in range(1, count))]
        return own, without, [*first, own], [*last, own]


def _look_at(model: Model, rows: Rows, row: int, names: list[str]) -> RowGates:
    """The gates of one row."""
    one = rows.take(slice(row, row + 1))
    layers = {p.name: p for p in model.network.nested()}
    gates = {
        name: by_step_and_unit(layers[name], shown["gate"])[0].tolist()
        for name, shown in model.watch(one, layers=names).items()
        if "gate" in shown
    }
    output = model.contract.output
    label = None
    if output is not None and output.has_labels(one):
        label = output.labels_of(one)[0]
    answers = model.predict(one)
    answer = answers[0] if model.classes is None else model.labels(answers)[0]
    text = {
        name: printable(str(cells[0]))
        for name, cells in (one.columns or {}).items()
        if cells.dtype.kind in "UO" and isinstance(cells[0], str)
    }
    return RowGates(row, _plain(label), _plain(answer), text, gates)


def _plain(value: object) -> object:
    """A value of NumPy as one of Python."""
    found = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    return found[0] if isinstance(found, list) and len(found) == 1 else found
