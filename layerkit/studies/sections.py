"""The fields of ``study.json``: what each takes, its default, what it means.

``layerkit explain`` and the documentation show the descriptions given here.
"""

# Section reads the annotations as objects: no ``from __future__ import annotations`` here.
from typing import Annotated, Any, Literal

from layerkit.fields import PartOf, Positive, Range, Size
from layerkit.specs.validate.declare import Section, field

What = Literal["params", "macs", "seconds"]
ALLOWED = 0.02  # of the cost, by default


class MatchSection(Section):
    """The field ``match``: which points of the grid cost as much as which."""

    what: What = field(
        description="What is made equal: trained parameters, multiply-adds of a row, or the "
        "seconds that a prediction of one row takes on this machine."
    )
    to: Annotated[Any, "a cost, a label of the grid, or an object of labels by axis"] = field(
        description="What the points are to cost: a label of the grid; labels by axis, such as "
        '`{"kind": "highway", "layers.1.repeat": 8}`; or a cost.'
    )
    free: Annotated[Any, "a list of paths, or an object of such lists by label"] = field(
        None,
        description="Paths of what is solved for; or such lists by label, "
        '`{"plain": ["layers.1.units"]}`. By default all widths that leave the output as it is.',
    )
    tied: Annotated[Any, "true, or a list of groups of paths or of positions in `free`"] = field(
        [],
        description="Groups of paths, or of positions in `free`, that stay equal: `[[0, 1]]`; "
        "`true` for those that are equal now.",
    )
    allow: Annotated[float, Range(ge=0, lt=1)] = field(
        ALLOWED, description="The largest remainder that is no error, as a share of the cost."
    )


class SearchSection(Section):
    """The field ``search``: a budget of trials that every point of the grid gets alike."""

    trials: Annotated[int, Range(ge=2, le=10_000)] = field(
        description="How many settings each point tries."
    )
    space: dict[str, Any] = field(
        {},
        description='From a field to its values: a list, or a range `{"from": ..., "to": ...}`, '
        'with `"log": true` for equal ratios and `"whole": true` for whole numbers.',
    )
    only: dict[str, Any] = field(
        {}, description="Fields that only points with a label have: axis, label, space."
    )
    on: str | None = field(
        None,
        description="What decides, on validation rows; by default the first metric "
        "(`val_accuracy`, say).",
    )
    set: dict[str, Any] = field(
        {},
        description="Fields of the trials alone, such as fewer epochs; the final trainings do not "
        "have them. Data and test rows stay.",
    )
    rows: Size | None = field(
        None,
        description="How many training rows a trial gets at most, those to validate on among "
        "them. Refused if a class has no row to train on, if they do not fill a batch, or if "
        "fewer are left to validate on than there are classes.",
    )
    seconds: Positive | None = field(
        None,
        description="Training time that the trials of a point have together: those that do not "
        "fit do not count.",
    )
    engine: Annotated[Any, PartOf("searches")] = field(
        "random", description="How settings are chosen."
    )
    seed: Annotated[int, Range(ge=0, lt=2**63)] = field(
        0,
        description="Of the draws, and of each trial's training: all are judged on the same "
        "validation rows.",
    )


class StudySection(Section):
    """A study: every combination of some fields of a spec, each with several seeds."""

    layerkit_study: Annotated[Any, "1"] = field(description="Version of the form: 1.")
    name: Annotated[Any, "a name of at most 64 letters, digits, '_', '-' or '.'"] = field(
        None, description="Of the study and its folder, `NAME.study`; by default that of the file."
    )
    spec: Annotated[Any, "the path of a spec, the name of a ready one, or an object"] = field(
        description="The spec that the points of the grid set fields of."
    )
    set: dict[str, Any] = field(
        {},
        description="Fields of the spec that hold for all points, from path to value: "
        '`{"train.epochs": 2}`.',
    )
    grid: dict[str, Any] = field(
        {},
        description="The axes; every combination of their values is a point. An axis is the path "
        "of a field with a list of values, or a name with an object of named alternatives, each of "
        "which sets some fields.",
    )
    match: MatchSection | None = field(
        None, description="Makes the points cost the same: in parameters, say."
    )
    seeds: Annotated[Any, "a count, or a list of distinct integers >= 0"] = field(
        1, description="With which seeds each point is trained; a count starts at that of the spec."
    )
    search: SearchSection | None = field(
        None, description="Tunes every point with the same number of trials first."
    )
    data: str | None = field(
        None, description="Path of the data, instead of those that the spec names."
    )
    validation: str | None = field(
        None, description="Path of rows to validate on, instead of a share of the training rows."
    )


STUDY_SECTIONS: dict[str, type[Section]] = {
    "": StudySection,
    "match": MatchSection,
    "search": SearchSection,
}
