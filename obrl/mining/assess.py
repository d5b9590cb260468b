"""Will the relation help with this model on this data? Answered from held-out predictions, without training anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.arrays import host_array
from obrl.conditional import condition, query_scores, suspicion
from obrl.conditioning import Conditioning
from obrl.mining.assessment import Assessment, Comparison
from obrl.mining.counting import as_dense
from obrl.mining.errors import MiningError
from obrl.mining.inputs import read_matrix
from obrl.mining.jackknife import FEWEST_GROUPS
from obrl.mining.metrics import Flags, FloatArray, area_under_roc, mean_average_precision
from obrl.mining.student import t_quantile

PARTS = FEWEST_GROUPS
"""Into so many parts the rows, or groups of rows, are split for the intervals: each is left out once."""
KNOWN_SHARES = (0.10, 0.25, 0.50)
FLIPPED = 0.05
ASKED = 0.20
ROWS_ASKED = 400
LABELS_ASKED = 60
RELATED_PHI = 0.3
LEAST_RATE = 0.03
"""Labels present in fewer rows, or absent in fewer, are left out: too few entries decide their figures."""
FOLDS = 5


def assess(
    probabilities: Any,
    targets: Any,
    relation: Conditioning | None = None,
    *,
    observed: Any = None,
    groups: npt.ArrayLike | None = None,
    seed: int = 0,
) -> Assessment:
    """Say what `condition`, `suspicion` and `query_scores` would gain with this model on this data.

    Args:
        probabilities: (rows, num_labels) in [0, 1], of a model on rows that it was not trained on, of any framework.
        targets: (rows, num_labels), the true labels; NaN is missing.
        relation: mined from the training labels, or learnt by a loss. By default each fifth of the rows is judged with
            the relation of the others.
        observed: (rows, num_labels), bool; False marks a missing label.
        groups: (rows,), which rows belong together, such as pictures of one person; intervals then leave out groups.
        seed: of the labels that are hidden and flipped.

    Raises:
        TypeError, ValueError: wrong shapes or ranges, fewer rows than parts, or fewer than two labels that vary.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> first = rng.random(600) < 0.5
        >>> targets = np.column_stack([first, first ^ (rng.random(600) < 0.1), rng.random(600) < 0.3])
        >>> print(assess(np.full((600, 3), 0.5), targets).condition[2].helps)
        True
    """
    p = host_array("probabilities", probabilities).astype(np.float64)
    codes = as_dense(read_matrix(targets, observed)).codes.T
    if p.shape != codes.shape:
        raise ValueError(f"probabilities must have the shape of targets, {codes.shape}, got {p.shape}")
    known = codes >= 0
    rates = np.divide((codes == 1).sum(axis=0), known.sum(axis=0), out=np.zeros(p.shape[1]), where=known.any(axis=0))
    labels = np.flatnonzero((rates >= LEAST_RATE) & (rates <= 1 - LEAST_RATE))
    if len(labels) < 2:
        raise MiningError(f"expected at least two labels present in 3 to 97 % of the rows, got {len(labels)}")
    if len(p) < PARTS:
        raise MiningError(f"expected at least {PARTS} rows, got {len(p)}")
    number = _group_numbers(len(p), groups)
    weights = _weightings(number, seed)
    fixed = None if relation is None else _relation_of(relation, p.shape[1], labels)
    case = _Case(p[:, labels], codes[:, labels], number, fixed, np.random.default_rng(seed))
    return Assessment(
        condition=tuple(_condition_gain(case, share, weights) for share in KNOWN_SHARES),
        suspicion=_suspicion_gain(case, weights),
        query=_query_gain(case, weights),
        loss=_left_for_the_loss(case, weights),
        rows=len(p),
        labels=tuple(int(label) for label in labels),
    )


class _Case:
    """Predictions and labels, with the correlations to judge each row by."""

    def __init__(
        self,
        p: FloatArray,
        codes: npt.NDArray[np.int8],
        number: npt.NDArray[np.intp],
        fixed: tuple[FloatArray, FloatArray | None] | None,
        random: np.random.Generator,
    ) -> None:
        self.p, self.codes, self.known, self.random = p, codes, codes >= 0, random
        self.y = (codes == 1).astype(np.float64)
        self._fold = (random.permutation(int(number.max()) + 1) % FOLDS)[number]  # a group is judged by other groups
        self._fixed = fixed

    def each(
        self, codes: npt.NDArray[np.int8], judge: Callable[[FloatArray, FloatArray | None, Flags], FloatArray]
    ) -> FloatArray:
        """What a judge says of all rows: `judge(phi, rates, rows)` for each fold with the relation of the others."""
        if self._fixed is not None:
            return judge(*self._fixed, np.ones(len(codes), bool))
        result = np.empty(self.p.shape)
        for fold in range(FOLDS):
            rows = self._fold == fold
            result[rows] = judge(*_phi_and_rates(codes[~rows]), rows)
        return result


def _phi_and_rates(codes: npt.NDArray[np.int8]) -> tuple[FloatArray, FloatArray]:
    from obrl.mining.miner import RelationMiner

    miner = RelationMiner().fit(np.where(codes >= 0, codes, 0), observed=codes >= 0)
    return miner._phi_and_rates()  # type: ignore[return-value]


def _relation_of(
    relation: Conditioning, num_labels: int, labels: npt.NDArray[np.intp]
) -> tuple[FloatArray, FloatArray | None]:
    """The correlations and rates of some labels of a relation, which must have all labels of the targets."""
    phi, rates = relation._phi_and_rates()
    if len(phi) != num_labels:
        raise ValueError(f"relation must have the {num_labels} labels of targets, got {len(phi)}")
    return phi[np.ix_(labels, labels)], None if rates is None else rates[labels]


def _group_numbers(rows: int, groups: npt.ArrayLike | None) -> npt.NDArray[np.intp]:
    """The number of each row's group, (rows,); without groups each row is one."""
    if groups is None:
        return np.arange(rows)
    names = np.asarray(groups)
    if names.shape != (rows,):
        raise ValueError(f"groups must have shape ({rows},), one a row, got {names.shape}")
    _, number = np.unique(names.astype(str), return_inverse=True)
    return number.reshape(-1)


def _weightings(number: npt.NDArray[np.intp], seed: int) -> FloatArray:
    """(parts + 1, rows): all rows, then all but those of each part; a group lies in one part."""
    count = int(number.max()) + 1
    if count < FEWEST_GROUPS:
        raise MiningError(f"expected at least {FEWEST_GROUPS} groups of rows, got {count}: intervals would be rough")
    part = (np.random.default_rng([seed, 1]).permutation(count) % PARTS)[number]
    return np.vstack([np.ones(len(number)), *(part != left_out for left_out in range(PARTS))]).astype(np.float64)


def _compared(question: str, without: FloatArray, with_relation: FloatArray) -> Comparison:
    """A comparison from figures of all rows and of all but each part, by the delete-a-group jackknife."""
    difference = with_relation - without
    spread = (PARTS - 1) / PARTS * ((difference[1:] - difference[1:].mean()) ** 2).sum()
    margin = float(t_quantile(0.95, PARTS - 1)) * float(np.sqrt(spread))
    centre = float(difference[0])
    return Comparison(question, float(without[0]), float(with_relation[0]), centre, centre - margin, centre + margin)


def _condition_gain(case: _Case, share: float, weights: FloatArray) -> Comparison:
    shown = case.known & (case.random.random(case.p.shape) < share)
    conditioned = case.each(
        case.codes, lambda phi, _, rows: condition(phi, case.p[rows], case.y[rows], observed=shown[rows])
    )
    chosen = case.known & ~shown
    figures = [mean_average_precision(scores, case.codes == 1, chosen, weights) for scores in (case.p, conditioned)]
    question = f"conditioning on {share:.0%} known labels raises mAP on the unknown ones"
    return _compared(question, *figures)


def _suspicion_gain(case: _Case, weights: FloatArray) -> Comparison:
    flipped = case.known & (case.random.random(case.p.shape) < FLIPPED)
    codes = np.where(flipped, 1 - case.codes, case.codes).astype(np.int8)
    y = (codes == 1).astype(np.float64)

    def judge(phi: FloatArray, rates: FloatArray | None, rows: Flags) -> FloatArray:
        return suspicion(phi, case.p[rows], y[rows], observed=case.known[rows], rates=rates)

    p = np.clip(case.p, 1e-4, 1 - 1e-4)
    alone = -np.where(y == 1, np.log(p), np.log1p(-p))
    rows, entries = np.nonzero(case.known)
    figures = [
        area_under_roc(scores[rows, entries], flipped[rows, entries], weights[:, rows])
        for scores in (alone, case.each(codes, judge))
    ]
    return _compared("suspicion finds 5 % planted flips (AUROC)", *figures)


def _query_gain(case: _Case, weights: FloatArray) -> Comparison:
    """Ask by the model's own uncertainty, and by `query_scores`; condition on the answers both times."""
    part = slice(0, LABELS_ASKED)
    asked_for = np.arange(len(case.p)) < ROWS_ASKED
    known = case.known[asked_for, part].sum(axis=1)

    def right(*, by_relation: bool) -> FloatArray:
        def judge(phi: FloatArray, _: FloatArray | None, rows: Flags) -> FloatArray:
            result = np.zeros((int(rows.sum()), case.p.shape[1]))
            few = rows & asked_for
            p, y, answers = case.p[few, part], case.y[few, part], case.known[few, part]
            result[asked_for[rows], part] = right_after_asking(phi[part, part], p, y, answers, by_relation=by_relation)
            return result

        return case.each(case.codes, judge)[asked_for].sum(axis=1)

    weight = weights[:, asked_for]
    figures = [(weight @ right(by_relation=by_relation)) / (weight @ known) for by_relation in (False, True)]
    return _compared("asking what query_scores says leaves more entries right", *figures)


def ask_one_at_a_time(scores: Callable[[Flags], FloatArray], answers: Flags, questions: int) -> Flags:
    """Which labels were asked for, one of every row at a time.

    Args:
        scores: from the labels asked for so far to (rows, num_labels) scores; each row's highest is asked for next.
        answers: (rows, num_labels), which labels can be asked for.
        questions: how many of each row.

    Returns:
        (rows, num_labels).

    Example:
        >>> ask_one_at_a_time(lambda asked: np.array([[0.1, 0.3, 0.2]]), np.array([[True, False, True]]), 1)
        array([[False, False,  True]])
    """
    asked = np.zeros(answers.shape, bool)
    for _ in range(questions):
        open_ones = answers & ~asked
        best = np.where(open_ones, scores(asked), -np.inf).argmax(axis=1)
        everyone = np.arange(len(best))
        asked[everyone, best] |= open_ones[everyone, best]
    return asked


def right_after_asking(phi: FloatArray, p: FloatArray, y: FloatArray, known: Flags, *, by_relation: bool) -> Flags:
    """Which known entries are predicted right once a fifth of the labels has been asked for.

    Args:
        phi: (num_labels, num_labels).
        p: (rows, num_labels), probabilities.
        y: (rows, num_labels), the answers.
        known: (rows, num_labels), which answers there are.
        by_relation: ask for what `query_scores` says, not for what the model is least sure of.
    """

    def scores(asked: Flags) -> FloatArray:
        return query_scores(phi, p, y, observed=asked) if by_relation else p * (1 - p)

    asked = ask_one_at_a_time(scores, known, max(1, round(ASKED * p.shape[1])))
    predicted = condition(phi, p, y, observed=asked) >= 0.5
    return np.asarray((predicted == (y == 1)) & known)


def _left_for_the_loss(case: _Case, weights: FloatArray) -> Comparison:
    """How often pairs with |phi| of at least 0.3 are contradicted, in the labels and in the predictions."""
    phi = case._fixed[0] if case._fixed is not None else _phi_and_rates(case.codes)[0]
    upper = np.triu(np.ones(phi.shape, bool), 1)
    contradicted = [np.zeros(len(case.p)), np.zeros(len(case.p))]
    total = np.zeros(len(case.p))
    for i, j in zip(*np.nonzero(upper & (np.abs(np.nan_to_num(phi)) >= RELATED_PHI)), strict=True):
        both_known = case.known[:, i] & case.known[:, j]
        total += both_known
        for sums, present in zip(contradicted, (case.codes == 1, case.p >= 0.5), strict=True):
            apart = present[:, i] != present[:, j]
            together = present[:, i] & present[:, j]
            sums += both_known & (apart if phi[i, j] > 0 else together)
    entries = weights @ total
    figures = [
        np.divide(weights @ sums, entries, out=np.full(len(entries), np.nan), where=entries > 0)
        for sums in contradicted
    ]
    return _compared("predictions contradict related labels more often than the labels do", *figures)
