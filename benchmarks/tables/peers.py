"""Who is measured: the starting spec, scikit-learn's networks, and boosted trees beside them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import layerkit
from benchmarks.tables.tables import TABLES, Columns, Table

__all__ = ["PEERS", "STEADY", "Answer", "Array", "answer", "hidden_units", "is_regression"]

Array = np.ndarray[Any, Any]
Answer = tuple[Array, float]
"""Predictions for the test rows, labels or numbers, and the seconds of training."""


def _spec(table: Table) -> dict[str, Any]:
    spec = layerkit.spec_init(table.train, target="target")
    spec["train"].pop("test", None)  # the table has its own test rows
    return spec


def hidden_units(table: Table) -> tuple[int, ...]:
    """The units of the hidden layers of the starting spec."""
    return tuple(layer["units"] for layer in _spec(table)["layers"][:-1])


def is_regression(table: Table) -> bool:
    """Whether the starting spec learns numbers."""
    return "targets" in _spec(table)["output"]


def _starting_spec(table: Table, seed: int) -> Answer:
    spec = _spec(table)
    began = time.perf_counter()
    model = layerkit.train(spec, data=table.train, seed=seed).model
    seconds = time.perf_counter() - began
    rows = {name: cells for name, cells in table.test.items() if name != "target"}
    found = model.predict(rows) if is_regression(table) else model.classify(rows)
    return np.asarray(found).reshape(-1), seconds


def _network_of_its_size(table: Table, seed: int) -> Answer:
    return _network(table, seed, hidden_units(table))


def _default_network(table: Table, seed: int) -> Answer:
    return _network(table, seed, (100,))


def _network(table: Table, seed: int, hidden: tuple[int, ...]) -> Answer:
    """All settings are the defaults, but for the size.

    Numbers to predict are scaled for it, as they are for layerkit: unscaled ones of the size of
    house prices leave it far behind.
    """
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler

    if is_regression(table):
        inner = MLPRegressor(hidden_layer_sizes=hidden, random_state=seed)
        network = TransformedTargetRegressor(inner, transformer=StandardScaler())
        return _fitted(network, table)
    return _fitted(MLPClassifier(hidden_layer_sizes=hidden, random_state=seed), table)


def _boosted_trees(table: Table, seed: int) -> Answer:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind: Any = HistGradientBoostingClassifier
    if is_regression(table):
        kind = HistGradientBoostingRegressor
    return _fitted(kind(random_state=seed), table)


def _fitted(estimator: Any, table: Table) -> Answer:
    """Predictions behind the usual preparation: median, scale, one-hot."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    x, y = _frame(pd, table.train), table.train["target"]
    text = [name for name in x if x[name].dtype == object or str(x[name].dtype) == "str"]
    numbers = [name for name in x if name not in text]
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), text),
    )
    pipeline = make_pipeline(prepared, estimator)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it did not converge in its 200 epochs
        pipeline.fit(x, y)
    seconds = time.perf_counter() - began
    return np.asarray(pipeline.predict(_frame(pd, table.test))), seconds


def _frame(pd: Any, columns: Columns) -> Any:
    return pd.DataFrame({name: cells for name, cells in columns.items() if name != "target"})


PEERS: dict[str, Callable[[Table, int], Answer]] = {
    "spec init": _starting_spec,
    "MLP, same size": _network_of_its_size,
    "MLP, 100": _default_network,
    "boosted trees": _boosted_trees,
}
"""By name; each trains on the training rows with a seed and predicts the test rows."""

STEADY = ("boosted trees",)
"""Those that draw nothing at random on so few rows: one seed tells all."""


def answer(table: str, peer: str, seed: int) -> Answer:
    """The answer of one peer on one table: what a process of its own works on."""
    return PEERS[peer](TABLES[table](), seed)
