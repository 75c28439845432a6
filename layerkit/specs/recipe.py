"""The output and train sections of a spec: rules across fields, and the parts they name."""

from __future__ import annotations

from typing import Any

from layerkit.core.parts import Link, Loss, Target
from layerkit.discovery.registry import LOSSES, METRICS, split_config
from layerkit.display import quoted
from layerkit.errors import PluginError
from layerkit.specs.json_source import Path
from layerkit.specs.messages import Faults, describe_annotation, distinct_names, mismatch
from layerkit.specs.sections import DIALECT, SECTIONS
from layerkit.specs.validate.fast_path import NotPlainError, checker
from layerkit.specs.validate.settings import validate_part


def check_output_section(output: dict[str, Any], faults: Faults) -> None:
    """Note fields of the output section that contradict each other."""
    for key in ("classes", "column"):
        if output[key] is not None and output["targets"] is not None:
            reason = f"give either {key!r} (classification) or 'targets' (regression), not both"
            faults.add(("output",), reason)
    if output["targets"] is None and output["scale"] is not None:
        faults.add(("output", "scale"), "only 'targets' can be scaled, not classes")
    for key in ("classes", "targets"):
        names = output[key]
        least = 2 if key == "classes" else 1
        if names is not None and (len(names) < least or len(set(names)) < len(names)):
            faults.add(("output", key), distinct_names(least, names))


def link_of(loss: Any) -> Link:
    """The output function that the loss implies; "identity" if the loss is not installed."""
    found = _loss(loss)
    return "identity" if found is None else found.link


def _loss(loss: Any) -> type[Loss] | None:
    try:
        return LOSSES[split_config(loss)[0]]
    except (PluginError, TypeError):  # noted already, or the file holds its own link
        return None


def read_recipe(
    output: dict[str, Any], train: dict[str, Any], faults: Faults, *, lenient: bool = False
) -> None:
    """Resolve the parts that ``train`` names in place; mistakes go to ``faults``."""
    if train["loss"] is None:
        train["loss"] = "softmax_cross_entropy" if output["targets"] is None else "mse"
    _check_data(train["data"], faults)
    target: Target | None = None
    for key, group in (("loss", "losses"), ("optimizer", "optimizers"), ("schedule", "schedules")):
        before = faults.count
        train[key] = validate_part(group, train[key], ("train", key), faults, lenient=lenient)
        if key == "loss" and faults.count == before and (loss := _loss(train["loss"])):
            target = loss.target
    named = output["classes"] is not None or output["column"] is not None
    both = named and output["targets"] is not None  # noted by check_output_section
    if target == "real" and named and not both:
        reason = "a regression loss cannot learn classes: name the numbers in output.targets"
        faults.add(("train", "loss"), reason)
    if target == "class" and output["targets"] is not None and not both:
        faults.add(
            ("train", "loss"), "a classification loss cannot learn targets: use mse or huber"
        )
    _label_columns(output, train, faults)
    _metrics(target, train, faults, lenient=lenient)
    if train["early_stopping"] is not None:
        _early_stopping(train, faults)
    for i, value in enumerate(train["callbacks"]):
        path: Path = ("train", "callbacks", i)
        train["callbacks"][i] = validate_part("callbacks", value, path, faults, lenient=lenient)


def _check_data(data: Any, faults: Faults) -> None:
    """Note mistakes in a ``train.data`` object: paths and dialect."""
    if not isinstance(data, dict) or "type" in data:
        return
    paths = ("path", "train", "test", "format")
    if ("path" in data) == ("train" in data) and data.keys() <= {*paths, *DIALECT}:
        reason = "give either 'path' or 'train'" + (", not both" if "path" in data else "")
        faults.add(("train", "data"), reason)
    if "test" in data and "train" not in data:
        faults.add(("train", "data", "test"), "'test' goes with 'train', not with 'path'")
    fields = SECTIONS["input"].model_fields
    for key, value in data.items():
        path: Path = ("train", "data", key)
        if key not in (*paths, *DIALECT):
            faults.unknown(path, (*paths, *DIALECT))
            continue
        annotation = fields[key].annotation if key in DIALECT else str
        try:
            checker(annotation)(value)
        except NotPlainError:
            faults.add(path, mismatch(describe_annotation(annotation), value))


def _label_columns(output: dict[str, Any], train: dict[str, Any], faults: Faults) -> None:
    """Note a column with the answers that is used for something else too."""
    test = train["test"]
    uses = {
        ("train", "sample_weight"): train["sample_weight"],
        ("train", "test", "column"): test["column"] if isinstance(test, dict) else None,
    }
    for path, column in uses.items():
        if column is not None and column in (output["column"], *(output["targets"] or ())):
            faults.add(path, f"{column!r} is the answer to be learned: use another column")


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
            faults.add(path, f"{name!r} needs {kinds} targets, but the loss has {target} targets")


def _early_stopping(train: dict[str, Any], faults: Faults) -> None:
    metric = train["early_stopping"]["metric"]
    names = ["loss", *(split_config(m)[0] for m in train["metrics"] if isinstance(m, (str, dict)))]
    if metric not in names:
        listing = ", ".join(quoted(name)[1:-1] for name in names[:20])
        path: Path = ("train", "early_stopping", "metric")
        faults.add(path, mismatch(f"one of {listing}", metric))
