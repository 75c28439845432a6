"""First look: the quick checks, which training asks after its first epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layerkit.core.context import Array
from layerkit.core.domains import input_domains
from layerkit.core.layer import Layer
from layerkit.core.network import Network
from layerkit.health.check_inputs import unscaled_inputs
from layerkit.health.checks import examine_layers
from layerkit.health.finding import Finding
from layerkit.health.subject import Subject, spread
from layerkit.specs import Spec

_LOOKED = 6000  # rows times layers: 50 ms on one core


def first_look(
    spec: Spec, network: Network, x: Array, values: Mapping[str, float] | None = None
) -> list[str]:
    """Notices about a network after an epoch, for its first training rows x (n, *in).

    It takes a feed and a backprop of up to 256 rows, changes nothing and never raises. Only what is
    likely to spoil the training is told; ``layerkit doctor`` looks further and tries what it
    advises.
    """
    try:
        return [_notice(one) for one in _found(spec, network, x)]
    except Exception:  # noqa: BLE001  # a layer of any author; a look must not end a training
        return []


def _found(spec: Spec, network: Network, x: Array) -> list[Finding]:
    columns = spec.input["columns"]
    names = None if columns is None or len(columns) != x.shape[-1] else list(map(str, columns))
    found = list(unscaled_inputs(spec, x, names, input_domains(network.planned)))
    rows = max(32, _LOOKED // max(1, len(network.planned)))
    with np.errstate(all="ignore"):
        layers = (
            examine_layers(Subject(spec, network, spread(x, rows), steps=1)) if not found else []
        )
    told = any(type(p.layer).advice is not Layer.advice for p in network.planned)
    layers = [one for one in layers if not (told and one.check == "saturated units")]
    return [one for one in (*found, *layers) if one.severity != "notice"]


def _notice(finding: Finding) -> str:
    setting = " ".join(finding.settings[:2])
    cure = f"try {setting}" if setting and len(finding.settings) <= 2 else "see layerkit doctor"
    return f"{finding.text}; {cure}"
