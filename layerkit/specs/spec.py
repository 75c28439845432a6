"""The resolved spec: JSON values with every default filled in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from layerkit.core.context import Shape
from layerkit.core.parts import Link
from layerkit.core.planning import PlannedLayer, plan_layers
from layerkit.core.ties import check_ties
from layerkit.discovery.origins import Origins
from layerkit.errors import SpecError
from layerkit.specs.columns import LEARN, inputs_of, name_of, not_learned
from layerkit.specs.json_source import JsonSource, Path, spell
from layerkit.specs.layers import LayerRecord, make_layers
from layerkit.specs.overrides import setters
from layerkit.specs.sections import DIALECT


@dataclass(frozen=True)
class Spec:
    """A resolved spec: JSON values, with every default filled in.

    ``train`` is None for a model that cannot be trained. ``link`` names the function that turns
    scores into predictions. ``origins`` is what the model file of the spec says of its parts;
    ``source`` is the spec as it was written, which tells the line of a field.
    """

    name: str
    dtype: Literal["float32", "float64"]
    input: dict[str, Any]
    layers: tuple[LayerRecord, ...]
    output: dict[str, Any]
    link: Link
    train: dict[str, Any] | None
    origins: Origins = field(default_factory=Origins, repr=False, compare=False)
    # As it was written: for the file and the line of what is found wrong later.
    source: JsonSource | None = field(default=None, repr=False, compare=False)
    # The plan by which the spec was checked, until the first call of ``plan`` takes it.
    _planned: list[list[PlannedLayer]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    @property
    def column_names(self) -> tuple[str, ...] | None:
        """The raw columns of the input; None if they go by position."""
        columns = self.input["columns"]
        if columns is None:
            return None
        return tuple(map(name_of, columns))

    @property
    def learns(self) -> tuple[str, ...]:
        """The columns whose categories are learned from training rows."""
        columns = [c for c in self.input["columns"] or () if not isinstance(c, str)]
        return tuple(c["name"] for c in columns if c["categories"] == LEARN)

    @property
    def in_shape(self) -> Shape:
        """Shape of one row as the first layer sees it.

        Raises
        ------
        SpecError
            If categories are to be learned, so that it is not known yet.
        """
        columns = self.input["columns"]
        if columns is None:
            return tuple(self.input["shape"])
        if self.learns:
            learned = [c for c in columns if name_of(c) in self.learns]
            raise not_learned(next((c for c in learned if "encode" not in c), learned[0]))
        return (sum(map(inputs_of, columns)),)

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Give a SpecError from the block, which knows its field alone, the place of that field."""
        try:
            yield
        except SpecError as error:
            known = error.path or error.line or error.setting
            if known or not error.location or type(error) is not SpecError:
                raise
            placed = self.fault(tuple(error.location.split(".")), error.reason)
            placed.hint = error.hint
            raise placed from None

    def fault(self, path: Path, reason: str) -> SpecError:
        """The error for a mistake at ``path`` that was found later: its line, or the override."""
        source = JsonSource({}) if self.source is None else self.source
        if settings := [change.label for change in setters(path, source.changes)]:
            return SpecError(reason, location=spell(path), setting=" ".join(settings))
        line = source.lines([path])[0]
        return SpecError(reason, location=spell(path), line=line, path=source.name)

    def plan(self) -> list[PlannedLayer]:
        """Make the layers of one network and plan them; allocates no parameters.

        Each call gives new layers, since a network puts its arrays into them.

        Raises
        ------
        ShapeError
            If two neighbouring layers do not fit together.
        SpecError
            If the settings of a layer contradict each other.
        """
        with suppress(IndexError):  # planned already, when the spec was read
            return self._planned.pop()
        planned = plan_layers(make_layers(self.layers), self.in_shape)
        check_ties(planned)
        return planned

    def to_document(self) -> dict[str, Any]:
        """The resolved spec as a JSON object that ``build`` accepts."""
        layers = [record.document() for record in self.layers]
        # Dialect fields left open have no default: they are detected.
        given = {k: v for k, v in self.input.items() if k not in DIALECT or v not in (None, [])}
        document = {
            "layerkit": 1,
            "name": self.name,
            "dtype": self.dtype,
            "input": given,
            "layers": layers,
            "output": {**self.output, "link": self.link},
        }
        if self.train is None:
            return document
        # Without them a training writes the files that it wrote before there were any.
        later = ("callbacks", "teacher", "hints")
        train = {k: v for k, v in self.train.items() if k not in later or v}
        return {**document, "train": train}

    def with_columns(self, columns: list[Any]) -> Spec:
        """The same spec with other ``input.columns``, known to be valid."""
        return replace(self, input={**self.input, "columns": columns})

    def with_train(self, **changes: Any) -> Spec:
        """The same spec with fields of its recipe replaced by values known to be valid."""
        return replace(self, train={**(self.train or {}), **changes})
