"""The output and training sections of a spec: what depends on several fields, and on parts."""

from __future__ import annotations

from typing import Any

from layerkit.core.parts import Link, Target
from layerkit.discovery.registry import LOSSES, METRICS, split_config
from layerkit.display import quoted
from layerkit.errors import PluginError
from layerkit.specs.document import annotation_at
from layerkit.specs.json_source import Path
from layerkit.specs.messages import Faults, came, describe
from layerkit.specs.sections import DIALECT, SECTIONS
from layerkit.specs.validate.fast_path import UnsureError, taker
from layerkit.specs.validate.settings import part_group, validate_part

__all__ = ["check_output", "link_of", "read_recipe"]


def check_output(output: dict[str, Any], faults: Faults) -> None:
    """Note what is wrong between the fields of the output section."""
    if output["classes"] is not None and output["targets"] is not None:
        faults.add(("output",), "'classes' and 'targets' exclude each other")
    if output["column"] is not None and output["targets"] is not None:
        reason = "'column' names a class and excludes 'targets', which name numbers"
        faults.add(("output",), reason)
    if output["targets"] is None and output["scale"] is not None:
        faults.add(("output", "scale"), "only targets can be scaled; classes cannot")
    for key in ("classes", "targets"):
        names = output[key]
        least = 2 if key == "classes" else 1
        if names is not None and (len(names) < least or len(set(names)) < len(names)):
            faults.add(("output", key), f"at least {least}, and none twice, are wanted")


def link_of(loss: Any) -> Link:
    """What the loss implies for predictions; numbers as they are if the loss is not installed."""
    try:
        return LOSSES[split_config(loss)[0]].link
    except (PluginError, TypeError):  # among the faults already, or a file holds its own link
        return "identity"


def read_recipe(
    output: dict[str, Any], train: dict[str, Any], faults: Faults, *, lenient: bool = False
) -> None:
    """Resolve the parts that ``train`` names, in place; mistakes go to ``faults``."""
    if train["loss"] is None:
        train["loss"] = "softmax_cross_entropy" if output["targets"] is None else "mse"
    _check_data(train["data"], faults)
    target: Target | None = None
    for key in ("loss", "optimizer", "schedule"):
        group = part_group(annotation_at(("train", key)))
        assert group is not None  # noqa: S101  # these three fields name parts
        before = faults.count
        train[key] = validate_part(group, train[key], ("train", key), faults, lenient=lenient)
        if key == "loss" and faults.count == before:
            target = _target(train["loss"])
    named = output["classes"] is not None or output["column"] is not None
    both = named and output["targets"] is not None  # told already
    if target == "real" and named and not both:
        reason = "a loss of numbers cannot learn classes: name the numbers in output.targets"
        faults.add(("train", "loss"), reason)
    if target == "class" and output["targets"] is not None and not both:
        faults.add(("train", "loss"), "a loss of classes cannot learn targets: use mse or huber")
    _label_columns(output, train, faults)
    _metrics(target, train, faults, lenient=lenient)
    if train["early_stopping"] is not None:
        _early_stopping(train, faults)


def _check_data(data: Any, faults: Faults) -> None:
    """Note what is wrong in an object that says where the data are and how they are written."""
    if not isinstance(data, dict) or "type" in data:
        return
    paths = ("path", "train", "test", "format")
    if ("path" in data) == ("train" in data) and data.keys() <= {*paths, *DIALECT}:
        faults.add(("train", "data"), "exactly one of 'path' and 'train' is wanted")
    if "test" in data and "train" not in data:
        faults.add(("train", "data", "test"), "this goes with 'train', not with 'path'")
    fields = SECTIONS["input"].model_fields
    for key, value in data.items():
        path: Path = ("train", "data", key)
        if key not in (*paths, *DIALECT):
            faults.unknown(path, (*paths, *DIALECT))
            continue
        annotation = fields[key].annotation if key in DIALECT else str
        try:
            taker(annotation)(value)
        except UnsureError:
            faults.add(path, f"{describe(annotation)} is wanted, {came(value)} came")


def _label_columns(output: dict[str, Any], train: dict[str, Any], faults: Faults) -> None:
    """The column that holds the answer is not there for anything else."""
    test = train["test"]
    uses = {
        ("train", "sample_weight"): train["sample_weight"],
        ("train", "test", "column"): test["column"] if isinstance(test, dict) else None,
    }
    for path, column in uses.items():
        if column is not None and column in (output["column"], *(output["targets"] or ())):
            faults.add(path, f"{column!r} holds what is to be learned: name another column")


def _target(loss: Any) -> Target | None:
    try:
        return LOSSES[split_config(loss)[0]].target
    except PluginError:
        return None


def _metrics(
    target: Target | None, train: dict[str, Any], faults: Faults, *, lenient: bool
) -> None:
    if train["metrics"] is None:
        train["metrics"] = ["mae", "r2"] if target == "real" else ["accuracy"]
    for i, value in enumerate(train["metrics"]):
        path: Path = ("train", "metrics", i)
        before = faults.count
        train["metrics"][i] = validate_part("metrics", value, path, faults, lenient=lenient)
        name = split_config(train["metrics"][i])[0] if faults.count == before else ""
        if name in METRICS and target is not None and target not in METRICS[name].target:
            kinds = " or ".join(METRICS[name].target)
            faults.add(path, f"{name} judges {kinds} targets, the loss has {target} ones")


def _early_stopping(train: dict[str, Any], faults: Faults) -> None:
    metric = train["early_stopping"]["metric"]
    names = ["loss", *(split_config(m)[0] for m in train["metrics"] if isinstance(m, (str, dict)))]
    if metric not in names:
        path: Path = ("train", "early_stopping", "metric")
        listing = ", ".join(quoted(name)[1:-1] for name in names[:20])
        faults.add(path, f"one of {listing} is wanted, {came(metric)} came")
