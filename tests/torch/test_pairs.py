"""The pairs that people see are NumPy's."""

import torch
from hypothesis import given

import obrl
from obrl.torch import OBRLoss
from tests.support import strategies
from tests.support.cases import Case
from tests.support.profiles import examples
from tests.torch.tensors import arguments


@examples(50)
@given(case=strategies.cases())
def test_pairs_are_numpys(case: Case) -> None:
    criterion = OBRLoss(case.num_labels, **case.arguments)
    numpy = obrl.OBRLoss(case.num_labels, **case.arguments)
    for batch in case.batches:
        criterion(**arguments(batch, torch.float32))
        numpy(batch.logits, batch.targets, observed=batch.observed, update=batch.update)
        assert [pair[:3] for pair in sorted(criterion.pairs())] == [pair[:3] for pair in sorted(numpy.pairs())]
