"""The training recipe: the spec's training section with its parts made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from layerkit.core.callback import Callback
from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Loss, Metric, Schedule
from layerkit.discovery.registry import (
    CALLBACKS,
    LOSSES,
    METRICS,
    OPTIMIZERS,
    SCHEDULES,
    split_config,
)
from layerkit.errors import SpecError
from layerkit.specs import Spec
from layerkit.specs.recipe import require_parts


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
    callbacks: list[Callback]

    @classmethod
    def of(cls, spec: Spec) -> Recipe:
        """The recipe of ``spec``.

        Raises SpecError if it has no training section, PluginError if a part of it is not here.
        """
        given = spec.train
        if given is None:
            raise SpecError("the spec has no 'train' section, which training needs")
        require_parts(spec, "losses", "optimizers", "schedules", "metrics", "callbacks")
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
            callbacks=[CALLBACKS.create(one) for one in _callbacks(given)],
        )


def _callbacks(train: Mapping[str, Any]) -> list[str | dict[str, Any]]:
    """The callbacks that a training section names; ``early_stopping`` is the first of them."""
    stopping = train["early_stopping"]
    first = [] if stopping is None else [{"type": "early_stopping", **stopping}]
    return [*first, *train["callbacks"]]


def loss_and_metrics(spec: Spec) -> tuple[Loss, dict[str, Metric]]:
    """The loss and the metrics by name of a spec; defaults if it has no training section."""
    require_parts(spec, "losses", "metrics")
    real = spec.output["targets"] is not None
    numbers = real or spec.link in ("identity", "exp")
    given = spec.train or {
        "loss": "mse" if numbers else "softmax_cross_entropy",
        "metrics": ["mae", "r2"] if numbers else ["accuracy"],
    }
    metrics: dict[str, Metric] = {}
    for config in given["metrics"]:
        name = split_config(config)[0]
        key = name if name not in metrics else f"{name}_{len(metrics) + 1}"
        metrics[key] = METRICS.create(config)
    return LOSSES.create(given["loss"]), metrics
