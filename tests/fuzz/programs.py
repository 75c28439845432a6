"""A drawn layer as lines of text, which a person can read and the shrinker can take away."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]

WHOLE = 4
"""What whole numbers in inputs are below."""


@dataclass(frozen=True)
class Line:
    """One statement; ``makes`` is the name that it defines, if any."""

    text: str
    makes: str = ""


@dataclass(frozen=True)
class Save:
    """``ctx.save(*names)``, or into the context of a nested ``part``."""

    names: tuple[str, ...]
    part: str = ""


@dataclass(frozen=True)
class Program:
    """A layer: what it takes and has, and the statements of its two methods.

    ``whole`` layers take whole numbers; ``dx`` and the gradients need not be derivatives.
    """

    name: str
    in_shape: Shape
    out_shape: Shape
    params: Mapping[str, Shape]
    state: Mapping[str, Shape]
    feed: tuple[Line | Save, ...]
    backprop: tuple[Line, ...]
    y: str
    dx: str
    whole: bool = False
    targets: str = ""
    """Of a loss: what it compares with, "class" or "real"; y is (n,) and dy the rows' weights."""

    @property
    def statements(self) -> int:
        """How long the program is."""
        return len(self.feed) + len(self.backprop)

    def source(self) -> str:
        """The file that defines the layer."""
        takes = f", takes=Whole({WHOLE})" * self.whole
        plan = f"Plan({self.out_shape!r}, {_params(self.params)}, {_params(self.state)}{takes})"
        imports, base = "layer import Layer, Param, Plan, Whole", "Layer"
        head = ["", f"    def plan(self, in_shape):  # {self.in_shape}", f"        return {plan}"]
        if self.targets:
            imports, base = "parts import Loss", "Loss"
            head = [f'    target = "{self.targets}"', '    link = "identity"']
        feed = [_save(line) if isinstance(line, Save) else line.text for line in self.feed]
        feed = ["x = x.astype(np.int64)"] * self.whole + feed
        backprop = [*self._saved(), *(line.text for line in self.backprop)]
        return "\n".join(
            (
                "import numpy as np",
                f"from layerkit.core.{imports}",
                "",
                "",
                f"class {self.name}({base}):",
                f'    type_name = "fuzz.{self.name.lower()}"',
                "    contract_version = 2",
                *head,
                "",
                f"    def feed(self, x, {'targets, ' * bool(self.targets)}ctx):",
                *_indented(feed),
                f"        return {self.y}",
                "",
                "    def backprop(self, dy, ctx):",
                *_indented(backprop),
                f"        return {self.dx}",
                "",
            )
        )

    def _saved(self) -> Iterator[str]:
        """The lines that take what feed saved."""
        by_part: dict[str, list[str]] = {}
        for line in self.feed:
            if isinstance(line, Save):
                by_part.setdefault(line.part, []).extend(line.names)
        for part, names in by_part.items():
            where = f'ctx.part("{part}")' if part else "ctx"
            yield f"{', '.join(names)}{',' * (len(names) == 1)} = {where}.saved"

    def build(self) -> type[Any]:
        """The class; its lines show in tracebacks."""
        filename, text = f"<{self.name}>", self.source()
        linecache.cache[filename] = len(text), None, text.splitlines(keepends=True), filename
        space: dict[str, Any] = {"__name__": f"fuzz.{self.name}"}
        exec(compile(text, filename, "exec"), space)  # noqa: S102  # the text was made here
        made: type[Any] = space[self.name]
        return made


def mentions(text: str) -> set[str]:
    """The names in a statement."""
    return set(re.findall(r"[A-Za-z_]\w*", text))


def _params(shapes: Mapping[str, Shape]) -> str:
    return "{" + ", ".join(f"{name!r}: Param({shape!r})" for name, shape in shapes.items()) + "}"


def _save(line: Save) -> str:
    where = f'ctx.part("{line.part}")' if line.part else "ctx"
    return f"{where}.save({', '.join(line.names)})"


def _indented(lines: list[str]) -> list[str]:
    return ["        " + part for line in lines for part in line.split("\n")]
