"""The training recipe: the spec's training section with its parts made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Loss, Metric, Schedule
from layerkit.discovery.registry import LOSSES, METRICS, OPTIMIZERS, SCHEDULES, split_config
from layerkit.errors import SpecError
from layerkit.specs import Spec


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; ``layerkit.specs.sections.Train`` explains the fields."""

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
        """The recipe of ``spec``; raises SpecError if it has no training section."""
        given = spec.train
        if given is None:
            raise SpecError("the spec has no 'train' section, which training needs")
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
        """Whether early stopping watches a value that should rise."""
        name = "loss" if self.stopping is None else self.stopping["metric"]
        return name != "loss" and self.metrics[name].higher_is_better


def loss_and_metrics(spec: Spec) -> tuple[Loss, dict[str, Metric]]:
    """The loss and the metrics by name of a spec; defaults if it has no training section."""
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
