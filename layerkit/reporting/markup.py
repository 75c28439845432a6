"""HTML and SVG elements as text, with everything escaped."""

from __future__ import annotations

import html

from layerkit.display import printable


def escape(text: str) -> str:
    r"""``text`` as HTML; characters that do not print (controls, bidi) are spelled out.

    >>> print(escape("a<b\u202e"))
    a&lt;b\u202e
    """
    return html.escape("\n".join(printable(line) for line in text.split("\n")))


def element(tag: str, *children: str, **attributes: object) -> str:
    """``<tag ...>children</tag>``; ``class_`` is class and ``stroke_width`` stroke-width.

    Attributes are escaped, children are markup already; attributes that are None or "" are left
    out.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(short(value))}"'
        for name, value in attributes.items()
        if value is not None and value != ""
    )
    return f"<{tag}{given}>{''.join(children)}</{tag}>" if children else f"<{tag}{given}/>"


def short(value: object) -> str:
    """A number with up to two decimals; anything else as text."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
