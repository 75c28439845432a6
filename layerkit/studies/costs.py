"""What a spec costs: trained parameters, or multiply-adds for a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from layerkit.core.context import Shape
from layerkit.core.planning import plan_layers
from layerkit.errors import PluginError, SpecError
from layerkit.recording.counting import macs_of_layers, total
from layerkit.specs import LayerRecord, Spec, read_spec
from layerkit.specs.json_source import JsonSource
from layerkit.specs.messages import Faults
from layerkit.specs.validate.check_fields import check_fields
from layerkit.specs.validate.declare import holds_layers
from layerkit.studies.freedom import no_width
from layerkit.studies.layer_numbers import Together, changed, with_numbers
from layerkit.studies.widths import Widths, nearest_widths

WORDS = {"params": "parameters", "macs": "multiply-adds per row", "seconds": "seconds per row"}


def cost_of(spec: Spec, what: str) -> int:
    """Parameters, or multiply-adds per row; raises SpecError if they are not known."""
    planned = spec.plan()
    if what == "params":
        return sum(one.parameters for one in planned)
    counts = macs_of_layers(planned, spec.dtype)
    found = total(counts)
    if found is None:
        raise _uncounted(planned[counts.index(None)].name)
    return found


def _uncounted(name: str) -> SpecError:
    return SpecError(f"the multiply-adds of layer {name!r} are not known, as it runs as written: "
                     "match params", location="what")  # fmt: skip


class LayerCosts:
    """What a spec costs with other numbers in some groups; equal layers are counted once.

    Groups that do not change the cost are left out, unless they were asked for.
    """

    def __init__(self, spec: Spec, groups: Sequence[Together], what: str) -> None:
        self._spec, self._what = spec, what
        self._known: dict[tuple[Any, ...], tuple[Shape, int] | None] = {}
        self._set_groups(groups)
        before = self(self.start)
        idle = [i for i, g in enumerate(groups) if self._with_one(i, g.value + g.step) == before]
        if asked := [groups[i] for i in idle if groups[i].asked]:
            reason = f"{asked[0].paths[0]} does not change the {WORDS[what]}"
            raise SpecError(reason, location="free")
        self._set_groups([g for i, g in enumerate(groups) if i not in idle])
        if not self.groups:
            raise no_width()

    def _set_groups(self, groups: Sequence[Together]) -> None:
        self.groups, self._known = groups, {}
        self.start = tuple(group.value for group in groups)
        self._own = [
            [i for i, group in enumerate(groups) if _touches(group, record.origin)]
            for record in self._spec.layers
        ]

    def _with_one(self, i: int, value: int) -> int | None:
        return self((*self.start[:i], value, *self.start[i + 1 :]))

    def values(self, widths: Widths) -> dict[str, int]:
        """The numbers by path."""
        pairs = zip(self.groups, widths, strict=True)
        return {path: width for group, width in pairs for path in group.paths}

    def with_widths(self, widths: Widths) -> Spec:
        """The spec with other widths; raises SpecError for what is wrong only in a whole spec."""
        made = with_numbers(self._spec, self.values(widths))
        return replace(read_spec(made.to_document()), source=made.source)

    def solved(self, target: float) -> Widths:
        """The widths whose cost is nearest to ``target``."""
        steps = tuple(group.step for group in self.groups)
        return nearest_widths(self, self.start, steps, target)

    def __call__(self, widths: Widths) -> int | None:
        """The cost; None if a layer does not fit."""
        shape, cost = self._spec.in_shape, 0
        for record, own in zip(self._spec.layers, self._own, strict=True):
            key = (record.origin, shape, *(widths[i] for i in own))
            if key not in self._known:
                self._known[key] = self._counted(record, shape, self.values(widths))
            found = self._known[key]
            if found is None:
                return None
            shape, cost = found[0], cost + found[1]
        return cost

    def _counted(
        self, record: LayerRecord, shape: Shape, values: Mapping[str, int]
    ) -> tuple[Shape, int] | None:
        """The output shape and the cost of a layer for rows of ``shape``; None if it cannot be."""
        (record,) = changed([record], values)
        if not all(map(_is_valid, record.nested())):
            return None
        try:
            (planned,) = plan_layers([(record.name, record.make())], shape)
        except (SpecError, PluginError):
            return None
        if self._what == "params":
            return planned.out_shape, planned.parameters
        (macs,) = macs_of_layers([planned], self._spec.dtype)
        if macs is None:
            raise _uncounted(record.name)
        return planned.out_shape, macs


def _touches(group: Together, origin: int) -> bool:
    return any(path.startswith(f"layers.{origin}.") for path in group.paths)


def _is_valid(record: LayerRecord) -> bool:
    """Whether each of a layer's settings is in its range."""
    inside: dict[str, Any] = {"layers": []} if holds_layers(record.part) else {}
    faults = Faults(JsonSource({}))
    return check_fields(record.part, {**record.config, **inside}, (), faults) is not None
