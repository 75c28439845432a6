"""Reading of HTML pages and their pictures."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"meta", "br", "hr", "img", "link", "input"}
EVIL = "<script>alert('x')</script>\"&"


class Page(HTMLParser):
    """Reads a page, holding each end tag against its start tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def svgs(text: str) -> list[ElementTree.Element]:
    found = re.findall(r"<svg\b.*?</svg>", text, re.DOTALL)
    return [ElementTree.fromstring(svg) for svg in found]  # noqa: S314  # our own page


def check_marks_inside(text: str) -> None:
    """Everything drawn lies inside its picture."""
    for svg in svgs(text):
        _, _, width, height = (float(v) for v in (svg.get("viewBox") or "").split())
        for mark in svg.iter():
            for key, limit in (("x1", width), ("x2", width), ("cx", width), ("x", width)):
                assert 0 <= float(mark.get(key, 0)) <= limit
            for key in ("y1", "y2", "cy", "y"):
                assert -1 <= float(mark.get(key, 0)) <= height
