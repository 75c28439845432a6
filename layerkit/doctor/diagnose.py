"""``diagnose``: all checks of a spec or a model and of its rows, cures tried in short trainings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.core.rows import Rows
from layerkit.data import Dialect
from layerkit.display import counted
from layerkit.doctor.rates import learning_rate
from layerkit.doctor.trial import STEPS, Trial, try_training
from layerkit.health.checks import examine_data, examine_layers
from layerkit.health.cures import changed
from layerkit.health.finding import Changes, Finding, Severity, worst_first
from layerkit.health.subject import Subject
from layerkit.health.table import Table
from layerkit.model import Model, build
from layerkit.specs import Spec, as_spec
from layerkit.threads import single_blas
from layerkit.training.learned_categories import explicit_spec
from layerkit.training.prepare import Prepared, prepare, split_all
from layerkit.training.recipe import Recipe
from layerkit.training.training_data import DataLike, splits_of

_CURES = 4  # tried for each finding
_MEASURED = 20  # steps of a trained model, only to see their size
_HOPELESS = ("weights not finite", "constant labels")  # after which no training says more
_TRIED = ("unscaled inputs", "unscaled targets")  # checks of rows that a short training shows


@dataclass(frozen=True)
class Diagnosis:
    """What was found, worst first, and what was done to find it.

    Attributes
    ----------
    findings
        Empty for a healthy one.
    rows
        Training rows that were looked at.
    steps, seconds
        Of the short training; 0 where there was none.
    updates
        By layer, which share of the size of its weights a step changed (median).
    gradients
        By layer, the gradient that reaches it, of that at the last layer.
    """

    findings: list[Finding]
    rows: int
    steps: int = 0
    seconds: float = 0.0
    updates: Mapping[str, float] = field(default_factory=dict)
    gradients: Mapping[str, float] = field(default_factory=dict)

    @property
    def ran(self) -> str:
        """What was run, in words."""
        looked = f"looked at {counted(self.rows, 'training row')}"
        if not self.steps:
            return looked
        return f"{looked}, trained a copy for {counted(self.steps, 'step')}"

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "rows": self.rows,
            "steps": self.steps,
            "seconds": self.seconds,
            "findings": [one.to_json() for one in self.findings],
            "gradients": dict(self.gradients),
            "updates": dict(self.updates),
        }


def diagnose(
    spec: str | Path | Mapping[str, Any] | Spec | Model,
    data: DataLike = None,
    *,
    settings: Sequence[str] = (),
    seconds: float = 10.0,
    dialect: Dialect | None = None,
) -> Diagnosis:
    """Look for what keeps a network from learning, in its layers, its rows and its recipe.

    A spec is also trained for up to 200 steps, on a copy, and so is what the findings say to set:
    of several values that may help, the first that does is given. A trained model is looked at as
    it is; a copy is trained for 20 steps to see their size.
    Nothing that is given is changed.

    Parameters
    ----------
    spec
        Path of a JSON spec, name of a ready one, the parsed object, a resolved ``Spec``, or a
        ``Model``.
    data
        As for ``layerkit.train``.
    settings
        Overrides such as ``"layers.1.gate_bias=-3"``; not for a Model.
    seconds
        Time for the short trainings, all together.
    dialect
        How a table is written, instead of what the spec says.

    Returns
    -------
    Diagnosis
        Its findings; ``layerkit.build(spec, settings=finding.settings)`` follows one.

    Raises
    ------
    SpecError, PluginError
        If the spec is wrong, has no training section, or a part cannot be used.
    DataError, DataSourceError
        If the rows do not keep the contract, or cannot be read.
    """
    began = time.monotonic()
    if isinstance(spec, Model):
        if settings:
            raise ValueError("settings change a spec; this is a model")
        given = spec.spec
    else:
        given = as_spec(spec, settings)
    recipe = Recipe.of(given)
    splits = splits_of(given, data, dialect=dialect)
    model = spec if isinstance(spec, Model) else build(explicit_spec(given, splits))
    prepared = prepare(model, splits, recipe.loss, seed=recipe.seed)
    rows, _, _ = split_all(model.spec, splits, recipe.loss, seed=recipe.seed)
    resolved = isinstance(spec, Model)
    case = _Case(model, prepared, splits, rows, resolved, began, seconds)
    with single_blas(), np.errstate(all="ignore"):
        return case.diagnosis()


@dataclass
class _Case:
    """One diagnosis at work."""

    model: Model
    prepared: Prepared
    splits: Mapping[str, Rows]
    rows: Rows  # of training
    resolved: bool
    began: float
    seconds: float

    def diagnosis(self) -> Diagnosis:
        """All findings, and what was done."""
        until = self.began + self.seconds / 3
        first = self._subject(self.model, steps=self.trained, until=until)
        layers, rows = examine_layers(first), examine_data(self._table(), first)
        layers = self._not_of_scale(layers, rows)
        hopeless = any(one.check in _HOPELESS for one in (*layers, *rows))
        trial = None if hopeless else self._try({})
        if trial is not None and not self.trained:
            unscaled = any(one.check in _TRIED for one in rows)
            layers = self._after(first, layers, trial, unscaled=unscaled)
            rows = [self._cured(one, trial) if one.check in _TRIED else one for one in rows]
        names = [planned.name for planned in self.model.network.planned]
        share = first.gradients / first.gradients[-1] if names else []
        return Diagnosis(
            worst_first([*layers, *rows]),
            len(self.prepared.train),
            0 if trial is None else trial.steps,
            0.0 if trial is None else trial.seconds,
            {} if trial is None else trial.updates,
            dict(zip(names, map(float, share), strict=True)),
        )

    def _after(
        self, first: Subject, found: list[Finding], trial: Trial, *, unscaled: bool
    ) -> list[Finding]:
        """The findings of layers with what a short training tells.

        Where initial layers and rows are sound, what is wrong after it comes from the rate, if
        another one is better.
        """
        if found or unscaled:
            return [self._cured(one, trial) for one in found]
        found = learning_rate(first, trial, self._try)
        if found or trial.diverged:
            return found
        later = self._subject(trial.model, steps=trial.steps, until=self.began + self.seconds)
        return [self._cured(one, trial) for one in examine_layers(later)]

    @property
    def trained(self) -> int:
        """Epochs that the model was trained before."""
        return len(next(iter(self.model.history.values()), ()))

    def _subject(self, model: Model, **more: Any) -> Subject:
        return Subject(model.spec, model.network, self.prepared.train.x, self.resolved, **more)

    def _table(self) -> Table:
        data, loss = self.prepared, Recipe.of(self.model.spec).loss
        test = data.test
        return Table(
            self.model.spec,
            data.contract,
            self.rows,
            data.train.x,
            data.train.y,
            loss.target,
            None if test is None else test.x,
            None if test is None else test.y,
        )

    def _try(self, changes: Changes) -> Trial | None:
        """A short training with ``changes``; None if they do not fit or the time is up."""
        left = self.began + self.seconds - time.monotonic()
        if left <= 0:
            return None
        if not changes:  # the others need as much time
            steps = _MEASURED if self.trained else STEPS
            return try_training(self.model, self.prepared, steps=steps, seconds=left / 3)
        other = self._changed(changes)
        return None if other is None else try_training(*other, steps=STEPS, seconds=left)

    def _changed(self, changes: Changes) -> tuple[Model, Prepared] | None:
        """The spec with ``changes``, built anew, and its rows; None if they do not fit."""
        spec = changed(self._subject(self.model), changes)
        if spec is None or spec.train is None:
            return None
        model = build(spec)
        if not any(path.startswith(("input.", "output.")) for path in changes):
            return model, self.prepared
        loss = Recipe.of(spec).loss
        return model, prepare(model, self.splits, loss, seed=spec.train["seed"])

    def _not_of_scale(self, found: list[Finding], rows: list[Finding]) -> list[Finding]:
        """Findings of layers without those that scaled inputs would cure."""
        scaled = next((one.changes for one in rows if one.check == _TRIED[0]), None)
        other = self._changed(scaled) if found and scaled else None
        if other is None:
            return found
        model, prepared = other
        subject = Subject(model.spec, model.network, prepared.train.x, self.resolved)
        still = {one.check for one in examine_layers(subject)}
        return [one for one in found if one.check in still]

    def _cured(self, finding: Finding, trial: Trial) -> Finding:
        """The finding with the first of its changes that helps in a short training.

        If none of those that were tried does, it is less severe.
        """
        if not finding.changes or finding.severity == "notice":
            return finding
        tried = 0
        for changes in [finding.changes, *finding.others][:_CURES]:
            other = self._try(changes)
            if other is None:
                continue
            tried += 1
            if other.error[1] <= trial.error[1] and not self._finds(finding.check, other):
                return replace(
                    finding,
                    changes=changes,
                    field=next(iter(changes)),
                    others=(),
                    tried=trial.compared(other),
                )
        if not tried:
            return finding
        ran = f"{counted(tried, 'value')} tried: none is better within {trial.steps} steps"
        milder: Severity = "warning" if finding.severity == "error" else "notice"
        return replace(finding, severity=milder, tried=ran)

    def _finds(self, check: str, trial: Trial) -> bool:
        """Whether the check still finds something after a trial."""
        later = self._subject(trial.model, steps=trial.steps)
        return any(one.check == check for one in examine_layers(later))
