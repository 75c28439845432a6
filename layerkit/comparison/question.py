"""Whether all contestants answer the same question, and the rows that they are judged on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from layerkit.comparison.entries import Entry
from layerkit.comparison.seen import Seen, seen_of
from layerkit.core.parts import Loss, Metric
from layerkit.core.rows import Rows
from layerkit.data import Dialect
from layerkit.discovery.registry import METRICS, split_config
from layerkit.display import quoted
from layerkit.errors import DataError, SpecError
from layerkit.model import Model, build
from layerkit.training.prepare import Arrays, prepare, test_split, to_arrays
from layerkit.training.recipe import loss_and_metrics
from layerkit.training.training_data import DataLike, splits_of

__all__ = ["Question", "check_answers", "check_specs", "metrics_of", "pose"]

On = Literal["test", "validation"]


@dataclass(frozen=True)
class Question:
    """The data of a comparison.

    Attributes
    ----------
    splits
        What specs are trained on, by name.
    on
        "test": the same rows for all; "validation": those that each seed kept from training.
    rows
        The test rows, or None on "validation".
    data
        What the data are called, for people.
    held
        The share of training rows that each seed keeps, on "validation".
    cautions
        What to keep in mind about them.
    """

    splits: Mapping[str, Rows]
    on: On
    rows: Rows | None
    data: str
    cautions: tuple[str, ...] = ()
    held: float = 0.0

    def arrays(self, model: Model, seed: int | None, loss: Loss) -> Arrays:
        """The judged rows as ``model`` sees them."""
        if self.rows is not None:
            return to_arrays(model.contract, self.rows, loss)
        # The run's own split: it follows from the spec and the seed, not from the trained model.
        held = prepare(build(model.spec), self.splits, loss, seed=seed or 0).validation
        assert held is not None  # noqa: S101  # pose has checked it
        return held

    def own_rows(self, seeds: int) -> float | None:
        """n2/n1 where each seed is judged on n2 rows of its own, kept out of n1 + n2; else None."""
        if self.rows is not None or seeds < 2:
            return None
        return self.held / (1 - self.held)

    def seen(self, models: Sequence[Model]) -> Seen | None:
        """Whether ``models`` were fitted on the judged rows; validation rows never are."""
        return None if self.rows is None or not models else seen_of(models, self.rows)

    def sample(self, rows: int) -> Rows:
        """Up to ``rows`` rows to measure inference with."""
        source = self.splits["train"] if self.rows is None else self.rows
        return source.take(slice(0, rows))


def pose(
    entries: Sequence[Entry], data: DataLike, on: On, dialect: Dialect | None = None
) -> Question:
    """Load the data once for all contestants, and settle which rows they are judged on.

    Raises
    ------
    DataError
        If the contestants name different data and none are given, or there are no such rows.
    SpecError
        If their splits differ.
    """
    check_specs(entries)
    splits, called = _splits(entries, data, dialect)
    if on == "validation":
        return Question(splits, on, None, called, held=_validation_share(entries))
    if splits.get("test") is None:
        _one(entries, "test")
    _, rows = test_split(splits, next((e.spec for e in entries if e.spec.train), entries[0].spec))
    if rows is None and data is not None and all(e.kind != "spec" for e in entries):
        caution = (
            "The data have no test split, so all their rows were judged: if a model was trained "
            "on them, its numbers flatter it."
        )
        return Question(splits, on, splits["train"], called, (caution,))
    if rows is None or len(rows) == 0:
        raise DataError(
            f"{called}: no test rows to compare on",
            hint="keep some, for example with --set train.test=0.2, or compare on the validation "
            "rows",
        )
    return Question(splits, on, rows, called)


def _splits(
    entries: Sequence[Entry], data: DataLike, dialect: Dialect | None
) -> tuple[Mapping[str, Rows], str]:
    spec = entries[0].spec
    if data is not None and not isinstance(data, (str, Path)):
        return splits_of(spec, data), "data given"
    recipes = ((e.spec.train or {}, e.name) for e in entries)
    named = {json.dumps(r["data"], sort_keys=True): by for r, by in recipes if r.get("data")}
    if data is not None:
        name = json.loads(next(iter(named))) if len(named) == 1 else None
        return splits_of(spec.with_train(data=name), data, dialect=dialect), str(data)
    if len(named) != 1:
        found = ", ".join(
            f"{_called(json.loads(name))!r} by {quoted(by)}" for name, by in named.items()
        )
        reason = f"the contestants were made for different data: {found}" if named else "no data"
        raise DataError(reason, hint="name the data that all are compared on: --data PATH")
    name = json.loads(next(iter(named)))
    return splits_of(spec.with_train(data=name), dialect=dialect), _called(name)


def _called(data: Any) -> str:
    """What ``train.data`` names, for people."""
    if isinstance(data, dict):
        return str(data.get("path", data.get("train", data.get("type"))))
    return str(data)


def _one(entries: Sequence[Entry], key: str) -> Any:
    """The value that all recipes give to ``key``.

    Raises
    ------
    SpecError
        If they differ: then the contestants would not be judged on the same rows.
    """
    found = {
        json.dumps(e.spec.train.get(key), sort_keys=True): e.name for e in entries if e.spec.train
    }
    if len(found) > 1:
        given = ", ".join(f"{value} in {quoted(name)}" for value, name in found.items())
        raise SpecError(
            f"different splits would be judged: {given}; set one for all, for example with "
            f"--set train.{key}=0.2",
            location=f"train.{key}",
        )
    return json.loads(next(iter(found))) if found else None


def _validation_share(entries: Sequence[Entry]) -> float:
    for e in entries:
        if e.kind != "spec":
            raise DataError(
                f"{quoted(e.name)} is a trained model: which rows it was validated on is not in "
                "its file",
                hint="compare on the test rows, or give its spec",
            )
    _one(entries, "test")
    share = _one(entries, "validation")
    if not share:
        raise SpecError(
            "no validation rows to compare on: set train.validation (0.1, say)",
            location="train.validation",
        )
    return float(share)


def check_specs(entries: Sequence[Entry]) -> None:
    """Refuse contestants whose specs say that they answer different questions.

    Raises
    ------
    DataError
        If classes, targets or input differ; the message names both contestants and both values.
    """
    first = entries[0]
    for other in entries[1:]:
        for what in ("classes", "targets"):
            _same(first, other, what, *(_names(e.spec.output[what]) for e in (first, other)))
        real = [loss_and_metrics(e.spec)[0].target == "real" for e in (first, other)]
        _same(first, other, "kind of answer", *("numbers" if r else "classes" for r in real))
        if first.spec.input["columns"] is None and other.spec.input["columns"] is None:
            shapes = [list(e.spec.in_shape) for e in (first, other)]
            _same(first, other, "input shape", *shapes)


def check_answers(first: Entry, other: Entry) -> None:
    """Refuse two contestants whose trained models know different classes or targets.

    Raises
    ------
    DataError
        As ``check_specs``; classes that were learned from the rows are known only now.
    """
    pair = [next(iter(e.models.values())).contract.output for e in (first, other)]
    for what in ("classes", "targets"):
        names = [_names(None if o is None else getattr(o, what)) for o in pair]
        _same(first, other, what, *names)


def _names(given: Sequence[Any] | None) -> list[str] | None:
    """Names without their order, which is each model's own business."""
    return None if given is None else sorted(str(name) for name in given)


def _same(first: Entry, other: Entry, what: str, wanted: Any, found: Any) -> None:
    if wanted is None or found is None or wanted == found:
        return
    raise DataError(
        f"{quoted(first.name)} and {quoted(other.name)} answer different questions, so they "
        f"cannot be compared: {what} {quoted(wanted, 200)} against {quoted(found, 200)}"
    )


def metrics_of(entries: Sequence[Entry]) -> dict[str, Metric]:
    """Every metric that a contestant's recipe names and that can judge all, by name.

    Raises
    ------
    PluginError
        If one is not installed.
    """
    configs: dict[str, Any] = {}
    kinds = []
    for e in entries:
        loss, defaults = loss_and_metrics(e.spec)
        kinds.append(loss.target)
        for config in e.spec.train["metrics"] if e.spec.train else list(defaults):
            configs.setdefault(json.dumps(split_config(config), sort_keys=True), config)
    metrics: dict[str, Metric] = {}
    for config in configs.values():
        metric = METRICS.create(config)
        if all(kind in metric.target for kind in kinds):
            name = split_config(config)[0]
            metrics[name if name not in metrics else f"{name}_{len(metrics) + 1}"] = metric
    return metrics
