"""A regressor for scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from sklearn.base import RegressorMixin

from layerkit.core.context import Array
from layerkit.sklearn.base import Estimator
from layerkit.specs import as_spec
from layerkit.specs.recipe import link_of


class LayerkitRegressor(RegressorMixin, Estimator):  # type: ignore[misc]  # untyped
    """A layerkit network as a scikit-learn regressor, for one target or several.

    Parameters, attributes and methods are those of ``LayerkitClassifier``, but for classes and
    their weights, and with two more.

    Parameters
    ----------
    loss
        Such as "huber". (mse)
    target_scale
        "standardize" trains on (y - mean) / deviation; None on y itself; "auto": what ``spec``
        says, else standardize, or None for a loss of rates (poisson).
    """

    def __init__(
        self,
        layers: Sequence[Any] | None = None,
        *,
        spec: Any = None,
        epochs: int | None = None,
        batch_size: int | str | None = None,
        optimizer: Any = None,
        schedule: Any = None,
        loss: Any = None,
        validation: float | None = None,
        early_stopping: Mapping[str, Any] | bool | None = None,
        weight_decay: float | None = None,
        clip_norm: float | None = None,
        scale: Any = "auto",
        target_scale: str | None = "auto",
        missing: Any = None,
        dtype: str | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.layers = layers
        self.spec = spec
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.schedule = schedule
        self.loss = loss
        self.validation = validation
        self.early_stopping = early_stopping
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.scale = scale
        self.target_scale = target_scale
        self.missing = missing
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train from the start.

        Parameters
        ----------
        X
            (n, w) numbers: array, nested lists or a frame; in a frame also columns of text, whose
            categories are learned.
        y
            (n,) or (n, k) numbers.
        sample_weight
            (n,) finite numbers >= 0: a row of weight 2 counts twice in the loss and in the
            statistics of both scales. (all 1)

        Returns
        -------
        LayerkitRegressor
            This estimator.

        Raises
        ------
        ValueError
            If X, y, the weights or a parameter are not as described.
        TrainingDivergedError
            If the loss is no longer finite.
        """
        X, y = self._rows_and_targets(X, y, first=True)
        self._train(self._spec_for(X, y), X, y, sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch on these rows, from where the last call or ``fit`` ended.

        As for ``LayerkitClassifier``; the scales are those of the first rows.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``.

        Returns
        -------
        LayerkitRegressor
            This estimator.

        Raises
        ------
        ValueError
            As for ``fit``.
        TrainingDivergedError
            If the loss is no longer finite; the model is as it was before.
        """
        first = not hasattr(self, "model_")
        X, y = self._rows_and_targets(X, y, first=first)
        spec = self._spec_for(X, y) if first else None
        self._train_on(spec, X, y, sample_weight)
        return self

    def _rows_and_targets(self, X: Any, y: Any, *, first: bool) -> tuple[Array, Array]:
        X, y = self._checked(X, y, first=first, multi_output=True, y_numeric=True)
        if y.dtype.kind in "US":
            raise ValueError("expected numbers in y, got text; LayerkitClassifier learns classes")
        self._flat = y.ndim == 1
        return X, y

    def _spec_for(self, X: Array, y: Array) -> dict[str, Any]:
        count = 1 if y.ndim == 1 else y.shape[1]
        said = None if self.spec is None else as_spec(self.spec).output
        names = None if said is None else said["targets"]
        if names is None or len(names) != count:
            names = _target_names(count, {*getattr(self, "feature_names_in_", ())})
        scale = self.target_scale
        if scale == "auto":
            free = self.loss is None or link_of(self.loss) == "identity"
            scale = ("standardize" if free else None) if said is None else said["scale"]
        return self._document(X, {"targets": names, "scale": scale}, count)

    def predict(self, X: Any) -> Array:
        """The predicted targets.

        Parameters
        ----------
        X
            (n, w) numbers, with the columns that ``fit`` saw.

        Returns
        -------
        Array
            (n,) or (n, k) like y, in its units; float64 where y was scaled, else in the dtype of
            the model.

        Raises
        ------
        ValueError
            If X is not as in ``fit``.
        sklearn.exceptions.NotFittedError
            Before ``fit``.
        """
        found = self._outputs(X)
        return found[:, 0] if self._flat else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _target_names(count: int, taken: set[str]) -> list[str]:
    """Names of the targets that no input has."""
    stem = "y"
    while True:
        names = [stem] if count == 1 else [f"{stem}{j}" for j in range(count)]
        if not taken & {*names}:
            return names
        stem = f"{stem}_"
