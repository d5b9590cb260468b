"""Tables whose rows list their labels, such as `a|b|c`: from lists of words to sparse rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from obrl.mining.blocks import SparseLabels


class ListedLabels:
    """Numbers the labels of rows that list them.

    Args:
        none: the word that means no label, or None.
    """

    def __init__(self, none: str | None) -> None:
        self._none = none
        self._number: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The labels in the order in which they first occurred."""
        return tuple(self._number)

    def collect(self, lists: Iterable[Sequence[str]]) -> None:
        """Number the labels that occur, in a first pass over the table."""
        for words in lists:
            for word in words:
                if word and word != self._none:
                    self._number.setdefault(word, len(self._number))

    def choose(self, labels: Sequence[str] | None, drop: Sequence[str]) -> tuple[str, ...]:
        """Number only some of the labels, in the order asked for; the others are passed over.

        Returns:
            The names among `labels` and `drop` that no row has; whether that is an error, all files of a table decide.
        """
        unseen = tuple(name for name in (*(labels or ()), *drop) if name not in self._number)
        chosen = [name for name in (self._number if labels is None else labels) if name not in drop]
        self._number = {name: number for number, name in enumerate(chosen)}
        return unseen

    def renumber(self, names: Sequence[str]) -> None:
        """Number the labels by their position in `names`."""
        self._number = {name: number for number, name in enumerate(names)}

    def rows(self, lists: Iterable[Sequence[str]]) -> SparseLabels:
        """The labels of rows; a label that a row lists twice counts once."""
        indptr, indices = [0], []
        for words in lists:
            numbers = sorted({self._number[word] for word in words if word in self._number})
            indices += numbers
            indptr.append(len(indices))
        return SparseLabels(np.array(indptr, np.int64), np.array(indices, np.int32), len(self._number))
