"""What both estimators are: checks of scikit-learn around ``layerkit.train``, and their state.

``model_`` is the trained ``layerkit.Model``. A pickle holds it as the bytes of its model file,
which are verified when it is loaded.
"""

from __future__ import annotations

import copy
import io
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_X_y, validate_data

from layerkit.core.callback import Listener
from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract import as_rows
from layerkit.errors import LayerkitError
from layerkit.file.load import load
from layerkit.file.save import save
from layerkit.model import Model, build
from layerkit.sklearn.frames import columns_of
from layerkit.sklearn.parameters import document
from layerkit.specs import as_spec
from layerkit.training.incremental import train_one_epoch
from layerkit.training.learned_categories import explicit_spec
from layerkit.training.row_weights import with_weights
from layerkit.training.run import train

_NUMBERS = [np.float64, np.float32]
_MOST_SEEDS = 2**31 - 1


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The common half of ``LayerkitClassifier`` and ``LayerkitRegressor``."""

    def _checked(self, X: Any, y: Any = None, *, first: bool = True, **options: Any) -> Any:
        """X, or (X, y), as scikit-learn checks them; the inputs' names and number are noted.

        X becomes an array, or ``Rows`` where it is a frame with text.
        """
        if first:
            self._columns = columns_of(X)
        given = (X,) if y is None and not first else (X, y)
        if self._columns is None:
            finite = "allow-nan" if self._takes_missing() else True
            return validate_data(
                self, *given, reset=first, dtype=_NUMBERS, ensure_all_finite=finite, **options
            )
        if not hasattr(X, "columns"):
            names = self.feature_names_in_.tolist()
            raise ValueError(f"expected a frame with the columns {names}, got {type(X).__name__}")
        validate_data(self, *given, reset=first, skip_check_array=True)
        rows = as_rows(X)
        if len(given) == 1:
            return rows
        numbers = np.zeros((len(rows), 1))  # y is checked beside them
        return rows, check_X_y(numbers, y, **options)[1]

    def _takes_missing(self) -> bool:
        """Whether NaN is allowed in X."""
        if self.missing is None and self.spec is not None:
            rule = as_spec(self.spec).input["missing"]
        else:
            rule = self.missing
        return rule not in (None, "error")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        with suppress(LayerkitError):  # reported by fit
            tags.input_tags.allow_nan = self._takes_missing()
        return tags

    def _document(
        self, X: Array | Rows, output: Mapping[str, Any], units: int, **changes: Any
    ) -> dict[str, Any]:
        """The spec of this estimator for rows X (n, w) and ``units`` outputs.

        ``changes`` are parameters in the words of a spec.
        """
        names = getattr(self, "feature_names_in_", None)
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(_MOST_SEEDS)
        return document(
            {**self.get_params(deep=False), **changes},
            width=self.n_features_in_,
            names=self._columns or (None if names is None else names.tolist()),
            dtype="float64" if isinstance(X, Rows) else X.dtype.name,
            output=output,
            units=units,
            rows=len(X),
            seed=int(seed),
        )

    def _train(self, spec: Mapping[str, Any], X: Array | Rows, y: Array, weights: object) -> None:
        """Train a model from the start, and take it."""
        rows = _labelled(X, y)
        run = train(spec, data=rows, sample_weight=weights, listener=self._listener())
        self._took(run.model)

    def _train_on(
        self, spec: Mapping[str, Any] | None, X: Array | Rows, y: Array, weights: object
    ) -> None:
        """Train one epoch further, or the first of ``spec``, and take the model."""
        splits = {"train": _labelled(X, y)}
        if weights is not None:
            splits = with_weights(splits, weights)
        model = self.model_ if spec is None else build(explicit_spec(as_spec(spec), splits))
        train_one_epoch(model, splits["train"], listener=self._listener())
        self._took(model)

    def _took(self, model: Model) -> None:
        """Note a model and what its training says."""
        self.model_ = model
        self.loss_curve_ = model.history["loss"].tolist()
        self.n_iter_ = len(self.loss_curve_)

    def _listener(self) -> Listener:
        return _Lines() if self.verbose else Listener()

    def _outputs(self, X: object) -> Array:
        """The model's predictions (n, k) for X."""
        check_is_fitted(self)
        rows = self._checked(X, first=False)
        found: Array = self.model_.predict(rows)
        return found

    def to_layerkit(self) -> Model:
        """The trained model, a copy: to evaluate, explain, compare or train it on.

        Returns
        -------
        Model
            It takes raw rows like X.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self)
        return copy.deepcopy(self.model_)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the trained model to a file, as ``layerkit.save`` does.

        Parameters
        ----------
        path
            A path or a URL; replaced in one step.

        Returns
        -------
        str
            The file id, ``sha256:`` and 64 hex digits.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before ``fit``.
        PathError
            If the file cannot be written; the old one is untouched.
        """
        check_is_fitted(self)
        return save(self.model_, path)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            file = io.BytesIO()
            save(state["model_"], file)
            state["model_"] = file.getvalue()
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        if "model_" in state:
            state = {**state, "model_": load(state["model_"])}
        super().__setstate__(state)


def _labelled(X: Array | Rows, y: Array) -> Rows:
    return replace(X, labels=y) if isinstance(X, Rows) else Rows(X, labels=y)


class _Lines(Listener):
    """One line per epoch on standard output."""

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        self._epochs = epochs

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        sys.stdout.write(f"epoch {epoch}/{self._epochs}  {shown}\n")

    def notice(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
