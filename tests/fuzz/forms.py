"""The judge: what forms of drawn layers give, against what their methods give as written."""

from __future__ import annotations

import copy
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.arrays import Arrays
from layerkit.core.context import Array, Context, Shape
from layerkit.core.layer import Layer
from layerkit.core.network import Network
from layerkit.core.parts import Loss
from layerkit.core.planning import PlannedLayer, plan_layers
from layerkit.discovery.registry import LOSSES
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import Recording, record, record_loss
from tests.fuzz.noise import Bound, Stirred, bound
from tests.fuzz.programs import WHOLE, Program

MARK = 7.25  # in gradients that nothing has written
Pair = tuple[PlannedLayer, Recording]
Make = Callable[..., Any]


class Pass(NamedTuple):
    """One pass through a net, and what the methods as written give."""

    x: Array
    dy: Array | None
    before: Moment
    y: Array
    dx: Array | None
    grads: Mapping[str, Array]
    after: Moment


class Moment(NamedTuple):
    """State and random streams at one moment."""

    state: Mapping[str, Array]
    streams: Mapping[str, Any]


@dataclass
class Net:
    """Layers over their parameters, one stream each."""

    network: Network
    in_shape: Shape
    streams: dict[str, np.random.Generator]
    whole: bool = False
    recordings: dict[str, Recording | str] = field(default_factory=dict)

    @classmethod
    def of(cls, layers: Sequence[Layer], in_shape: Shape, dtype: Any, seed: int) -> Net:
        """The net with random parameters and state."""
        named = [(f"l{i}", layer) for i, layer in enumerate(layers)]
        network = Network(plan_layers(named, in_shape), np.dtype(dtype))
        rng = np.random.default_rng(seed)
        for p in network.planned:
            for array in (*p.layer.params.values(), *p.layer.state.values()):
                array[...] = 0.5 * rng.standard_normal(array.shape)
        network.allocate_grads()
        streams = {p.name: np.random.default_rng([seed, i]) for i, p in enumerate(network.planned)}
        whole = bool(network.planned) and network.planned[0].plan.takes is not None
        return cls(network, in_shape, streams, whole)

    def moment(self) -> Moment:
        """State and streams as they are now."""
        state = {
            f"{p.name}.{k}": np.array(v)
            for p in self.network.planned
            for k, v in p.layer.state.items()
        }
        return Moment(
            state, {k: copy.deepcopy(s.bit_generator.state) for k, s in self.streams.items()}
        )

    def back_to(self, moment: Moment) -> None:
        """State and streams as they were."""
        for p in self.network.planned:
            for k, v in p.layer.state.items():
                v[...] = moment.state[f"{p.name}.{k}"]
        for name, position in moment.streams.items():
            self.streams[name].bit_generator.state = position

    def grads(self) -> dict[str, Array]:
        """Copies of all gradients."""
        assert self.network.grads is not None
        return {k: np.array(v) for k, v in self.network.split(self.network.grads).items()}

    def unwritten(self) -> None:
        """Mark all gradients as unwritten."""
        assert self.network.grads is not None
        self.network.grads[...] = MARK

    def rows(self, n: int, seed: int) -> tuple[Array, Array]:
        """x and dy for n rows."""
        rng = np.random.default_rng([n, seed])
        out = self.network.planned[-1].plan.out_shape
        x = rng.standard_normal((n, *self.in_shape))
        if self.whole:
            x = np.floor(WHOLE * rng.random(x.shape))
        return x.astype(self.network.dtype), rng.standard_normal((n, *out)).astype(
            self.network.dtype
        )

    def twin(self) -> Net:
        """The same parameters; gradients, state and streams of its own."""
        network = self.network.twin()
        for p in network.planned:
            p.layer.state = copy.deepcopy(p.layer.state)
        network.allocate_grads()
        return Net(
            network, self.in_shape, copy.deepcopy(self.streams), self.whole, dict(self.recordings)
        )


def eager(net: Net, n: int, seed: int, *, keeps: bool, training: bool) -> Pass | None:
    """One pass by the methods as written, or None where they raise."""
    x, dy = net.rows(n, seed)
    return by_methods(net, x, dy, keeps=keeps, training=training)


def by_methods(net: Net, x: Array, dy: Array, *, keeps: bool, training: bool) -> Pass | None:
    """The same for given rows."""
    network = net.network
    before = net.moment()
    net.unwritten()
    contexts = network.contexts(
        training=training, streams=net.streams if training else None, wants_dx=True, keeps=keeps
    )
    dx = None
    try:
        y = np.array(network.feed(x.copy(), contexts))
        if keeps:
            dx = np.array(network.backprop(dy.copy(), contexts))
    except Exception:  # noqa: BLE001  # a drawn layer may raise anything
        net.back_to(before)
        return None
    return Pass(x, dy if keeps else None, before, y, dx, net.grads(), net.moment())


def recordings(net: Net, *, keeps: bool, training: bool) -> list[Recording | str]:
    """The recording of each layer, or why there is none; equal layers share one."""
    found: list[Recording | str] = []
    for p in net.network.planned:
        key = f"{type(p.layer).__name__}{p.layer.config}{p.in_shape}{keeps}{training}"
        if key not in net.recordings:
            try:
                net.recordings[key] = record(
                    p.layer,
                    p.in_shape,
                    net.network.dtype,
                    training=training,
                    keeps=keeps,
                    plan=p.plan,
                )
            except NotRecorded as refusal:
                net.recordings[key] = str(refusal)
        found.append(net.recordings[key])
    return found


class Chain:
    """Stages of one form where layers could be recorded, and eager ones between."""

    def __init__(
        self, net: Net, make: Make, found: Sequence[Recording | str], *, keeps: bool, training: bool
    ) -> None:
        self.net = net
        self.stages: list[Any] = []
        run: list[Pair] = []
        for p, recording in zip(net.network.planned, found, strict=True):
            if isinstance(recording, str):
                self._close(run, make, keeps)
                run = []
                self.stages.append(_Eager(net, p, keeps=keeps, training=training))
            else:
                run.append((p, recording))
        self._close(run, make, keeps)

    def _close(self, run: list[Pair], make: Make, keeps: bool) -> None:
        if run:
            stage = make(self.net.network, run, keeps=keeps, wants_dx=True)
            for p, _ in run:
                stage.streams[p.name] = self.net.streams[p.name]
            self.stages.append(stage)

    def feed(self, x: Array) -> Array:
        """Scores."""
        for stage in self.stages:
            x = stage.feed(x)
        return x

    def backprop(self, dy: Array) -> Array:
        """dx."""
        for stage in self.stages[::-1]:
            dy = stage.backprop(dy)
        return dy


class _Eager:
    """A stage of one layer as it is written."""

    def __init__(self, net: Net, p: PlannedLayer, *, keeps: bool, training: bool) -> None:
        self.network = net.network.part([p])
        streams = net.streams if training else None
        self.contexts = self.network.contexts(
            training=training, streams=streams, wants_dx=True, keeps=keeps
        )

    def feed(self, x: Array) -> Array:
        # What a layer gives that writes into its input depends on the order of the memory.
        return self.network.feed(np.array(x, order="C"), self.contexts)

    def backprop(self, dy: Array) -> Array:
        return self.network.backprop(dy, self.contexts)


def laid_out(array: Array, how: int) -> Array:
    """The same numbers in other memory: at another place, by columns, or with gaps."""
    if how % 4 == 1:
        return np.asfortranarray(array)
    if how % 4 == 2:
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if how % 4 == 3:
        wide = np.zeros((len(array) + 3, *array.shape[1:]), array.dtype)
        wide[1 : len(array) + 1] = array
        return wide[1 : len(array) + 1]
    return array.copy()


@dataclass
class Judge:
    """Compares forms with passes; ``everywhere`` says that a form rounds in its own way."""

    net: Net
    relative: float
    keeps: bool
    training: bool
    everywhere: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    learning: Any = None  # the loss, its targets and weights, where dy comes from one
    plain: bool = False  # arrays lie in memory as NumPy makes them

    def stirred(self, one: Pass, sample: int) -> dict[str, Array]:
        """The results of a pass with noise."""
        found = recordings(self.net, keeps=self.keeps, training=self.training)
        noise = np.random.default_rng([sample, 99])
        results: dict[str, Array] = {}
        layers: list[tuple[str, Stirred | _Jogged]] = []
        x: Any = one.x
        for p, recording in zip(self.net.network.planned, found, strict=True):
            stream = np.random.default_rng()
            stream.bit_generator.state = one.before.streams[p.name]
            state = {k: np.array(one.before.state[f"{p.name}.{k}"]) for k in p.layer.state}
            leaves = {"param": p.layer.params, "state": state}
            layer: Stirred | _Jogged
            if isinstance(recording, str):
                rng = stream if self.training else None
                layer = _Jogged(p.layer, leaves, Context(x.dtype, rng=rng), noise, self)
            else:
                layer = Stirred(
                    recording.graph,
                    {"x": x},
                    leaves,
                    stream,
                    noise=noise,
                    everywhere=self.everywhere,
                )
            x = layer.feed() if isinstance(layer, Stirred) else layer.feed(x)
            results |= {f"state {p.name}.{k}": v for k, v in layer.state().items()}
            layers.append((p.name, layer))
        results["y"] = x
        if one.dy is not None:
            dy: Any = one.dy
            if self.learning:
                judged, targets, weights = self.learning
                inputs = {"x": x, "targets": targets}
                loss = Stirred(
                    judged.recording.graph,
                    inputs,
                    {},
                    None,
                    noise=noise,
                    everywhere=self.everywhere,
                )
                eps = 8 * np.finfo(x.dtype).eps * noise.uniform(-1, 1)
                results["lost"] = (loss.feed() * weights).sum() * (1 + eps)
                dy = loss.backprop(weights)
            for name, layer in layers[::-1]:
                dy = layer.backprop(dy)
                results |= {f"grad {name}.{k}": v for k, v in layer.grads().items()}
            if dy is not None:
                results["dx"] = dy
        return results

    def bound(self, key: str, value: Array, one: Pass, count: int) -> Bound:
        """How far a result may be off."""
        samples = []
        with np.errstate(all="ignore"):
            for k in range(count):
                results = self.stirred(one, k)
                if key in results:
                    samples.append(np.broadcast_to(results[key], value.shape).astype(value.dtype))
        return bound(value, samples, self.relative)

    def differs(self, key: str, wanted: Array, found: Array, one: Pass) -> str:
        """What is wrong with one result, or nothing."""
        alike = found.shape == wanted.shape and found.dtype == wanted.dtype
        if alike and np.array_equal(wanted, found, equal_nan=True):
            self.counts["same bits"] += 1
            return ""
        self.counts["other bits"] += 1
        if not self.bound(key, wanted, one, 2).misses(found):
            return ""
        fault = self.bound(key, wanted, one, 24).misses(found)
        return f"{key} {fault}" if fault else ""

    def faults(self, one: Pass, net: Net, y: Array, dx: Array | None) -> list[str]:
        """What is wrong with a pass of a form, that ran in ``net``."""
        after = net.moment()
        found = [self.differs("y", one.y, y, one)]
        for k, v in one.after.state.items():
            found.append(self.differs(f"state {k}", v, after.state[k], one))
        if one.dy is not None:
            assert one.dx is not None
            if dx is not None:
                found.append(self.differs("dx", one.dx, dx, one))
            grads = net.grads()
            found += [self.differs(f"grad {k}", v, grads[k], one) for k, v in one.grads.items()]
        if self.training and after.streams != one.after.streams:
            found.append("the random streams stand elsewhere")
        return [f"n = {len(one.x)}: {fault}" for fault in found if fault]

    def run(self, chain: Any, passes: Sequence[Pass]) -> list[str]:
        """Faults of a form in these passes, one after the other."""
        found: list[str] = []
        for k, one in enumerate(passes):
            chain.net.back_to(one.before)
            chain.net.unwritten()
            dx = None
            try:
                with np.errstate(all="ignore"):
                    k = 0 if self.plain else k
                    y = np.array(chain.feed(laid_out(one.x, k)))
                    if one.dy is not None:
                        how = 0 if self.plain else k + 1
                        got = chain.backprop(laid_out(one.dy, how))
                        dx = np.array(got)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a fault
                found.append(f"n = {len(one.x)}: raised {type(error).__name__}: {error}")
                return found
            found += self.faults(one, chain.net, y, dx)
            if found:
                return found
        return found


class LossJudge:
    """Compares a form of a drawn loss with its methods as written."""

    def __init__(self, program: Program, dtype: str, relative: float, counts: Counter[str]) -> None:
        self.program, self.dtype, self.relative = program, np.dtype(dtype), relative
        self.loss: Loss = program.build()()
        self.counts = counts
        self.everywhere = False

    def run(self, make: Callable[[Recording], Any], sizes: Sequence[int]) -> list[str]:
        """Faults for these numbers of rows, one after the other."""
        shape = self.program.in_shape
        whole = self.program.targets == "class"
        kind = np.dtype(np.int64 if whole else np.float64)
        try:
            target_shape = () if whole else shape
            recording = record_loss(self.loss, shape, self.dtype, target_shape, kind)
        except NotRecorded:
            self.counts["refused losses"] += 1
            return []
        form = make(recording)
        for n in sizes:
            if faults := self._pass(form, recording, n):
                return [f"n = {n}: {fault}" for fault in faults]
        return []

    def _pass(self, form: Any, recording: Recording, n: int) -> list[str]:
        rng = np.random.default_rng([n, 5])
        shape = self.program.in_shape
        x = rng.standard_normal((n, *shape)).astype(self.dtype)
        targets: Array = rng.standard_normal((n, *shape))
        if self.program.targets == "class":
            targets = rng.integers(0, shape[0], n)
        weights = rng.random(n).astype(self.dtype)
        ctx = Context(self.dtype, training=True)
        try:
            losses = np.array(self.loss.feed(x.copy(), targets, ctx))
            dx = np.array(self.loss.backprop(weights.copy(), ctx))
        except Exception:  # noqa: BLE001  # a drawn loss may raise anything
            return []
        if losses.shape != (n,) or dx.shape != x.shape:  # for this n it breaks its contract
            return []
        self.counts["losses"] += 1
        lost, dscores = form.learn(laid_out(x, n), targets, weights)
        total = np.asarray((losses * weights).sum(dtype=np.float64))
        found = np.asarray(float(lost))

        def samples(count: int) -> list[tuple[Array, Array]]:
            made = []
            for k in range(count):
                noise = np.random.default_rng([k, 99])
                inputs = {"x": x, "targets": targets}
                one = Stirred(
                    recording.graph, inputs, {}, None, noise=noise, everywhere=self.everywhere
                )
                y, d = one.feed(), one.backprop(weights)
                assert d is not None
                sum_ = np.asarray((y * weights).sum(dtype=np.float64))
                made.append((sum_ * (1 + 1e-15 * noise.uniform(-1, 1)), d))
            return made

        for count in (2, 24):
            drawn = samples(count)
            eps = np.finfo(self.dtype).eps * float(np.abs(losses * weights).sum()) * 8
            far = bound(total, [s for s, _ in drawn], self.relative)
            told = [
                ("the loss ", far._replace(slack=far.slack + eps).misses(found)),
                ("dx ", bound(dx, [d for _, d in drawn], self.relative).misses(dscores)),
            ]
            if not any(text for _, text in told):
                return []
        return [name + text for name, text in told if text]


class Judged(NamedTuple):
    """A loss of layerkit's own with its recording."""

    loss: Loss
    recording: Recording
    targets: Any

    @classmethod
    def of(cls, name: str, out: Shape, dtype: Any) -> Judged:
        """The loss for scores of this shape."""
        loss = LOSSES.create(name)
        whole = loss.target == "class"
        kind = np.dtype(np.int64 if whole else np.float64)
        recording = record_loss(loss, out, dtype, () if whole else out, kind)
        return cls(loss, recording, cls._targets(loss, out))

    @staticmethod
    def _targets(loss: Loss, out: Shape) -> Any:
        def draw(n: int) -> Array:
            rng = np.random.default_rng([n, 8])
            if loss.target == "class":
                return rng.integers(0, out[0], n)
            flags: Array = rng.integers(0, 2, (n, *out)).astype(np.float64)
            return flags if loss.target == "binary" else rng.standard_normal((n, *out))

        return draw


def learned(judge: Judge, stage: Any, judged: Judged, n: int, how: int) -> list[str]:
    """Faults of feed, loss and backprop in one call."""
    net = judge.net
    x, _ = net.rows(n, how)
    targets, weights = judged.targets(n), np.random.default_rng(n).random(n).astype(np.float32)
    before = net.moment()
    net.unwritten()
    contexts = net.network.contexts(training=True, streams=net.streams, wants_dx=True)
    ctx = Context(net.network.dtype, training=True)
    try:
        y = np.array(net.network.feed(x, contexts))
        losses = np.array(judged.loss.feed(y, targets, ctx))
        dy = np.array(judged.loss.backprop(weights, ctx))
        dx = np.array(net.network.backprop(dy, contexts))
    except Exception:  # noqa: BLE001  # a drawn layer may raise anything
        net.back_to(before)
        return []
    one = Pass(x, dy, before, y, dx, net.grads(), net.moment())
    total = np.asarray((losses * weights).sum(), net.network.dtype)
    net.back_to(before)
    net.unwritten()
    judge.counts["learned"] += 1
    scores, lost = stage.learn(laid_out(x, how), targets, weights, judged.recording)
    found = np.asarray(lost, net.network.dtype)
    told = []
    if np.isfinite(found) and np.isfinite(total):
        judge.learning = judged, targets, weights
        told = judge.faults(one, net, np.array(scores), None)
        if not told and (fault := judge.differs("lost", total, found, one)):
            told = [fault]
        judge.learning = None
    return told


class _Jogged:
    """One pass through a layer as it is written, with noise in what goes in and comes out."""

    def __init__(
        self,
        layer: Layer,
        leaves: Mapping[str, Mapping[str, Array]],
        ctx: Context,
        noise: np.random.Generator,
        judge: Judge,
    ) -> None:
        self.layer, self.ctx, self.noise = copy.copy(layer), ctx, noise
        ctx.training, ctx.keeps, ctx.dtype = judge.training, judge.keeps, judge.net.network.dtype
        self.layer.params = leaves["param"]
        self.layer.state = Arrays(leaves["state"])
        self.layer.grads = Arrays({k: np.full_like(v, MARK) for k, v in layer.params.items()})

    def feed(self, x: Array) -> Array:
        return self._off(self.layer.feed(self._off(x), self.ctx))

    def backprop(self, dy: Array) -> Array:
        return self._off(self.layer.backprop(self._off(dy), self.ctx))

    def state(self) -> Mapping[str, Array]:
        return {name: self._off(value) for name, value in self.layer.state.items()}

    def grads(self) -> Mapping[str, Array]:
        return {name: self._off(value) for name, value in self.layer.grads.items()}

    def _off(self, value: Array) -> Array:
        if value.dtype.kind != "f":
            return value
        eps = 8 * np.finfo(value.dtype).eps
        made: Array = value * (1 + eps * self.noise.uniform(-1, 1, value.shape))
        return made.astype(value.dtype)


def quiet(run: Callable[[], Any]) -> Any:
    """Run without warnings: NumPy warns of means of no rows."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return run()


def in_two_threads(runs: Sequence[Callable[[], list[str]]]) -> list[str]:
    """Faults of all runs, each in a thread of its own."""
    found: list[str] = []

    def work(run: Callable[[], list[str]]) -> None:
        found.extend(run())

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
