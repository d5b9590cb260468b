"""What relations of every framework offer once a model is trained: the functions of `obrl.conditional` as methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.arrays import host_array, unmask_labels
from obrl.conditional import FloatArray, check_rates, condition, query_scores, suspicion
from obrl.counts import PairCounts
from obrl.labels import without_ignored
from obrl.measures import MEASURES, apply_measure
from obrl.namespace import NUMPY
from obrl.online import RelationState, known_relation
from obrl.settings import Settings


def relation_phi(state: RelationState, settings: Settings) -> FloatArray:
    """The phi coefficients of a relation, NaN where undefined.

    Raises:
        ValueError: another measure than the two of Pearson, without counts that phi would follow from.
    """
    if settings.estimator == "counts":
        n, s, r = state.relation_sum
        phi, defined = apply_measure(NUMPY, "pearson", PairCounts(n, s, r, r.T))
        return np.where(defined > 0, phi, np.nan)
    to_phi = MEASURES[settings.measure].to_phi
    if to_phi is None:
        raise ValueError(
            f'measure must be "pearson" or "unit_pearson", or estimator "counts", for phi to follow from the relation, '
            f"got measure={settings.measure!r} with estimator={settings.estimator!r}"
        )
    value, known = known_relation(NUMPY, state, settings)
    phi = np.full(value.shape, np.nan)
    phi[known] = to_phi(value[known])
    return phi


def state_rates(state: RelationState, settings: Settings) -> FloatArray | None:
    """How often each label is present, (num_labels,), from a relation that holds counts; else None."""
    if settings.estimator != "counts":
        return None
    n, s = state.relation_sum[0].diagonal(), state.relation_sum[1].diagonal()
    return np.divide(s, n, out=np.full(len(n), np.nan), where=n > 0)


class Conditioning:
    """The three functions as methods of whatever holds a relation.

    Attributes:
        ignore_index: the number that marks missing targets where they are integers, or None.
    """

    ignore_index: int | None = None

    def _phi_and_rates(self) -> tuple[FloatArray, FloatArray | None]:
        """The correlations, and how often each label is present where that is known."""
        raise NotImplementedError

    def condition(self, probabilities: Any, targets: Any, *, observed: Any = None) -> FloatArray:
        """Probabilities of the unknown labels, after looking at the known ones of the same row.

        Args:
            probabilities: (rows, num_labels) in [0, 1], a model's, as arrays or tensors of any framework; None for
                the labels' rates, where the relation holds counts.
            targets: (rows, num_labels), the known labels; NaN is unknown.
            observed: (rows, num_labels), bool; False marks an unknown label.

        Returns:
            (rows, num_labels) float64 of NumPy; known labels equal their targets.

        Raises:
            TypeError, ValueError: wrong shapes or ranges, or a measure that phi does not follow from.
        """
        phi, rates = self._phi_and_rates()
        known = self._known(targets, observed)
        return condition(phi, self._or_rates(probabilities, targets, rates), targets, observed=known)

    def suspicion(
        self, probabilities: Any, targets: Any, *, observed: Any = None, rates: npt.ArrayLike | None = None
    ) -> FloatArray:
        """How much each known label contradicts the model and the other labels of its row; wrong ones score high.

        Args:
            probabilities: as for `condition`; of a model that has not memorised these labels.
            targets: (rows, num_labels), the labels to judge; NaN is unknown.
            observed: (rows, num_labels), bool; False marks an unknown label.
            rates: (num_labels,), how often each label is present; by default from the relation's counts, or else the
                mean of `targets`.

        Returns:
            (rows, num_labels) float64 of NumPy, at least 0; -inf for unknown labels.

        Raises:
            TypeError, ValueError: as `condition`.
        """
        phi, counted = self._phi_and_rates()
        p = self._or_rates(probabilities, targets, counted)
        known = self._known(targets, observed)
        return suspicion(phi, p, targets, observed=known, rates=counted if rates is None else rates)

    def query_scores(self, probabilities: Any, targets: Any, *, observed: Any = None) -> FloatArray:
        """Which unknown label of each row an annotator should be asked next: the one with the highest score.

        Args:
            probabilities: as for `condition`.
            targets: (rows, num_labels), the known labels; NaN is unknown.
            observed: (rows, num_labels), bool; False marks an unknown label.

        Returns:
            (rows, num_labels) float64 of NumPy; -inf for known labels.

        Raises:
            TypeError, ValueError: as `condition`.
        """
        phi, rates = self._phi_and_rates()
        known = self._known(targets, observed)
        return query_scores(phi, self._or_rates(probabilities, targets, rates), targets, observed=known)

    def _known(self, targets: Any, observed: Any) -> Any:
        """`observed`, and False where an integer target is the one to ignore."""
        if self.ignore_index is None:
            return observed
        y, mask = unmask_labels(host_array("targets", targets), observed)
        if y.dtype.kind not in "iu":
            return observed
        return without_ignored(y, None if mask is None else host_array("observed", mask), self.ignore_index)

    @staticmethod
    def _or_rates(probabilities: Any, targets: Any, rates: FloatArray | None) -> Any:
        if probabilities is not None:
            return probabilities
        if rates is None:
            raise ValueError(
                'probabilities must be an array, got None: only a relation with counts (estimator="counts", or mined '
                "from a table) knows how often each label is present; give the probabilities of a model, "
                "(rows, num_labels)"
            )
        return np.broadcast_to(check_rates(rates, len(rates)), host_array("targets", targets).shape)
