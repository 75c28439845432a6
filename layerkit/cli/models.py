"""``layerkit models``: the ready specs that come with layerkit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from layerkit.cli import console, failures, options

EXAMPLE = console.example(
    "layerkit models",
    "layerkit models highway-digits > net.json    a copy to change",
    "layerkit train highway-digits                wherever a command takes a spec",
)


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Print this ready spec, as JSON.")
    ] = None,
    *,
    as_json: options.Json = False,
) -> None:
    """List the ready specs, or print one.

    Commands and Python functions that take the path of a spec take the name of a ready one as well.
    A file of that name comes first.
    """
    from layerkit.display import nearest
    from layerkit.specs.ready import ready_specs

    known = ready_specs()
    if name is not None and name not in known:
        close = nearest(name, list(known)) or "; 'layerkit models' lists them"
        raise failures.UsageError(f"there is no ready spec {name!r}{close}")
    if name is not None:
        text = Path(known[name]).read_text("utf-8")
        console.data(text.rstrip("\n"))
        return
    specs = _facts(known)
    if as_json:
        console.emit_json({"models": specs})
        return
    rows = [(s["name"], s["data"] or "own CSV", s["parameters"], s["shows"]) for s in specs]
    numbers = [(*row[:2], console.number(row[2]), row[3]) for row in rows]
    console.out(console.table(("name", "data", "parameters", "what it is"), numbers, "llrl"))
    console.out("\nlayerkit train NAME trains one, layerkit models NAME prints its spec")


def _facts(known: dict[str, str]) -> list[dict[str, Any]]:
    """Name, data, size and one line about each, in the order of ``about.toml``."""
    import tomllib

    from layerkit.specs import read_spec
    from layerkit.specs.ready import folder

    facts = []
    for name, shows in tomllib.loads((Path(folder()) / "about.toml").read_text("utf-8")).items():
        spec = read_spec(known[name])
        size = sum(planned.parameters for planned in spec.plan())
        data = (spec.train or {}).get("data")
        facts.append({"name": name, "data": data, "parameters": size, "shows": shows})
    return facts
