"""scikit-learn: a fitted MLPClassifier or MLPRegressor."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Importer, Weights, WeightsError

__all__ = ["Sklearn"]

_ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
_LINKS = {"softmax": "softmax", "logistic": "sigmoid", "identity": "identity"}


class Sklearn(Importer):
    """A fitted MLPClassifier or MLPRegressor of scikit-learn, with its architecture.

    scikit-learn need not be imported: ``coefs_`` and ``intercepts_`` are read.

    Source: scikit-learn, sklearn.neural_network, which stores W as (inputs, outputs).
    """

    type_name = "sklearn"

    def takes(self, source: object) -> bool:
        """Whether it is such an estimator."""
        classes = type(source).__mro__
        return any(c.__module__.startswith("sklearn.neural_network") for c in classes) and any(
            c.__name__ in ("MLPClassifier", "MLPRegressor") for c in classes
        )

    def weights(self, source: Any) -> Weights:
        """Weights and architecture.

        Raises
        ------
        WeightsError
            If it is not fitted, or gives several labels for a row.
        """
        if not hasattr(source, "coefs_"):
            raise WeightsError(f"the {type(source).__name__} is not fitted")
        if source.out_activation_ not in _LINKS:
            raise WeightsError(f"no model here gives its output through {source.out_activation_}")
        layers = len(source.coefs_)
        hidden = _ACTIVATIONS[source.activation]
        tensors: dict[str, Array] = {}
        for number, (W, b) in enumerate(zip(source.coefs_, source.intercepts_, strict=True), 1):
            tensors |= {f"dense_{number}.W": np.asarray(W), f"dense_{number}.b": np.asarray(b)}
        columns = getattr(source, "feature_names_in_", None)
        inputs = {"shape": [len(source.coefs_[0])]} if columns is None else {"columns": [*columns]}
        spec = {
            "layerkit": 1,
            "name": "mlp",
            "dtype": "float64" if source.coefs_[0].dtype == np.float64 else "float32",
            "input": inputs,
            "layers": [
                {
                    "type": "dense",
                    "units": len(b),
                    "activation": hidden if number < layers else "linear",
                }
                for number, b in enumerate(source.intercepts_, 1)
            ],
            "output": {"link": _LINKS[source.out_activation_], **_classes(source)},
        }
        return Weights(tensors, spec=spec)


def _classes(source: Any) -> dict[str, Any]:
    """The classes, whole numbers or text, of a classifier."""
    if not hasattr(source, "classes_"):
        return {}
    classes = np.asarray(source.classes_)
    if source.out_activation_ == "logistic" and len(source.intercepts_[-1]) > 1:
        raise WeightsError("it gives several labels for a row, which no model of classes does")
    whole = classes.dtype.kind == "f" and (classes == np.rint(classes)).all()
    if classes.dtype.kind in "iu" or whole:
        return {"classes": [int(label) for label in classes]}
    return {"classes": [str(label) for label in classes]}
