"""Models of one layer, built, saved and loaded the way users do it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from layerkit.core.context import Shape
from layerkit.errors import LayerkitError
from layerkit.testing.subject import Example, Subject
from layerkit.testing.verdicts import Failed

if TYPE_CHECKING:
    from layerkit.model import Model


def spec_of(subject: Subject, config: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """A spec with this layer alone."""
    layers = [{"type": subject.name, "config": dict(config)}]
    return {"layerkit": 1, "input": {"shape": list(shape)}, "layers": layers}


def model_of(subject: Subject, example: Example) -> Model:
    """A model of this layer, with noise in its weights. Raises ``Failed`` if it cannot be built."""
    from layerkit.model import build

    with _failing("building a model"):
        model = build(spec_of(subject, example.config, example.shape))
    noise = subject.rng("weights", example.name).uniform(-0.5, 0.5, model.network.size)
    model.network.params[...] += noise.astype(model.network.dtype)
    return model


def saved(model: Model) -> bytes:
    """The model's file. Raises ``Failed`` if it cannot be saved."""
    from layerkit.file.save import save

    stream = io.BytesIO()
    with _failing("saving the model"):
        save(model, stream)
    return stream.getvalue()


def loaded(raw: bytes) -> Model:
    """The model of a file. Raises ``Failed`` if it cannot be loaded."""
    from layerkit.file.load import load

    with _failing("loading the model"):
        return load(io.BytesIO(raw))


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except LayerkitError as error:
        raise Failed(f"{what} raised {type(error).__name__}: {error}") from error
