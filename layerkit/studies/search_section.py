"""What the field ``search`` of a study may say."""

# Section reads the annotations as objects: no ``from __future__ import annotations`` here.
from typing import Annotated, Any

from layerkit.fields import PartOf, Positive, Range, Size
from layerkit.specs.validate.declare import Section, field


class SearchSection(Section):
    """The field ``search`` of a study."""

    trials: Annotated[int, Range(ge=2, le=10_000)] = field(
        description="How many settings each point tries."
    )
    space: dict[str, Any] = field({}, description="Field to its values: of all points.")
    only: dict[str, Any] = field(
        {}, description="Axis to label to space: of the points with that label."
    )
    on: str | None = field(
        None, description="What decides, on validation rows: the first metric by default."
    )
    set: dict[str, Any] = field({}, description="Fields of the trials alone, such as epochs.")
    rows: Size | None = field(None, description="How many training rows a trial gets at most.")
    seconds: Positive | None = field(
        None, description="Training time that the trials of a point have together."
    )
    engine: Annotated[Any, PartOf("searches")] = field(
        "random", description="How settings are chosen."
    )
    seed: Annotated[int, Range(ge=0, lt=2**63)] = field(
        0, description="Of the draws, and of each trial's training."
    )
