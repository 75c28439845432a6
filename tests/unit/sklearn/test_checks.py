"""scikit-learn's own checks of estimators: all of them, counted, so that a skipped one is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import pytest

sklearn = pytest.importorskip("sklearn", reason="the extra sklearn is not installed")

from sklearn.utils.estimator_checks import (  # noqa: E402  # after the check that it is there
    check_sample_weight_equivalence_on_dense_data,
    estimator_checks_generator,
    parametrize_with_checks,
)

from layerkit.sklearn import LayerkitClassifier, LayerkitRegressor  # noqa: E402

COUNTS = {"1.9": (63, 60)}
SKIPPED = {"check_array_api_input"}  # SciPy's array API has to be switched on at its import


@parametrize_with_checks([LayerkitClassifier(), LayerkitRegressor()])  # type: ignore[untyped-decorator]
def test_scikit_learns_check(estimator: Any, check: Any) -> None:
    try:
        check(estimator)
    except SkipTest:
        assert check.func.__name__ in SKIPPED


@pytest.mark.parametrize(
    ("estimator", "at"), [(LayerkitClassifier, 0), (LayerkitRegressor, 1)], ids=["class", "number"]
)
def test_all_of_them_run(estimator: Callable[..., Any], at: int) -> None:
    names = [check.func.__name__ for _, check in estimator_checks_generator(estimator())]
    version = ".".join(sklearn.__version__.split(".")[:2])
    if version in COUNTS:
        assert len(names) == COUNTS[version][at]
    assert len(names) > 45
    assert len(SKIPPED & {*names}) <= 1


@pytest.mark.parametrize("estimator", [LayerkitClassifier, LayerkitRegressor])
def test_weights_are_repeated_rows_in_full_batches_only(estimator: Callable[..., Any]) -> None:
    """The one expected failure: repeated rows make other mini-batches than weights do."""
    name = estimator.__name__
    check_sample_weight_equivalence_on_dense_data(name, estimator(batch_size="full"))
    with pytest.raises(AssertionError, match="not equivalent to fitting with removed"):
        check_sample_weight_equivalence_on_dense_data(name, estimator(batch_size=4))
