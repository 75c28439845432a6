"""The spec's training section as live objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Loss, Metric, Schedule
from layerkit.datacontract.labels import Names
from layerkit.discovery.registry import LOSSES, METRICS, OPTIMIZERS, SCHEDULES, split_config
from layerkit.errors import SpecError
from layerkit.specs import Spec

__all__ = ["Recipe", "loss_and_metrics"]


@dataclass(frozen=True)
class Recipe:
    """How one run is trained; see ``layerkit.specs.sections.Train`` for the fields."""

    loss: Loss
    rule: Optimizer
    schedule: Schedule
    metrics: dict[str, Metric]
    batch_size: int
    epochs: int
    seed: int
    weight_decay: float
    clip_norm: float | None
    clip_value: float | None
    stopping: dict[str, Any] | None

    @classmethod
    def of(cls, spec: Spec) -> Recipe:
        """The recipe of ``spec``.

        Raises
        ------
        SpecError
            If the spec has no training section.
        PluginError
            If a part it names is not installed.
        """
        given = spec.train
        if given is None:
            raise SpecError("the spec has no 'train' section, so nothing says how to train it")
        loss, metrics = loss_and_metrics(spec)
        return cls(
            loss=loss,
            rule=OPTIMIZERS.create(given["optimizer"]),
            schedule=SCHEDULES.create(given["schedule"]),
            metrics=metrics,
            batch_size=given["batch_size"],
            epochs=given["epochs"],
            seed=given["seed"],
            weight_decay=given["weight_decay"],
            clip_norm=given["clip_norm"],
            clip_value=given["clip_value"],
            stopping=given["early_stopping"],
        )

    @property
    def higher_is_better(self) -> bool:
        """Whether the number that early stopping watches should rise."""
        name = "loss" if self.stopping is None else self.stopping["metric"]
        return name != "loss" and self.metrics[name].higher_is_better


def loss_and_metrics(spec: Spec) -> tuple[Loss, dict[str, Metric]]:
    """The loss and the metrics by name that a spec is judged by; defaults without a recipe.

    Raises
    ------
    PluginError
        If one is not installed.
    """
    real = spec.output["targets"] is not None
    given = spec.train or {
        "loss": "mse" if real or spec.link == "identity" else "softmax_cross_entropy",
        "metrics": ["mae", "r2"] if real or spec.link == "identity" else ["accuracy"],
    }
    metrics: dict[str, Metric] = {}
    for config in given["metrics"]:
        name = split_config(config)[0]
        key = name if name not in metrics else f"{name}_{len(metrics) + 1}"
        metrics[key] = METRICS.create(config)
    return LOSSES.create(given["loss"]), metrics


def class_row_weights(choice: Any, classes: Any, y: np.ndarray[Any, Any]) -> Any:
    """Weight of each row (n,) from the recipe's ``class_weights``, or None.

    ``balanced`` weighs class c by n / (classes * rows of c).

    Raises
    ------
    SpecError
        If the weights are not one for each class.
    """
    if choice is None:
        return None
    where = "train.class_weights"
    if classes is None or y.ndim != 1:
        raise SpecError("class weights need classes, this model has none", location=where)
    count = len(classes)
    if choice == "balanced":
        seen = np.bincount(y, minlength=count)
        by_class = len(y) / (count * np.maximum(seen, 1))
    elif isinstance(choice, dict):
        names, by_class = Names(classes), np.ones(count)
        for key, weight in choice.items():
            place = names.find(key)
            if place < 0:
                known = [str(c) for c in classes]
                raise SpecError(f"{key!r} is none of the classes {known}", location=where)
            by_class[place] = weight
    else:
        if len(choice) != count:
            reason = f"{count} numbers are wanted, one a class, {len(choice)} came"
            raise SpecError(reason, location=where)
        by_class = np.array(choice, np.float64)
    return by_class[y]
