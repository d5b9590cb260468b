"""torch.compile with fullgraph and a dynamic batch, on a few fixed settings: no graph break, no new compilation."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from obrl.torch import OBRLoss, RelationLoss
from tests.support import oracle
from tests.support.cases import Batch, Case
from tests.support.compare import assert_loss_terms, assert_relation_loss, assert_state
from tests.support.tolerances import assert_exact
from tests.torch.tensors import DTYPES, arguments, as_given, expected_and_bounds, holder, values

# The compiler of torch uses what torch has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
]

SIZES = (9, 5, 14)
LABELS = 5


def labels(random: np.random.Generator, size: int) -> NDArray[np.float64]:
    targets = random.integers(0, 2, (size, LABELS)).astype(np.float64)
    targets[:, 1], targets[:, 2] = targets[:, 0], 1 - targets[:, 0]
    return targets


def batch(random: np.random.Generator, size: int, *, missing: bool, weighted: bool, dtype: str) -> Batch:
    targets = labels(random, size)
    observed = random.random((size, LABELS)) < 0.9 if missing else None
    if missing:
        targets[random.random((size, LABELS)) < 0.1] = np.nan
    return Batch(
        logits=random.integers(-48, 48, (size, LABELS)) / 16,
        targets=targets.astype(dtype),
        observed=observed,
        sample_weight=random.integers(0, 8, size) / 4 if weighted else None,
    )


def case(seed: int, *, missing: bool = False, weighted: bool = False, dtype: str = "float32", **settings: Any) -> Case:
    random = np.random.default_rng(seed)
    batches = tuple(batch(random, size, missing=missing, weighted=weighted, dtype=dtype) for size in SIZES)
    example = Case(LABELS, batches, decay=0.9, alpha=5.0, positive_threshold=0.83, negative_threshold=0.17)
    return replace(example, **settings)


CASES = {
    "float32": case(0),
    "float64": case(
        1,
        missing=True,
        weighted=True,
        dtype="float64",
        estimator="counts",
        normalization="active_pairs",
        reduction="none",
        pos_weight=np.array([1, 2, 0.5, 1, 3]),
    ),
    "bfloat16": case(2, weighted=True, dtype="bool", reduction="sum", measure="conditional"),
    "float16": case(3, missing=True, dtype="float16", measure="phi_ratio"),
}


def marked(keywords: dict[str, Any]) -> dict[str, Any]:
    for value in keywords.values():
        if isinstance(value, torch.Tensor):
            torch._dynamo.mark_dynamic(value, 0)
    return keywords


@pytest.fixture(autouse=True)
def fresh_dynamo() -> None:
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("kind", "name", "impl"),
    [*((OBRLoss, name, "auto") for name in CASES), *((RelationLoss, "float32", impl) for impl in ("auto", "plain"))],
)
def test_losses(kind: Any, name: str, impl: str) -> None:
    example, dtype, joint = CASES[name], DTYPES[name], kind is OBRLoss
    criterion = kind(LABELS, **(example.arguments if joint else example.relation_arguments), impl=impl)
    compiled = torch.compile(criterion.terms if joint else criterion, fullgraph=True)
    active = 0
    for position, (data, state) in enumerate(zip(example.batches, oracle.trajectory(example), strict=True)):
        keywords = marked(arguments(data, dtype))
        with torch._dynamo.config.patch(error_on_recompile=position > 0):
            value = compiled(**keywords)
            (gradient,) = torch.autograd.grad((value.total if joint else value).sum(), keywords["logits"])
        rounded = as_given(data, keywords["logits"])
        expected, bounds = expected_and_bounds(example, rounded, state, dtype)
        check: Any = assert_loss_terms if joint else assert_relation_loss
        computed = type(value)(*map(values, value)) if joint else values(value)
        check(example, rounded, expected, computed, values(gradient), bounds)
        assert_state(example, expected, holder(criterion), "float32")
        active += expected.codes.active
    assert active > 0


def test_a_compiled_training_step_with_the_model_inside() -> None:
    """One graph of net and loss; validation under no_grad leaves the relation alone there too."""
    torch.manual_seed(0)
    net, criterion = torch.nn.Linear(6, LABELS), OBRLoss(LABELS, alpha=5.0)

    def loss(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return criterion(net(inputs), targets)

    compiled = torch.compile(loss, fullgraph=True)
    inputs, targets = torch.randn(8, 6), torch.from_numpy(labels(np.random.default_rng(0), 8))
    compiled(inputs, targets).backward()
    assert net.weight.grad is not None
    before = values(criterion.relation_sum)
    assert before.any()
    with torch.no_grad():
        compiled(inputs, 1 - targets)
    assert_exact("state", values(criterion.relation_sum), before)


def test_metadata_is_checked_while_tracing() -> None:
    criterion = OBRLoss(LABELS)
    compiled = torch.compile(criterion, fullgraph=True, backend="eager")
    with pytest.raises(Exception, match="targets must have shape"):
        compiled(torch.zeros(4, LABELS), torch.zeros(3, LABELS))
    with pytest.raises(Exception, match="logits must be floating point"):
        compiled(torch.zeros(4, LABELS, dtype=torch.int64), torch.zeros(4, LABELS))
    assert (criterion.relation_weight == 0).all()
