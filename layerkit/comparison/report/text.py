"""Text for a page: nothing in it is markup, and nothing in it is invisible."""

from __future__ import annotations

import html

__all__ = ["escape"]


def escape(text: str) -> str:
    r"""``text`` as HTML; what does not print (controls, changes of direction) is spelled out.

    >>> print(escape("a<b\u202e"))
    a&lt;b\u202e
    """
    if not text.isprintable():
        text = "".join(
            c
            if c.isprintable() or c == "\n"
            else c.encode("unicode_escape", "surrogatepass").decode()
            for c in text
        )
    return html.escape(text)
