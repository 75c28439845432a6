"""Running a network for one thread: recorded layers by an engine, the others as they are written.

Neighbouring layers that were recorded form a group. For each number of rows a group is cut into
stages, each run by one engine; a layer whose form failed its trial runs as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.network import Network
from layerkit.core.parts import Link
from layerkit.core.planning import PlannedLayer, unusable
from layerkit.core.rng import streams_within
from layerkit.errors import LayerkitError
from layerkit.execution.engine import Engine, RecordedLayer, Row, Stage
from layerkit.execution.trial import trials_of
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.recordings import Recordings

_SIZES = 16  # numbers of rows whose stages are kept

_Step = Callable[[Array], Array]


class Chain:
    """A network with memory for one thread.

    The network's parameters, and its gradients where ``training``, stay where they are. ``feed``
    gives scores (n, *out) for x (n, *in), valid until the next feed. ``backprop`` fills the
    network's gradients for dy (n, *out) and gives dL/dx (n, *in), valid only if ``wants_dx``.
    ``streams`` are the random streams of the layers by name; ``contexts`` hold, by layer name,
    those of the layers that run as they are written.

    A chain that does not train is for inference: it keeps nothing for a backprop.
    """

    feed: _Step
    backprop: _Step

    def __init__(
        self,
        network: Network,
        engines: Sequence[Engine],
        *,
        training: bool = False,
        wants_dx: bool = False,
    ) -> None:
        self.network, self.engines, self.training = network, engines, training
        if training:
            network.allocate_grads()
        self.streams: dict[str, np.random.Generator] = {}
        self.contexts: dict[str, Context] = {}
        self.groups: list[_Group | _Written] = []
        for planned, recorded in _neighbours(network, engines, training=training):
            wants_dx = wants_dx or bool(self.groups)
            made = (
                _Group(self, recorded, wants_dx=wants_dx)
                if recorded
                else _Written(self, planned, wants_dx=wants_dx)
            )
            self.groups.append(made)
        self.feed = _in_turn([group.feed for group in self.groups])
        self.backprop = _in_turn([group.backprop for group in self.groups[::-1]])

    def set_stream(self, name: str, stream: np.random.Generator) -> None:
        """Give the layer called ``name`` its random stream."""
        self.streams[name] = stream
        if name in self.contexts:
            self.contexts[name].rng = stream
        outer, _, path = name.partition(".")
        if path and outer in self.contexts:
            self.contexts[outer].streams[path] = stream

    def one_group(self) -> list[RecordedLayer] | None:
        """All layers, if an engine may run them together."""
        group = self.groups[0] if len(self.groups) == 1 else None
        return group.layers if isinstance(group, _Group) else None

    def drawing(self) -> list[str]:
        """Names of the layers that may draw random numbers, paths of those inside others."""
        drawing = set(self.contexts)
        for group in self.groups:
            if isinstance(group, _Group):
                drawing |= {p.name for p, one in group.layers if one.graph.draws}
        planned = [p for p in self.network.planned if p.name in drawing]
        return [one.name for p in planned for one in p.nested()]

    def prepare(self, x: Array) -> None:
        """Make what batches like x need, as far as it is known before the first feed."""
        if self.groups and isinstance(self.groups[0], _Group):
            self.groups[0].stages(x)

    def whole(self, x: Array) -> tuple[Engine, Stage] | None:
        """The one stage that runs all layers for batches like x, with its engine; None if several.

        Forms that were not tried for this number of rows are tried.
        """
        if len(self.groups) != 1 or not isinstance(self.groups[0], _Group):
            return None
        stages = self.groups[0].stages(x)
        engine, stage = stages[0]
        return None if len(stages) > 1 or engine is None else (engine, stage)


def recordings_of(network: Network) -> Recordings:
    """What was recorded of the layers of ``network``, kept with it."""
    found: Recordings = network.kept.setdefault("recordings", Recordings(network.dtype))
    return found


def _neighbours(
    network: Network, engines: Sequence[Engine], *, training: bool
) -> list[tuple[list[PlannedLayer], list[RecordedLayer]]]:
    """The layers in order, neighbours that an engine can run together; the others alone."""
    found: list[tuple[PlannedLayer, RecordedLayer | None]] = []
    for p in network.planned:
        recorded = None
        if engines:
            got = recordings_of(network).get(p, training=training, keeps=training)
            if not isinstance(got, NotRecorded) and any(not e.refuses(got, p) for e in engines):
                recorded = p, got
        found.append((p, recorded))
    groups = []
    for _, group in groupby(found, lambda pair: pair[1] is None):
        pairs = list(group)
        groups.append(([p for p, _ in pairs], [one for _, one in pairs if one is not None]))
    return groups


class _Written:
    """Layers that run as they are written."""

    def __init__(self, chain: Chain, planned: list[PlannedLayer], *, wants_dx: bool) -> None:
        part = chain.network.part(planned)
        contexts = part.contexts(training=chain.training, keeps=chain.training, wants_dx=wants_dx)
        for p, ctx in zip(planned, contexts, strict=True):
            chain.contexts[p.name] = ctx
            ctx.rng = chain.streams.get(p.name)
            ctx.streams = streams_within(chain.streams, p.name)
        self._part, self._contexts, self._first = part, contexts, not chain.groups

    def feed(self, x: Array) -> Array:
        """Outputs for x: a copy in C order, as from a layer as written, which may be written to."""
        x = x if self._first else np.array(x, order="C")
        return self._part.feed(x, self._contexts)

    def backprop(self, dy: Array) -> Array:
        """dL/dx for the batch fed last."""
        return self._part.backprop(np.ascontiguousarray(dy), self._contexts)


_Stages = list[tuple[Engine | None, Stage]]


class _Group:
    """Neighbouring recorded layers, cut into stages for each number of rows."""

    def __init__(self, chain: Chain, layers: list[RecordedLayer], *, wants_dx: bool) -> None:
        self.chain, self.layers, self.wants_dx = chain, layers, wants_dx
        self._by_rows: dict[int, _Stages] = {}
        self._by_choice: dict[tuple[int, ...], _Stages] = {}
        self._now: _Stages = []

    def stages(self, x: Array) -> _Stages:
        """The stages for batches like x."""
        found = self._by_rows.get(len(x))
        if found is None:
            found = self._cut(x)
            if len(self._by_rows) >= _SIZES:
                self._by_rows.clear()
            self._by_rows[len(x)] = found
        return found

    def _cut(self, x: Array) -> _Stages:
        chain = self.chain
        chosen = trials_of(chain.network).choose(
            chain.network,
            self.layers,
            chain.engines,
            x,
            chain.streams,
            keeps=chain.training,
            wants_dx=self.wants_dx,
        )
        key = tuple(0 if engine is None else id(engine) for engine in chosen)
        if key not in self._by_choice:
            self._by_choice[key] = self._make(chosen)
        return self._by_choice[key]

    def _make(self, chosen: list[Engine | None]) -> _Stages:
        chain = self.chain
        stages: _Stages = []
        pairs = zip(chosen, self.layers, strict=True)
        for engine, group in groupby(pairs, lambda pair: pair[0]):
            layers = [layer for _, layer in group]
            planned = [p for p, _ in layers]
            wants_dx = self.wants_dx or bool(stages)
            stage: Stage
            if engine is None:
                stage = _Written(chain, planned, wants_dx=wants_dx)  # type: ignore[assignment]
            else:
                with naming(planned, f"the {engine.type_name} form"):
                    stage = engine.stage(
                        chain.network, layers, keeps=chain.training, wants_dx=wants_dx
                    )
                stage.streams = chain.streams
            stages.append((engine, stage))
        return stages

    def feed(self, x: Array) -> Array:
        """Outputs for x."""
        self._now = self.stages(x)
        with np.errstate(all="ignore"):
            for _, stage in self._now:
                x = stage.feed(x)
        return x

    def backprop(self, dy: Array) -> Array:
        """dL/dx for the batch fed last."""
        with np.errstate(all="ignore"):
            for _, stage in reversed(self._now):
                dy = stage.backprop(dy)
        return dy


class RowForm:
    """A whole network for one row, by the first engine that can; used after a trial on the first.

    ``row`` is None if there is no such form, or it failed its trial.
    """

    def __init__(self, network: Network, engines: Sequence[Engine], link: Link) -> None:
        self.network, self.link = network, link
        self.tried = False
        groups = _neighbours(network, engines, training=False) if network.planned else []
        self._layers = groups[0][1] if len(groups) == 1 else []
        rowwise = self._layers and all(one.rowwise for _, one in self._layers)
        self._engines = engines if rowwise else ()
        self.engine: Engine | None
        self.row: Row | None
        self.engine, self.row = self._first()

    def _first(self) -> tuple[Engine, Row] | tuple[None, None]:
        """The first engine with a form that has not failed."""
        trials, layers = trials_of(self.network), self._layers
        for engine in self._engines:
            if trials.row_failed(engine) or any(engine.refuses(one, p) for p, one in layers):
                continue
            row = engine.row(self.network, layers, self.link)
            if row is not None:
                return engine, row
        return None, None

    def __call__(self, x: Array) -> Array | None:
        """Predictions (1, *out), a new array, for x (1, *in); None: run the layers themselves."""
        if self.tried and self.row is not None:
            return self.row(x)
        while self.engine is not None and self.row is not None:
            given = self.row(x)
            if given is None or not np.isfinite(given).all():  # nothing to compare
                return None
            trials = trials_of(self.network)
            self.tried = trials.row(self.network, self.engine, self.link, x, given)
            if self.tried:
                return given
            self.engine, self.row = self._first()
        return None


@contextmanager
def naming(planned: Sequence[PlannedLayer], step: str) -> Iterator[None]:
    """Turn an exception of a plugin's code into a PluginLoadError that names the layers."""
    try:
        yield
    except (LayerkitError, MemoryError):
        raise
    except Exception as cause:
        first, last = planned[0], planned[-1]
        to = "" if first is last else f" (of the layers to {last.name!r})"
        reason = f"{step}{to} raised {type(cause).__name__}: {cause}"
        raise unusable(first.name, first.layer, reason) from cause


def remarks(network: Network, *, training: bool) -> list[str]:
    """Which layers run as they are written, and why: one sentence per reason."""
    reasons: dict[str, list[str]] = {}
    for p in network.planned:
        got = recordings_of(network).get(p, training=training, keeps=training)
        if isinstance(got, NotRecorded) and not p.eager:
            reasons.setdefault(str(got), []).append(p.name)
    return [
        f"{', '.join(names)}: runs as it is written, which is slower, since {reason}"
        for reason, names in reasons.items()
    ]


def _in_turn(steps: Sequence[_Step]) -> _Step:
    """One function for ``steps``, each of which takes the result of the one before."""
    return steps[0] if len(steps) == 1 else partial(_run, steps)


def _run(steps: Sequence[_Step], x: Array) -> Array:
    for step in steps:
        x = step(x)
    return x
