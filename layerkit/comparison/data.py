"""The data of a comparison, and the rows that all contestants are judged on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from layerkit.comparison.contestants import Entry, check_same_task
from layerkit.comparison.overlap import Overlap, measure_overlap
from layerkit.core.parts import Loss
from layerkit.core.rows import Rows
from layerkit.data import Dialect
from layerkit.display import quoted
from layerkit.errors import DataError, SpecError
from layerkit.model import Model, build
from layerkit.specs import Spec
from layerkit.training.prepare import Arrays, prepare, test_split, to_arrays
from layerkit.training.training_data import DataLike, splits_of

JudgedSplit = Literal["test", "validation"]


Source = tuple[Spec, Any, Dialect | None]
"""How a worker reads the rows: the spec that says how, the path (or None), the dialect."""


@dataclass(frozen=True)
class ComparisonData:
    """The rows that specs are trained on, and those that all contestants are judged on."""

    splits: Mapping[str, Rows]
    rows: Rows | None  # the judged rows; None for those that each seed holds out of training
    name: str  # in reports
    cautions: tuple[str, ...] = ()
    validation: float = 0.0  # the share of training rows that each seed holds out, if rows is None
    source: Source | None = None  # None for rows in memory

    def arrays(self, model: Model, seed: int | None, loss: Loss) -> Arrays:
        """The judged rows as ``model`` sees them."""
        if self.rows is not None:
            return to_arrays(model.contract, self.rows, loss)
        # The run's own split follows from the spec and the seed, not from the trained model.
        held_out = prepare(build(model.spec), self.splits, loss, seed=seed or 0).validation
        assert held_out is not None  # noqa: S101  # load_comparison_data has checked it
        return held_out

    def validation_ratio(self, seeds: int) -> float | None:
        """n2/n1 if each seed is judged on its own n2 rows, held out of n1 + n2; else None."""
        if self.rows is not None or seeds < 2:
            return None
        return self.validation / (1 - self.validation)

    def overlap(self, models: Sequence[Model]) -> Overlap | None:
        """Whether ``models`` were fitted on the judged rows; validation rows never are."""
        return None if self.rows is None or not models else measure_overlap(models, self.rows)

    def sample(self, rows: int) -> Rows:
        """Up to ``rows`` rows to measure inference with."""
        source = self.splits["train"] if self.rows is None else self.rows
        return source.take(slice(0, rows))


def load_comparison_data(
    entries: Sequence[Entry], data: DataLike, on: JudgedSplit, dialect: Dialect | None = None
) -> ComparisonData:
    """Load the data once for all contestants, and choose the rows that they are judged on.

    Raises DataError for different tasks, for different data where ``data`` is None, and if there
    are no such rows; SpecError for different splits.
    """
    check_same_task(entries)
    splits, name, source = _load_splits(entries, data, dialect)
    if on == "validation":
        share = _validation_share(entries)
        return ComparisonData(splits, None, name, validation=share, source=source)
    if splits.get("test") is None:
        _common_split(entries, "test")
    _, rows = test_split(splits, next((e.spec for e in entries if e.spec.train), entries[0].spec))
    if rows is None and data is not None and all(e.kind != "spec" for e in entries):
        caution = (
            "The data have no test split, so all rows were judged: a model that was trained on "
            "them looks better than it is."
        )
        return ComparisonData(splits, splits["train"], name, (caution,), source=source)
    if rows is None or len(rows) == 0:
        raise DataError(
            f"{name}: no test rows to compare on",
            hint="keep some, for example with --set train.test=0.2, or compare on the validation "
            "rows",
        )
    return ComparisonData(splits, rows, name, source=source)


def _load_splits(
    entries: Sequence[Entry], data: DataLike, dialect: Dialect | None
) -> tuple[Mapping[str, Rows], str, Source | None]:
    """The rows by split, the name of the data, and how to read them."""
    spec = entries[0].spec
    if data is not None and not isinstance(data, (str, Path)):
        return splits_of(spec, data), "data given", None
    recipes = ((e.spec.train or {}, e.name) for e in entries)
    named = {json.dumps(r["data"], sort_keys=True): by for r, by in recipes if r.get("data")}
    if data is None and len(named) != 1:
        found = ", ".join(
            f"{_data_name(json.loads(config))!r} in {quoted(by)}" for config, by in named.items()
        )
        reason = f"the contestants name different data: {found}" if named else "no data"
        raise DataError(reason, hint="name the data to compare on: --data PATH")
    config = json.loads(next(iter(named))) if len(named) == 1 else None
    name = _data_name(config) if data is None else str(data)
    read_as, path = spec.with_train(data=config), None if data is None else str(data)
    return splits_of(read_as, path, dialect=dialect), name, (read_as, path, dialect)


def _data_name(config: Any) -> str:
    """A short name for what ``train.data`` holds."""
    if isinstance(config, dict):
        return str(config.get("path", config.get("train", config.get("type"))))
    return str(config)


def _common_split(entries: Sequence[Entry], key: str) -> Any:
    """The value that all recipes give to ``key``; raises SpecError if they differ."""
    found = {
        json.dumps(e.spec.train.get(key), sort_keys=True): e.name for e in entries if e.spec.train
    }
    if len(found) > 1:
        given = ", ".join(f"{value} in {quoted(name)}" for value, name in found.items())
        raise SpecError(
            f"expected the same split in all recipes, got {given}; set one for all, for example "
            f"with --set train.{key}=0.2",
            location=f"train.{key}",
        )
    return json.loads(next(iter(found))) if found else None


def _validation_share(entries: Sequence[Entry]) -> float:
    for e in entries:
        if e.kind != "spec":
            raise DataError(
                f"{quoted(e.name)} is a trained model, and its file does not hold which rows it "
                "was validated on",
                hint="compare on the test rows, or give its spec",
            )
    _common_split(entries, "test")
    share = _common_split(entries, "validation")
    if not share:
        raise SpecError(
            "no validation rows to compare on: set train.validation (0.1, say)",
            location="train.validation",
        )
    return float(share)
