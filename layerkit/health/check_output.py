"""The last layer: its scores must be free to take any value that the loss asks for."""

from __future__ import annotations

from collections.abc import Iterator

from layerkit.discovery.registry import ACTIVATIONS
from layerkit.health.cures import first_and_rest
from layerkit.health.finding import Changes, Finding
from layerkit.health.inside import Inside, Scalar, output_bound
from layerkit.health.settings import naming, parts_but, with_setting
from layerkit.health.subject import Subject
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import record


def bounded_output(subject: Subject) -> Iterator[Finding]:
    """An activation at the output that keeps scores from values which the link or scale needs."""
    inside = subject.insides[-1] if subject.insides else None
    if inside is None:
        return
    found = output_bound(inside)
    link, output = subject.spec.link, subject.spec.output
    if found is None or (link == "identity" and output["scale"] is None):
        return  # targets may lie in the range of the activation by choice
    changes, others = first_and_rest(_free(subject))
    where = subject.network.planned[-1].name
    need = "scaled targets have any sign" if link == "identity" else f"{link} needs any number"
    yield Finding(
        "activation on the output",
        "warning",
        f"{where}: its activation gives only numbers {_range(found)}, where {need}",
        "a score that cannot fall below 0 (or exceed 1) cannot say that a class is unlikely, and "
        "units that are flat learn nothing (Goodfellow et al. 2016, section 6.2.2)",
        next(iter(changes), subject.place(len(subject.insides) - 1)),
        changes,
        others=others,
    )


def _range(found: Scalar) -> str:
    low, high = min(found.limits), max(found.limits)
    if found.low is not None and found.high is not None:
        return f"from {low:.2g} to {high:.2g}"
    return f"from {low:.2g} up" if found.low is not None else f"up to {high:.2g}"


def _free(subject: Subject) -> Iterator[Changes]:
    """Activations of the last layer that leave its output free: the most linear first."""
    last = len(subject.insides) - 1
    planned = subject.network.planned[last]
    for setting in naming(planned, "activations"):
        default = planned.layer.settings()[setting].default
        names = [default] if isinstance(default, str) else []
        names += [name for name in ACTIVATIONS.names() if name not in names]
        for name in parts_but(planned.layer.config[setting], names):
            layer = with_setting(planned, setting, name)
            try:
                found = record(
                    layer, planned.in_shape, subject.network.dtype, training=False, keeps=False
                )
            except NotRecorded:
                continue
            if output_bound(Inside(last, planned, found)) is None:
                yield dict.fromkeys(subject.paths([last], setting), name)
                return
