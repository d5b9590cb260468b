"""What `assess` returns: figures without and with the relation, and how they read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure without and with the relation.

    Attributes:
        question: what is compared, in words.
        without: the figure of the model alone.
        with_relation: the figure of the model and the relation.
        difference: how much better the second is, positive where it helps.
        low: the lower end of a 95 % interval of the difference.
        high: its upper end.
    """

    question: str
    without: float
    with_relation: float
    difference: float
    low: float
    high: float

    @property
    def helps(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low > 0

    def __str__(self) -> str:
        answer = "yes" if self.helps else "no"
        figures = f"{100 * self.without:.2f} -> {100 * self.with_relation:.2f}"
        interval = f"{100 * self.difference:+.2f}, 95 % interval {100 * self.low:+.2f} to {100 * self.high:+.2f}"
        return f"{answer:3}  {self.question}: {figures} ({interval})"


@dataclass(frozen=True, slots=True)
class Assessment:
    """The result of `assess`; printing it gives a line for each question.

    Attributes:
        condition: mean average precision on the unknown labels, with 10, 25 and 50 % of a row's labels known.
        suspicion: the area under the ROC curve of finding 5 % planted flips.
        query: the share of entries that are right once a fifth of the labels has been asked for one at a time.
        loss: how often related labels contradict each other, in the labels and in the predictions: only where the
            predictions do so more often is anything left for the relation loss to teach.
        rows: how many rows were used.
        labels: which labels were used, those present in 3 to 97 % of the rows.
    """

    condition: tuple[Comparison, ...]
    suspicion: Comparison
    query: Comparison
    loss: Comparison
    rows: int
    labels: tuple[int, ...]

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All of them, in the order in which they are printed."""
        return (*self.condition, self.suspicion, self.query, self.loss)

    def __str__(self) -> str:
        head = f"{self.rows:,} rows, {len(self.labels)} labels present in 3 to 97 % of them; figures in per cent"
        return "\n".join([head, *map(str, self.comparisons)])
