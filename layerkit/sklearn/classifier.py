"""A classifier for scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from layerkit.core.context import Array
from layerkit.sklearn.base import Estimator
from layerkit.sklearn.labels import class_numbers, file_classes, weights_by_class


class LayerkitClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]  # untyped
    """A layerkit network as a scikit-learn classifier.

    The input width and the output layer follow from the data. A parameter that is None is taken
    from ``spec``, or else has the value in parentheses; ``layerkit explain`` tells more of each.

    Parameters
    ----------
    layers
        The hidden layers as in a spec: names or objects; a number is short for a dense layer of as
        many relu units. (64 relu units and two highway layers)
    spec
        A whole spec, output layer included: path, name of a ready one, or object. What it says of
        data, classes and seed is not used.
    epochs
        Passes over the training rows. (40)
    batch_size
        Rows per step, or "full" for all rows in every step. (32)
    optimizer, schedule
        Name, or object with settings. (adam with a learning rate of 0.003; cosine)
    validation
        Fraction of the rows to validate on. (0)
    early_stopping
        Object with ``patience`` and the like, or True; needs ``validation``. False: none. (none)
    weight_decay, clip_norm
        L2 decay; the largest norm of a gradient. (0.0001; no limit)
    scale
        "standardize", "minmax", None or an object; "auto": what ``spec`` says, else standardize.
    missing
        What replaces NaN: "mean", "median", or a number; "error" refuses it. (error)
    dtype
        "float32" or "float64". (the one of X; float64 for whole numbers)
    class_weight
        "balanced", or a mapping from label to weight; labels left out have weight 1. (all 1)
    random_state
        A number is the seed of ``layerkit.train``; None draws one.
    verbose
        Whether to print a line per epoch.

    Attributes
    ----------
    classes_
        (k,) the labels, sorted, in the dtype of y.
    model_
        The trained ``layerkit.Model``.
    n_iter_, loss_curve_
        Number of epochs trained, and the training loss of each.
    n_features_in_, feature_names_in_
        Number of inputs, and their names if X had some.
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
        validation: float | None = None,
        early_stopping: Mapping[str, Any] | bool | None = None,
        weight_decay: float | None = None,
        clip_norm: float | None = None,
        scale: Any = "auto",
        missing: Any = None,
        dtype: str | None = None,
        class_weight: Any = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.layers = layers
        self.spec = spec
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.schedule = schedule
        self.validation = validation
        self.early_stopping = early_stopping
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.scale = scale
        self.missing = missing
        self.dtype = dtype
        self.class_weight = class_weight
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
            (n,) labels of any type that can be sorted.
        sample_weight
            (n,) finite numbers >= 0: a row of weight 2 counts twice in the loss and in the
            statistics of ``scale``. (all 1)

        Returns
        -------
        LayerkitClassifier
            This estimator.

        Raises
        ------
        ValueError
            If X, y, the weights or a parameter are not as described.
        TrainingDivergedError
            If the loss is no longer finite.
        """
        X, y = self._rows_and_labels(X, y, first=True)
        classes = np.unique(y)
        self._train(self._spec_for(X, classes), X, _named(y, classes), sample_weight)
        self.classes_ = classes
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train one epoch on these rows, from where the last call or ``fit`` ended.

        The optimizer keeps its state. Every row is trained on, at the optimizer's rate:
        ``schedule``, ``validation`` and ``early_stopping`` are for ``fit``. The scale is that of
        the first rows. As many calls on the same rows give the bits of ``fit`` with ``epochs`` and
        a constant schedule.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``.
        classes
            All labels that there will be; needed in the first call.

        Returns
        -------
        LayerkitClassifier
            This estimator.

        Raises
        ------
        ValueError
            If the first call has no ``classes``, or y holds another label; else as for ``fit``.
        TrainingDivergedError
            If the loss is no longer finite; the model is as it was before.
        """
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit")
        X, y = self._rows_and_labels(X, y, first=first)
        all_classes = np.unique(np.asarray(classes)) if first else self.classes_
        if (
            not first
            and classes is not None
            and not np.array_equal(np.unique(classes), all_classes)
        ):
            known, got = all_classes.tolist(), np.unique(classes).tolist()
            raise ValueError(f"classes: expected {known} as in the first call, got {got}")
        labels = _named(y, all_classes)
        spec = self._spec_for(X, all_classes) if first else None
        self._train_on(spec, X, labels, sample_weight)
        self.classes_ = all_classes
        return self

    def _rows_and_labels(self, X: Any, y: Any, *, first: bool) -> tuple[Array, Array]:
        X, y = self._checked(X, y, first=first)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        return X, y

    def _spec_for(self, X: Array, classes: Array) -> dict[str, Any]:
        names = file_classes(classes)
        if len(names) < 2:
            raise ValueError(
                f"expected y of two or more classes, got one class: {classes.tolist()}"
            )
        output = {"classes": names, "targets": None, "scale": None}
        weights = weights_by_class(self.class_weight, classes)
        return self._document(X, output, len(names), class_weight=weights)

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class.

        Parameters
        ----------
        X
            (n, w) numbers, with the columns that ``fit`` saw.

        Returns
        -------
        Array
            (n, k) in the dtype of the model, columns as in ``classes_``.

        Raises
        ------
        ValueError
            If X is not as in ``fit``.
        sklearn.exceptions.NotFittedError
            Before ``fit``.
        """
        found = self._outputs(X)
        if found.shape[1] == 1:
            return np.hstack([1 - found, found])
        if self.model_.spec.link != "softmax":  # one chance per class, which need not sum to 1
            found /= found.sum(axis=1, keepdims=True)
        return found

    def predict(self, X: Any) -> Array:
        """The most probable label.

        Parameters
        ----------
        X
            (n, w) numbers, with the columns that ``fit`` saw.

        Returns
        -------
        Array
            (n,) labels in the dtype of ``classes_``.

        Raises
        ------
        ValueError
            If X is not as in ``fit``.
        sklearn.exceptions.NotFittedError
            Before ``fit``.
        """
        found = self._outputs(X)
        best = found[:, 0] >= 0.5 if found.shape[1] == 1 else found.argmax(axis=1)
        labels: Array = self.classes_[best.astype(np.intp)]
        return labels


def _named(y: Array, classes: Array) -> Array:
    """The labels of the file for labels y (n,); ValueError if one is none of ``classes``."""
    names = np.array(file_classes(classes), object)
    labels: Array = names[class_numbers(y, classes)]
    return labels
