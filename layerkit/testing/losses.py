"""The battery of losses: a number a row, its gradient, and rows that do not see each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args

import numpy as np

from layerkit.core.layer import Array, Context
from layerkit.core.parts import Link, Loss, Target
from layerkit.display import quoted
from layerkit.execution.kernels import kernels_for_training
from layerkit.testing.bench import F32, F64, close, equal
from layerkit.testing.layer_memory import layouts
from layerkit.testing.numeric import slopes
from layerkit.testing.rules import Battery, Failed
from layerkit.testing.subject import Example, Subject, calling

__all__ = ["BATTERY"]

BATTERY = Battery("pass.runs")


class _Rows(NamedTuple):
    """Scores (n, k), targets and weights (n,) that a loss may be given."""

    scores: Array
    targets: Array
    weights: Array


def _rows(subject: Subject, n: int, k: int = 4, dtype: np.dtype[np.generic] = F64) -> _Rows:
    draws = subject.rng("rows", n, k)
    scores = 3 * draws.standard_normal((n, k)).astype(dtype)
    targets: Array = draws.standard_normal((n, k)).astype(dtype)
    if subject.part.target == "class":  # type: ignore[attr-defined]
        targets = draws.integers(0, k, n)
    elif subject.part.target == "binary":  # type: ignore[attr-defined]
        targets = draws.integers(0, 2, (n, k)).astype(dtype)
    return _Rows(scores, targets, draws.uniform(0.1, 2, n).astype(dtype))


def _pass(subject: Subject, part: Loss, rows: _Rows) -> tuple[Array, Array]:
    """(loss of each row, dL/dscores), copied."""
    ctx = Context(rows.scores.dtype, training=True)
    with calling(subject.part, f"feed of scores {list(rows.scores.shape)}"):
        loss = np.array(part.feed(rows.scores, rows.targets, ctx))
    with calling(subject.part, "backprop"):
        return loss, np.array(part.backprop(rows.weights, ctx))


def _parts(subject: Subject) -> Iterator[tuple[Example, Loss]]:
    for case in subject.examples:
        yield case, subject.make(case.config)


@BATTERY.rule(
    "pass.runs",
    why="Training weighs the loss of each row, so it needs one number a row, and dL/dscores.",
    fix="declare `target` and `link`; feed returns (n,), backprop (n, k)",
    needs=("settings.constructor",),
)
def _runs(subject: Subject) -> str | None:
    for name, words in (("target", get_args(Target)), ("link", get_args(Link))):
        found = getattr(subject.part, name, None)
        if found not in words:
            raise Failed(f"{name} is {quoted(found)}, one of {', '.join(words)} is wanted")
    for case, part in _parts(subject):
        for n, k in ((5, 4), (1, 2), (0, 3)):
            rows = _rows(subject, n, k)
            loss, d = _pass(subject, part, rows)
            if loss.shape != (n,):
                raise Failed(
                    f"{case}: feed of scores {[n, k]} gave shape {list(loss.shape)}, not {[n]}",
                    "one number a row: take the mean or sum over axis 1 only",
                )
            if d.shape != (n, k):
                raise Failed(f"{case}: backprop gave shape {list(d.shape)}, not {[n, k]}")
    return None


@BATTERY.rule(
    "gradient.scores",
    why="All of training follows this one gradient.",
    fix="dL/dscores is weights * dloss/dscores, row by row; a mean over rows is in the weights",
)
def _gradient(subject: Subject) -> str | None:
    kinks = 0
    for case, part in _parts(subject):
        for n, k in ((1, 3), (4, 2), (3, 5)):
            rows = _rows(subject, n, k)
            places = list(np.ndindex(n, k))

            def moved(
                i: int,
                step: float,
                rows: _Rows = rows,
                places: list[tuple[int, ...]] = places,
                part: Loss = part,
            ) -> float:
                at = rows.scores.copy()
                at[places[i]] += step
                loss = part.feed(at, rows.targets, Context(F64, training=True))
                return float(rows.weights @ loss)

            numeric = slopes(moved, len(places))
            _, found = _pass(subject, part, rows)
            wrong = numeric.wrong(found.reshape(-1), 1e-6)
            kinks += int(numeric.kink.sum())
            if wrong.any():
                i = int(np.argmax(np.where(wrong, np.abs(found.reshape(-1) - numeric.value), -1)))
                raise Failed(
                    f"{case}, scores of shape {list(rows.scores.shape)}: dL/dscores is wrong in "
                    f"{int(wrong.sum())} of {len(places)} coordinates; at {list(places[i])} it is "
                    f"{found.reshape(-1)[i]:.6g}, should be {numeric.value[i]:.6g}"
                    + _ratio(found.reshape(-1), numeric.value, k, n)
                )
    return f"{kinks} coordinates lie on a kink, where a range was allowed" if kinks else None


def _ratio(found: Array, wanted: Array, k: int, n: int) -> str:
    """A factor that would explain the difference."""
    factor = float(found @ wanted) / max(float(wanted @ wanted), 1e-300)
    if not factor or not close(found, factor * wanted, 1e-6):
        return ""
    known = {k: f"{k}, the number of outputs", n: f"{n}, the number of rows", -1: "-1, the sign"}
    inverse = known.get(round(1 / factor)) if abs(1 / factor - round(1 / factor)) < 1e-6 else None
    direct = known.get(round(factor)) if abs(factor - round(factor)) < 1e-6 else None
    words = direct or (f"1 / {inverse}" if inverse else f"{factor:.6g}")
    return f"\nlikely: a factor of {words}"


@BATTERY.rule(
    "batch.split",
    why="Batches are cut anywhere; the loss of a row must not depend on the others.",
    fix="no mean, sum or maximum over axis 0",
)
def _split(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        rows = _rows(subject, 6)
        loss, d = _pass(subject, part, rows)
        for i in range(6):
            one = _Rows(*(array[i : i + 1] for array in rows))
            alone, slope = _pass(subject, part, one)
            if not (close(alone, loss[i : i + 1]) and close(slope, d[i : i + 1])):
                raise Failed(f"{case}: a row alone has another loss or gradient than among others")
        order = np.array([3, 0, 5, 2, 1, 4])
        mixed, _ = _pass(subject, part, _Rows(*(array[order] for array in rows)))
        if not close(mixed, loss[order]):
            raise Failed(f"{case}: rows in another order have other losses")
    return None


@BATTERY.rule(
    "update.zero_gradient",
    why="Rows that weigh nothing must teach nothing.",
    fix="multiply the whole gradient by the weights",
)
def _zero(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        rows = _rows(subject, 5)
        if _pass(subject, part, rows._replace(weights=np.zeros(5)))[1].any():
            raise Failed(f"{case}: with weights of 0 dL/dscores is not 0")
        twice = _pass(subject, part, rows._replace(weights=2 * rows.weights))[1]
        if not close(twice, 2 * _pass(subject, part, rows)[1]):
            raise Failed(f"{case}: with doubled weights dL/dscores does not double")
    return None


@BATTERY.rule(
    "input.unchanged",
    why="Scores, targets and weights belong to the training loop, which still needs them.",
    fix="write into memory of ctx.buffer, or into new arrays",
)
def _unchanged(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        rows = _rows(subject, 5)
        before = [array.copy() for array in rows]
        _pass(subject, part, rows)
        for name, array, kept in zip(rows._fields, rows, before, strict=True):
            if not equal(array, kept):
                raise Failed(f"{case}: the loss writes into {name}")
    return None


@BATTERY.rule(
    "input.layouts",
    why="Scores come feature-major from most layers.",
    fix="use shapes and not memory; np.copyto(ctx.buffer(...), scores) where it matters",
)
def _layouts(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        rows = _rows(subject, 6)
        loss, d = _pass(subject, part, rows)
        with layouts(rows.scores) as others, layouts(rows.targets) as targets:
            for name, scores in others.items():
                found, slope = _pass(subject, part, _Rows(scores, targets[name], rows.weights))
                if not (close(found, loss) and close(slope, d)):
                    raise Failed(f"{case}: with {name} scores the loss is another")
    return None


@BATTERY.rule(
    "feeds.interleaved",
    why="Two passes may overlap; each backprop belongs to its own feed.",
    fix="ctx.save(...) in feed and ctx.saved in backprop; nothing in self",
)
def _interleaved(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        rows = _rows(subject, 5)
        other = rows._replace(scores=rows.scores[::-1].copy())
        wanted = [_pass(subject, part, one)[1] for one in (rows, other)]
        contexts = [Context(F64, training=True) for _ in range(2)]
        for one, ctx in zip((rows, other), contexts, strict=True):
            part.feed(one.scores, one.targets, ctx)
        for ctx, d in zip(contexts, wanted, strict=True):
            if not equal(np.array(part.backprop(rows.weights, ctx)), d):
                raise Failed(f"{case}: a feed between feed and backprop changes the gradient")
    return None


@BATTERY.rule(
    "dtype.float32",
    why="The gradient starts here: in float64 it would make the whole backprop float64.",
    fix="let NumPy compute in the dtype of the scores; weights may be of another",
)
def _float32(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        for dtype in (F32, F64):
            for weights in (F32, F64):
                rows = _rows(subject, 4, dtype=dtype)
                _, d = _pass(subject, part, rows._replace(weights=rows.weights.astype(weights)))
                if d.dtype != dtype:
                    raise Failed(
                        f"{case}: for {dtype} scores and {weights} weights dL/dscores is {d.dtype}"
                    )
        if kernels_for_training():
            _hold_compiled(subject, case, part)
    return None


def _hold_compiled(subject: Subject, case: Example, part: Loss) -> None:
    """Hold ``compiled_judge`` in float32 against ``feed`` and ``backprop`` in float64."""
    for n, k in ((35, 4), (1, 2), (3, 1)):
        rows = _rows(subject, n, k, dtype=F32)
        out: Array = np.full_like(rows.scores, np.nan)
        with calling(subject.part, f"compiled_judge of scores {[n, k]}"):
            lost = part.compiled_judge(*rows, out)
        if lost is None:
            if not np.isnan(out).all():
                raise Failed(f"{case}: compiled_judge gives None, but has written into out")
            continue
        loss, d = _pass(subject, part, _Rows(rows.scores.astype(F64), *rows[1:]))
        if not close(np.array(lost), loss @ rows.weights, _SINGLE):
            raise Failed(
                f"{case}: compiled_judge of scores {[n, k]} gives {lost:.6g}, the losses of feed "
                f"weighed and added are {loss @ rows.weights:.6g}",
                "L is the sum of weights_i * loss_i, without a mean over rows",
            )
        if not close(out, d, _SINGLE):
            raise Failed(f"{case}: compiled_judge of scores {[n, k]} writes another dL/dscores")


_SINGLE = 1e-4


@BATTERY.rule(
    "scale.extreme",
    why="A confident wrong answer must give a large loss and not NaN, which ends a training.",
    fix="subtract the maximum before exp; use log1p and the form max(s, 0) - s t + log(1 + "
    "exp(-|s|))",
)
def _extreme(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        for scale in (0.0, 1e-15, 1e4):
            for dtype in (F32, F64):
                rows = _rows(subject, 6, dtype=dtype)
                rows = rows._replace(scores=rows.scores * dtype.type(scale))
                loss, d = _pass(subject, part, rows)
                if not (np.isfinite(loss).all() and np.isfinite(d).all()):
                    raise Failed(f"{case}: {dtype} scores near {scale:g} give NaN or infinity")
    return None
