"""The training loop of a student beside a teacher: what followers find joins loss and gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from layerkit.core.context import Array
from layerkit.core.planning import PlannedLayer
from layerkit.execution.engine import Engine
from layerkit.execution.runner import Chain
from layerkit.training.advice import advice_of
from layerkit.training.followers import Follower
from layerkit.training.guide import Guide, Phase
from layerkit.training.learner import Learner
from layerkit.training.loop import Loop


@dataclass
class GuidedLoop(Loop):
    """The training of the network of ``guide``: the student with the regressors of its hints."""

    guide: Guide | None = None

    def _learner(self, used: Sequence[Engine]) -> Learner:
        self._engines = used
        self._learners: dict[tuple[Follower, ...], Learner] = {}
        for hint in self._guide.hints:
            hint.connect(self._regressor)
        return self._enter(self._guide.phase(self.since))

    @property
    def _guide(self) -> Guide:
        assert self.guide is not None  # noqa: S101  # a field after those with defaults
        return self.guide

    def _regressor(self, planned: PlannedLayer) -> Chain:
        alone = self.network.part([planned])
        return Chain(alone, self._engines, training=True, wants_dx=True)

    def _enter(self, phase: Phase) -> Learner:
        """Train what the phase trains."""
        self._phase = phase
        self.spans, self.runs = phase.trained.trainable(), phase.trained.runs()
        if phase.followers not in self._learners:
            made = Learner(phase.fed, self.recipe.loss, self._engines)
            self._learners[phase.followers], self.prepared = made, False
        return self._learners[phase.followers]

    def _begin(self, number: int, order: Array) -> None:
        self.learner = self._enter(self._guide.phase(number))
        for chain in (hint.chain for hint in self._guide.hints if hint.chain is not None):
            for name in chain.drawing():
                chain.set_stream(name, self._stream(number, name))
        super()._begin(number, order)

    def _learn(self, rows: Array, weights: Array) -> tuple[Array, float]:
        followers = self._phase.followers
        for one in followers:
            one.begin(rows, weights)
        of_labels = weights * self.network.dtype.type(self._phase.task)
        scores, loss = self.learner.learn(partial(self._x, rows), self.data.y[rows], of_labels)
        return scores, loss + sum(one.lost for one in followers)

    def _advice(self) -> Iterable[str]:
        return advice_of(self._guide.student, self.learner.contexts, self.batch)
