"""Models of one layer, built, saved and loaded the way users do it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from layerkit.core.layer import Shape
from layerkit.errors import LayerkitError
from layerkit.testing.rules import Failed

if TYPE_CHECKING:
    from layerkit.model import Model
    from layerkit.testing.subject import Example, Subject

__all__ = ["loaded", "model_of", "saved", "spec_of"]


def spec_of(subject: Subject, config: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """A spec with this layer alone."""
    layers = [{"type": subject.name, "config": dict(config)}]
    return {"layerkit": 1, "input": {"shape": list(shape)}, "layers": layers}


def model_of(subject: Subject, example: Example) -> Model:
    """A model of this layer alone, with weights that are not those of its start.

    Raises
    ------
    Failed
        If it cannot be built.
    """
    from layerkit.model import build

    try:
        model = build(spec_of(subject, example.config, example.shape))
    except LayerkitError as error:
        raise Failed(
            f"{example}: building a model raised {type(error).__name__}: {error}"
        ) from error
    noise = subject.rng("weights", example.words).uniform(-0.5, 0.5, model.network.size)
    model.network.params[...] += noise.astype(model.network.dtype)
    return model


def saved(example: Example, model: Model) -> bytes:
    """The model's file.

    Raises
    ------
    Failed
        If it cannot be saved.
    """
    from layerkit.file.save import save

    stream = io.BytesIO()
    try:
        save(model, stream)
    except LayerkitError as error:
        raise Failed(f"{example}: saving raised {type(error).__name__}: {error}") from error
    return stream.getvalue()


def loaded(example: Example, raw: bytes) -> Model:
    """The model of a file.

    Raises
    ------
    Failed
        If it cannot be loaded.
    """
    from layerkit.file.load import load

    try:
        return load(io.BytesIO(raw))
    except LayerkitError as error:
        raise Failed(f"{example}: loading raised {type(error).__name__}: {error}") from error
