"""``layerkit explain``: what an error code, a field of the spec or a part means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, failures, options
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit.cli.topics import Topic

__all__ = ["EXAMPLE", "explain"]

EXAMPLE = console.example(
    "layerkit explain LK-201",
    "layerkit explain train.optimizer",
    "layerkit explain highway",
    "layerkit explain layers.highway.gate_bias",
)

_FACTS = ("type", "default", "names", "provider", "settings")


def explain(
    term: Annotated[
        str,
        typer.Argument(
            metavar="CODE|FIELD",
            help="LK-nnn; a field (train.epochs); a part (adam); its setting (adam.learning_rate).",
        ),
    ],
    *,
    as_json: options.Json = False,
) -> None:
    """Explain an error, a field or a part.

    Also a setting of a part, as PART.SETTING.
    """
    from layerkit.cli import topics

    if re.fullmatch(r"(?i)(lk-?)?\d{3}", term):
        found = topics.errors(f"LK-{term[-3:]}")
    else:
        found = topics.fields(term)
    if not found:
        raise failures.Misuse(f"nothing here is called {term!r}{topics.near(term)}")
    if as_json:
        console.emit_json({"term": term, "topics": found})
    else:
        console.out("\n\n".join(map(_text, found)))


def _text(topic: Topic) -> str:
    lines = [f"{topic['name']} ({topic['kind']})", ""]
    lines += [f"  {line}".rstrip() for line in topic["description"].split("\n")]
    facts: dict[str, Any] = {key: topic.get(key) for key in _FACTS}
    told = [(k, v if isinstance(v, str) else ", ".join(v)) for k, v in facts.items() if v]
    lines += ["", *(f"  {key:<8}  {value}" for key, value in told)] if told else []
    return "\n".join(map(printable, lines))
