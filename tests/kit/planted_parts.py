"""Parts of the other kinds: a sound one of each, and one bug for each check: ``PLANTED``.

The equations: y = tanh(z), dz = dy (1 - y^2); loss = mean (s - t)^2, ds = 2 w (s - t) / k;
p := p - rate m, m := 0.9 m + g; factor = 1 / (1 + t); value = mean w (p - t)^2. Source: own work.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from layerkit import (
    Activation,
    Array,
    Callback,
    Context,
    DataSource,
    DataSourceError,
    Dimension,
    Exporter,
    History,
    Importer,
    Initializer,
    Loss,
    Metric,
    Optimizer,
    Part,
    Reader,
    Renderer,
    Rows,
    Schedule,
    Search,
    Shape,
    Trial,
    Weights,
    WeightsError,
)
from layerkit.fields import Fraction, NonNegative, Positive, Size
from layerkit.figures import Figure, Rule
from layerkit.recording.program import Program, unsupported
from layerkit.recording.replay import replay

PLANTED: list[tuple[str, type[Part], type[Part]]] = []


def planted(*checks: str) -> Any:
    def enter(cls: type[Part]) -> type[Part]:
        cls.type_name = f"kit.{cls.__name__.lower()}"
        PLANTED.extend((check, cls, cls.__mro__[1]) for check in checks)
        return cls

    return enter


# ---- activations


class Squash(Activation):
    """y = tanh(z)."""

    type_name = "kit.squash"

    def feed(self, z: Array) -> Array:
        return np.tanh(z)

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        dz: Array = dy * (1 - y**2)
        return dz


@planted("pass.runs")
class SumsUp(Squash):
    def feed(self, z: Array) -> Array:
        y: Array = np.tanh(z).sum(axis=-1)
        return y


@planted("gradient.slope")
class WrongSlope(Squash):
    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        dz: Array = dy * (1 - y)
        return dz


_OUTPUTS: dict[tuple[Any, ...], Array] = {}


@planted("memory.results")
class SharedOutput(Squash):
    """As `out=` invites to: one array for all calls of a shape."""

    def feed(self, z: Array) -> Array:
        out = _OUTPUTS.setdefault((z.shape, z.dtype), np.empty_like(z))
        return np.tanh(z, out=out)


@planted("input.unchanged")
class SpoilsY(Squash):
    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        dz = super().backprop(dy, z, y)
        if y.flags.writeable:
            y *= 0
        return dz


@planted("batch.elementwise")
class Softmax(Squash):
    def feed(self, z: Array) -> Array:
        y = np.tanh(z)
        mixed: Array = y + 0.1 * y.sum()
        return mixed


@planted("input.layouts")
class ByMemory(Squash):
    def feed(self, z: Array) -> Array:
        return np.tanh(z.ravel(order="K")).reshape(z.shape)


@planted("dtype.float32")
class Coarse(Squash):
    """Right in float64; in float32 off by more than rounding."""

    def feed(self, z: Array) -> Array:
        y = np.tanh(z)
        return y + np.float32(1e-3) if z.dtype == np.float32 else y


@planted("scale.extreme")
class Overflows(Squash):
    def feed(self, z: Array) -> Array:
        with np.errstate(all="ignore"):
            a, b = np.exp(z), np.exp(-z)
            y: Array = (a - b) / (a + b)
        return y


# ---- initializers


class Normal(Initializer):
    """W ~ N(0, 1)."""

    type_name = "kit.normal"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        return rng.normal(size=shape)


@planted("pass.runs")
class SingleStart(Normal):
    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        return rng.normal(size=shape).astype(np.float32)


@planted("stochastic.replay")
class OwnStream(Normal):
    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        return np.random.default_rng().normal(size=shape)


_MADE: dict[Shape, Array] = {}


@planted("memory.fresh")
class SharedStart(Normal):
    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        return _MADE.setdefault(shape, np.ones(shape))


@planted("global.random")
class GlobalStream(Normal):
    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        return np.random.normal(size=shape)  # noqa: NPY002  # the bug


# ---- losses


class Squares(Loss):
    """loss = mean over the outputs of (s - t)^2."""

    type_name = "kit.squares"
    target = "real"
    link = "identity"

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        r = scores - targets
        ctx.save(r)
        loss: Array = np.square(r).mean(axis=1)
        return loss

    def backprop(self, weights: Array, ctx: Context) -> Array:
        (r,) = ctx.saved
        w = (2 * weights / r.shape[1]).astype(r.dtype)
        d: Array = r * w[:, None]
        return d


@planted("pass.runs")
class OneNumber(Squares):
    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        loss: Array = super().feed(scores, targets, ctx).mean()
        return loss


@planted("gradient.scores")
class ForgetsOutputs(Squares):
    def backprop(self, weights: Array, ctx: Context) -> Array:
        (r,) = ctx.saved
        d: Array = 2 * r * weights.astype(r.dtype)[:, None]
        return d


@planted("batch.split")
class Centred(Squares):
    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        loss = super().feed(scores, targets, ctx)
        return loss - (loss.mean() if len(loss) else 0)


@planted("update.zero_gradient")
class OwnPull(Squares):
    def backprop(self, weights: Array, ctx: Context) -> Array:
        d: Array = super().backprop(weights, ctx) + ctx.dtype.type(0.01)
        return d


@planted("input.unchanged")
class SpoilsScores(Squares):
    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        loss = super().feed(scores, targets, ctx)
        if scores.flags.writeable:
            scores -= targets
        return loss


@planted("input.layouts")
class ScoresByMemory(Squares):
    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        plain = scores.ravel(order="K").reshape(scores.shape)
        return super().feed(plain, targets, ctx)


@planted("feeds.interleaved")
class KeepsResidual(Squares):
    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        loss = super().feed(scores, targets, ctx)
        self.kept = ctx.saved
        return loss

    def backprop(self, weights: Array, ctx: Context) -> Array:
        ctx.begin()
        ctx.save(*self.kept)
        return super().backprop(weights, ctx)


@planted("dtype.float32")
class WidensByWeights(Squares):
    def backprop(self, weights: Array, ctx: Context) -> Array:
        (r,) = ctx.saved
        d: Array = 2 * r * weights[:, None] / r.shape[1]
        return d


@planted("scale.extreme")
class NaiveLog(Squares):
    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        with np.errstate(all="ignore"):
            loss = super().feed(scores, targets, ctx)
            return np.log(np.exp(loss))


@planted("recorded.replay")
class CountsScores(Squares):
    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        loss = super().feed(scores, targets, ctx)
        return loss if len(loss) <= 100 else 2 * loss


class Focused(Squares):
    """loss = mean (s - t)^2 |s - t|^gamma."""

    type_name = "kit.focused"

    def __init__(self, *, gamma: Fraction = 0.5) -> None:
        self.gamma = gamma

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        super().feed(scores, targets, ctx)
        (r,) = ctx.saved
        return np.asarray((np.abs(r) ** (2 + self.power())).mean(axis=1))

    def backprop(self, weights: Array, ctx: Context) -> Array:
        (r,) = ctx.saved
        e, w = 2 + self.power(), weights.astype(r.dtype)[:, np.newaxis] / r.shape[1]
        return np.asarray(w * e * np.sign(r) * np.abs(r) ** (e - 1), r.dtype)

    def power(self) -> float:
        return self.gamma


@planted("settings.effect")
class FixedGamma(Focused):
    def power(self) -> float:
        return min(self.gamma, 0.125)


# ---- optimizers


class Heavy(Optimizer):
    """m := 0.9 m + g, p := p - rate m."""

    type_name = "kit.heavy"
    slot_names: ClassVar[tuple[str, ...]] = ("m",)

    def __init__(self, *, learning_rate: Positive = 0.1) -> None:
        self.learning_rate = learning_rate

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        (m,) = slots
        m *= 0.9
        m += g
        p -= np.multiply(m, self.rate, scratch)


@planted("pass.runs")
class StepsNowhere(Heavy):
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        p = p - self.rate * g


@planted("update.descends")
class Climbs(Heavy):
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        p += self.rate * g


@planted("update.rate")
class OwnRate(Heavy):
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        p -= self.learning_rate * g


@planted("update.zero_gradient")
class Decays(Heavy):
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        p -= self.rate * (g + 0.01 * p)


@planted("update.blocks")
class ByNorm(Heavy):
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        p -= self.rate * g / (1 + np.linalg.norm(g))


@planted("slots.resume")
class HiddenMemory(Heavy):
    slot_names = ()

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        held = getattr(self, "held", {})
        self.held = held
        m = held.setdefault(p.__array_interface__["data"][0], np.zeros_like(p))
        super().rule(p, g, [m], scratch)


@planted("dtype.float32")
class CoarseSteps(Heavy):
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        super().rule(p, g, slots, scratch)
        if p.dtype == np.float32:
            p += np.float32(0.01)


@planted("slots.written")
class LosesMomentum(Heavy):
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        (m,) = slots
        m = 0.9 * m + g
        p -= self.rate * m


class Shrinks(Heavy):
    """p := (1 - rate decay) p where decay applies, then the step of ``Heavy`` with ``mu``."""

    type_name = "kit.shrinks"

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.1,
        mu: Fraction = 0.9,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.mu = mu
        self.weight_decay = weight_decay

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        (m,) = slots
        self.shrink(p, scratch)
        m *= self.mu
        m += g
        p -= np.multiply(m, self.rate, scratch)


@planted("update.zero_gradient")
class DecaysBiases(Shrinks):
    def shrink(self, p: Array, scratch: Array) -> None:
        p -= self.rate * self.weight_decay * p


@planted("settings.effect")
class FixedMomentum(Shrinks):
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        twin = Shrinks(mu=max(self.mu, 0.95), weight_decay=self.weight_decay)
        twin.rate, twin.decay = self.rate, self.decay
        twin.rule(p, g, slots, scratch)


@planted("settings.effect")
class NeverDecays(Shrinks):
    def shrink(self, p: Array, scratch: Array) -> None:
        np.multiply(p, self.rate * self.weight_decay, scratch)  # and takes it from nothing


# ---- schedules


class Falling(Schedule):
    """factor = 1 / (1 + t)."""

    type_name = "kit.falling"

    def factor(self, epoch: float, epochs: int) -> float:
        return 1 / (1 + epoch)


@planted("pass.runs")
class BelowZero(Falling):
    def factor(self, epoch: float, epochs: int) -> float:
        return 1 - 2 * epoch / epochs


_asked = itertools.count(1)


@planted("stochastic.replay")
class CountsCalls(Falling):
    def factor(self, epoch: float, epochs: int) -> float:
        return 1 / next(_asked)


class Calming(Schedule):
    """factor = floor^(epochs since the best loss)."""

    type_name = "kit.calming"

    def __init__(self, *, floor: Fraction = 0.5) -> None:
        self.floor = floor

    @property
    def watched(self) -> tuple[str, ...]:
        return ("val_loss",)

    def factor(self, epoch: float, epochs: int) -> float:
        return 1.0

    def factor_after(self, epoch: float, epochs: int, history: History) -> float:
        losses = history["val_loss"]
        since = len(losses) - losses.index(min(losses)) - 1 if losses else 0
        return float(self.floor**since)


@planted("pass.runs")
class ReadsUnnamed(Calming):
    def factor_after(self, epoch: float, epochs: int, history: History) -> float:
        return super().factor_after(epoch, epochs, History({"val_loss": history["val_auc"]}))


@planted("pass.runs")
class ReadsThisEpoch(Calming):
    def factor_after(self, epoch: float, epochs: int, history: History) -> float:
        return super().factor_after(epoch, epochs, history) * abs(history["loss"][int(epoch)])


@planted("history.replay")
class KeepsTheBest(Calming):
    best = 1e9

    def factor_after(self, epoch: float, epochs: int, history: History) -> float:
        self.best = min([self.best, *history["val_loss"][-1:]])
        return 0.5 if history["val_loss"][-1:] > (self.best,) else 1.0


@planted("history.replay")
class CountsResults(Calming):
    def factor_after(self, epoch: float, epochs: int, history: History) -> float:
        return 1 / next(_asked)


@planted("settings.effect")
class FixedFloor(Calming):
    def factor_after(self, epoch: float, epochs: int, history: History) -> float:
        return Calming(floor=min(self.floor, 0.25)).factor_after(epoch, epochs, history)


@planted("settings.effect")
class FixedPeriod(Falling):
    def __init__(self, *, period: Size = 10) -> None:
        self.period = period

    def factor(self, epoch: float, epochs: int) -> float:
        return super().factor(epoch, epochs) / max(1, self.period // 100)


# ---- metrics


class MeanSquare(Metric):
    """value = weighted mean of (p - t)^2."""

    type_name = "kit.meansquare"
    target = ("real",)
    higher_is_better = False

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        rows = np.square(predictions - targets).mean(axis=1)
        return float(np.average(rows, weights=weights))


@planted("pass.runs")
class NumpyNumber(MeanSquare):
    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        return np.float32(super().value(predictions, targets, weights))  # type: ignore[return-value]


@planted("batch.permutation")
class FirstRowCounts(MeanSquare):
    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        return super().value(predictions, targets, weights) + float(np.abs(predictions[0]).sum())


@planted("batch.weights")
class IgnoresWeights(MeanSquare):
    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        return super().value(predictions, targets)


class Hits(Metric):
    """value = weighted share of the rows whose largest probability is that of their class."""

    type_name = "kit.hits"
    target = ("class",)
    higher_is_better = True

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        return self.weighted_mean(predictions.argmax(axis=1) == targets, weights)


class NearHits(Hits):
    """value = weighted share of the rows in which less than ``count`` classes are likelier."""

    type_name = "kit.nearhits"

    def __init__(self, *, count: Size = 2) -> None:
        self.count = count

    def limit(self) -> int:
        return self.count

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        right = predictions[np.arange(len(targets)), targets]
        likelier = (predictions > right[:, np.newaxis]).sum(axis=1)
        return self.weighted_mean(likelier < self.limit(), weights)


@planted("settings.effect")
class FixedCount(NearHits):
    def limit(self) -> int:
        return max(self.count, 5)


@planted("batch.weights")
class HitsIgnoreWeights(Hits):  # found whatever the seed
    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        return super().value(predictions, targets)


@planted("update.direction")
class WrongWay(MeanSquare):
    higher_is_better = True


@planted("input.unchanged")
class SpoilsPredictions(MeanSquare):
    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        found = super().value(predictions, targets, weights)
        predictions *= 0
        return found


# ---- callbacks


class TwoBest(Callback):
    """Keeps the weights of the second epoch, and ends the training after the third."""

    type_name = "kit.twobest"
    seen: list[float]

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        self.seen = [*self.seen, values["loss"]]
        if len(self.seen) == 2:
            self.training.keep()

    def over(self) -> str:
        return "three are enough" if len(self.seen) >= 3 else ""

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen} if self.seen else {}

    def restore(self, state: dict[str, Any]) -> None:
        self.seen = state.get("seen", [])
        if len(self.seen) >= 2:
            self.training.keep()


@planted("pass.runs")
class WantsMore(TwoBest):
    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        super().epoch(epoch, {"loss": values["val_accurracy"]})


@planted("state.plain")
class ArrayAsState(TwoBest):
    def state(self) -> dict[str, Any]:
        return {"seen": np.array(self.seen)} if self.seen else {}


@planted("stochastic.replay")
class SavesTimes(TwoBest):
    def state(self) -> dict[str, Any]:
        return {**super().state(), "at": time.perf_counter()}


@planted("training.unchanged")
class Nudges(TwoBest):
    def batch(self, done: int, rows: int) -> None:
        self.training.model.network.params[0] += 0.01


@planted("reuse.runs", "state.resume")
class NeverBeginsAnew(TwoBest):
    seen = []  # noqa: RUF012  # each epoch makes a new list

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


@planted("state.resume")
class ForgetsToKeepAgain(TwoBest):
    def restore(self, state: dict[str, Any]) -> None:
        self.seen = state.get("seen", [])


# ---- data sources


class Handful(DataSource):
    """Twelve rows of its own, and none at any place."""

    type_name = "kit.handful"

    def load(self, where: Path | None) -> dict[str, Rows]:
        if where is not None:
            raise DataSourceError(f"no rows at {where}")
        x = np.arange(24.0).reshape(12, 2)
        rows = Rows(x, labels=np.array(["a", "b", "c"] * 4))
        return {"train": rows.take(slice(0, 8)), "test": rows.take(slice(8, 12))}


@planted("pass.refuses")
class AnotherInstead(Handful):
    def load(self, where: Path | None) -> dict[str, Rows]:
        return super().load(None)


@planted("pass.loads")
class LosesALabel(Handful):
    def load(self, where: Path | None) -> dict[str, Rows]:
        splits = super().load(where)
        labels = splits["test"].labels
        assert labels is not None
        return {**splits, "test": replace(splits["test"], labels=labels[1:])}


@planted("stochastic.replay")
class ShufflesRows(Handful):
    def load(self, where: Path | None) -> dict[str, Rows]:
        splits = super().load(where)
        return {**splits, "train": splits["train"].take(np.roll(np.arange(8), next(_asked)))}


@planted("batch.disjoint")
class TestsOnTraining(Handful):
    def load(self, where: Path | None) -> dict[str, Rows]:
        train = super().load(where)["train"]
        return {"train": train, "test": train.take(slice(2, 6))}


# ---- readers


class Lines(Reader):
    """One number per line, after a line with their count."""

    type_name = "kit.lines"

    def tables(self, file: BinaryIO) -> Iterator[dict[str, list[float]]]:
        count, *lines = file.read().split(b"\n")
        if len(lines) != int(count):
            raise ValueError(f"expected {count!r} lines, got {len(lines)}")
        yield {"x": [float(line) for line in lines[:1]]}
        yield {"x": [float(line) for line in lines[1:]]}

    def example(self) -> tuple[bytes, dict[str, list[float]]]:
        return b"3\n1.5\n-2\n0", {"x": [1.5, -2.0, 0.0]}


@planted("pass.reads")
class LosesTheLast(Lines):
    def tables(self, file: BinaryIO) -> Iterator[dict[str, list[float]]]:
        yield next(super().tables(file))


@planted("pass.refuses")
class TakesTheHalf(Lines):
    def tables(self, file: BinaryIO) -> Iterator[dict[str, list[float]]]:
        _, *lines = file.read().split(b"\n")
        yield {"x": [float(line) for line in lines if line.isascii() and line]}


@planted("stochastic.replay")
class KeepsTheFile(Lines):
    def tables(self, file: BinaryIO) -> Iterator[dict[str, list[float]]]:
        yield from list(super().tables(file))[getattr(self, "begun", 0) :]
        self.begun = 1


# ---- exporters


class Kept(Exporter):
    """Its file is a number; the program with that number is kept and replayed."""

    type_name = "kit.kept"
    extension = ".kept"
    programs: ClassVar[list[Program]] = []

    def content(self, program: Program) -> bytes:
        for step in program.steps:
            for node in step.graph.nodes():
                if node.op == "call":
                    raise unsupported(step, node, "a kept program")
        key = [step.graph.y.serial for step in program.steps]
        if key not in (self.key(one) for one in self.programs):
            self.programs.append(program)
        return str([self.key(one) for one in self.programs].index(key)).encode()

    @staticmethod
    def key(program: Program) -> list[int]:
        return [step.graph.y.serial for step in program.steps]

    def run(self, content: bytes, rows: Array) -> Array:
        for step in self.programs[int(content)].steps:
            rows = replay(step.graph, {"x": rows}, len(rows), params=step.tensors).y
        return rows


@planted("pass.writes")
class Counted(Kept):
    count: ClassVar[int] = 0

    def content(self, program: Program) -> bytes:
        Counted.count += 1
        return super().content(program) + b" " * Counted.count


@planted("pass.equals")
class LosesDigits(Kept):
    def run(self, content: bytes, rows: Array) -> Array:
        return super().run(content, rows).astype(np.float16)


@planted("pass.refuses")
class LeavesOut(Kept):
    def content(self, program: Program) -> bytes:
        steps = [s for s in program.steps if all(n.op != "call" for n in s.graph.nodes())]
        return super().content(program._replace(steps=tuple(steps)))


# ---- importers


class Numbers(Importer):
    """Its file is the numbers of one tensor, after a word.

    Source: none.
    """

    type_name = "kit.numbers"
    extensions = (".numbers",)

    def weights(self, source: BinaryIO) -> Weights:
        word, *numbers = source.read().split()
        if word != b"numbers":
            raise WeightsError("expected the word `numbers` first")
        return Weights({"W": np.array([float(number) for number in numbers])})


@planted("pass.refuses")
class ReadsAll(Numbers):
    def weights(self, source: BinaryIO) -> Weights:
        return Weights({"W": np.frombuffer(source.read(), np.uint8) / 255})


# ---- figures


class Drawn(Renderer):
    """Its file is the figure in words.

    Source: none.
    """

    type_name = "kit.drawn"
    extension = ".drawn"

    def content(self, figure: Figure) -> bytes:
        return repr(figure).encode()


@planted("pass.writes")
class Numbered(Drawn):
    count: ClassVar[int] = 0

    def content(self, figure: Figure) -> bytes:
        Numbered.count += 1
        return super().content(figure) + b" " * Numbered.count


@planted("pass.shows")
class ForgetsRules(Drawn):
    def content(self, figure: Figure) -> bytes:
        panels = (
            replace(p, marks=tuple(m for m in p.marks if not isinstance(m, Rule)))
            for p in figure.panels
        )
        return super().content(replace(figure, panels=tuple(panels)))


# ---- searches


class Draws(Search):
    """Every field is drawn anew.

    Source: none.
    """

    type_name = "kit.draws"

    def suggest(
        self, space: Mapping[str, Dimension], trials: Sequence[Trial], rng: np.random.Generator
    ) -> Mapping[str, Any]:
        return {name: one.at(rng.random()) for name, one in space.items()}


@planted("suggest.inside")
class Overshoots(Draws):
    def suggest(
        self, space: Mapping[str, Dimension], trials: Sequence[Trial], rng: np.random.Generator
    ) -> Mapping[str, Any]:
        return {name: one.at(1.1 * rng.random()) for name, one in space.items()} | {"units": 2.5}


@planted("suggest.repeats")
class Counts(Draws):
    count: ClassVar[int] = 0

    def suggest(
        self, space: Mapping[str, Dimension], trials: Sequence[Trial], rng: np.random.Generator
    ) -> Mapping[str, Any]:
        Counts.count += 1
        rng = np.random.default_rng(Counts.count)
        return super().suggest(space, trials, rng)
