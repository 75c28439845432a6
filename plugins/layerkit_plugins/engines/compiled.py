"""The compiled engine: native code through LLVM, the extra ``fast``.

What it compiles and how: ``layerkit_plugins.compiled``. Importing this module imports no compiler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from layerkit import Array, Optimizer
from layerkit.core.network import Network
from layerkit.core.parts import Link
from layerkit.core.planning import PlannedLayer
from layerkit.execution.engine import Engine, LossStage, RecordedLayer, Row, Rule, Stage
from layerkit.recording.record import Recording

__all__ = ["Compiled"]


@cache
def _llvm() -> Any:
    """The module of the compiler; its first use imports llvmlite."""
    return import_module("layerkit_plugins.compiled.llvm.engine")


def _if_compiled(form: str, *given: Any) -> Any:
    llvm = _llvm()
    try:
        return getattr(llvm, form)(*given)
    except llvm.NotCompiled:
        return None


class Compiled(Engine):
    """Whole batches and single rows of float32 networks in one native call."""

    type_name = "compiled"
    releases_the_lock = True
    has_rules = True
    checks_rows = True

    def trouble(self) -> str:
        """Why there are no compiled kernels here; empty if there are."""
        return _trouble()

    def versions(self) -> Mapping[str, str]:
        """The compiler's."""
        from importlib.metadata import version  # slow to import

        return {"llvmlite": version("llvmlite")}

    def refuses(self, recording: Recording, planned: PlannedLayer | None = None) -> str:
        """Why this is not compiled; empty if it is."""
        key = "compiled", "refuses"
        if key not in recording.forms:
            recording.forms[key] = _llvm().takes(recording, planned) or ""
        refused: str = recording.forms[key]
        return refused

    def stage(
        self, network: Network, layers: Sequence[RecordedLayer], *, keeps: bool, wants_dx: bool
    ) -> Stage:
        """Neighbouring layers as one native call in each direction."""
        stage: Stage = _llvm().Stage(network, layers, keeps=keeps, wants_dx=wants_dx)
        return stage

    def loss(self, recording: Recording) -> LossStage:
        """A loss over its own memory."""
        loss: LossStage = _llvm().Loss(recording)
        return loss

    def row(self, network: Network, layers: Sequence[RecordedLayer], link: Link) -> Row | None:
        """All layers and the output function on one row; None if a layer has no such form."""
        found = _if_compiled("Row", network, layers, link)
        row: Row | None = found and found.predict
        return row

    def rule(self, optimizer: Optimizer, recording: Recording) -> Rule | None:
        """One pass over parameters, gradients and slots; None for rules that are not compiled."""
        rule: Rule | None = _if_compiled("Rule", optimizer, recording)
        return rule

    def learn(
        self, stage: Stage, loss: LossStage, x: Array, targets: Array, weights: Array
    ) -> tuple[Array, float] | None:
        """Feed, loss and backprop in one native call."""
        if not isinstance(loss, _llvm().Loss) or not isinstance(stage, _llvm().Stage):
            return None
        learned: tuple[Array, float] = stage.learn(x, targets, weights, loss.recording)
        return learned


@cache
def _trouble() -> str:
    try:
        llvm = _llvm()
    except ImportError as error:
        missing = error.name == "llvmlite"
        return "llvmlite is not installed" if missing else f"llvmlite cannot be imported: {error}"
    except Exception as error:  # noqa: BLE001  # an installed llvmlite may not fit this machine
        return f"llvmlite cannot be used: {error}"
    trouble: str = llvm.trouble()
    return trouble
