"""``layerkit explain``: what an error code, a field of the spec or a part means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, failures, options
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit.cli.explain_topics import Topic

EXAMPLE = console.example(
    "layerkit explain LK-201",
    "layerkit explain train.optimizer",
    "layerkit explain highway",
    "layerkit explain highway.gate_bias",
)


def explain(
    term: Annotated[
        str,
        typer.Argument(
            metavar="TERM", help="An error code, a field of the spec, a part, or PART.SETTING."
        ),
    ],
    *,
    as_json: options.Json = False,
) -> None:
    """Explain an error code, a field or a part."""
    from layerkit.cli.explain_topics import is_code, suggestion, topics

    found = topics(term)
    if not found:
        kind = "code" if is_code(term) else "term"
        raise failures.UsageError(f"unknown {kind} {term!r}{suggestion(term)}")
    if as_json:
        console.emit_json({"term": term, "topics": found})
    else:
        console.out("\n\n".join(map(_text, found)))


def _text(topic: Topic) -> str:
    lines = [f"{topic['name']} ({topic['kind']})", ""]
    description = topic["description"].replace("``", "")  # the marks of reStructuredText
    lines += [f"  {line}".rstrip() for line in description.split("\n")]
    keys = ("type", "default", "names", "provider", "settings")
    facts: dict[str, Any] = {key: topic.get(key) for key in keys}
    shown = {k: v if isinstance(v, str) else ", ".join(v) for k, v in facts.items() if v}
    lines += ["", *(f"  {key:<8}  {text}" for key, text in shown.items())] if shown else []
    return "\n".join(map(printable, lines))
