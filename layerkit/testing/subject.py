"""The part under test: its class, its examples, its random numbers, and calls into its code.

Whatever a part's own code raises becomes a verdict with the line of the part that raised it; the
kit itself never ends in a traceback.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.core.layer import Layer, Plan, Shape
from layerkit.core.parts import Part
from layerkit.core.rng import random_stream
from layerkit.discovery.candidates import Candidate
from layerkit.discovery.registry import REGISTRIES, Registry
from layerkit.display import quoted
from layerkit.errors import LayerkitError, ShapeError
from layerkit.testing.rules import Failed

__all__ = ["Example", "Subject", "calling", "registry_of", "told"]


@dataclass(frozen=True)
class Example:
    """Settings and the shape of one input row, with words that name the case in a message."""

    words: str
    config: dict[str, Any]
    shape: Shape

    def __str__(self) -> str:
        settings = ", ".join(f"{k}={quoted(v, 30)}" for k, v in self.config.items())
        return f"{self.words} ({settings or 'no settings'}; rows of shape {list(self.shape)})"


class Subject:
    """A class of parts, as the checks see it.

    Parameters
    ----------
    part
        The class.
    seed
        Of all random numbers that the checks use.
    golden
        Model files kept from older versions of the part.
    """

    def __init__(self, part: type[Part], *, seed: int = 0, golden: Sequence[Path] = ()) -> None:
        self.part = part
        self.seed = seed
        self.golden = list(golden)
        self.registry = registry_of(part)
        self.kind = self.registry.kind
        self.answers: dict[str, Any] = {}  # of other processes, asked once

    @property
    def name(self) -> str:
        """The type name, or the class's if it has none."""
        found = getattr(self.part, "type_name", None)
        return found if isinstance(found, str) else self.part.__qualname__

    @property
    def address(self) -> str:
        """``module:Class``."""
        return f"{self.part.__module__}:{self.part.__qualname__}"

    @cached_property
    def candidate(self) -> Candidate | None:
        """The installed distribution's claim that leads to this very class, if there is one."""
        for candidate in self.registry.candidates(self.name):
            if candidate.dist is not None and candidate.value == self.address:
                return candidate
        return None

    @property
    def origin(self) -> str:
        """Where the part comes from, in words."""
        if self.candidate is not None:
            return str(self.candidate)
        return f"{self.address}, not installed"

    @cached_property
    def source(self) -> Path | None:
        """The file that the class was written in."""
        try:
            return Path(inspect.getfile(self.part)).resolve()
        except (OSError, TypeError):
            return None

    def again(self, check: str) -> str:
        """The command, or the line of Python, that runs ``check`` alone."""
        target = self.name if self.candidate is not None else self.address
        if self.part.__module__ == "__main__" or "<locals>" in self.part.__qualname__:
            named = f"only={check!r}, seed={self.seed}"
            return f"layerkit.testing.check_part({self.part.__name__}, {named})"
        group = ""
        if self.candidate is not None and _claims(self.name) > 1:
            group = f" --group {self.kind}"
        return f"layerkit plugins check {target}{group} --only {check} --seed {self.seed}"

    def rng(self, *words: object) -> np.random.Generator:
        """The random stream of that name; equal seeds and names give equal numbers."""
        return random_stream(self.seed, "conformance", *map(str, words))

    @property
    def exceptions(self) -> Mapping[str, str]:
        """The checks that the part says it fails, with its reasons."""
        found = getattr(self.part, "conformance_exceptions", None)
        return found if isinstance(found, Mapping) else {}

    def make(self, config: Mapping[str, Any]) -> Any:
        """A new part with these settings.

        Raises
        ------
        Failed
            If the constructor raises.
        """
        with calling(self.part, f"{self.part.__name__}({_words(config)})"):
            return self.part(**config)

    @cached_property
    def examples(self) -> list[Example]:
        """The part's own examples.

        Raises
        ------
        Failed
            If there are none, or they are no (settings, shape) pairs.
        """
        hint = (
            "examples() is a classmethod that returns a list of (settings, input shape) pairs, "
            'such as [({"units": 3}, (4,))]'
        )
        with calling(self.part, "examples()"):
            found = self.part.examples()
        if not isinstance(found, (list, tuple)) or not found:
            raise Failed(f"examples() gave {quoted(found)}, no list with at least one pair", hint)
        listed = []
        for i, pair in enumerate(found):
            fits = isinstance(pair, (list, tuple)) and len(pair) == 2
            config, shape = pair if fits else (None, None)
            sound = (
                isinstance(config, Mapping)
                and isinstance(shape, tuple)
                and all(type(d) is int and d >= 0 for d in shape)
            )
            if not (isinstance(config, Mapping) and isinstance(shape, tuple) and sound):
                raise Failed(f"example {i} is {quoted(pair)}", hint)
            listed.append(Example(f"example {i}", dict(config), shape))
        return listed

    @cached_property
    def cases(self) -> list[Example]:
        """The examples, and the first one at a few other input shapes that the layer accepts."""
        first = self.examples[0]
        shapes = [tuple(d + 1 for d in first.shape), tuple(2 * d + 3 for d in first.shape)]
        others = [Example(f"example 0 at {list(s)}", first.config, s) for s in shapes if s]
        return [*self.examples, *(case for case in others if self._accepts(case))]

    def _accepts(self, case: Example) -> bool:
        layer = self.make(case.config)
        try:
            return isinstance(layer, Layer) and isinstance(layer.plan(case.shape), Plan)
        except ShapeError:
            return False
        except Exception:  # noqa: BLE001  # plan.refuses tells of it
            return False

    @contextmanager
    def known(self) -> Iterator[None]:
        """While this lasts, the registry finds this very class by its type name."""
        registry: Registry[Any] = self.registry
        before = [
            candidate for candidate in registry.candidates(self.name) if candidate.dist is None
        ]
        kept = registry.load(before[0]) if before else None
        if kept is None and self._is_found():
            yield
            return
        registry.register(self.part)
        try:
            yield
        finally:
            registry.unregister(self.name)
            if kept is not None:
                registry.register(kept)

    def _is_found(self) -> bool:
        try:
            return self.registry[self.name] is self.part
        except LayerkitError:
            return False


def registry_of(part: type[Part]) -> Registry[Any]:
    """The registry of the contract that ``part`` inherits.

    Raises
    ------
    TypeError
        If it inherits none.
    """
    for registry in REGISTRIES.values():
        if isinstance(part, type) and issubclass(part, registry.base):
            return registry
    bases = ", ".join(registry.base.__name__ for registry in REGISTRIES.values())
    raise TypeError(
        f"{getattr(part, '__name__', part)!r} inherits none of the contracts ({bases}): write "
        f"for example `class {getattr(part, '__name__', 'Spline')}(layerkit.Layer):`"
    )


def _claims(name: str) -> int:
    """In how many groups a part is called ``name``."""
    return sum(name in registry for registry in REGISTRIES.values())


def _words(config: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={quoted(v, 40)}" for k, v in config.items())


@contextmanager
def calling(part: type[Part], what: str, hint: str = "") -> Iterator[None]:
    """Turn whatever the part's code raises inside into a verdict that names the line.

    Raises
    ------
    Failed
        In place of any exception but a verdict, SystemExit too.
    """
    from layerkit.testing.rules import Skipped

    try:
        yield
    except (Failed, Skipped):
        raise
    except (Exception, SystemExit) as error:
        message = f"{what} raised {told(error, part)}"
        raise Failed(message, hint, traceback="".join(traceback.format_exception(error))) from error


def told(error: BaseException, part: type[Part]) -> str:
    """The exception in words, with the last line of the part's own file that it went through."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    module = sys.modules.get(part.__module__)
    file = getattr(module, "__file__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if file is not None and Path(frame.filename) == Path(file):
            return f"{text}\n({Path(file).name}, line {frame.lineno}: {frame.line})"
    return text
