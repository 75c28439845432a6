"""A page that holds everything: one HTML file that loads nothing and runs no script."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.resources import files

from layerkit.reporting.markup import element, escape
from layerkit.reporting.series import color_rules

_WIDE, _NARROW = 520.0, 350.0  # of charts, for desktop and phone

Draw = Callable[[str, float], str]
"""From a key that is unique on the page, and a width, to an SVG."""


def html_document(title: str, header: str, sections: Iterable[str], footer: str) -> str:
    """The whole page as text; ``title`` and ``footer`` are text, the rest is markup already."""
    style = color_rules() + files(__package__).joinpath("style.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>\n{style}</style></head>"
        f"<body>{header}{element('main', *sections)}{element('footer', escape(footer))}"
        "</body></html>\n"
    )


def page_header(kicker: str, claim: str, facts: Iterable[str], *blocks: str) -> str:
    """The top of a page: ``claim`` and ``blocks`` are markup already."""
    return element(
        "header",
        element("p", escape(kicker), class_="kicker"),
        claim,
        element("ul", *(element("li", escape(fact)) for fact in facts), class_="facts"),
        *blocks,
        class_="top",
    )


def paragraphs(texts: Iterable[str], class_: str) -> str:
    """Each text as a paragraph."""
    return "".join(element("p", escape(text), class_=class_) for text in texts)


def figure(draw: Draw, key: str, caption: str) -> str:
    """A chart drawn twice, for desktop and phone, so that its text stays readable on both."""
    return element("figure", both_widths(draw, key), element("figcaption", escape(caption)))


def both_widths(draw: Draw, key: str) -> str:
    """A chart for desktop and for phone, of which the page shows one."""
    return "".join(
        [
            element("div", draw(f"{key}-wide", _WIDE), class_="wide"),
            element("div", draw(f"{key}-narrow", _NARROW), class_="narrow"),
        ]
    )
