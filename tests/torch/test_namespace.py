"""The pure functions on torch tensors, through the adapter's namespace."""

import numpy as np
import torch
from hypothesis import given, note

from obrl_torch.namespace import TORCH
from tests.support import strategies
from tests.support.cases import Case
from tests.support.pure import check
from tests.torch.tensors import values


@given(strategies.cases())
def test_tensors(case: Case) -> None:
    note(case.snippet())
    check(case, TORCH, lambda array: torch.from_numpy(np.array(array)), values)
