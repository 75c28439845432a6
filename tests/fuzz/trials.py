"""All forms of layers, each judged on the passes of a case."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.planning import PlannedLayer
from layerkit.errors import LayerkitError
from layerkit.recording.record import Recording
from tests.fuzz import forms
from tests.fuzz.cases import Case
from tests.fuzz.forms import Chain, Judge, Net, Pass, eager, in_two_threads, recordings
from tests.fuzz.noise import Stirred

RELATIVE = {"float64": 1e-11, "float32": 1e-5}


def passes(net: Net, sizes: Sequence[int], *, keeps: bool, training: bool) -> list[Pass]:
    """The passes by the methods as written, without those that raise."""
    made = (eager(net, n, 10 * k, keeps=keeps, training=training) for k, n in enumerate(sizes))
    return [one for one in made if one is not None]


class Trial:
    """A case with its passes, made once for all forms."""

    def __init__(self, case: Case) -> None:
        self.case, self.net = case, case.net()
        self.relative = RELATIVE[case.dtype]
        self.counts: Counter[str] = Counter()
        self._single: Trial | None = None
        self._passes: dict[tuple[bool, bool], list[Pass]] = {}

    def passes(self, *, keeps: bool, training: bool) -> list[Pass]:
        """The passes by the methods as written."""
        key = keeps, training
        if key not in self._passes:
            self._passes[key] = passes(self.net, self.case.sizes, keeps=keeps, training=training)
        return self._passes[key]

    def judge(self, net: Net, *, keeps: bool, training: bool, everywhere: bool = False) -> Judge:
        """The judge of a form that runs in ``net``."""
        return Judge(net, self.relative, keeps, training, everywhere, self.counts)

    def recorded(self, *, keeps: bool, training: bool) -> list[Recording]:
        """The recordings, without what could not be recorded."""
        found = recordings(self.net, keeps=keeps, training=training)
        return [r for r in found if isinstance(r, Recording)]

    def in_single_precision(self) -> Trial:
        """The same in float32."""
        if self.case.dtype == "float32":
            return self
        if self._single is None:
            self._single = Trial(replace(self.case, dtype="float32"))
            self._single.counts = self.counts
        return self._single


Form = Callable[[Trial], list[str]]
Taken = Callable[[PlannedLayer, Recording], str]
"""Why a form does not take a layer, or nothing."""


def _found(net: Net, taken: Taken | None, *, keeps: bool, training: bool) -> list[Recording | str]:
    """The recordings that a form takes, and why there is none for it."""
    found = recordings(net, keeps=keeps, training=training)
    return [
        r if isinstance(r, str) or taken is None else taken(p, r) or r
        for p, r in zip(net.network.planned, found, strict=True)
    ]


def stage(
    trial: Trial,
    make: forms.Make,
    *,
    keeps: bool = True,
    training: bool = True,
    everywhere: bool = False,
    taken: Taken | None = None,
) -> list[str]:
    """Stages of consecutive recorded layers, one pass after the other."""
    net = trial.net
    found = _found(net, taken, keeps=keeps, training=training)
    if all(isinstance(r, str) for r in found):
        trial.counts["refused" if taken is None else "not compiled"] += 1
        return []
    judged = trial.passes(keeps=keeps, training=training)
    trial.counts["passes"] += len(judged)
    chain = Chain(net, make, found, keeps=keeps, training=training)
    judge = trial.judge(net, keeps=keeps, training=training, everywhere=everywhere)
    return judge.run(chain, judged)


def threads(
    trial: Trial, make: forms.Make, *, taken: Taken | None = None, everywhere: bool = False
) -> list[str]:
    """Two threads, each with stages of its own over the same parameters and recordings."""
    found = _found(trial.net, taken, keeps=True, training=True)
    if all(isinstance(r, str) for r in found):
        return []
    judged = trial.passes(keeps=True, training=True)
    runs = []
    for order in (judged, judged[::-1]):
        net = trial.net.twin()
        chain = Chain(net, make, found, keeps=True, training=True)
        judge = trial.judge(net, keeps=True, training=True, everywhere=everywhere)
        runs.append(partial(judge.run, chain, [*order, *order, *order]))
    return in_two_threads(runs)


def replayed(trial: Trial, *, keeps: bool, training: bool) -> list[str]:
    """The recording run node by node: the same bits, the same draws, whatever n."""
    found = recordings(trial.net, keeps=keeps, training=training)
    if any(isinstance(r, str) for r in found):
        trial.counts["refused"] += 1
        return []
    chain = Chain(trial.net, Replayed, found, keeps=keeps, training=training)
    judge = trial.judge(trial.net, keeps=keeps, training=training)
    judge.plain = True
    return judge.run(chain, trial.passes(keeps=keeps, training=training))


class Replayed:
    """A stage that runs recordings node by node."""

    def __init__(self, network: Any, pairs: Sequence[forms.Pair], **_: bool) -> None:
        self.network, self.pairs = network, pairs
        self.streams: dict[str, np.random.Generator] = {}
        self.running: list[Stirred] = []

    def feed(self, x: Any) -> Any:
        """y; state is written when all of it is known."""
        self.running = []
        for p, recording in self.pairs:
            leaves = {
                "param": p.layer.params,
                "state": {k: np.array(v) for k, v in p.layer.state.items()},
            }
            layer = Stirred(recording.graph, {"x": x}, leaves, self.streams[p.name])
            x = layer.feed()
            for name, value in layer.state().items():
                p.layer.state[name][...] = value
            self.running.append(layer)
        return x

    def backprop(self, dy: Any) -> Any:
        """dx, and the gradients in the network's."""
        for (p, _), layer in zip(self.pairs[::-1], self.running[::-1], strict=True):
            dy = layer.backprop(dy)
            for name, value in layer.grads().items():
                p.layer.grads[name][...] = value
        return dy


def rowwise(trial: Trial) -> list[str]:
    """Where a recording says that rows do not meet: permuted, halved, with other neighbours."""
    if len(trial.case.programs) > 1 or trial.net.whole:
        return []
    (found,) = recordings(trial.net, keeps=True, training=True)
    if isinstance(found, str) or not found.rowwise:
        return []
    trial.counts["rowwise"] += 1
    net = trial.net
    for n in (7, 16):
        whole = eager(net, n, 0, keeps=True, training=True)
        if whole is None or whole.dy is None or whole.dx is None:
            continue
        x, dy = whole.x, whole.dy
        judge = trial.judge(net, keeps=True, training=True, everywhere=True)
        order = np.random.default_rng(n).permutation(n)
        moved = _again(net, x[order], dy[order], whole)
        back = np.argsort(order)
        wild = x.copy(), dy.copy()
        for array in wild:
            array[0] = array[0] * 3 + 1
        beside = _again(net, *wild, whole)
        h = n // 2
        first, second = _again(net, x[:h], dy[:h], whole), _again(net, x[h:], dy[h:], whole)
        if None in (moved, beside, first, second):
            return [f"n = {n}: rowwise, but raises for some of the rows"]
        assert moved and beside and first and second  # noqa: PT018
        told = [
            judge.differs("y", whole.y, moved.y[back], whole),
            judge.differs("dx", whole.dx, moved.dx[back], whole),
            judge.differs("y", whole.y, np.concatenate([whole.y[:1], beside.y[1:]]), whole),
            judge.differs("dx", whole.dx, np.concatenate([whole.dx[:1], beside.dx[1:]]), whole),
            judge.differs("y", whole.y, np.concatenate([first.y, second.y]), whole),
            judge.differs("dx", whole.dx, np.concatenate([first.dx, second.dx]), whole),
        ]
        for name in found.graph.grads:
            key = f"{net.network.planned[0].name}.{name}"
            halves = first.grads[key] + second.grads[key]
            told.append(judge.differs(f"grad {key}", whole.grads[key], halves, whole))
        if any(told):
            return [f"n = {n}: rowwise, but {fault}" for fault in told if fault]
    return []


def _again(net: Net, x: Any, dy: Any, whole: Pass) -> Any:
    """The methods as written on other rows."""
    net.back_to(whole.before)
    return forms.by_methods(net, x, dy, keeps=True, training=True)


def forms_here() -> dict[str, Form]:
    """All forms by name."""
    found: dict[str, Form] = {
        "replay": partial(replayed, keeps=True, training=True),
        "replay of inference": partial(replayed, keeps=False, training=False),
        "rowwise": rowwise,
    }
    found |= planned_forms()
    return found | compiled_forms() if find_spec("llvmlite") else found


def planned_forms() -> dict[str, Form]:
    """Planned NumPy."""
    from layerkit.execution.planned.stage import PlannedLoss, PlannedRow, PlannedStage
    from layerkit.execution.planned_engine import PLANNED

    return {
        "planned": partial(stage, make=PlannedStage),
        "planned inference": partial(stage, make=PlannedStage, keeps=False, training=False),
        "planned threads": partial(threads, make=PlannedStage),
        "planned row": partial(row, make=PlannedRow),
        "planned loss": partial(loss, make=PlannedLoss),
        "runner, planned": partial(runner, engines=lambda: [PLANNED]),
    }


def runner(trial: Trial, engines: Callable[[], list[Any]]) -> list[str]:
    """Right whatever the layer does; where its methods raise, the runner does too."""
    from layerkit.execution import runner as module
    from layerkit.execution.trial import trials_of

    net, sizes = trial.net, trial.case.sizes
    net.network.kept.clear()
    chain = module.Chain(net.network, engines(), training=True, wants_dx=True)
    for name, stream in net.streams.items():
        chain.set_stream(name, stream)
    judge = trial.judge(net, keeps=True, training=True, everywhere=True)
    for k, n in enumerate(sizes):
        one = eager(net, n, 10 * k, keeps=True, training=True)
        if one is not None:
            told = judge.run(_Running(net, chain), [one])
        else:
            x, dy = net.rows(n, 10 * k)
            told = [f"n = {n}: raised nothing, unlike the methods"]
            try:
                chain.feed(x)
                chain.backprop(dy)
            except LayerkitError:
                told = []
                trial.counts["raised"] += 1
        if told:
            return told
    trial.counts["forms that failed their trial"] += len(trials_of(net.network).failed)
    return []


class _Running(NamedTuple):
    net: Net
    chain: Any

    def feed(self, x: Any) -> Any:
        return self.chain.feed(x)

    def backprop(self, dy: Any) -> Any:
        return self.chain.backprop(dy)


def compiled_forms() -> dict[str, Form]:
    """Compiled kernels; they compute in float32."""
    from layerkit.discovery.engines import compiled_engine
    from layerkit.execution.planned_engine import PLANNED
    from layerkit_plugins.compiled.llvm import engine
    from layerkit_plugins.compiled.llvm.places import NotCompiled

    def taken(p: PlannedLayer, recording: Recording) -> str:
        return engine.takes(recording, p) or ""

    compiled: dict[str, Any] = {"make": engine.Stage, "everywhere": True, "taken": taken}

    def single(form: Form) -> Form:
        return lambda trial: form(trial.in_single_precision())

    return {
        name: single(form)
        for name, form in {
            "compiled": partial(stage, **compiled),
            "compiled inference": partial(stage, keeps=False, training=False, **compiled),
            "compiled threads": partial(threads, **compiled),
            "compiled halves": partial(halves, **compiled),
            "compiled learning": partial(learning, refusal=NotCompiled, **compiled),
            "compiled row": partial(compiled_row, make=engine.Row, refusal=NotCompiled),
            "compiled loss": partial(loss, make=engine.Loss, refusal=NotCompiled),
            "runner, compiled": partial(runner, engines=lambda: [compiled_engine(), PLANNED]),
        }.items()
    }


def halves(
    trial: Trial, make: forms.Make, *, taken: Taken | None = None, everywhere: bool = False
) -> list[str]:
    """Two threads, each with half of the rows, where all recordings say that rows do not meet."""
    found = _found(trial.net, taken, keeps=True, training=True)
    if trial.net.whole or not all(isinstance(r, Recording) and r.rowwise for r in found):
        return []
    nets = trial.net.twin(), trial.net.twin()
    chains = [Chain(net, make, found, keeps=True, training=True) for net in nets]
    judge = trial.judge(trial.net, keeps=True, training=True, everywhere=everywhere)
    for k, one in enumerate(trial.passes(keeps=True, training=True)):
        assert one.dy is not None
        assert one.dx is not None
        trial.counts["halves"] += 1
        h = len(one.x) // 2
        rows = slice(0, h), slice(h, None)
        results: list[Any] = [None, None]

        def work(i: int, one: Pass = one, k: int = k, rows: Any = rows, to: Any = results) -> None:
            assert one.dy is not None
            nets[i].unwritten()
            with np.errstate(all="ignore"):
                y = np.array(chains[i].feed(forms.laid_out(one.x[rows[i]], k)))
                to[i] = y, np.array(chains[i].backprop(forms.laid_out(one.dy[rows[i]], k)))

        parts = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
        for part in parts:
            part.start()
        for part in parts:
            part.join()
        if None in results:
            return [f"n = {len(one.x)}: raised in one of two threads"]
        (y0, dx0), (y1, dx1) = results
        told = [judge.differs("y", one.y, np.concatenate([y0, y1]), one)]
        told.append(judge.differs("dx", one.dx, np.concatenate([dx0, dx1]), one))
        first, second = nets[0].grads(), nets[1].grads()
        for name, wanted in one.grads.items():
            both = first[name] if (wanted == forms.MARK).all() else first[name] + second[name]
            told.append(judge.differs(f"grad {name}", wanted, both, one))
        if any(told):
            return [f"n = {len(one.x)}: {fault}" for fault in told if fault]
    return []


def learning(
    trial: Trial,
    make: forms.Make,
    *,
    taken: Taken | None = None,
    everywhere: bool = False,
    refusal: Any = (),
) -> list[str]:
    """Feed, loss and backprop in one call, with a loss of layerkit's own."""
    net = trial.net
    found = _found(net, taken, keeps=True, training=True)
    out = net.network.planned[-1].plan.out_shape
    if not all(isinstance(r, Recording) for r in found) or len(out) != 1:
        return []
    chain = Chain(net, make, found, keeps=True, training=True)
    judge = trial.judge(net, keeps=True, training=True, everywhere=everywhere)
    name = random.Random(trial.case.seed).choice(  # noqa: S311
        ["softmax_cross_entropy", "mse", "huber", "sigmoid_cross_entropy"]
    )
    judged = forms.Judged.of(name, out, net.network.dtype)
    for k, n in enumerate(trial.case.sizes):
        try:
            told = forms.learned(judge, chain.stages[0], judged, n, k)
        except refusal:
            return []
        if told:
            return [f"n = {n}, {name}: {fault}" for fault in told]
    return []


def compiled_row(trial: Trial, make: Any, refusal: type[Exception]) -> list[str]:
    """One row; nothing where a number in between is not finite."""
    net = trial.net
    found = trial.recorded(keeps=False, training=False)
    if len(found) < len(trial.case.programs) or net.whole:
        return []
    if not all(recording.rowwise for recording in found):  # the runner asks for no such form
        return []
    one = eager(net, 1, 3, keeps=False, training=False)
    if one is None:
        return []
    judge = trial.judge(net, keeps=False, training=False, everywhere=True)
    net.back_to(one.before)
    try:
        single = make(net.network, list(zip(net.network.planned, found, strict=True)), "identity")
    except refusal:
        return []
    trial.counts["compiled rows"] += 1
    for k in range(2):
        net.back_to(one.before)
        y = single.predict(forms.laid_out(one.x, k))
        if y is not None and (fault := judge.differs("y", one.y, y, one)):
            return [fault]
    return []


def row(trial: Trial, make: Any) -> list[str]:
    """One row as a vector."""
    net = trial.net
    found = trial.recorded(keeps=False, training=False)
    pairs = list(zip(net.network.planned, found, strict=False))
    if len(found) < len(trial.case.programs) or not make.fits(pairs) or net.whole:
        return []
    if not all(recording.rowwise for recording in found):  # the runner asks for no such form
        return []
    one = eager(net, 1, 3, keeps=False, training=False)
    if one is None:
        return []
    judge = trial.judge(net, keeps=False, training=False)
    trial.counts["single rows"] += 1
    single = make(net.network, pairs)
    for k in range(2):
        net.back_to(one.before)
        try:
            y = np.array(single.feed(forms.laid_out(one.x, k)[0]))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a fault
            return [f"raised {type(error).__name__}: {error}"]
        if fault := judge.differs("y", one.y, y[None], one):
            return [fault]
    return []


def loss(trial: Trial, make: Any, refusal: Any = ()) -> list[str]:
    """A drawn loss, for the numbers of rows of the case."""
    case = trial.case
    judge = forms.LossJudge(case.loss, case.dtype, RELATIVE[case.dtype], trial.counts)
    judge.everywhere = bool(refusal)
    try:
        return judge.run(make, case.sizes)
    except refusal:
        return []
