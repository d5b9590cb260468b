"""A loss and a relation of PyTorch condition on known labels, with tensors of every kind."""

import pytest
import torch

from obrl.torch import OBRLoss, OnlineBatchRelation
from tests.support.conditioned import assert_conditions
from tests.support.start import LABELS, table


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loss_and_a_relation_condition_tensors(dtype: torch.dtype) -> None:
    criterion = OBRLoss(LABELS, estimator="counts")
    criterion(torch.zeros(400, LABELS), torch.tensor(table()))
    relation = OnlineBatchRelation(LABELS, estimator="counts")
    relation.update(torch.tensor(table()))
    for holder in (criterion, relation):
        assert_conditions(holder, lambda array: torch.tensor(array, dtype=None if array.dtype == bool else dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_probabilities_that_need_gradients_keep_their_digits(dtype: torch.dtype) -> None:
    criterion = OBRLoss(LABELS, estimator="counts")
    criterion(torch.zeros(400, LABELS), torch.tensor(table()))
    p = torch.rand(3, LABELS, dtype=dtype, generator=torch.Generator().manual_seed(0)).requires_grad_()
    unknown = torch.full((3, LABELS), float("nan"))
    assert (criterion.condition(p, unknown) == p.detach().double().numpy()).all()
