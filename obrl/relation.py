"""Online Batch Relation for NumPy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import numpy.typing as npt

from obrl.arrays import as_labels
from obrl.conditioning import Conditioning, relation_phi, state_rates
from obrl.counts import PairCounts, exact_counts
from obrl.errors import check_ignore_index, check_label_names, check_labels, check_num_labels, metadata
from obrl.labels import Labels, read_labels
from obrl.namespace import NUMPY
from obrl.online import RelationState, known_relation, merge_states, scaled_counts, state_shapes, update_state
from obrl.pairs import Pairs, active_pairs, describe
from obrl.settings import Settings, with_thresholds
from obrl.storage import check_compatible, load_relation, save_relation, state_from_matrix

FloatArray = npt.NDArray[np.float64]


class OnlineBatchRelation(Conditioning):
    """The moving average of how labels relate within each mini-batch (Eq. 1), in float64.

        R_sb <- decay R_sb + R_b;    S <- decay S + 1;    R_g = R_sb / S,

    where R_b is the measure of the batch. A pair whose measure a batch leaves undefined (a label constant in it) is
    left as it was, so S counts each pair's own evidence.

    Args:
        num_labels: M, the number of labels.
        decay: lambda, in (0, 1]; 1 is the plain mean over all batches.
        measure: a key of `obrl.MEASURES`; `"unit_pearson"` is (1 + phi) / 2.
        estimator: `"batch"` (Eq. 1) or `"counts"`, which averages the pair counts and measures the average: less
            noisy, and unbiased for labels that are constant in many batches.
        label_names: one distinct name a label, for `pairs`.
        ignore_index: a number such as -1 or 255 that marks missing targets, which are then integers; see `OBRLoss`.

    Raises:
        TypeError, ValueError: an argument of another type or outside its range.

    Example:
        >>> relation = OnlineBatchRelation(2).update([[1, 1], [0, 0], [1, 1]])
        >>> relation.relation
        array([[1., 1.],
               [1., 1.]])

    Source: Wang, Su and Zhao, Eq. 1.
    """

    __module__ = "obrl"

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        label_names: Sequence[str] | None = None,
        ignore_index: int | None = None,
    ) -> None:
        self.num_labels = check_num_labels(num_labels)
        self.settings = Settings(decay=decay, measure=measure, estimator=estimator)
        self.label_names = check_label_names(label_names, self.num_labels)
        self.ignore_index = check_ignore_index(ignore_index)
        self._state = empty_state(self.num_labels, self.settings)

    @property
    def relation(self) -> FloatArray:
        """R_g, (num_labels, num_labels) float64, NaN where there is no evidence; a copy."""
        value, known = known_relation(NUMPY, self._state, self.settings)
        return np.where(known, value, np.nan)

    @property
    def relation_sum(self) -> FloatArray:
        """R_sb of Eq. 1: (num_labels, num_labels), or (3, num_labels, num_labels) for `"counts"`; a copy."""
        return np.array(self._state.relation_sum)

    @property
    def relation_weight(self) -> FloatArray:
        """S of Eq. 1, a number a pair: (num_labels, num_labels); a copy."""
        return np.array(self._state.relation_weight)

    @property
    def state(self) -> RelationState:
        """Both accumulators, copied."""
        return RelationState(self.relation_sum, self.relation_weight)

    def update(self, targets: npt.ArrayLike, *, observed: npt.ArrayLike | None = None) -> Self:
        """Eq. 1 for one batch.

        Args:
            targets: (batch, num_labels), bool, integer or floating point in [0, 1]; at least 0.5 counts as 1; NaN, and
                what a NumPy masked array masks, is missing.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.

        Returns:
            The same object.

        Raises:
            TypeError: complex or sparse targets, or `observed` that is not bool.
            ValueError: a wrong shape, or an observed target outside [0, 1]. The state is then as it was.
        """
        y, mask = as_labels(targets, observed)
        known = None if mask is None else metadata(mask)
        check_labels(metadata(y), known, num_labels=self.num_labels, ignore_index=self.ignore_index)
        self._state = updated_state(self._state, self.settings, read_labels(y, mask, self.ignore_index))
        return self

    def merge(self, later: OnlineBatchRelation) -> OnlineBatchRelation:
        """Merge two parts of one run: this relation saw the first batches; `later` started empty and saw the rest.

        The result equals one relation that saw all batches.

        Raises:
            TypeError: `later` is no OnlineBatchRelation.
            ValueError: another number of labels, other names, or another decay, measure or estimator.
        """
        if not isinstance(later, OnlineBatchRelation):
            raise TypeError(f"later must be an obrl.OnlineBatchRelation, got {type(later).__name__}")
        if later.num_labels != self.num_labels:
            raise ValueError(f"later must have {self.num_labels} labels, got {later.num_labels}")
        check_compatible(later.settings, self.settings)
        names = merged_names(self.label_names, later.label_names, ("this relation", "later"))
        state = merge_states(self._state, later._state, self.settings.decay)
        return OnlineBatchRelation.from_state(state, self.settings, names, ignore_index=self.ignore_index)

    def pairs(self, *, positive_threshold: float = 0.8, negative_threshold: float = 0.2) -> Pairs:
        """The active pairs under these thresholds; printing them gives a table, or says that there is none."""
        settings = replace(self.settings, positive_threshold=positive_threshold, negative_threshold=negative_threshold)
        return active_pairs(self._state, settings, self.label_names)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        positive_threshold: float | None = None,
        negative_threshold: float | None = None,
    ) -> None:
        """Write one HTML file on the relation, and on the pairs that a loss with these thresholds would act on.

        Args:
            path: the file, which appears whole or not at all.
            positive_threshold: at which the page starts; the reader can move both. None for 0.8 of the measure's
                range, which is phi = 0.6 for the two Pearson measures.
            negative_threshold: below the other; None for 0.2 of the range.

        Raises:
            TypeError, ValueError: thresholds that are no numbers, or in the wrong order.
            OSError: the file cannot be written; one that exists stays as it was.
        """
        self._write_report(path, with_thresholds(self.settings, positive_threshold, negative_threshold))

    def _write_report(
        self,
        path: str | os.PathLike[str],
        settings: Settings,
        *,
        saved: str = "relation.save({file})",
        loss: str = "obrl.OBRLoss",
    ) -> None:
        """Write the report under the settings of a loss; its code begins with the statement that saves the relation."""
        from obrl.report.code import code_of_saved
        from obrl.report.from_relation import report_of_relation  # so that `import obrl` does without them
        from obrl.report.page import write_report

        code = code_of_saved(self.num_labels, settings, saved=saved, loss=loss)
        write_report(path, report_of_relation(self, settings, code=code))

    def as_start(self, *, decay: float = 0.99, estimator: str = "batch") -> OnlineBatchRelation:
        """This relation in the form from which a loss with these settings starts; this one stays as it is.

        A relation over a whole table, with decay 1 or of the estimator `"counts"`, is none that a loss with default
        settings can go on with. The start weighs as much as an endless history of batches, 1 / (1 - decay), and so
        fades at the rate of the loss's moving average.

        Args:
            decay: of the loss, in (0, 1): with decay 1 no history weighs as much as the next batches.
            estimator: of the loss: `"batch"`, or `"counts"`, for which the mean counts are scaled.

        Returns:
            A relation of the same measure and names; a pair without evidence has none.

        Raises:
            TypeError, ValueError: another decay or estimator, or `"counts"` from a relation of the estimator
                `"batch"`, which holds no counts.

        Example:
            >>> from obrl import OBRLoss
            >>> table = OnlineBatchRelation(2, decay=1, estimator="counts").update([[1, 1], [0, 0], [1, 1]])
            >>> criterion = OBRLoss(2, relation=table.as_start())
            >>> criterion.pairs()[0].evidence.__round__()
            100
        """
        settings = Settings(decay=decay, measure=self.settings.measure, estimator=estimator)
        if settings.decay == 1:
            raise ValueError("decay must be in (0, 1), got 1: without decay a start has no weight that fits all runs")
        if estimator == "batch":
            state = state_from_matrix(self.relation, settings, self.num_labels)
        elif self.settings.estimator == "counts":
            state = scaled_counts(self._state, 1 / (1 - settings.decay))
        else:
            raise ValueError(
                'a start for estimator="counts" needs a relation that holds counts, got one of estimator="batch"; '
                'use estimator="batch", or accumulate the relation with estimator="counts"'
            )
        return OnlineBatchRelation.from_state(state, settings, self.label_names)

    def reset(self) -> None:
        """Forget all evidence."""
        self._state = empty_state(self.num_labels, self.settings)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, self._state, with_thresholds(self.settings), self.label_names)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, with the settings it was made under.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no relation, is damaged, or has a newer format.
        """
        return cls.from_state(*load_relation(path))

    @classmethod
    def from_state(
        cls,
        state: RelationState,
        settings: Settings,
        label_names: Sequence[str] | None = None,
        *,
        ignore_index: int | None = None,
    ) -> Self:
        """A relation from its accumulators, copied into float64."""
        relation = cls(
            state.relation_weight.shape[0],
            decay=settings.decay,
            measure=settings.measure,
            estimator=settings.estimator,
            label_names=label_names,
            ignore_index=ignore_index,
        )
        relation._state = RelationState(*(np.array(array, np.float64) for array in state))
        return relation

    def _phi_and_rates(self) -> tuple[FloatArray, FloatArray | None]:
        return relation_phi(self._state, self.settings), state_rates(self._state, self.settings)

    def to_numpy(self) -> OnlineBatchRelation:
        """A copy; every framework's relation has this method."""
        state, ignore_index = self._state, self.ignore_index
        return OnlineBatchRelation.from_state(state, self.settings, self.label_names, ignore_index=ignore_index)

    def __repr__(self) -> str:
        options = {"ignore_index": self.ignore_index}
        return f"OnlineBatchRelation({describe(self.num_labels, self.settings, thresholds=False, **options)})"


def updated_state(state: RelationState, settings: Settings, labels: Labels) -> RelationState:
    """Eq. 1 for one batch of labels."""
    counts = PairCounts(*(part.astype(np.float64) for part in exact_counts(labels)))
    return update_state(NUMPY, state, counts, settings)


def merged_names(
    first: tuple[str, ...] | None,
    second: tuple[str, ...] | None,
    sources: tuple[str, str] = ("label_names", "the relation"),
) -> tuple[str, ...] | None:
    """The names both agree on; raise ValueError where they differ, as their matrices then do, too: it says in which."""
    if first is not None and second is not None and first != second:
        position = next(i for i, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1])
        if set(first) == set(second):
            remedy = (
                "they are the same names in another order: use one order for label_names, the columns of logits and "
                "targets, and the relation"
            )
        else:
            remedy = "give a loss the names of its relation, or none, to take those"
        raise ValueError(
            f"label_names must agree, got {first[position]!r} for label {position} in {sources[0]} and "
            f"{second[position]!r} in {sources[1]}; {remedy}"
        )
    return second if first is None else first


def empty_state(num_labels: int, settings: Settings) -> RelationState:
    """Accumulators without evidence, in float64."""
    return RelationState(*(np.zeros(shape) for shape in state_shapes(num_labels, settings.estimator)))
