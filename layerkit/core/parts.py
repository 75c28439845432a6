"""Parts: the contracts of activations, initializers, losses, schedules, metrics, data and readers.

A part has no state beyond its settings and registers under the entry point group of its kind.
Layers and optimizers have their own files. Arrays are batch-first in shape.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal, NamedTuple

import numpy as np

from layerkit.core.context import Array, Context, Shape
from layerkit.core.history import History
from layerkit.core.rows import Rows
from layerkit.core.version_one import accept_both_forms

if TYPE_CHECKING:
    from pathlib import Path

    from layerkit.figures.figure import Figure
    from layerkit.recording.program import Program

Target = Literal["class", "binary", "real"]
"""What a loss or metric compares with: class numbers (n,), 0/1 flags (n, k), numbers (n, k).

Class numbers have rank 1 and flags rank 2, so a metric for both can tell them apart by ``ndim``.
"""

Link = Literal["softmax", "sigmoid", "identity", "exp"]
"""How the last layer's scores become predictions: probabilities, numbers as they are, or rates."""


class Part:
    """Base of every registered part: its settings are its constructor's keywords.

    A subclass has a keyword-only constructor that stores each argument under its name and does
    nothing else, except raise ValueError for settings that contradict each other.
    """

    type_name: ClassVar[str]
    """Name in the registry, equal to the entry point's name."""

    config_version: ClassVar[int] = 1
    """Version of the settings; raised when their meaning changes (see ``migrate``)."""

    contract_version: ClassVar[int] = 2
    """Version of layerkit's contract that the class is written for; layerkit refuses a class whose
    version it does not support (LK-105)."""

    @classmethod
    def settings(cls) -> dict[str, inspect.Parameter]:
        """The constructor's keyword-only parameters by name, in order."""
        if cls not in _SETTINGS:
            # Without a constructor there are none; inspect takes milliseconds to find that out.
            bare = cls.__init__ is object.__init__
            found = {} if bare else inspect.signature(cls).parameters
            keyword = inspect.Parameter.KEYWORD_ONLY
            _SETTINGS[cls] = {k: p for k, p in found.items() if p.kind is keyword}
        return _SETTINGS[cls]

    @property
    def config(self) -> dict[str, Any]:
        """The current settings: constructing from them gives an equal part."""
        return {name: getattr(self, name) for name in self.settings()}

    @classmethod
    def migrate(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Settings of an older ``config_version``, converted to the current one.

        Raises
        ------
        ValueError
            By default. A part that raises its ``config_version`` overrides this to read old ones.
        """
        raise ValueError(
            f"{cls.__name__} cannot read settings of version {from_version}; "
            f"its own version is {cls.config_version}"
        )

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs that tests of this part may use."""
        return [({}, (4,))]


_SETTINGS: dict[type[Part], dict[str, inspect.Parameter]] = {}  # reading one takes 0.2 ms


class Activation(Part, ABC):
    """An elementwise function y = f(z) and the product of a gradient with its slope."""

    from_output: ClassVar[bool] = True
    """Of contract version 1: whether a layer may let y overwrite z. Always False in version 2."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let parts of contract version 1 and 2 call each other."""
        super().__init_subclass__(**kwargs)
        accept_both_forms(cls)

    @abstractmethod
    def feed(self, z: Array) -> Array:
        """f(z), any shape; never writes to z, and may return z itself."""

    @abstractmethod
    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """dL/dz = dy * f'(z), where y = f(z); never writes to dy, z or y, may return dy itself."""


class Initializer(Part, ABC):
    """How a parameter starts."""

    @abstractmethod
    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """A float64 array of ``shape``; fans is (fan_in, fan_out)."""


class Loss(Part, ABC):
    """A loss of each row, and the gradient of their weighted sum."""

    target: ClassVar[Target]
    """What the scores are compared with.

    "class": whole numbers (n,), one of k classes; "binary": flags 0 and 1 (n, k); "real": numbers
    (n, k).
    """

    link: ClassVar[Link]
    """How scores become predictions, outside of the loss.

    "softmax": probabilities of k classes; "sigmoid": a probability each; "identity": the scores
    themselves; "exp": e^score, rates.
    """

    least: ClassVar[float] = -math.inf
    """The smallest number that a target may be, where targets are numbers: 0 for counts, say."""

    @abstractmethod
    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Loss of each row (n,) for scores (n, k) and targets of kind ``target``."""

    @abstractmethod
    def backprop(self, weights: Array, ctx: Context) -> Array:
        """dL/dscores (n, k) for L = sum_i weights_i * loss_i, weights (n,)."""

    @staticmethod
    def beside(scores: Array, targets: Array) -> Array:
        """Targets (n, k), flags or numbers, in the dtype and memory order of the scores.

        Computing with them is then 4 times as fast as with another order.
        """
        t = np.empty_like(scores)
        t[...] = targets.reshape(scores.shape)
        return t


class Schedule(Part, ABC):
    """How the learning rate changes as training goes on."""

    @property
    def watched(self) -> tuple[str, ...]:
        """Series that ``factor_after`` needs, such as "val_loss"; a training without is refused."""
        return ()

    @abstractmethod
    def factor(self, epoch: float, epochs: int) -> float:
        """The factor of the base rate at time ``epoch`` (0.5: half of the first) of ``epochs``.

        A schedule cannot have a setting called ``factor``.
        """

    def factor_after(self, epoch: float, epochs: int, history: History) -> float:
        """The factor at time ``epoch`` for a schedule that sees results; by default ``factor``.

        A training calls this method alone, so what it returns takes the place of ``factor``.
        ``history`` has what all epochs before this one gave: floor(epoch) values a series. The
        result follows from the arguments alone: a resumed training has nothing else.
        """
        return self.factor(epoch, epochs)


class Metric(Part, ABC):
    """One number that says how good predictions are."""

    target: ClassVar[tuple[Target, ...]]
    """Kinds of target it supports."""

    higher_is_better: ClassVar[bool]

    @abstractmethod
    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """The metric of predictions (n, k), probabilities or numbers, against targets.

        Targets are (n,) class numbers or (n, k) flags or numbers, in the units of the raw data;
        weights (n,) give rows more or less weight. NaN where the rows do not define the metric.
        """

    @staticmethod
    def weighted_mean(values: Array, weights: Array | None) -> float:
        """sum_i w_i v_i / sum_i w_i for values (n,), in float64; NaN if all weights are 0."""
        if len(values) == 0 or (weights is not None and not np.any(weights)):
            return math.nan
        return float(np.average(values.astype(np.float64), weights=weights))


class DataSource(Part, ABC):
    """A data set known by name."""

    @abstractmethod
    def load(self, where: Path | None) -> dict[str, Rows]:
        """The splits by name: "train", and "test" if the data set has a standard one.

        Parameters
        ----------
        where
            The folder or file that the user named, or None: look in the usual places, then
            download.

        Raises
        ------
        DataSourceError
            If it is missing, incomplete, or cannot be downloaded.
        """


class Reader(Part, ABC):
    """Reads the files of one format.

    The end of its type name after the last dot, if it has one, is the format's name and the
    extension of its files: ``acme.sas7bdat`` reads ``patients.sas7bdat``.
    """

    @abstractmethod
    def tables(self, file: BinaryIO) -> Iterator[Any]:
        """The rows in order, in one or more tables.

        A table is a mapping from column names to cells (n,), or a frame of pandas, polars or
        pyarrow; all have the same columns. Without rows it is one table of no rows.

        Parameters
        ----------
        file
            Open at its start, can be sought, decompressed if it was gzipped.

        Raises
        ------
        MissingExtraError
            If a library that it needs is not installed. Any other error means that the file is
            damaged.
        """

    def example(self) -> tuple[bytes, Mapping[str, Sequence[Any]]] | None:
        """A file of two rows or more and the columns it holds, for the conformance kit."""
        return None


class Exporter(Part, ABC):
    """Writes models in another form, such as ONNX.

    It reads the graphs of a program (``layerkit.recording.program``) and knows no layer.
    """

    extension: ClassVar[str]
    """Of the files it writes, such as ".onnx"."""

    @abstractmethod
    def content(self, program: Program) -> bytes:
        """The whole file.

        Raises
        ------
        ExportError
            If the form lacks an operation, with ``unsupported(step, node, why)``.
        MissingExtraError
            If a library that it needs is not installed.
        """

    def run(self, content: bytes, rows: Array) -> Array:
        """What the written file gives for ``rows`` (n, *in_shape), to verify it.

        (n, *out_shape), or (n, k) with the same numbers.

        Raises
        ------
        NotImplementedError
            If the form does not compute, or nothing here can run it; the text says what would.
        """
        raise NotImplementedError("this form holds weights and computes nothing")


class Renderer(Part, ABC):
    """Draws figures (``layerkit.figures.Figure``) as files of one form, such as PNG."""

    extension: ClassVar[str]
    """Of the files it writes, such as ".png"."""

    def require(self) -> None:
        """Check that it can draw here; nothing to check by default.

        Raises
        ------
        MissingExtraError
            If a package that it needs is not installed.
        """

    @abstractmethod
    def content(self, figure: Figure) -> bytes:
        """The whole file, the same for the same figure.

        Raises
        ------
        MissingExtraError
            Same as ``require``.
        """


class Weights(NamedTuple):
    """What an importer finds.

    Parameters
    ----------
    tensors
        By the source's own names, such as "fc1.weight".
    layers
        What these names begin with, "fc1" for instance, for each layer with tensors in the order
        in which the network applies them; None where the source does not tell the order.
    spec
        The architecture as a spec, where the source tells it.
    notes
        What of the source is not used, a line each.
    """

    tensors: Mapping[str, Array]
    layers: Sequence[str] | None = None
    spec: Mapping[str, Any] | None = None
    notes: Sequence[str] = ()


class Importer(Part, ABC):
    """Reads the weights that another library trained."""

    extensions: ClassVar[tuple[str, ...]] = ()
    """Of the files it reads, such as (".npz",)."""

    def takes(self, source: object) -> bool:
        """Whether it reads this object of Python, such as an estimator."""
        return False

    @abstractmethod
    def weights(self, source: Any) -> Weights:
        """The tensors, and what the source tells of the network.

        Parameters
        ----------
        source
            A file, open at its start and can be sought, or an object that it ``takes``.

        Raises
        ------
        WeightsError
            If the source is damaged or too large, or the network of an object cannot be described.
        MissingExtraError
            If a library that it needs is not installed. Any other error means that the file is
            damaged.
        """
