"""Which degenerate cases were run, drawn or written; counted, printed, and checked at the end of a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np

from obrl import spec
from tests.support import oracle
from tests.support.cases import Batch, Case


def _known(batch: Batch) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    known = ~np.isnan(batch.targets.astype(np.float64))
    return known if batch.observed is None else known & batch.observed


def _positive(batch: Batch) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.where(_known(batch), batch.targets.astype(np.float64) >= 0.5, np.nan)


def _has_constant_column(batch: Batch) -> bool:
    return batch.size > 1 and bool((np.ptp(_positive(batch), axis=0) == 0).any())


def _has_equal_columns(batch: Batch) -> bool:
    columns = _positive(batch).T
    return batch.size > 1 and any(
        np.array_equal(first, second) for i, first in enumerate(columns) for second in columns[i + 1 :]
    )


OF_A_BATCH: dict[str, Callable[[Batch], bool]] = {
    "an empty batch": lambda batch: batch.size == 0,
    "a batch of one": lambda batch: batch.size == 1,
    "a constant label": _has_constant_column,
    "two equal labels": _has_equal_columns,
    "a missing target": lambda batch: not _known(batch).all(),
    "nothing observed": lambda batch: batch.size > 0 and not _known(batch).any(),
    "a soft target": lambda batch: bool(np.any((batch.targets > 0) & (batch.targets < 1) & _known(batch))),
    "a logit of 100 or -100": lambda batch: bool((np.abs(batch.logits) == 100).any()),
    "input that is not contiguous": lambda batch: batch.size > 1 and batch.layout != "rows",
    "a sample of weight 0": lambda batch: batch.sample_weight is not None and bool((batch.sample_weight == 0).any()),
    "no update": lambda batch: not batch.moves,
}
OF_A_CASE: dict[str, Callable[[Case, list[spec.PairCodes]], bool]] = {
    "one label": lambda case, codes: case.num_labels == 1,
    "no active pair": lambda case, codes: not any(part.active for part in codes),
    "positive pairs": lambda case, codes: any(part.positive.any() for part in codes),
    "negative pairs": lambda case, codes: any(part.negative.any() for part in codes),
    "a pair related one way": lambda case, codes: any((part.positive != part.positive.T).any() for part in codes),
}


class Coverage:
    """Counts what was run, and the kinds of cases, in groups: "eager" and "compiled" (both drawn) and "written"."""

    def __init__(self) -> None:
        self.examples: Counter[str] = Counter()
        self.kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def count(self, group: str, case: Case) -> None:
        """Count a case of a group."""
        self.examples[group] += 1
        codes = [spec.pair_codes(relation, **case.thresholds) for relation in oracle.relations(case)]
        self.kinds[group].update(name for name, holds in OF_A_CASE.items() if holds(case, codes))
        self.kinds[group].update(name for name, holds in OF_A_BATCH.items() if any(map(holds, case.batches)))

    def missing(self, group: str) -> list[str]:
        """The kinds that no case of a group was of."""
        return [name for name in (*OF_A_CASE, *OF_A_BATCH) if not self.kinds[group][name]]

    def lines(self) -> list[str]:
        """The lines of the summary at the end of a run."""
        totals = ", ".join(f"{count} {group}" for group, count in self.examples.items())
        counts = [
            (name, " ".join(f"{self.kinds[group][name]:8}" for group in self.examples))
            for name in (*OF_A_CASE, *OF_A_BATCH)
        ]
        return [f"examples: {totals}", *(f"{numbers} {name}" for name, numbers in counts)]


COVERAGE = Coverage()
"""The counts of this process."""
