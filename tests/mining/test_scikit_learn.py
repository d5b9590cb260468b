"""All of scikit-learn's own checks of estimators, but those that do not apply to a table of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from obrl.mining import RelationMiner

checks = pytest.importorskip("sklearn.utils.estimator_checks")
pytestmark = pytest.mark.filterwarnings("ignore")

DO_NOT_APPLY = {
    "check_fit_score_takes_y": "the second argument is groups: there is no y",
    "check_estimators_unfitted": "the error is a MiningError, since scikit-learn is not imported",
    "check_n_features_in_after_fitting": "the words of the error are others",
    "check_fit2d_predict1d": "the words of the error are others",
    "check_complex_data": "complex numbers are a TypeError in all of obrl",
    "check_dtype_object": "arrays of objects are refused",
    "check_estimator_sparse_array": "it asks every estimator with predict_proba for tags of classifiers",
    "check_estimator_sparse_matrix": "it asks every estimator with predict_proba for tags of classifiers",
    "check_methods_subset_invariance": "predict_proba fits its curves to the rows that it gets",
    "check_methods_sample_order_invariance": "predict_proba fits its curves to the rows that it gets, in order",
    "check_array_api_input": "it needs an environment variable before SciPy is imported",
}


def labels_of(numbers: Any) -> Any:
    """The checks' random numbers as labels; anything else as it is."""
    if hasattr(numbers, "tocsr"):
        matrix = numbers.tocsr(copy=True)
        matrix.data = (matrix.data > 0.5).astype(float)
        return matrix
    array = np.asarray(numbers)
    if array.dtype.kind not in "biuf" or array.ndim != 2 or np.isinf(array).any():
        return numbers
    return np.where(np.isnan(array), np.nan, array > 0.5)


class OfNumbers(RelationMiner):
    """The miner, with numbers above one half as labels that are present."""

    def partial_fit(self, targets: Any, groups: Any = None, *, observed: Any = None) -> Any:
        return super().partial_fit(labels_of(targets), None, observed=observed)

    def predict_proba(self, targets: Any, *, observed: Any = None) -> Any:
        return super().predict_proba(labels_of(targets), observed=observed)


def test_every_check_that_applies_passes() -> None:
    passed = set()
    for estimator, check in checks.estimator_checks_generator(OfNumbers()):
        name = check.func.__name__
        if name not in DO_NOT_APPLY:
            check(estimator)
            passed.add(name)
    assert len(passed) >= 20
