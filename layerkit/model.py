"""A model: a resolved spec, its network of layers, and the data contract of its rows.

``build`` makes one with initial weights. ``predict`` takes raw rows, applies the contract, feeds
the network and turns scores into probabilities or into numbers in raw units.
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from layerkit.contract import (
    DataContract,
    InputContract,
    OutputContract,
    all_finite,
    fit_fill,
    fit_scaler,
)
from layerkit.errors import DataError
from layerkit.fast import kernels_for_inference, require
from layerkit.layer import Array
from layerkit.links import apply_link
from layerkit.network import Network
from layerkit.parts import Link, Rows
from layerkit.planning import Planned
from layerkit.programs import Chain, Program, program_of
from layerkit.rows import RowChain
from layerkit.spec import Spec, read_spec
from layerkit.threads import single_blas, together

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Model", "RawRows", "SelfTest", "build"]

RawRows = Rows | Array | Sequence[Any] | Mapping[str, Any]
"""Raw rows: an array (n, *shape), nested lists, named columns, or what a reader gave."""

# Rows fed at once. Activations of few rows stay in the processor's cache; but the threads hold each
# other up between the operations, and the fewer those are, the less.
_TILE, _ALONE = 512, 256

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class SelfTest(NamedTuple):
    """A few raw rows and what the model gave for them when it was saved."""

    rows: Array
    outputs: Array
    rtol: float
    atol: float


class Carried(NamedTuple):
    """What a loaded file held that is written back as it was.

    ``selftest`` is valid while ``fingerprint`` is that of the model; ``aliases`` while the arrays
    are equal; ``training``, ``tensors`` (optimizer slots) and ``units`` of the history until the
    model is trained again.
    """

    fingerprint: str = ""
    selftest: SelfTest | None = None
    aliases: Mapping[str, str] = _NOTHING
    training: Mapping[str, Any] | None = None
    tensors: Mapping[str, Array] = _NOTHING
    units: Mapping[str, str] = _NOTHING


@dataclass(eq=False, repr=False)
class Model:
    """A network with its spec and data contract, ready to predict.

    Parameters
    ----------
    spec
        Resolved.
    network
        Layers with their parameters.
    contract
        What raw rows must look like and what outputs mean.
    history
        Series name to one float64 an epoch.
    metrics
        Final values by name.
    metadata
        The user's own notes, JSON values.
    path, file_id
        Of the file it was loaded from or last saved to, if any.
    carried
        What that file held besides.
    """

    spec: Spec
    network: Network
    contract: DataContract
    history: dict[str, Array] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    path: str | None = None
    file_id: str | None = None
    carried: Carried = field(default_factory=Carried, repr=False)
    _local: threading.local = field(default_factory=threading.local, repr=False)
    _fast: bool | None = field(default=None, repr=False)
    _program: tuple[Program | None] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        types = [record.type for record in self.spec.layers]
        if len(types) > 6:
            types = [*types[:3], "...", *types[-2:]]
        state = "trained" if self.fitted else "not trained"
        chain = " > ".join(types) or "no layers"
        return f"<Model {self.name}: {chain}, {self.network.size:,} parameters, {state}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        network = Network(self.spec.plan(), self.network.dtype)
        held = self.network.tensors()
        for name, (_, array) in network.tensors().items():
            array[...] = held[name][1]
        named = ("history", "metrics", "metadata")
        copies = {name: copy.deepcopy(getattr(self, name), memo) for name in named}
        twin = Model(self.spec, network, self.contract, **copies)
        twin.path, twin.file_id, twin.carried = self.path, self.file_id, self.carried
        return twin

    def __getstate__(self) -> Any:
        raise TypeError("a model is not pickled: layerkit.save writes it, layerkit.load reads it")

    @property
    def name(self) -> str:
        """The name that the spec gives."""
        return self.spec.name

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Class labels in the order of the outputs, or None for a regression."""
        output = self.contract.output
        return None if output is None else output.classes

    @property
    def fitted(self) -> bool:
        """Whether the data contract has been taken from training rows."""
        return self.contract.input.low is not None

    @property
    def ready(self) -> bool:
        """Whether it can predict: nothing that the spec asks to be fitted is missing."""
        return not _unfitted(self.spec, self.contract)

    def scores(self, rows: RawRows) -> Array:
        """What the last layer gives, before softmax and scaling back: (n, *out).

        Raises
        ------
        DataError
            If the rows do not keep the data contract.
        """
        return self._linked(rows, "identity")

    def predict(self, rows: RawRows) -> Array:
        """Predictions for raw rows.

        Parameters
        ----------
        rows
            (n, *input shape) numbers, or a mapping from column name to n values; a single row is
            taken as n = 1.

        Returns
        -------
        Array
            (n, k): the probability of each class, or the target values in raw units.

        Raises
        ------
        DataError
            If the rows do not keep the data contract: row, column and what was wanted.
        """
        predictions = self._linked(rows, self.spec.link)
        output = self.contract.output
        if output is not None and output.classes is None:
            return output.decode(predictions)
        return predictions

    def classify(self, rows: RawRows) -> Array:
        """The most probable class label of each row, (n,).

        Raises
        ------
        DataError
            If the rows do not keep the data contract, or the model has no classes.
        """
        return self.labels(self.predict(rows))

    def labels(self, predictions: Array) -> Array:
        """Class labels (n,) for predictions (n, k) of ``predict``.

        Raises
        ------
        DataError
            If the model has no classes.
        """
        output = self.contract.output
        if output is None or output.classes is None:
            raise DataError(f"the model {self.name!r} gives numbers, not classes")
        if predictions.shape[-1] == 1:
            return output.decode((predictions[:, 0] >= 0.5).astype(np.int64))
        return output.decode(predictions.argmax(axis=-1))

    @property
    def _out_shape(self) -> tuple[int, ...]:
        planned = self.network.planned
        return planned[-1].plan.out_shape if planned else self.spec.in_shape

    def _linked(self, rows: RawRows, link: Link) -> Array:
        """Scores (n, *out) with ``link`` applied."""
        self._see_fitted()
        inputs = self.contract.input
        # That all numbers are finite, each tile sees to: the threads share the work.
        check = inputs.missing is None and inputs.fits(rows)
        x: Array = rows if check else inputs.matrix(rows)  # type: ignore[assignment]  # it fits
        if len(x) == 1 and (one := self._one_row(x, link, check=check)) is not None:
            return one
        out: Array = np.empty((len(x), *self._out_shape), self.network.dtype)
        feed = partial(self._feed, x, out, link, check)
        tiles = _tiles(len(x))
        with single_blas():
            if len(tiles) < 2:
                for tile in tiles:
                    feed(tile)
            else:
                together([partial(feed, tile) for tile in tiles])
        return out

    def _see_fitted(self) -> None:
        missing = _unfitted(self.spec, self.contract)
        if missing:
            raise DataError(
                f"the model {self.name!r} was built but not trained: its {missing} must be fitted "
                "to training rows first",
                hint="train it, for example with: layerkit train MODEL --data PATH",
            )

    def _one_row(self, x: Array, link: Link, *, check: bool) -> Array | None:
        """Predictions (1, k) for x (1, *in) by the short way; None where it has none.

        It has none if a layer has none, or if numbers are not finite: what to say of them, an error
        or NumPy's warnings, is left to the long way.
        """
        scaled = self.contract.input.scale_rows(x)
        if self.accelerated and (program := self._compiled()) is not None:
            out = program.row(self.network.params, scaled, link)
            if out is not None:
                return out
        chain: RowChain | None = getattr(self._local, "row", None)
        if chain is None or chain.mapped is not self.network.mapped:
            chain = self._local.row = RowChain(self.network)
        if not chain.whole or (check and not all_finite(x)):
            return None
        with single_blas():
            out = chain(scaled, link)
        spoilt = link == "softmax" and math.isnan(out.item(0))  # one score spoils all of them
        return None if spoilt else out

    def _feed(self, x: Array, out: Array, link: Link, check: bool, tile: slice) -> None:
        """Write the predictions for the rows of one tile into ``out``."""
        inputs, rows, linked = self.contract.input, x[tile], out[tile]
        if check and not all_finite(rows):
            inputs.matrix(x)  # says where
        linked[...] = self._chain().feed(inputs.scale_rows(rows))
        apply_link(link, linked, in_place=True)

    def _chain(self) -> Chain:
        """The layers with memory of this thread's own, which is kept from call to call."""
        held: tuple[bool, Chain] | None = getattr(self._local, "chain", None)
        if held is None or held[0] is not self.accelerated:
            held = self.accelerated, Chain(self.network, fast=self.accelerated, keeps=False)
            self._local.chain = held
        return held[1]

    @property
    def accelerated(self) -> bool:
        """Whether compiled kernels are used for predictions."""
        if self._fast is None:
            self._fast = kernels_for_inference()
        return self._fast

    def accelerate(self, *, on: bool = True) -> Model:
        """Predict with the compiled kernels of the ``fast`` extra from now on.

        Worth it for a process that predicts for long: the kernels take half a second to load, and
        some seconds once on a machine to compile. A single row takes a quarter of the time then.
        Predictions change by rounding.

        Parameters
        ----------
        on
            False: with NumPy again.

        Returns
        -------
        Model
            This model.

        Raises
        ------
        MissingExtraError
            If numba is not installed.
        """
        if on:
            require()
        self._fast, self._program = on, None
        return self

    def _compiled(self) -> Program | None:
        """The compiled program of all layers, if there is one."""
        if self._program is None:
            self._program = (program_of(self.network),)
        return self._program[0]


def build(spec: str | Path | Mapping[str, Any] | Spec, *, settings: Sequence[str] = ()) -> Model:
    """Make a model with initial weights.

    Parameters
    ----------
    spec
        Path of a JSON spec, the parsed object, or a resolved ``Spec``.
    settings
        Overrides such as ``"layers.1.gate_bias=-3"``.

    Returns
    -------
    Model
        Its weights follow from ``train.seed`` alone.

    Raises
    ------
    SpecError, PluginError
        If the spec is wrong, or a part it names cannot be used.
    """
    resolved = as_spec(spec, settings)
    network = Network(resolved.plan(), np.dtype(resolved.dtype))
    network.initialise((resolved.train or {}).get("seed", 0))
    return Model(resolved, network, declared_contract(resolved, network.planned))


def as_spec(spec: str | Path | Mapping[str, Any] | Spec, settings: Sequence[str] = ()) -> Spec:
    """A resolved spec from any of its forms, with overrides applied.

    Raises
    ------
    SpecError, PluginError
        If the spec is wrong, or a part it names cannot be used.
    """
    if isinstance(spec, Spec):
        return read_spec(spec.to_document(), settings=settings) if settings else spec
    return read_spec(spec, settings=settings)


def declared_contract(spec: Spec, planned: Sequence[Planned]) -> DataContract:
    """What the spec alone says of the data, before any training rows are seen."""
    given = spec.input
    center = spread = fill = None
    columns = None if given["columns"] is None else tuple(given["columns"])
    width = np.broadcast_to(0.0, spec.in_shape[-1:])
    if isinstance(given["scale"], dict):
        center, spread = fit_scaler(given["scale"], width, width, width) or (None, None)
    if not isinstance(given["missing"], str):
        fill = fit_fill(given["missing"], width, columns)
    inputs = InputContract(spec.in_shape, spec.dtype, columns, center, spread, missing=fill)
    shape = planned[-1].plan.out_shape if planned else spec.in_shape
    classes, targets = spec.output["classes"], spec.output["targets"]
    outputs = OutputContract(
        shape,
        spec.dtype,
        None if classes is None else tuple(classes),
        None if targets is None else tuple(targets),
        label=spec.output["column"],
    )
    return DataContract(inputs, outputs)


def _tiles(n: int) -> list[slice]:
    """``n`` rows in equal pieces of at most ``_TILE``, an even number of them where several."""
    if n <= _ALONE:
        return [slice(0, n)] if n else []
    count = -(-n // (2 * _TILE)) * 2
    size = -(-n // (16 * count)) * 16  # products like sizes that are multiples of 16
    return [slice(at, min(at + size, n)) for at in range(0, n, size)]


def _unfitted(spec: Spec, contract: DataContract) -> str:
    """What the spec asks to be fitted and the contract does not have yet; empty if nothing."""
    missing = []
    if spec.input["scale"] is not None and contract.input.scale is None:
        missing.append("input scaling")
    if spec.input["missing"] != "error" and contract.input.missing is None:
        missing.append("rule for missing values")
    output = contract.output
    if spec.output["scale"] is not None and (output is None or output.scale is None):
        missing.append("target scaling")
    return " and ".join(missing)
