"""Tables of a page, which a phone shows as blocks."""

from __future__ import annotations

from collections.abc import Sequence

from layerkit.reporting.markup import element, escape


def html_table(title: str, note: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; ``heads`` are text, cells are markup already.

    Each cell carries its heading, which a phone shows beside it instead of columns.
    """
    caption = element("caption", element("b", escape(title)), f" ({escape(note)})")
    top = element("tr", *(element("th", escape(head), scope="col") for head in heads))
    lines = []
    for name, *cells in rows:
        held = (
            element("td", element("span", content), data_head=head)
            for head, content in zip(heads[1:], cells, strict=True)
        )
        lines.append(element("tr", element("th", name, scope="row"), *held))
    table = element("table", caption, element("thead", top), element("tbody", *lines))
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=title)


def cell(text: str, *details: str) -> str:
    """A text with small lines below it; empty ones are left out."""
    return text + "".join(element("small", detail) for detail in details if detail)
