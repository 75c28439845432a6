"""What the layers of a network advise after its first step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from layerkit.core.context import Array, Context
from layerkit.core.layer import Layer
from layerkit.core.network import Network


def advice_of(network: Network, contexts: Mapping[str, Context], batch: Array) -> Iterator[str]:
    """Each piece of advice with the layers that give it.

    ``contexts`` are those of the layers that have run as they are written; others are fed ``batch``
    again.
    """
    missing = [p for p in network.planned if p.name not in contexts]
    if any(type(p.layer).advice is not Layer.advice for p in missing):
        fed = network.contexts()
        network.feed(batch, fed)
        contexts = {p.name: ctx for p, ctx in zip(network.planned, fed, strict=True)}
    advice: dict[str, list[str]] = {}
    for planned in network.planned:
        if planned.name in contexts:
            for text in planned.layer.advice(contexts[planned.name]):
                advice.setdefault(text, []).append(planned.name)
    return (f"{', '.join(names)}: {text}" for text, names in advice.items())
