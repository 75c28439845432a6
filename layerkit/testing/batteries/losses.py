"""Losses: one number per row, its gradient, and rows that do not affect each other."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, get_args

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.parts import Link, Loss, Target
from layerkit.discovery.engines import compiled_engine, trouble
from layerkit.display import quoted
from layerkit.execution.engine import Engine
from layerkit.execution.planned_engine import PLANNED
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import Recording, record_loss
from layerkit.recording.replay import replay
from layerkit.testing.arrays import close, equal, layouts, unchanged
from layerkit.testing.central_differences import kink_note, slopes_of
from layerkit.testing.forms import Results, compare
from layerkit.testing.idle_settings import AFTER, FIX, WHY, refuse_idle
from layerkit.testing.layer_trial import F32, F64
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Example, Subject, Trial
from layerkit.testing.verdicts import Failed, at


class _Rows(NamedTuple):
    """Scores (n, k), targets and weights (n,) for a loss."""

    scores: Array
    targets: Array
    weights: Array


class _Trial(Trial):
    """A loss and its calls."""

    part: Loss

    def rows(self, n: int, k: int = 4, dtype: np.dtype[np.generic] = F64) -> _Rows:
        """Random rows with targets of the kind that the loss declares."""
        draws = self.subject.rng("rows", n, k)
        scores = 3 * draws.standard_normal((n, k)).astype(dtype)
        targets: Array = draws.standard_normal((n, k)).astype(dtype)
        if self.part.least > -np.inf:
            targets = self.part.least + np.abs(targets)
        if self.part.target == "class":
            targets = draws.integers(0, k, n)
        elif self.part.target == "binary":
            targets = draws.integers(0, 2, (n, k)).astype(dtype)
        return _Rows(scores, targets, draws.uniform(0.1, 2, n).astype(dtype))

    def run(self, rows: _Rows) -> tuple[Array, Array]:
        """(loss of each row, dL/dscores), copied."""
        ctx = Context(rows.scores.dtype, training=True)
        with self.catch(f"feed of scores {list(rows.scores.shape)}"):
            loss = np.array(self.part.feed(rows.scores, rows.targets, ctx))
        with self.catch("backprop"):
            return loss, np.array(self.part.backprop(rows.weights, ctx))


BATTERY = Battery("pass.runs", trial=_Trial)


@BATTERY.rule(
    "pass.runs",
    why="Training weights the loss of each row, so it needs one number per row, and dL/dscores.",
    fix="declare `target` and `link`; feed returns (n,), backprop (n, k)",
    needs=("settings.constructor",),
)
def _runs(trial: _Trial) -> None:
    for name, words in (("target", get_args(Target)), ("link", get_args(Link))):
        found = getattr(trial.part, name, None)
        if found not in words:
            raise Failed(f"{name}: expected one of {', '.join(words)}, got {quoted(found)}")
    for n, k in ((5, 4), (1, 2), (0, 3)):
        loss, d = trial.run(trial.rows(n, k))
        if loss.shape != (n,):
            raise Failed(
                f"feed of scores {[n, k]}: expected shape {[n]}, got {list(loss.shape)}",
                "return one number per row: take the mean or sum over axis 1 only",
            )
        if d.shape != (n, k):
            raise Failed(f"backprop: expected shape {[n, k]}, got {list(d.shape)}")


@BATTERY.rule(
    "gradient.scores",
    why="All of training follows this one gradient.",
    fix="dL/dscores is weights * dloss/dscores, row by row; a mean over rows is in the weights",
)
def _gradient(trial: _Trial) -> str | None:
    kinks = tried = 0
    for n, k in ((1, 3), (4, 2), (3, 5)):
        with at(f"scores of shape {[n, k]}"):
            kinks += _count_kinks(trial, n, k)
        tried += n * k
    return kink_note(kinks, tried)


def _count_kinks(trial: _Trial, n: int, k: int) -> int:
    """Kinks among the coordinates of a right gradient; fails at the worst coordinate."""
    rows = trial.rows(n, k)
    scores = rows.scores.copy()

    def loss() -> float:
        ctx = Context(F64, training=True)
        return float(rows.weights @ trial.part.feed(scores.copy(), rows.targets, ctx))

    numeric = slopes_of(loss, scores)
    found = trial.run(rows)[1].reshape(-1)
    wrong = numeric.wrong(found, 1e-6)
    if wrong.any():
        i = numeric.worst(found, wrong)
        raise Failed(
            f"dL/dscores is wrong in {int(wrong.sum())} of {n * k} coordinates; at "
            f"{list(divmod(i, k))} expected {numeric.value[i]:.6g}, got {found[i]:.6g}"
            + _factor(found, numeric.value, k, n)
        )
    return int(numeric.kink.sum())


def _factor(found: Array, correct: Array, k: int, n: int) -> str:
    """A factor that explains the difference, if any."""
    factor = float(found @ correct) / max(float(correct @ correct), 1e-300)
    if not factor or not close(found, factor * correct, 1e-6):
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
def _split(trial: _Trial) -> None:
    rows = trial.rows(6)
    loss, d = trial.run(rows)
    for i in range(6):
        alone, slope = trial.run(_Rows(*(array[i : i + 1] for array in rows)))
        if not (close(alone, loss[i : i + 1]) and close(slope, d[i : i + 1])):
            raise Failed("a row alone has another loss or gradient than among others")
    order = np.array([3, 0, 5, 2, 1, 4])
    mixed, _ = trial.run(_Rows(*(array[order] for array in rows)))
    if not close(mixed, loss[order]):
        raise Failed("rows in another order have other losses")


@BATTERY.rule(
    "update.zero_gradient",
    why="Rows of weight 0 must not affect training.",
    fix="multiply the whole gradient by the weights",
)
def _zero(trial: _Trial) -> None:
    rows = trial.rows(5)
    if trial.run(rows._replace(weights=np.zeros(5)))[1].any():
        raise Failed("with weights of 0 dL/dscores is not 0")
    twice = trial.run(rows._replace(weights=2 * rows.weights))[1]
    if not close(twice, 2 * trial.run(rows)[1]):
        raise Failed("with doubled weights dL/dscores does not double")


@BATTERY.rule(
    "input.unchanged",
    why="Scores, targets and weights belong to the training loop, which still needs them.",
    fix="write results elsewhere: `r = scores - targets`, not `scores -= targets`",
)
def _unchanged(trial: _Trial) -> None:
    rows = trial.rows(5)
    with unchanged("the loss", rows._asdict()):
        trial.run(rows)


@BATTERY.rule(
    "input.layouts",
    why="Most layers return feature-major scores.",
    fix="use shapes and not memory; np.ascontiguousarray(scores) where it matters",
)
def _layouts(trial: _Trial) -> None:
    rows = trial.rows(6)
    loss, d = trial.run(rows)
    with layouts(rows.scores) as others, layouts(rows.targets) as targets:
        for name, scores in others.items():
            found, slope = trial.run(_Rows(scores, targets[name], rows.weights))
            if not (close(found, loss) and close(slope, d)):
                raise Failed(f"with {name} scores the loss or its gradient is different")


@BATTERY.rule(
    "feeds.interleaved",
    why="Two passes may overlap; each backprop belongs to its own feed.",
    fix="ctx.save(...) in feed and ctx.saved in backprop; nothing in self",
)
def _interleaved(trial: _Trial) -> None:
    rows = trial.rows(5)
    batches = (rows, rows._replace(scores=rows.scores[::-1].copy()))
    expected = [trial.run(batch)[1] for batch in batches]
    contexts = [Context(F64, training=True) for _ in batches]
    for batch, ctx in zip(batches, contexts, strict=True):
        trial.part.feed(batch.scores, batch.targets, ctx)
    for ctx, d in zip(contexts, expected, strict=True):
        if not equal(np.array(trial.part.backprop(rows.weights, ctx)), d):
            raise Failed("a feed between feed and backprop changes the gradient")


@BATTERY.rule(
    "dtype.float32",
    why="Backprop starts here: a float64 gradient would make all of it float64.",
    fix="let NumPy compute in the dtype of the scores; the weights may be of another",
)
def _float32(trial: _Trial) -> None:
    for dtype in (F32, F64):
        for weights in (F32, F64):
            rows = trial.rows(4, dtype=dtype)
            _, d = trial.run(rows._replace(weights=rows.weights.astype(weights)))
            if d.dtype != dtype:
                raise Failed(
                    f"dL/dscores: expected {dtype} for {dtype} scores and {weights} weights, got "
                    f"{d.dtype}"
                )


@BATTERY.rule(
    "scale.extreme",
    why="A confident wrong answer must give a large loss, not NaN, which ends a training.",
    fix="subtract the maximum before exp; use log1p and the form max(s, 0) - s t + log(1 + "
    "exp(-|s|))",
)
def _extreme(trial: _Trial) -> None:
    for scale in (0.0, 1e-15, 1e4):
        for dtype in (F32, F64):
            rows = trial.rows(6, dtype=dtype)
            loss, d = trial.run(rows._replace(scores=rows.scores * dtype.type(scale)))
            if not (np.isfinite(loss).all() and np.isfinite(d).all()):
                raise Failed(f"{dtype} scores near {scale:g} give NaN or infinity")


@BATTERY.once("settings.effect", why=WHY, fix=FIX, needs=AFTER)
def _effect(subject: Subject) -> None:
    def computed(example: Example) -> list[bytes]:
        trial = _Trial(subject, example)
        return [array.tobytes() for array in trial.run(trial.rows(16))]

    refuse_idle(subject, computed)


_ENGINE = "report it with the loss: what layerkit makes of a record must give the record's numbers"


def _recorded(trial: _Trial, rows: _Rows) -> Recording | NotRecorded:
    """The recording of the loss, or why there is none."""
    targets = rows.targets
    try:
        return record_loss(
            trial.part, rows.scores.shape[1:], rows.scores.dtype, targets.shape[1:], targets.dtype
        )
    except NotRecorded as refusal:
        return refusal


def _results(losses: Array, slope: Array, weights: Array) -> Results:
    words = frozenset(("dL/dscores",))
    scale = float(np.abs(weights).max(initial=0))
    return Results({"the loss": np.array(losses), "dL/dscores": np.array(slope)}, "", words, scale)


@BATTERY.rule(
    "recorded.replay",
    why="layerkit records a loss's operations once and runs the record in place of the methods.",
    fix="let the number of rows decide nothing, and read no value that changes between calls",
    needs=("dtype.float32", "input.unchanged"),
)
def _replay(trial: _Trial) -> str:
    for dtype in (F64, F32):
        recording = _recorded(trial, trial.rows(3, dtype=dtype))
        if isinstance(recording, NotRecorded):
            return f"not recorded, it runs as it is written, slower: {recording}"

        def written(*batch: Array) -> Results:
            return _results(*trial.run(_Rows(*batch)), batch[2])

        def replayed(*batch: Array, recording: Recording = recording) -> Results:
            inputs = dict(zip(("x", "targets", "weights"), batch, strict=True))
            found = replay(recording, inputs, len(batch[0]))
            return _results(found.y, found.dx if found.dx is not None else found.y, batch[2])

        with at(dtype):
            batches = partial(trial.rows, dtype=dtype)
            compare("the record", replayed, written, batches, bits=True)
    return "recorded"


@BATTERY.rule(
    "recorded.planned",
    why="Trainings run a loss's record as NumPy steps in memory that is used again and again.",
    fix=_ENGINE,
    needs=("recorded.replay",),
)
def _planned(trial: _Trial) -> str | None:
    notes = [_check_engine(trial, PLANNED, dtype) for dtype in (F64, F32)]
    return notes[0]


@BATTERY.rule(
    "recorded.compiled",
    why="With the extra `fast` trainings run a loss's record as native code.",
    fix=_ENGINE,
    needs=("recorded.replay",),
)
def _compiled(trial: _Trial) -> str | None:
    if reason := trouble():
        return f"nothing is compiled here: {reason}"
    return _check_engine(trial, compiled_engine(), F32)


def _check_engine(trial: _Trial, engine: Engine, dtype: np.dtype[Any]) -> str | None:
    """Compare the engine's form with the methods as written."""
    recording = _recorded(trial, trial.rows(3, dtype=dtype))
    if isinstance(recording, NotRecorded):
        return "not recorded"
    if refused := engine.refuses(recording):
        return f"not in this form: {refused}"
    with trial.catch("making the form"):
        form = engine.loss(recording)

    def written(*batch: Array) -> Results:
        losses, slope = trial.run(_Rows(*batch))
        return _results(np.asarray(losses @ batch[2], dtype), slope, batch[2])

    def learned(*batch: Array) -> Results:
        with trial.catch("the form"), np.errstate(all="ignore"):
            lost, slope = form.learn(*batch)
        return _results(np.asarray(lost, dtype), slope, batch[2])

    with at(dtype):
        batches = partial(trial.rows, dtype=dtype)
        compare(f"the {engine.type_name} form", learned, written, batches, bits=False)
    return None
