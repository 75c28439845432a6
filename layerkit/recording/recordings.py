"""The recordings of a network: layers of equal structure are recorded once."""

from __future__ import annotations

from typing import Any

from layerkit.core.planning import PlannedLayer
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import Recording, record
from layerkit.recording.run import own_fields


class Recordings:
    """Recordings by structure, for passes of ``dtype``; may be used by several threads."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self._known: dict[Any, Recording | NotRecorded] = {}
        self._held: list[Any] = []  # keys with identities in them stay true while these live

    def get(self, planned: PlannedLayer, *, training: bool, keeps: bool) -> Recording | NotRecorded:
        """The recording of a layer, or why there is none; made on first use."""
        key = (structure_of(planned), training, keeps)
        found = self._known.get(key)
        if found is None:
            try:
                layer, in_shape, plan = planned.layer, planned.in_shape, planned.plan
                found = record(
                    layer, in_shape, self.dtype, training=training, keeps=keeps, plan=plan
                )
            except NotRecorded as refusal:
                # anew, since its traceback holds the arrays of the run
                found = NotRecorded(refusal.reason, refusal.line)
            self._held.append(planned.layer)
            found = self._known.setdefault(key, found)  # all threads share one
        return found


def structure_of(planned: PlannedLayer) -> Any:
    """What decides what a layer computes: its class, settings and shapes, comparable."""
    own = own_fields(planned.layer).items()
    settings = tuple(sorted((k, _setting(v)) for k, v in own if k != "name"))
    plan = planned.plan
    shapes = tuple((k, p.shape) for group in (plan.params, plan.state) for k, p in group.items())
    inside = tuple((part.name, structure_of(part)) for part in plan.parts)
    return type(planned.layer), planned.in_shape, plan.out_shape, shapes, settings, inside


def _setting(value: Any) -> str:
    """Plain data as text, anything else by its identity."""
    return repr(value) if _is_plain(value) else f"<{id(value)}>"


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind in (list, tuple):
        return all(map(_is_plain, value))
    if kind is dict:
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    return value is None or kind in (bool, int, float, str)
