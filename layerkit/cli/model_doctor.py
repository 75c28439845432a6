"""``layerkit doctor``: what keeps a network from learning, and what to set instead."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from layerkit.cli import console, options
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from layerkit.doctor import Diagnosis
    from layerkit.health import Finding

EXAMPLE = console.example(
    "layerkit doctor article-digits",
    "layerkit doctor net.json --data iris.csv",
    "layerkit doctor net.json --set layers.1.gate_bias=-4   before changing it",
    "layerkit doctor iris.layerkit --strict                 exits with 1 at a warning",
)

_SHOWN = 4  # settings of a finding; --json has all


def doctor(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|MODEL",
            help="A JSON spec, the name of a ready one, or a model file; - reads stdin.",
        ),
    ],
    *,
    data: options.Data = None,
    settings: options.Settings = None,
    seconds: Annotated[
        float,
        typer.Option(
            min=0, metavar="S", help="Time for short trainings of copies; 0: none are trained."
        ),
    ] = 10.0,
    layers: Annotated[
        bool, typer.Option("--layers", help="Also show how much reaches and changes each layer.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 at an error or a warning.")
    ] = False,
    dialect: options.Dialect,
    as_json: options.Json = False,
) -> None:
    """Find what keeps a network from learning.

    Looks at the training rows (unscaled, constant or leaking columns, skewed classes, repeated
    rows), at each layer (dead or saturated units, stuck gates, vanishing gradients, an activation
    on the output) and at the recipe (learning rate, gate bias for the depth). Each finding names
    the field to set.

    A spec is trained for up to 200 steps, on copies, also with what the findings say to set: the
    first value that helps is shown. A model is looked at as it is. No file is changed.
    """
    from layerkit import Model
    from layerkit.cli import files
    from layerkit.doctor import diagnose

    given = files.read_source(source, settings or ())
    found = diagnose(given, data, seconds=seconds, dialect=dialect)
    if as_json:
        console.emit_json({"name": given.name, **found.to_json()})
    else:
        command = ["layerkit", "train", source]
        is_model = isinstance(given, Model)
        if is_model:
            command[2] = f"{given.name}.json"
        if data is not None:
            command += ["--data", data]
        _show(given.name, found, command, list(map(str, settings or ())), layers=layers)
        if is_model and any(one.changes for one in found.findings):
            text = f"layerkit inspect {shlex.quote(source)} --spec > {shlex.quote(command[2])}"
            console.out(f"{command[2]} is the model's spec:\n  {printable(text)}")
    if strict and any(one.severity != "notice" for one in found.findings):
        raise typer.Exit(1)


def _show(
    name: str, found: Diagnosis, command: list[str], settings: list[str], *, layers: bool
) -> None:
    """The diagnosis as text, the worst first."""
    console.out(_wrapped(f"{name}: {found.ran}", "") + "\n")
    for finding in found.findings:
        console.out(_finding(finding, command, settings) + "\n")
    if layers and found.gradients:
        console.out(_layers(found) + "\n")
    counts = [
        counted(sum(one.severity == kind for one in found.findings), kind)
        for kind in ("error", "warning", "notice")
    ]
    console.out(", ".join(counts) if found.findings else "nothing found")


def _finding(finding: Finding, command: list[str], settings: list[str]) -> str:
    """One finding: what, why, and the command to try."""
    lines = [printable(f"{finding.severity}: {finding.check}"), _wrapped(finding.text + ".")]
    lines.append(_wrapped(f"Why: {finding.reason}."))
    if finding.advice:
        lines.append(_wrapped(f"Advice: {finding.advice}."))
    if finding.changes:
        lines.append("  Try:")
        lines.append(_command(finding, command, settings))
    else:
        lines.append(f"  Field: {finding.field}")
    if finding.tried:
        lines.append(_wrapped(f"Tried: {finding.tried}."))
    return "\n".join(lines)


def _command(finding: Finding, command: list[str], settings: list[str]) -> str:
    """The command that follows a finding; a shell takes it as it is printed.

    ``settings`` were given already; those that the finding changes are left out.
    """
    kept = [one for one in settings if one.partition("=")[0].strip() not in finding.changes]
    pairs = [f"--set {shlex.quote(setting)}" for setting in finding.settings]
    given = [f"--set {shlex.quote(setting)}" for setting in kept]
    parts = [shlex.join(command), *given, *pairs[:_SHOWN]]
    line = "    " + " ".join(parts)
    if len(line) > _width():
        line = "    " + " \\\n      ".join(parts)
    more = len(pairs) - _SHOWN
    note = f"\n    and {more} more, which --json shows" if more > 0 else ""
    return "\n".join(map(printable, line.split("\n"))) + note


def _layers(found: Diagnosis) -> str:
    """Gradients and updates by layer."""
    rows = [
        [name, f"{share:.2g}", f"{found.updates[name]:.2g}" if name in found.updates else ""]
        for name, share in found.gradients.items()
    ]
    legend = (
        "gradient: what reaches the layer, as a share of what reaches the last one; "
        "update: the share of its weights that a step changes"
    )
    return (
        console.table(["layer", "gradient", "update"], rows, "lrr") + "\n\n" + _wrapped(legend, "")
    )


def _wrapped(text: str, indent: str = "  ") -> str:
    return textwrap.fill(
        printable(text),
        _width(),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _width() -> int:
    return max(40, min(80, shutil.get_terminal_size().columns))
