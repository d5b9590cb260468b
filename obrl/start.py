"""What a loss or a relation starts from, in every framework."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.arrays import relation_matrix
from obrl.conditioning import relation_phi
from obrl.errors import check_matrix, metadata
from obrl.relation import OnlineBatchRelation, empty_state, merged_names
from obrl.settings import Settings, warn_unreachable_thresholds
from obrl.storage import check_compatible, state_from_matrix


def starting_relation(
    relation: Any,
    settings: Settings,
    num_labels: int,
    label_names: tuple[str, ...] | None,
    *,
    freeze: bool = False,
) -> OnlineBatchRelation:
    """What a new loss starts from: an empty relation, a copy of another, its .npz, or a matrix.

    Args:
        relation: None, an OnlineBatchRelation of any framework, a path, or a (num_labels, num_labels) matrix.
        settings: of the loss.
        num_labels: of the loss.
        label_names: of the loss, or None to take those of the relation.
        freeze: never update the relation; requires `relation`.

    Raises:
        ValueError: another number of labels, other names, another decay, measure or estimator, a matrix that
            `state_from_matrix` refuses, or nothing to start a frozen loss from.

    Warns:
        UserWarning: a threshold of the loss outside of the range of its measure.
    """
    warn_unreachable_thresholds(settings)
    if relation is None:
        if freeze:
            raise ValueError(
                "freeze=True needs relation= to start from, an OnlineBatchRelation, its .npz or a matrix, got None: "
                "an empty relation that never learns has no pair (to load one later, set `freeze` after that)"
            )
        return OnlineBatchRelation.from_state(empty_state(num_labels, settings), settings, label_names)
    if hasattr(relation, "to_numpy") and hasattr(relation, "settings"):
        return _matching_relation(relation.to_numpy(), settings, num_labels, label_names)
    if isinstance(relation, str | os.PathLike):
        return loaded_relation(relation, settings, num_labels, label_names)
    state = state_from_matrix(relation, settings, num_labels)
    return OnlineBatchRelation.from_state(state, settings, label_names)


def loaded_relation(
    path: str | os.PathLike[str], settings: Settings, num_labels: int, label_names: tuple[str, ...] | None
) -> OnlineBatchRelation:
    """The relation of a file, for a loss with these settings, labels and names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no relation of obrl, or one of another number of labels, other names, or another decay, measure or
            estimator.
    """
    return _matching_relation(OnlineBatchRelation.load(path), settings, num_labels, label_names)


def _matching_relation(
    relation: OnlineBatchRelation, settings: Settings, num_labels: int, label_names: tuple[str, ...] | None
) -> OnlineBatchRelation:
    """The relation, with the names that both know; raises ValueError where it does not fit the loss."""
    if relation.num_labels != num_labels:
        raise ValueError(
            f"relation must have {num_labels} labels, got {relation.num_labels}; num_labels of the loss, columns of "
            "logits and targets, and the table that was mined must have the same labels"
        )
    check_compatible(relation.settings, settings)
    relation.label_names = merged_names(label_names, relation.label_names)
    return relation


def known_correlations(relation: Any) -> tuple[npt.NDArray[np.float64], tuple[str, ...] | None]:
    """The phi coefficients of a relation, (num_labels, num_labels) with NaN where undefined, and the label names.

    Args:
        relation: an OnlineBatchRelation or a loss of any framework, a RelationMiner, a path, or a matrix of phi itself.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError, ValueError: a measure that phi does not follow from, no relation of obrl, or no square matrix of
            numbers in [-1, 1].
    """
    if isinstance(relation, str | os.PathLike):
        relation = OnlineBatchRelation.load(relation)
    if hasattr(relation, "to_numpy") and hasattr(relation, "settings"):
        relation = relation.to_numpy()
        return relation_phi(relation.state, relation.settings), relation.label_names
    matrix = relation_matrix(relation)
    check_matrix("relation", metadata(matrix))
    # one batch of decay 1 is the matrix itself
    phi = Settings(decay=1.0, measure="pearson")
    return relation_phi(state_from_matrix(matrix, phi, len(matrix)), phi), None
