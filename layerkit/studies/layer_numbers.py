"""Whole numbers among the settings of a spec's layers, by path such as ``layers.1.units``.

A path is that of the spec as written: one into a repeated layer stands for all of its copies. What
a number does is found by changing it and planning the layers again, so layers of any author join.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from layerkit.core.context import Shape
from layerkit.core.planning import PlannedLayer
from layerkit.display import nearest, quoted
from layerkit.errors import PluginError, SpecError
from layerkit.health.settings import with_setting
from layerkit.specs import LayerRecord, Spec


@dataclass(frozen=True)
class Together:
    """Numbers that are always equal: those at ``paths`` are ``value``, and may move by ``step``.

    ``asked``: whether somebody asked for them by name.
    """

    paths: tuple[str, ...]
    value: int
    step: int = 1
    asked: bool = False


def numbers_of(spec: Spec) -> dict[str, int]:
    """The whole numbers of all layers by path, in order."""
    return {f"{at}.{key}": value for at, record in _places(spec.layers) for key, value in
            _settings(record).items() if type(value) is int}  # fmt: skip


def with_numbers(spec: Spec, values: Mapping[str, int]) -> Spec:
    """The same spec with other numbers at some paths."""
    return replace(spec, layers=changed(spec.layers, values))


def changed(
    records: Sequence[LayerRecord], values: Mapping[str, int], before: str = ""
) -> tuple[LayerRecord, ...]:
    """Layers with other numbers at some paths; ``before`` is the path of what holds them."""
    made = []
    for record in records:
        at = f"{before}layers.{record.origin}"
        own = {path.rpartition(".")[2]: n for path, n in values.items()
               if path.rpartition(".")[0] == at}  # fmt: skip
        inside = changed(record.layers, values, f"{at}.")
        made.append(replace(record, config={**record.config, **own}, layers=inside))
    return tuple(made)


def number_at(spec: Spec, path: str, location: str) -> str:
    """``path`` as ``numbers_of`` has it; one that counts layers from the end is found too.

    Raises SpecError, for the field at ``location``, if there is no whole number.
    """
    steps = [step for step in path.split(".") if step != "config"]
    held, at = spec.layers, list[str]()
    while len(steps) > 2 and steps[0] == "layers" and held:
        count = 1 + max(record.origin for record in held)
        index = int(steps[1]) if steps[1].lstrip("-").isdecimal() else count
        index += count if index < 0 else 0
        held = next((record.layers for record in held if record.origin == index), ())
        at, steps = [*at, "layers", str(index)], steps[2:]
    known = numbers_of(spec)
    found = ".".join([*at, *steps])
    if found not in known:
        near = nearest(found, list(known))
        expected = "the path of a whole number in the settings of a layer, as in layers.0.units"
        raise SpecError(f"expected {expected}, got {quoted(path)}{near}", location=location)
    return found


def widths_of(spec: Spec) -> list[Together]:
    """The numbers that say how wide a layer's output is and can change without that of the last.

    Those that follow such a number are with it.
    """
    planned = _planned_at(spec.layers, spec.plan())
    found, taken = list[Together](), set[str]()
    for path in numbers_of(spec):
        at, _, key = path.rpartition(".")
        if path not in taken and _is_width(planned[at], key):
            group = together(spec, [path])
            if group is not None:
                found.append(group)
                taken.update(group.paths)
    return found


def together(spec: Spec, paths: Sequence[str]) -> Together | None:
    """The numbers at ``paths``, with those that must follow them; None if they cannot change.

    A number follows if it is the same and the layers do not fit without it: one that only checks a
    width, or the last of a block whose output is added to its input.
    """
    known = numbers_of(spec)
    value = known[paths[0]]
    for other in filter(None, (2 * value, value + 1, value - 1)):
        moved = _followed(spec, list(paths), {known[p] for p in paths}, other)
        if moved is not None:
            steps = range(1, value + 1)
            fits = (s for s in steps if misfit(spec, dict.fromkeys(moved, value + s)) is None)
            return Together(tuple(moved), value, next(fits, 1))
    return None


def _followed(spec: Spec, paths: list[str], values: set[int], other: int) -> list[str] | None:
    """``paths`` and those that must follow if they become ``other``."""
    known = numbers_of(spec)
    while (at := misfit(spec, dict.fromkeys(paths, other))) is not None:
        if at == len(spec.layers):
            return None
        inside = f"layers.{spec.layers[at].origin}."
        same = [p for p, n in known.items() if p.startswith(inside) and n in values]
        for path in reversed(same):
            after = misfit(spec, dict.fromkeys([*paths, path], other))
            if path not in paths and (after is None or after > at):
                paths = [*paths, path]
                break
        else:
            return None
    return paths


def misfit(spec: Spec, values: Mapping[str, int]) -> int | None:
    """The first layer that does not fit with other numbers; the count of layers for the output.

    None if all fit.
    """
    try:
        planned = with_numbers(spec, values).plan()
    except (SpecError, PluginError) as error:
        location = getattr(error, "location", "")
        index = location.removeprefix("layers[").partition("]")[0]
        return int(index) if index.isdecimal() else len(spec.layers)
    return None if _out(planned) == _out(spec.plan()) else len(spec.layers)


def _out(planned: Sequence[PlannedLayer]) -> Shape | None:
    return planned[-1].out_shape if planned else None


def _planned_at(
    records: Sequence[LayerRecord], planned: Sequence[PlannedLayer], before: str = ""
) -> dict[str, PlannedLayer]:
    """The planned layer at each path, those inside containers too."""
    by_name, found = {one.name: one for one in planned}, dict[str, PlannedLayer]()
    for record in records:
        at = f"{before}layers.{record.origin}"
        if at not in found:
            found[at] = by_name[record.name]
            found |= _planned_at(record.layers, found[at].plan.parts, f"{at}.")
    return found


def _is_width(planned: PlannedLayer, key: str) -> bool:
    """Whether a setting is the size of an axis of the layer's output."""
    value, before = planned.layer.config[key], planned.out_shape
    layer = with_setting(planned, key, 2 * value)
    try:
        after = layer.plan(planned.in_shape).out_shape
    except Exception:  # noqa: BLE001  # an author's plan may raise anything
        return False
    axes = [i for i, size in enumerate(before) if size == value]
    return any(after == (*before[:i], 2 * value, *before[i + 1 :]) for i in axes)


def _settings(record: LayerRecord) -> dict[str, object]:
    """Its settings, those left out of the spec because they have their default too."""
    defaults = {key: p.default for key, p in record.part.settings().items()}
    return {key: record.config.get(key, default) for key, default in defaults.items()}


def _places(records: Sequence[LayerRecord], before: str = "") -> Iterator[tuple[str, LayerRecord]]:
    """The path of each layer and those inside it; of copies, the first one's."""
    seen = set()
    for record in records:
        at = f"{before}layers.{record.origin}"
        if record.origin not in seen:
            yield at, record
            yield from _places(record.layers, f"{at}.")
        seen.add(record.origin)
