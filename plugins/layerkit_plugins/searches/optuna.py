"""optuna: the samplers and pruners of Optuna, the extra ``optuna``.

Optuna's own storage is not used. Each suggestion comes from a new study in memory, which is told
the finished trials, and from a sampler with a seed of its own. So the search is resumed from the
trials that are kept, a killed trial leaves nothing behind, and equal trials give equal suggestions,
also in parallel: the trials of one batch do not see each other.

Source: Akiba, Sano, Yanase, Ohta, Koyama, "Optuna: A Next-Generation Hyperparameter Optimization
Framework" (KDD 2019); Bergstra, Bardenet, Bengio, Kégl, "Algorithms for Hyper-Parameter
Optimization" (NIPS 2011).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerkit import Dimension, MissingExtraError, Search, Trial
from layerkit.fields import Size

__all__ = ["Optuna"]


class Optuna(Search):
    """Tree-structured Parzen estimators, and pruning of trials below the median.

    Parameters
    ----------
    start
        The first trials, which are drawn at random.
    parallel
        How many trials of a contestant run at the same time; fewer know more of each other.
    prune
        Whether a trial is given up after an epoch if its best score so far is below the median of
        what the others had at that epoch.
    warmup
        Epochs after which trials may be given up.
    """

    type_name = "optuna"

    def __init__(
        self, *, start: Size = 10, parallel: Size = 4, prune: bool = True, warmup: Size = 1
    ) -> None:
        self.start = start
        self.parallel = parallel
        self.prune = prune
        self.warmup = warmup

    @property
    def batch(self) -> int:
        """As many as run at the same time."""
        return self.parallel

    def suggest(
        self,
        space: Mapping[str, Dimension],
        trials: Sequence[Trial],
        rng: np.random.Generator,
    ) -> Mapping[str, Any]:
        """What the sampler asks for; choices go by their numbers, since Optuna takes no objects.

        Raises
        ------
        MissingExtraError
            If Optuna is not installed.
        """
        optuna = _optuna()
        seed = int(rng.integers(2**32))
        sampler = optuna.samplers.TPESampler(n_startup_trials=self.start, seed=seed)
        study = _study(optuna, space, trials, sampler=sampler)
        asked = study.ask(_distributions(optuna, space)).params
        return {name: _value(one, asked[name]) for name, one in space.items()}

    def hopeless(self, trials: Sequence[Trial], reported: Sequence[float]) -> bool:
        """What the pruner says."""
        if not self.prune:
            return False
        optuna = _optuna()
        pruner = optuna.pruners.MedianPruner(n_warmup_steps=self.warmup - 1)
        study = _study(optuna, {}, trials, pruner=pruner)
        running = study.ask()
        for epoch, score in enumerate(reported):
            running.report(score, epoch)
        return bool(running.should_prune())


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("optuna", "optuna", "the search optuna") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _study(optuna: Any, space: Mapping[str, Dimension], trials: Sequence[Trial], **how: Any) -> Any:
    """A study in memory that knows the finished trials; one that diverged is among the worst."""
    study = optuna.create_study(direction="maximize", **how)
    distributions = _distributions(optuna, space)
    state = optuna.trial.TrialState
    scores = [trial.score for trial in trials if trial.score is not None]
    for trial in trials:
        study.add_trial(
            optuna.trial.create_trial(
                state=state.PRUNED if trial.pruned else state.COMPLETE,
                value=min(scores, default=0.0) if trial.score is None else trial.score,
                params={name: _param(one, trial.settings[name]) for name, one in space.items()},
                distributions=distributions,
                intermediate_values=dict(enumerate(trial.reported)),
            )
        )
    return study


def _distributions(optuna: Any, space: Mapping[str, Dimension]) -> dict[str, Any]:
    kinds = optuna.distributions
    found: dict[str, Any] = {}
    for name, one in space.items():
        if one.choices:
            found[name] = kinds.CategoricalDistribution(range(len(one.choices)))
        else:
            kind = kinds.IntDistribution if one.whole else kinds.FloatDistribution
            found[name] = kind(one.low, one.high, log=one.log)
    return found


def _param(one: Dimension, value: Any) -> Any:
    return one.choices.index(value) if one.choices else value


def _value(one: Dimension, param: Any) -> Any:
    return one.choices[param] if one.choices else one.inside(param)
