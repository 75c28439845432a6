"""The metrics that a report is asked for, besides those of the model's recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerkit.core.parts import Metric, Target
from layerkit.discovery.registry import METRICS
from layerkit.display import quoted
from layerkit.specs.json_source import JsonSource
from layerkit.specs.messages import Faults
from layerkit.specs.recipe import shared_settings
from layerkit.specs.validate.settings import validate_part

MetricLike = str | Mapping[str, Any] | Metric
"""A metric: its name, its settings with the name under "type", or the part itself."""


def asked_metrics(
    configs: Sequence[MetricLike], target: Target, loss: Any = None, where: str = "metrics"
) -> list[Metric]:
    """The metrics that ``configs`` name, all for targets of kind ``target``.

    As in a spec, they take settings that were not given from ``loss``, that of the recipe.

    Raises SpecError at ``where`` for settings that a metric does not accept or a metric for other
    targets, PluginError if one cannot be used.
    """
    return [_metric(config, target, loss, where) for config in configs]


def _metric(config: MetricLike, target: Target, loss: Any, where: str) -> Metric:
    faults = Faults(JsonSource({}), where)
    metric = config
    if not isinstance(metric, Metric):
        resolved = validate_part("metrics", metric, (), faults)
        faults.raise_any()
        if shared := shared_settings(metric, resolved, loss):
            resolved = validate_part("metrics", {**resolved, **shared}, (), faults)
        metric = METRICS.create(resolved)
    if target not in metric.target:
        kinds = " or ".join(metric.target)
        name = quoted(metric.type_name)
        faults.add((), f"{name} needs {kinds} targets, but the model's are {target} targets")
        faults.raise_any()
    return metric


def with_asked(metrics: Mapping[str, Metric], asked: Sequence[Metric]) -> dict[str, Metric]:
    """``metrics`` by name, and those asked for that are not among them."""
    found = dict(metrics)
    held = [(type(m), m.config) for m in found.values()]
    for metric in asked:
        if (type(metric), metric.config) in held:
            continue
        held.append((type(metric), metric.config))
        name = metric.type_name
        found[name if name not in found else f"{name}_{len(found) + 1}"] = metric
    return found
