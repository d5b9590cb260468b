"""The table of bad inputs, for torch; after each, the state is what it was."""

import copy
import re
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from obrl.torch import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from tests.support import bad_inputs
from tests.support.bad_inputs import ARGUMENTS, CALLS, GOOD_LOGITS, GOOD_TARGETS, NUM_LABELS, BadInput, refused

KINDS = (OBRLoss, RelationLoss)
LOGITS, TARGETS = torch.from_numpy(GOOD_LOGITS), torch.from_numpy(GOOD_TARGETS)
NESTED = torch.nested.nested_tensor([row.tolist() for row in LOGITS], layout=torch.jagged)

MASK = TARGETS.bool()
TENSORS_ONLY = (
    *(
        BadInput(f"{name} a {kind}", {name: value}, TypeError, f"{name} must be a torch.Tensor", kind)
        for name, value, kind in (
            ("logits", GOOD_LOGITS.tolist(), "list"),
            ("targets", GOOD_TARGETS.tolist(), "list"),
            ("observed", [[True]], "list"),
            ("sample_weight", 2.0, "float"),
        )
    ),
    *(
        BadInput(f"{name} elsewhere", change, ValueError, f"{name} must be on the device of {other}", "meta")
        for name, other, change in (
            ("targets", "logits", {"targets": TARGETS.to("meta")}),
            ("observed", "targets", {"observed": MASK.to("meta")}),
            ("sample_weight", "logits", {"sample_weight": torch.ones(5, device="meta")}),
            ("logits", "the relation", {"logits": LOGITS.to("meta"), "targets": TARGETS.to("meta")}),
        )
    ),
    *(
        BadInput(f"{name} {kind}", {name: value}, TypeError, f"{name} must be a dense tensor", kind)
        for name, value, kind in (
            ("logits", LOGITS.to_sparse(), "torch.sparse_coo"),
            ("logits", LOGITS.float().to_mkldnn(), "torch._mkldnn"),
            ("logits", NESTED, "a nested tensor"),
            ("targets", TARGETS.to_sparse(), "torch.sparse_coo"),
            ("observed", MASK.to_sparse(), "torch.sparse_coo"),
            ("sample_weight", torch.ones(5).to_sparse(), "torch.sparse_coo"),
        )
    ),
)
UPDATES = [
    bad
    for bad in (*CALLS, *TENSORS_ONLY)
    if set(bad.change) <= {"targets", "observed"} and "another batch size" not in bad.name
]


def trained(kind: Any, **settings: Any) -> Any:
    criterion = kind(NUM_LABELS, **settings)
    criterion(LOGITS, TARGETS)
    return criterion


def assert_unmoved(criterion: Any, before: Any) -> None:
    for name, buffer in criterion.named_buffers():
        assert torch.equal(buffer, before.get_buffer(name))


@pytest.mark.parametrize("bad", ARGUMENTS, ids=str)
def test_arguments(bad: BadInput) -> None:
    for convert in (lambda value: value, torch.as_tensor):
        change = {
            name: convert(value) if isinstance(value, np.ndarray) else value for name, value in bad.change.items()
        }
        with refused(bad):
            OBRLoss(NUM_LABELS, **change)
        if bad.relation_loss:
            with refused(bad):
                RelationLoss(NUM_LABELS, **change)
    if set(bad.change) <= {"decay", "measure", "estimator", "label_names", "ignore_index"}:
        with refused(bad):
            OnlineBatchRelation(NUM_LABELS, **bad.change)
    if set(bad.change) <= {"positive_threshold", "negative_threshold", "normalization", "reduction", "impl"}:
        with refused(bad):
            relation_loss(LOGITS, torch.eye(NUM_LABELS, dtype=torch.float64), **bad.change)


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", (*CALLS, *TENSORS_ONLY), ids=str)
def test_calls(bad: BadInput, kind: Any, estimator: str) -> None:
    criterion = trained(kind, estimator=estimator)
    before = copy.deepcopy(criterion)
    arguments = bad_inputs.good_call(bad.change, torch.as_tensor)
    for method in ("forward", "__call__") + (("terms",) if kind is OBRLoss else ()):
        with refused(bad):
            getattr(criterion, method)(**arguments)
        assert_unmoved(criterion, before)
    with torch.no_grad(), refused(bad):
        criterion.eval()(**arguments)
    criterion.train()(LOGITS, TARGETS)


@pytest.mark.parametrize("bad", UPDATES, ids=str)
def test_updates(bad: BadInput) -> None:
    relation = OnlineBatchRelation(NUM_LABELS).update(TARGETS)
    before = copy.deepcopy(relation)
    arguments = bad_inputs.good_call(bad.change, torch.as_tensor)
    del arguments["logits"]
    with pytest.raises(bad.error):
        relation.update(**arguments)
    assert_unmoved(relation, before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_relation_is_not_updated(kind: Any) -> None:
    criterion = kind(NUM_LABELS, freeze=True, relation=torch.eye(NUM_LABELS))
    before = copy.deepcopy(criterion)
    with pytest.raises(ValueError, match="frozen"):
        criterion(LOGITS, TARGETS, update=True)
    assert_unmoved(criterion, before)


def test_validation_of_values_can_be_turned_off() -> None:
    """`validate=False` reads no value; what the metadata shows is refused all the same."""
    criterion = OBRLoss(NUM_LABELS, validate=False)
    assert criterion(LOGITS, 2 * TARGETS).isfinite()
    with pytest.raises(ValueError, match="targets must have shape"):
        criterion(LOGITS, TARGETS[:4])
    with pytest.raises(ValueError, match="must lie in"):
        OBRLoss(NUM_LABELS, validate=True)(LOGITS, 2 * TARGETS)


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        (torch.eye(4), "logits must have"),
        (torch.zeros(3, 2), "relation must have shape"),
        (torch.eye(3, dtype=torch.complex64), "real"),
        (torch.eye(3, device="meta"), "relation must be on the device of logits"),
        (np.eye(3), "relation must be a torch.Tensor"),
    ],
)
def test_stateless_relation(relation: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        relation_loss(LOGITS, relation)


def test_merging_what_does_not_fit() -> None:
    relation = OnlineBatchRelation(3)
    for other, word in ((OnlineBatchRelation(4), "labels"), (OnlineBatchRelation(3, decay=0.5), "decay")):
        with pytest.raises(ValueError, match=word):
            relation.merge(other)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (torch.ones(3).to_sparse(), TypeError, "pos_weight must be a dense tensor, got torch.sparse_coo"),
        (torch.ones(3, device="meta"), ValueError, "pos_weight must hold values, got a tensor on the meta device"),
        (np.ma.masked_array([1.0, 2, 3], [0, 1, 0]), TypeError, "pos_weight must be a dense array, got a masked array"),
        (csr_matrix(np.ones((1, 3))), TypeError, "pos_weight must be a dense array, got scipy.sparse.csr_matrix"),
    ],
)
def test_weights_of_positives(weights: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        OBRLoss(NUM_LABELS, pos_weight=weights)


@pytest.mark.parametrize("kind", (*KINDS, OnlineBatchRelation))
def test_matrices_to_start_from(kind: Any) -> None:
    """A masked entry is no evidence; what is not dense is refused."""
    masked = kind(NUM_LABELS, relation=np.ma.masked_array(np.eye(NUM_LABELS), np.eye(NUM_LABELS) == 0))
    assert torch.equal(masked.relation.isnan(), torch.eye(NUM_LABELS) == 0)
    for matrix in (torch.eye(NUM_LABELS).to_sparse(), csr_matrix(np.eye(NUM_LABELS))):
        with pytest.raises(TypeError, match=r"relation must be a dense .*, got .*sparse"):
            kind(NUM_LABELS, relation=matrix)
