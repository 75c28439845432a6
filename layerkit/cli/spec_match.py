"""``layerkit spec match``: solve the widths with which a spec costs as much as another one."""

from __future__ import annotations

import shlex
from typing import Annotated, Literal

import typer

from layerkit.cli import console, failures, options
from layerkit.cli.spec_init import spec_text
from layerkit.display import printable

EXAMPLE = console.example(
    "layerkit spec match depth-plain-10 depth-highway-10",
    "layerkit spec match net.json 20000 --free layers.0.units -o small.json",
    "layerkit spec match plain-digits highway-digits --what macs --tied",
)


def match(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="The spec whose widths are solved for.")
    ],
    to: Annotated[
        str,
        typer.Argument(metavar="TO", help="The spec whose cost it is to have, or the cost itself."),
    ],
    *,
    what: Annotated[
        Literal["params", "macs", "seconds"],
        typer.Option(
            metavar="WHAT",
            help="The cost: params (trained parameters), macs (multiply-adds per row) or seconds "
            "(per row, measured here).",
        ),
    ] = "params",
    free: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Solve for this whole number, such as layers.0.units. Repeatable.",
            show_default="all widths but that of the output",
        ),
    ] = None,
    tied: Annotated[
        bool, typer.Option("--tied", help="Widths that are equal in SPEC stay equal.")
    ] = False,
    allow: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Accept a cost off by this share.")
    ] = 0.02,
    settings: options.Settings = None,
    output: Annotated[
        str | None, options.output_option("none", "Write SPEC with these widths to this file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it is a spec.")] = False,
    as_json: options.Json = False,
) -> None:
    """Solve the widths with which a spec costs as much as another one.

    All widths are scaled by one factor, then moved by as few units as bring the cost within 0.5 %.
    The result is a spec like any other.
    """
    from dataclasses import asdict

    from layerkit.cli import files
    from layerkit.specs import as_spec
    from layerkit.specs.overrides import override
    from layerkit.studies import match_widths
    from layerkit.studies.layer_numbers import numbers_of

    if output is not None:
        files.check_spec_target(output, force=force)
    source = as_spec(spec, settings or ())
    found = match_widths(source, _cost(to), what=what, free=free or None, tied=tied, allow=allow)
    if output is not None:
        assert source.source is not None  # noqa: S101  # it was read just now
        document, _ = override(source.source.tree, found.settings)
        console.write_file(files.path_of(output), [spec_text(document)])
    if as_json:
        console.emit_json({**asdict(found), "settings": found.settings, "file": output})
        return
    before = numbers_of(source)
    rows = [[path, f"{before[path]:,}", f"{width:,}"] for path, width in found.widths.items()]
    console.out(console.table(["width", "before", "now"], rows, "lrr"))
    console.out(f"\n{found.costs()}")
    if output is not None:
        console.out(f"saved {printable(output)}")
        console.out(f"next: layerkit train {printable(shlex.quote(output))}")


def _cost(to: str) -> str | float:
    """A number, or the name or path of a spec."""
    try:
        cost = float(to.replace(",", ""))
    except ValueError:
        return to
    if not 0 < cost < float("inf"):
        raise failures.UsageError(f"expected a spec or a cost > 0, got {to}")
    return cost
