"""What a mined relation says of single entries of a table, as methods of `RelationMiner`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.mining.fill import fill_matrix
from obrl.mining.inputs import check_column_names
from obrl.mining.suspects import score_matrix


class Entries:
    """Scores and probabilities of entries, from the counts of whoever inherits this.

    Attributes:
        label_names_in_: the names of the labels, or None.
    """

    label_names_in_: tuple[str, ...] | None

    @property
    def counts_(self) -> PairCounts:
        """The counts of all pairs."""
        raise NotImplementedError

    def score_labels(
        self, targets: Any, *, observed: npt.ArrayLike | None = None, force: bool = False
    ) -> npt.NDArray[np.float64]:
        """How much each entry contradicts the other labels of its row; see `obrl.mining.suspects.score_matrix`.

        Raises:
            ValueError: a data frame with other columns than the labels, or in another order.
        """
        counts = self.counts_
        check_column_names(targets, self.label_names_in_)
        return score_matrix(targets, counts, observed=observed, force=force)

    def predict_proba(self, targets: Any, *, observed: npt.ArrayLike | None = None) -> npt.NDArray[np.float64]:
        """The probability of each entry from the other known ones; see `obrl.mining.fill.fill_matrix`.

        The curves are learnt from these rows, so the same row among others may get a slightly other probability.

        Raises:
            ValueError: a data frame with other columns than the labels, or in another order.
        """
        counts = self.counts_
        check_column_names(targets, self.label_names_in_)
        return fill_matrix(targets, counts, observed=observed)
