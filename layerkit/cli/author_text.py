"""What the author of a layer wrote: statements of its source, equations of its documentation."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import re
import sys
from pathlib import PurePath


class Lines:
    """Statements by "file:line", where files go by their last name only.

    A file is looked for among those of the layer's classes first, then among all modules.
    """

    def __init__(self, layer: type) -> None:
        known = [sys.modules.get(cls.__module__) for cls in layer.__mro__]
        self._files: dict[str, str] = {}
        for module in (*known, *sys.modules.copy().values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str):
                self._files.setdefault(PurePath(file).name, file)

    def source(self, line: str) -> str:
        """The statement at ``line`` on one line; empty without a source."""
        name, _, number = line.rpartition(":")
        file = self._files.get(name, "")
        for first, last, text in _statements(file) if file else ():
            if first <= int(number) <= last:
                return text
        return linecache.getline(file, int(number or 0)).strip()


@functools.lru_cache(maxsize=64)
def _statements(file: str) -> list[tuple[int, int, str]]:
    """(first line, last line, text) of each statement of ``file`` that holds no others."""
    source = "".join(linecache.getlines(file))
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    return [
        (node.lineno, node.end_lineno or node.lineno, _one_line(source, node))
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and not hasattr(node, "body")
    ]


def _one_line(source: str, node: ast.stmt) -> str:
    return re.sub(r"\s+", " ", ast.get_source_segment(source, node) or "")


def equations_of(layer: type) -> dict[str, str]:
    """The equations in the docstrings of a layer and its module, by "feed", "backprop" or "".

    They are the indented blocks after a paragraph that ends in ``::``, whose last sentence says
    where they belong; without such blocks, the paragraphs that hold an equals sign.
    """
    own = inspect.cleandoc(layer.__doc__ or "").partition("\n\nParameters\n---")[0]
    pages = [inspect.getdoc(sys.modules[layer.__module__]) or "", own]
    found: dict[str, list[str]] = {}
    for page in pages:
        for paragraph, block in _BLOCK.findall(page + "\n"):
            head = re.split(r"(?<!\.)\.\s+", paragraph)[-1]
            named = re.search(r"(feed|backprop)(\s+and\s+(?:feed|backprop))?", head.lower())
            part = named[1] if named and not named[2] else ""
            told = " ".join(head.split())
            found.setdefault(part, []).append(f"{told}:\n\n{block.rstrip()}".lstrip(":\n"))
    if not found:
        paragraphs = [p for page in pages for p in page.split("\n\n") if " = " in p]
        found = {"": paragraphs} if paragraphs else {}
    return {part: "\n\n".join(texts) for part, texts in found.items()}


_BLOCK = re.compile(r"^((?:\S.*\n)*(?:\S.*)?)::\n\n((?:[ ]+\S.*\n?|\n)+)", re.MULTILINE)
"""A paragraph, without its ``::``, and the indented block behind it."""
