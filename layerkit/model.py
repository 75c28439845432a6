"""Model: a resolved spec, its network of layers, and the data contract of its rows.

``build`` makes one with initial weights. ``predict`` takes raw rows, applies the contract, feeds
the network and turns scores into probabilities or into numbers in raw units.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from layerkit.core.context import Array
from layerkit.core.domains import input_domains
from layerkit.core.inside import check_paths, values_after, watched, without
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer
from layerkit.core.tensors import matching
from layerkit.datacontract import DataContract, InputContract
from layerkit.datacontract.answers import (
    FrameLibrary,
    answer_names,
    answer_numbers,
    make_frame,
)
from layerkit.datacontract.out_of_range import outside
from layerkit.discovery.registry import initializer
from layerkit.errors import DataError, SpecError
from layerkit.predict import Predictor, RawRows
from layerkit.specs import Spec, as_spec
from layerkit.specs.recipe import require_parts

if TYPE_CHECKING:
    from pathlib import Path

    from layerkit.datacontract.fitted_rows import Fit
    from layerkit.execution.devices.engine import OnDevice

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class SelfTest(NamedTuple):
    """Some raw rows, and the model's outputs for them when it was saved."""

    rows: Array
    outputs: Array
    rtol: float
    atol: float


class FileLeftovers(NamedTuple):
    """Content of a model file that the model does not use, kept to be written back.

    ``selftest`` is valid while ``fingerprint`` is that of the model, ``aliases`` while the arrays
    are equal, and ``training``, ``tensors`` (optimizer slots) and ``units`` of the history until
    the model is trained again.
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
        Series name to one float64 per epoch.
    metrics
        Final values by name.
    metadata
        The user's own notes, JSON values.
    path, file_id
        Of the file it was loaded from or last saved to, if any.
    leftovers
        Other content of that file.
    fit
        With which kernels and on which rows it was fitted, if it was.
    left_out
        Layers that a view of ``without`` leaves out.
    """

    spec: Spec
    network: Network
    contract: DataContract
    history: dict[str, Array] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    path: str | None = None
    file_id: str | None = None
    leftovers: FileLeftovers = field(default_factory=FileLeftovers, repr=False)
    fit: Fit | None = None
    left_out: tuple[str, ...] = ()
    _predictor: Predictor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._predictor = Predictor(self.network)

    @property
    def device(self) -> str:
        """Where it predicts and is trained: "cpu", or the name that ``to`` was given."""
        engine = self._predictor.on_device
        return "cpu" if engine is None else engine.device.type_name

    @property
    def on_device(self) -> OnDevice | None:
        """What runs the model on another device than the CPU."""
        return self._predictor.on_device

    def to(self, device: str) -> Model:
        """Predict and train on another device from now on, such as "cuda"; "cpu": NumPy again.

        Weights stay where they are and are moved when they are used. Predictions change by
        rounding. A file knows no device.

        Returns
        -------
        Model
            This model.

        Raises
        ------
        PluginError
            If no plugin offers the device.
        MissingExtraError, DeviceError
            If it cannot be used here, or a layer cannot run on it; the message names the layer.
        """
        self._predictor.move(device)
        return self

    def __repr__(self) -> str:
        types = [record.type for record in self.spec.layers]
        if len(types) > 6:
            types = [*types[:3], "...", *types[-2:]]
        state = "trained" if self.fitted else "not trained"
        chain = " > ".join(types) or "no layers"
        if self.left_out:
            state = f"a view without {', '.join(self.left_out[:3])}"
            state += ", ..." if len(self.left_out) > 3 else ""
        return f"<Model {self.name}: {chain}, {self.network.parameters:,} parameters, {state}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        self.check_whole("copied")
        network = Network(self.spec.plan(), self.network.dtype)
        held = self.network.tensors()
        for name, (_, array) in network.tensors().items():
            array[...] = held[name][1]
        named = ("history", "metrics", "metadata")
        copies = {name: copy.deepcopy(getattr(self, name), memo) for name in named}
        twin = Model(self.spec, network, self.contract, **copies)
        twin.path, twin.file_id, twin.leftovers = self.path, self.file_id, self.leftovers
        twin.fit = self.fit
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
        """Whether it can predict: all that the spec asks to be fitted is fitted."""
        return not self.contract.unfitted(self.spec.input, self.spec.output)

    def scores(self, rows: RawRows) -> Array:
        """What the last layer gives, before softmax and scaling back: (n, *out).

        Raises
        ------
        DataError
            If the rows do not keep the data contract.
        """
        return self._predictor(rows, "identity", self._inputs())

    def scaled(self, rows: RawRows) -> Array:
        """Raw rows as the first layer sees them: (n, *in).

        Raises
        ------
        DataError
            If the rows do not keep the data contract.
        """
        inputs = self._inputs()
        return inputs.scale_rows(inputs.matrix(rows))

    def scores_of(self, x: Array) -> Array:
        """``scores`` for rows that are scaled to x (n, *in) already: the same bits."""
        return self._predictor(x, "identity", None)

    @overload
    def predict(self, rows: RawRows) -> Array: ...

    @overload
    def predict(self, rows: RawRows, *, to: FrameLibrary) -> Any: ...

    def predict(self, rows: RawRows, *, to: FrameLibrary | None = None) -> Any:
        """Predictions for raw rows.

        Parameters
        ----------
        rows
            (n, *input shape) numbers, a mapping from column name to n values, or a table of pandas,
            polars or pyarrow; a single row is taken as n = 1.
        to
            "pandas", "polars" or "pyarrow": give a table of that library.

        Returns
        -------
        Array
            (n, k), or (n, ..., k) per step: the probability of each class in the model's dtype, or
            the target values in raw units: float64 where ``output.scale`` scales them back, else
            the model's dtype. A new array that the caller may write to. With ``to``, a table with
            the columns that ``layerkit infer`` writes: "class" and "p_CLASS" for each class, or the
            targets; a pandas table has the index of a pandas table of rows.

        Raises
        ------
        DataError
            If the rows do not keep the data contract; it names row, column and expectation. If the
            library is not installed, or the model answers per step and cannot fill a table.
        """
        predictions = self._decoded(self._predictor(rows, self.spec.link, self._inputs()))
        if to is None:
            return predictions
        output = self.contract.output
        if output is not None and output.steps:
            raise DataError(f"to: a table has one answer per row, {self.name!r} one for each step")
        numbers = answer_numbers(output, predictions)
        cells = [*([self.labels(predictions)] if self.classes is not None else []), *numbers.T]
        named = dict(zip(answer_names(output, numbers.shape[1]), cells, strict=True))
        return make_frame(named, to, rows)

    def predict_as_written(self, rows: RawRows) -> Array:
        """``predict`` by the layers' own methods, without engines: the reference of all others.

        Raises
        ------
        DataError
            If the rows do not keep the data contract.
        """
        inputs = self._inputs()
        return self._decoded(self._predictor(rows, self.spec.link, inputs, written=True))

    def _decoded(self, predictions: Array) -> Array:
        """Targets in raw units, probabilities as they are."""
        output = self.contract.output
        if output is not None and output.classes is None:
            return output.decode(predictions)
        return predictions

    def classify(self, rows: RawRows) -> Array:
        """The most probable class label of each row, (n,), or of each step, (n, ...).

        Raises
        ------
        DataError
            If the rows do not keep the data contract, or the model has no classes.
        """
        return self.labels(self.predict(rows))

    def labels(self, predictions: Array) -> Array:
        """Class labels (n,) or (n, ...) for predictions (n, k) or (n, ..., k) of ``predict``.

        Raises
        ------
        DataError
            If the model has no classes.
        """
        output = self.contract.output
        if output is None or output.classes is None:
            raise DataError(f"the model {self.name!r} gives numbers, not classes")
        if predictions.shape[-1] == 1:
            return output.decode((predictions[..., 0] >= 0.5).astype(np.int64))
        return output.decode(predictions.argmax(axis=-1))

    def watch(
        self, rows: RawRows, *, layers: Sequence[str] | None = None
    ) -> dict[str, dict[str, Array]]:
        """What the layers show of a prediction: the gates of highway layers and the like.

        Parameters
        ----------
        rows
            Raw rows, as for ``predict``.
        layers
            Names of the layers to watch; by default all that show something. A layer inside a
            container is named by its path, "residual_1.highway_1".

        Returns
        -------
        dict
            By layer, name to array (n, ...): for a layer that mixes two values, "gate", "new" and
            "carried". New arrays, in the model's dtype.

        Raises
        ------
        DataError
            If the rows do not keep the data contract.
        SpecError
            If a name is not that of a layer.
        """
        check_paths(self.network, layers or ())
        return watched(self.network, self.scaled(rows), layers)

    def encode(self, rows: RawRows, *, layer: str) -> Array:
        """The values after a layer, (n, *out) of it: what the rest of the model sees of the rows.

        Parameters
        ----------
        rows
            Raw rows, as for ``predict``.
        layer
            Name of the layer, or path of one inside a container.

        Raises
        ------
        DataError
            If the rows do not keep the data contract.
        SpecError
            If the name is not that of a layer.
        """
        check_paths(self.network, [layer])
        return values_after(self.network, self.scaled(rows), layer)

    def without(self, layers: Sequence[str]) -> Model:
        """The model with some layers left out: each is replaced by its carry.

        That is a view of this model, which shares its weights. It predicts, and is neither trained
        nor saved nor exported.

        Parameters
        ----------
        layers
            Names of layers, or paths of layers inside containers.

        Returns
        -------
        Model
            The view; without its metrics and history, which are of the whole model.

        Raises
        ------
        ShapeError
            If a layer has no carry.
        SpecError
            If a name is not that of a layer.
        """
        if isinstance(layers, str):
            raise TypeError(f"expected a list of layers, got {layers!r}")
        check_paths(self.network, layers)
        left_out = tuple(dict.fromkeys([*self.left_out, *layers]))
        network = without(self.network, layers)
        return Model(self.spec, network, self.contract, left_out=left_out)

    def check_whole(self, act: str) -> None:
        """Refuse to ``act`` on a view that leaves out layers.

        Raises
        ------
        SpecError
            If the model is such a view.
        """
        if self.left_out:
            raise SpecError(
                f"the model {self.name!r} is a view without {', '.join(self.left_out)}, which "
                f"cannot be {act}",
                hint="take the model that it was made from, or leave the layers out of its spec",
            )

    def outside(self, rows: RawRows) -> Array:
        """Which numbers of raw rows lie outside the range that training saw: (n, *shape) bool.

        For rows with ``model.outside(rows).any(axis=1)`` predictions are extrapolations. Of a
        category that no training row had, all inputs of its column lie outside.

        Raises
        ------
        DataError
            If the rows do not keep the data contract.
        """
        return outside(self.contract.input, rows)

    def tensors(self) -> dict[str, Array]:
        """Copies of all parameters and states of the layers, by names such as ``dense_1.W``."""
        return {name: array.copy() for name, (_, array) in self.network.tensors().items()}

    def set_tensors(self, tensors: Mapping[str, Any]) -> None:
        """Replace all parameters and states of the layers, or, on an error, none.

        The model then is another one: it has no history, metrics, state of training or file.

        Parameters
        ----------
        tensors
            Arrays of floats by name, as ``tensors`` gives them: all names, each with its shape.
            Other floats than the model's are rounded to its dtype.

        Raises
        ------
        TensorMismatchError
            If names are missing or unknown, or arrays have another shape, are no floats or too
            large for the model's dtype. It names all of them.
        DataError
            If the weights are read-only: ``load(mmap=True)`` leaves them in the file.
        """
        self.check_whole("changed")
        if self.network.mapped:
            raise DataError(
                f"the weights of the model {self.name!r} are in its file",
                hint="to replace them, load it without mmap=True",
            )
        own = self.network.tensors()
        for name, array in matching(tensors, {n: a for n, (_, a) in own.items()}).items():
            own[name][1][...] = array
        self.network.spread_ties()
        self.history, self.metrics, self.fit = {}, {}, None
        self.path, self.file_id, self.leftovers = None, None, FileLeftovers()

    def _inputs(self) -> InputContract:
        """The contract of the rows, if all that the spec asks to be fitted is fitted."""
        missing = self.contract.unfitted(self.spec.input, self.spec.output)
        if missing:
            raise DataError(
                f"the model {self.name!r} was built but not trained: its {missing} must be fitted "
                "to training rows first",
                hint="train it, for example with: layerkit train MODEL --data PATH",
            )
        return self.contract.input

    @property
    def block_rows(self) -> int:
        """Rows per block, where there are too many rows for memory.

        Blocks of this size, the last one shorter, give the same bits as all rows at once:
        ``for rows in read_blocks(path, rows=model.block_rows): model.predict(rows)``.
        """
        return self._predictor.block_rows()

    @property
    def accelerated(self) -> bool:
        """Whether compiled kernels are used for predictions."""
        return self._predictor.fast

    def accelerate(self, *, on: bool = True) -> Model:
        """Predict with the compiled kernels of the ``fast`` extra from now on.

        Worth it in a long-running process: the kernels take some tenths of a second to load, and
        about a second to compile once per machine. A single row then takes a quarter of the time.
        Predictions change by rounding.

        Parameters
        ----------
        on
            False: back to NumPy.

        Returns
        -------
        Model
            This model.

        Raises
        ------
        MissingExtraError
            If the extra is not installed.
        """
        self._predictor.accelerate(on=on)
        return self


def build(spec: str | Path | Mapping[str, Any] | Spec, *, settings: Sequence[str] = ()) -> Model:
    """Make a model with initial weights.

    Parameters
    ----------
    spec
        Path of a JSON spec, name of a ready one, the parsed object, or a resolved ``Spec``.
    settings
        Overrides such as ``"layers.1.gate_bias=-3"``.

    Returns
    -------
    Model
        Its weights depend on ``train.seed`` alone.

    Raises
    ------
    SpecError, PluginError
        If the spec is wrong, or a part it names cannot be used.
    """
    resolved = as_spec(spec, settings)
    require_parts(resolved, "initializers")
    network = Network(resolved.plan(), np.dtype(resolved.dtype))
    network.initialise((resolved.train or {}).get("seed", 0), initializer)
    return Model(resolved, network, declared_contract(resolved, network.planned))


def declared_contract(spec: Spec, planned: Sequence[PlannedLayer]) -> DataContract:
    """What the spec alone says of the data, before any training rows are seen."""
    return DataContract.declared(
        spec.input,
        spec.output,
        dtype=spec.dtype,
        in_shape=spec.in_shape,
        out_shape=planned[-1].plan.out_shape if planned else spec.in_shape,
        whole=input_domains(planned),
    )
