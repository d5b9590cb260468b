"""`RelationMiner`: what a table of labels says of how its labels relate."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from obrl.conditioning import Conditioning
from obrl.counts import PairCounts
from obrl.errors import check_label_names
from obrl.evidence import phi_coefficients
from obrl.mining.accumulate import TableCounter, TableCounts
from obrl.mining.batches import Batches, relation_of_counts
from obrl.mining.blocks import Block, DenseLabels, SparseLabels
from obrl.mining.changes.history_counts import HistoryCounter, HistoryMethods, check_history
from obrl.mining.entries import Entries
from obrl.mining.errors import MiningError
from obrl.mining.evidence_methods import EvidenceMethods
from obrl.mining.export_methods import ExportMethods
from obrl.mining.files import load_mined, save_mined
from obrl.mining.inputs import mined_names, read_matrix
from obrl.mining.parameters import Parameters
from obrl.mining.tables.ahead import read_ahead
from obrl.mining.tables.options import LabelTable
from obrl.relation import OnlineBatchRelation
from obrl.settings import Settings

FloatArray = npt.NDArray[np.float64]


class RelationMiner(Parameters, Conditioning, EvidenceMethods, HistoryMethods, ExportMethods, Entries):
    """Mines how labels relate from tables of labels, in the manner of scikit-learn's estimators.

    Every entry counts once: the integer counts of all pairs are stored whatever the settings, and the statistics use
    them. With the defaults the relation is that of the whole table; a `decay` below 1, or `estimator="batch"`, gives
    what a loss would have learnt from the rows in this order, in batches of `batch_size`.

    Args:
        decay: lambda of Eq. 1, in (0, 1]; 1 weighs all rows equally.
        measure: a key of `obrl.MEASURES`; `"unit_pearson"` is (1 + phi) / 2, the measure of a default loss.
        estimator: `"counts"` measures the counts of all rows; `"batch"` averages the measures of the batches.
        batch_size: rows a batch; the last may be shorter.
        label_names: one distinct name a label; by default the columns' of a data frame.
        history: store the counts of so many to twice so many consecutive parts of the rows, at least 2; None for none.

    Attributes:
        relation_: (num_labels, num_labels) float64 on the scale of the measure, NaN where undefined.
        phi_: the phi coefficients of the whole table, likewise.
        counts_: `PairCounts` of the whole table, int64.
        table_counts_: the same with the parts that the jackknife needs.
        label_names_in_: the names, or None.
        n_features_in_: M.

    Example:
        >>> miner = RelationMiner().fit([[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 1]])
        >>> miner.phi_.round(2)
        array([[ 1.  ,  1.  , -0.58],
               [ 1.  ,  1.  , -0.58],
               [-0.58, -0.58,  1.  ]])

    Source: Wang, Su and Zhao, Eq. 1.
    """

    __module__ = "obrl.mining"

    def __init__(
        self,
        *,
        decay: float = 1.0,
        measure: str = "unit_pearson",
        estimator: str = "counts",
        batch_size: int = 128,
        label_names: Sequence[str] | None = None,
        history: int | None = None,
    ) -> None:
        self.decay = decay
        self.measure = measure
        self.estimator = estimator
        self.batch_size = batch_size
        self.label_names = label_names
        self.history = history

    @property
    def settings(self) -> Settings:
        """Decay, measure and estimator, checked; raises TypeError or ValueError for one out of its range."""
        return Settings(decay=self.decay, measure=self.measure, estimator=self.estimator)

    def _checked_settings(self) -> tuple[Settings, int]:
        """`settings` and `batch_size`; raises TypeError or ValueError for one out of its range."""
        settings = self.settings
        if isinstance(self.batch_size, bool) or not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise ValueError(f"batch_size must be a whole number of at least 1, got {self.batch_size!r}")
        return settings, self.batch_size

    def fit(
        self,
        targets: Any,
        groups: npt.ArrayLike | None = None,
        *,
        observed: npt.ArrayLike | None = None,
    ) -> Self:
        """Forget what was mined before, and mine these rows.

        Args:
            targets: (rows, num_labels): an array, a data frame of pandas or polars, a table of Arrow, or a sparse
                matrix of SciPy; bool, integer or floating point in [0, 1], where at least 0.5 counts as present, and
                NaN and nulls are missing.
            groups: (rows,), which rows belong together, such as pictures of one person: intervals and tests then
                treat rows of a group as dependent.
            observed: (rows, num_labels), bool; False marks a missing target.

        Raises:
            TypeError, ValueError: no labels, or settings out of their range.
        """
        self._start(None)
        return self.partial_fit(targets, groups, observed=observed)

    def partial_fit(
        self,
        targets: Any,
        groups: npt.ArrayLike | None = None,
        *,
        observed: npt.ArrayLike | None = None,
    ) -> Self:
        """Mine further rows, with the arguments of `fit`; batches go on where the rows before ended.

        Raises:
            TypeError, ValueError: as `fit`, or other labels than before.
        """
        labels = read_matrix(targets, observed)
        names = mined_names(targets, self.label_names)
        group_names = None if groups is None else np.asarray(groups)
        if group_names is not None and group_names.shape != (labels.rows,):
            raise ValueError(f"groups must have shape ({labels.rows},), one a row, got {group_names.shape}")
        if labels.rows == 0:
            raise ValueError("targets must have at least one row, got none (0 sample(s))")
        if labels.num_labels == 0:
            shape = f"0 feature(s) (shape=({labels.rows}, 0)) while a minimum of 1 is required."  # scikit-learn's words
            raise ValueError(f"targets must have at least one label, got {shape}")
        self._prepare(labels.num_labels, names, grouped=groups is not None)
        self._add(labels, group_names)
        return self

    def fit_table(self, table: LabelTable, *, progress: Callable[[Block], None] | None = None) -> Self:
        """Forget what was mined before, and mine a table from `obrl.mining.tables.open_tables`, in constant memory.

        Args:
            table: the rows, with groups where the table has them.
            progress: called with every block.

        Raises:
            TableError: a row that is no row of labels; nothing is mined then.
        """
        self._start(None)
        names = table.label_names if self.label_names is None else tuple(self.label_names)
        self._prepare(len(table.label_names), names, grouped=table.group_column is not None)
        try:
            for block in read_ahead(table.blocks()):
                self._add(block.labels, None if table.group_column is None else block.columns[table.group_column])
                if progress is not None:
                    progress(block)
            if self._counter is None or self._counter.rows == 0:
                raise MiningError(f"{', '.join(table.files)}: expected at least one row of labels, got none")
        except BaseException:
            self._start(None)
            raise
        return self

    def _start(self, counts: TableCounts | None) -> None:
        self._counter: TableCounter | None = None
        self._batches: Batches | None = None
        self._loaded = counts
        self._relation: OnlineBatchRelation | None = None
        self._history: HistoryCounter | None = None
        for name in ("label_names_in_", "n_features_in_"):
            vars(self).pop(name, None)

    def _take(self, relation: OnlineBatchRelation, counts: TableCounts | None) -> None:
        """Forget what was mined before, and take over what was mined elsewhere with the settings of this miner."""
        self._start(counts)
        self._relation = relation
        self.n_features_in_, self.label_names_in_ = relation.num_labels, relation.label_names

    def _prepare(self, num_labels: int, label_names: Sequence[str] | None, *, grouped: bool) -> None:
        """Check the settings, and that rows fit those before."""
        settings, batch_size = self._checked_settings()
        check_history(self.history, num_labels)
        names = check_label_names(label_names, num_labels)
        counter = getattr(self, "_counter", None)
        if getattr(self, "_relation", None) is not None:
            raise MiningError(
                "a relation from a file, or that Dask has mined, learns no further rows: fit a new RelationMiner"
            )
        if counter is None:
            self._start(None)
            self._counter = TableCounter(num_labels, grouped=grouped)
            self._history = None if self.history is None else HistoryCounter(num_labels, self.history)
            plain = settings.decay == 1 and settings.estimator == "counts"
            self._batches = None if plain else Batches(num_labels, settings, batch_size)
            self.n_features_in_, self.label_names_in_ = num_labels, names
        elif (counter.num_labels, counter.grouped) != (num_labels, grouped):
            words = "with groups" if counter.grouped else "without groups"
            raise ValueError(f"expected {counter.num_labels} labels {words}, as before, got {num_labels} labels")
        elif names != self.label_names_in_:
            raise ValueError("label names must be those of the rows before, got others")

    def _add(self, labels: DenseLabels | SparseLabels, groups: npt.NDArray[Any] | None) -> None:
        assert self._counter is not None
        self._counter.add(labels, groups)
        if self._history is not None:
            self._history.add(labels)
        if self._batches is not None:
            self._batches.add(labels)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` was called, for scikit-learn's `check_is_fitted`."""
        return getattr(self, "_counter", None) is not None or getattr(self, "_relation", None) is not None

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise MiningError("this RelationMiner has mined nothing yet: call fit first")

    @property
    def table_counts_(self) -> TableCounts:
        """The counts of the whole table; raises MiningError for a relation that was read without them."""
        self._check_fitted()
        if self._counter is not None:
            return self._counter.result(self.label_names_in_)
        if self._loaded is None:
            raise MiningError(
                "this relation holds no counts of a table, as one saved by a loss: mine the table with `obrl mine`"
            )
        return self._loaded

    @property
    def counts_(self) -> PairCounts:
        """The counts of all pairs."""
        return self.table_counts_.counts

    @property
    def phi_(self) -> FloatArray:
        """The phi coefficients of the whole table."""
        return phi_coefficients(self.counts_)

    @property
    def relation_(self) -> FloatArray:
        """R_g, on the scale of the measure."""
        return self.to_numpy().relation

    def to_numpy(self) -> OnlineBatchRelation:
        """The relation as an `obrl.OnlineBatchRelation`, a copy."""
        self._check_fitted()
        if self._relation is not None:
            return self._relation.to_numpy()
        if self._batches is not None:
            return self._batches.relation(self.label_names_in_)
        return relation_of_counts(self.table_counts_, self.settings, self.batch_size)

    def as_start(self, *, decay: float = 0.99, estimator: str = "batch") -> OnlineBatchRelation:
        """The relation for a loss to start from; see `OnlineBatchRelation.as_start`.

        Example:
            >>> from obrl import OBRLoss
            >>> miner = RelationMiner().fit([[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 1]])
            >>> criterion = OBRLoss(3, relation=miner.as_start())
        """
        return self.to_numpy().as_start(decay=decay, estimator=estimator)

    def _phi_and_rates(self) -> tuple[FloatArray, FloatArray | None]:
        if self._relation is not None and self._loaded is None:
            return self._relation._phi_and_rates()
        return self.phi_, self.table_counts_.rates

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an .npz (no pickle) that every framework of obrl can start from, with the counts beside it."""
        self._check_fitted()
        counts = self._loaded if self._relation is not None else self.table_counts_
        save_mined(path, self.to_numpy(), counts, self.batch_size)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, or the relation that a loss has saved, which holds no counts of a table.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no relation, is damaged, or has a newer format.
        """
        relation, counts, batch_size = load_mined(path)
        settings = relation.settings
        miner = cls(decay=settings.decay, measure=settings.measure, estimator=settings.estimator)
        miner.set_params(**({} if batch_size is None else {"batch_size": batch_size}))._take(relation, counts)
        return miner
