"""Where rows do not meet, a batch cut in two gives the same rows, and gradients that add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit.recording.record import record
from layerkit.recording.replay import replay
from tests.unit.recording import test_idioms as idioms
from tests.unit.recording.eager import Case
from tests.unit.recording.test_record import LAYERS, case_of

APART = {
    *("dense", "dense tanh", "highway", "projection", "layernorm", "layernorm of two axes"),
    *("maxout", "conv", "recurrent", "embedding", "container"),
}

APART_IDIOMS = {
    *(idioms.set_all, idioms.set_columns, idioms.zeros_then_added, idioms.out_by_keyword),
    *(idioms.out_by_position, idioms.in_place_operators),
    *(idioms.view_written, idioms.written_through_the_transpose),
    *(idioms.mask_set_numbers, idioms.fixed_mask_read),
    *(idioms.copies_do_not_share, idioms.constants_changed_between_uses),
    *(idioms.choices, idioms.casts, idioms.signed_zeros, idioms.stream_of_a_seed),
}


def halves_agree(case: Case, recording: Any, n: int = 9, cut: int = 4) -> bool:
    given = case.rows(n)
    parts = [slice(None, cut), slice(cut, None)]
    whole, *pieces = (
        replay(
            recording,
            {k: v[part] for k, v in given.items()},
            len(given["x"][part]),
            params=case.params,
            state=case.state,
            rng=np.random.default_rng(1),
        )
        for part in (slice(None), *parts)
    )
    rows: list[tuple[Any, Any]] = [(whole.y, [piece.y for piece in pieces])]
    if whole.dx is not None:
        rows.append((whole.dx, [piece.dx for piece in pieces]))
    agree = all(np.allclose(a, np.concatenate(b), equal_nan=True) for a, b in rows)
    sums = {k: pieces[0].grads[k] + pieces[1].grads[k] for k in whole.grads}
    return agree and all(np.allclose(v, sums[k]) for k, v in whole.grads.items())


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_known_to_be_rowwise_or_not(name: str) -> None:
    case = case_of(name, np.float64)
    recording = record(
        case.layer, case.in_shape, np.float64, training=True, keeps=True, whole=case.whole
    )
    assert recording.rowwise == (name in APART)
    if recording.rowwise:
        assert halves_agree(case, recording)


@pytest.mark.parametrize("idiom", idioms.RECORDED, ids=idioms.name_of)
def test_what_is_called_rowwise_is(idiom: Any) -> None:
    case = Case(idioms.One(idiom), (4,), np.float64)
    recording = record(case.layer, (4,), np.float64, training=True, keeps=True)
    if recording.rowwise:
        assert halves_agree(case, recording)
    assert recording.rowwise or idiom not in APART_IDIOMS


MEET: dict[str, Any] = {
    "mean of the rows": lambda x: x - x.mean(axis=0),
    "mean of all": lambda x: x - x.mean(),
    "largest of the rows": lambda x: x / np.max(x, axis=0),
    "number of rows": lambda x: x / len(x),
    "numbers of the rows": lambda x: (x.T + np.arange(len(x))).T,
    "row by row": lambda x: x @ (x.T @ x),
    "turned round": lambda x: x[::-1],
    "sorted": lambda x: np.sort(x, axis=0),
    "summed on": lambda x: np.cumsum(x, axis=0),
    "one row": lambda x: x + x[0],
    "picked rows": lambda x: x[x.argmax(axis=1)],
    "rolled": lambda x: np.roll(x, 1, axis=0),
    "halves side by side": lambda x: np.concatenate([x, x])[::-1][: len(x)],
    "rows as features": lambda x: x.T.reshape(x.shape),
    "product over rows": lambda x: x * x.prod(axis=0),
    "scattered among rows": lambda x: _scattered(x),
    "sum for all rows": lambda x: np.zeros_like(x) + x.sum(axis=0),
    "sum picked by rows": lambda x: x * x.sum(axis=0)[x.argmax(axis=1)][:, None],
    "feature picked by the number of rows": lambda x: x * np.ones_like(x, shape=9)[len(x)],
}


def _scattered(x: Any) -> Any:
    y = np.zeros_like(x)
    np.add.at(y, x.argmax(axis=1), 1)
    return y


@pytest.mark.parametrize("name", MEET)
def test_rows_that_meet_are_seen(name: str) -> None:
    layer = idioms.One(lambda x, c, s: MEET[name](x))
    assert not record(layer, (4,), np.float64, training=True, keeps=True).rowwise


def writes_state(x: Any, c: Any, s: Any) -> Any:
    s.state["s"] = s.state["s"] + 1
    return x * 2


def draws(x: Any, c: Any, s: Any) -> Any:
    c.rng.random()
    return x * 2


@pytest.mark.parametrize("function", [writes_state, draws])
def test_a_batch_that_writes_state_or_draws_stays_whole(function: Any) -> None:
    layer = idioms.One(function)
    assert not record(layer, (4,), np.float64, training=True, keeps=True).rowwise


GRADIENTS: dict[str, tuple[Any, bool]] = {
    "sum": (lambda dy: dy.sum(axis=0), True),
    "product": (lambda dy: dy.T @ dy[:, 0], True),
    "zero": (lambda dy: np.zeros_like(dy, shape=4), True),
    "sum of sums": (lambda dy: 0 - dy.sum(axis=0) + (dy * dy).sum(axis=0), True),
    "picked sum": (lambda dy: dy.sum(axis=0)[::-1][[0, 1, 1, 2]], True),
    "einsum": (lambda dy: np.einsum("ni,n->i", dy, dy[:, 1]), True),
    "einsum of rows with rows": (lambda dy: np.einsum("ni,mi->i", dy, dy), False),
    "tensordot": (lambda dy: np.tensordot(dy, dy[:, 1], (0, 0)), False),
    "mean": (lambda dy: dy.mean(axis=0), False),
    "sum and one": (lambda dy: dy.sum(axis=0) + 1, False),
    "square of a sum": (lambda dy: dy.sum(axis=0) ** 2, False),
    "product of sums": (lambda dy: dy.sum(axis=0) * dy.sum(axis=0), False),
    "largest": (lambda dy: dy.max(axis=0), False),
    "constant": (lambda dy: np.ones_like(dy, shape=4), False),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_must_be_plain_sums(name: str) -> None:
    function, apart = GRADIENTS[name]

    class Layer(idioms.One):
        def backprop(self, dy: Any, ctx: Any) -> Any:
            self.grads["w"] = function(dy)
            return dy * self.params["w"]

    case = Case(Layer(lambda x, c, s: x * s.params["w"]), (4,), np.float64)
    recording = record(case.layer, (4,), np.float64, training=True, keeps=True)
    assert recording.rowwise == apart
    if name != "tensordot":  # which is a sum that no rule knows
        assert halves_agree(case, recording) == apart
