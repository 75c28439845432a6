"""The part under test: its class, its examples, its random numbers, and a trial of one example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.core.context import Shape
from layerkit.core.layer import Layer, Plan
from layerkit.core.parts import Part
from layerkit.core.rng import random_stream
from layerkit.discovery.candidates import Candidate
from layerkit.discovery.registry import REGISTRIES, Registry
from layerkit.display import quoted
from layerkit.errors import LayerkitError
from layerkit.specs.layers import arguments
from layerkit.testing.verdicts import Failed, catch_errors


@dataclass(frozen=True)
class Example:
    """Settings and the shape of one input row, with a name for messages and random streams."""

    name: str
    config: dict[str, Any]
    shape: Shape

    def __str__(self) -> str:
        settings = _arguments(self.config, 30) or "no settings"
        return f"{self.name} ({settings}; rows of shape {list(self.shape)})"


class Subject:
    """The class under test, the seed of all random numbers, and model files of older versions."""

    def __init__(self, part: type[Part], *, seed: int = 0, golden: Sequence[Path] = ()) -> None:
        self.part = part
        self.seed = seed
        self.golden = list(golden)
        self.registry = registry_of(part)
        self.kind = self.registry.kind
        self.checks: dict[str, Callable[[], str | None]] = {}  # by id, filled in by the run
        self.replies: dict[str, Any] = {}  # of child processes, each run once

    @property
    def name(self) -> str:
        """The type name; the class's name if it has none."""
        found = getattr(self.part, "type_name", None)
        return found if isinstance(found, str) else self.part.__qualname__

    @property
    def address(self) -> str:
        """``module:Class``."""
        return f"{self.part.__module__}:{self.part.__qualname__}"

    @cached_property
    def candidate(self) -> Candidate | None:
        """The installed entry point that names this class, if any."""
        for candidate in self.registry.candidates(self.name):
            if candidate.dist is not None and candidate.value == self.address:
                return candidate
        return None

    @property
    def origin(self) -> str:
        """Where the part comes from, for a message."""
        if self.candidate is not None:
            return str(self.candidate)
        return f"{self.address}, not installed"

    def command(self, check: str) -> str:
        """The shell command, or the Python call, that runs ``check`` alone."""
        target = self.name if self.candidate is not None else self.address
        if self.part.__module__ == "__main__" or "<locals>" in self.part.__qualname__:
            named = f"only={check!r}, seed={self.seed}"
            return f"layerkit.testing.check_part({self.part.__name__}, {named})"
        group = ""
        if self.candidate is not None and sum(self.name in one for one in REGISTRIES.values()) > 1:
            group = f" --group {self.kind}"
        return f"layerkit plugins check {target}{group} --only {check} --seed {self.seed}"

    def rng(self, *words: object) -> np.random.Generator:
        """The random stream of that name: equal seeds and names give equal numbers."""
        return random_stream(self.seed, "conformance", *map(str, words))

    @property
    def exceptions(self) -> Mapping[str, str]:
        """Checks that the part declares it fails, with the reasons."""
        found = getattr(self.part, "conformance_exceptions", None)
        return found if isinstance(found, Mapping) else {}

    def make(self, config: Mapping[str, Any]) -> Any:
        """A new part with these settings. Raises ``Failed`` if the constructor raises."""
        with catch_errors(self.part, f"{self.part.__name__}({_arguments(config, 40)})"):
            return self.part(**arguments(self.part, config))

    @cached_property
    def examples(self) -> list[Example]:
        """The part's own examples.

        Raises ``Failed`` if ``examples()`` raises, or returns no list of (settings, shape) pairs.
        """
        hint = (
            "examples() is a classmethod that returns a list of (settings, input shape) pairs, "
            'such as [({"units": 3}, (4,))]'
        )
        with catch_errors(self.part, "examples()"):
            pairs = self.part.examples()
        if not isinstance(pairs, (list, tuple)) or not pairs:
            raise Failed(f"examples(): expected a list of pairs, got {quoted(pairs)}", hint)
        for i, pair in enumerate(pairs):
            if not _is_example(pair):
                raise Failed(
                    f"examples()[{i}]: expected a pair (settings, shape), got {quoted(pair)}", hint
                )
        return [Example(f"example {i}", dict(c), shape) for i, (c, shape) in enumerate(pairs)]

    @cached_property
    def cases(self) -> list[Example]:
        """The examples, and the first one at other input shapes, if the layer accepts them."""
        first = self.examples[0]
        shapes = [tuple(d + 1 for d in first.shape), tuple(2 * d + 3 for d in first.shape)]
        if len(set(first.shape)) < len(first.shape):  # else height may be taken for width
            shapes.append(tuple(d + axis for axis, d in enumerate(first.shape)))
        others = [Example(f"example 0 at {list(s)}", first.config, s) for s in shapes if s]
        return [*self.examples, *(case for case in others if self._accepts(case))]

    def _accepts(self, case: Example) -> bool:
        layer = self.make(case.config)
        try:
            return isinstance(layer, Layer) and isinstance(layer.plan(case.shape), Plan)
        except Exception:  # noqa: BLE001  # a ShapeError, or what plan.refuses reports
            return False

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Inside, the registry gives this class for its type name."""
        registry = self.registry
        before = [one for one in registry.candidates(self.name) if one.dist is None]
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
    """The registry of the base class that ``part`` inherits; TypeError if it inherits none."""
    for registry in REGISTRIES.values():
        if isinstance(part, type) and issubclass(part, registry.base):
            return registry
    bases = ", ".join(registry.base.__name__ for registry in REGISTRIES.values())
    name = part.__name__ if isinstance(part, type) else "Spline"
    found = f"class {name}" if isinstance(part, type) else quoted(getattr(part, "__name__", part))
    raise TypeError(
        f"expected a subclass of {bases}, got {found}; for example class {name}(layerkit.Layer):"
    )


def _is_example(pair: object) -> bool:
    """Whether ``pair`` is (settings, shape)."""
    return (
        isinstance(pair, (list, tuple))
        and len(pair) == 2
        and isinstance(pair[0], Mapping)
        and isinstance(pair[1], tuple)
        and all(type(d) is int and d >= 0 for d in pair[1])
    )


def _arguments(config: Mapping[str, Any], limit: int) -> str:
    return ", ".join(f"{k}={quoted(v, limit)}" for k, v in config.items())


class Trial:
    """One example under test: the part made with its settings."""

    def __init__(self, subject: Subject, example: Example) -> None:
        self.subject = subject
        self.example = example
        with catch_errors(subject.part, "the layers inside"):
            self.arguments = arguments(subject.part, example.config)
        self.part: Any = subject.make(self.arguments)

    def catch(self, what: str, hint: str = "") -> AbstractContextManager[None]:
        """Turn exceptions of the part's code into failures: ``what`` raised so and so."""
        return catch_errors(self.subject.part, what, hint)
