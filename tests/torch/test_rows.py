"""Many labels by blocks of rows: the operators of a compiled step, and what the host may not see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from obrl.counts import PairCounts
from obrl.online import RelationState
from obrl.settings import Settings
from obrl.torch import OBRLoss
from obrl_torch import host, rows
from tests.support.blocks import TORCH_SIZES, few_rows
from tests.support.tolerances import assert_close, band
from tests.torch.tensors import values

pytestmark = [  # torch's own, while it compiles
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
]

LABELS = 5
ALPHA = 40.0


@pytest.fixture(autouse=True)
def _few_rows() -> Iterator[None]:
    torch.compiler.reset()
    with few_rows(host, **TORCH_SIZES):
        yield


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(2, (9, LABELS), generator=generator).float()
    targets[:, 1], targets[:, 2] = targets[:, 0], 1 - targets[:, 0]
    return torch.randn(9, LABELS, generator=generator), targets


def step(criterion: OBRLoss, call: Any, *, of_targets: bool = False) -> list[Tensor]:
    """Two steps: the last loss and its gradients, and the state."""
    logits, targets = batch()
    logits.requires_grad_()
    for _ in range(2):
        y = (0.8 * targets + 0.1).requires_grad_(of_targets)
        loss = call(logits, y)
        gradients = torch.autograd.grad(loss, [logits, y] if of_targets else [logits])
    return [loss.detach(), *gradients, criterion.relation_sum, criterion.relation_weight]


@pytest.mark.parametrize("of_targets", [False, True])
@pytest.mark.parametrize("impl", ["auto", "plain"])
def test_a_compiled_step_is_the_eager_step(impl: str, of_targets: bool) -> None:
    """Gradients with respect to targets too, which the operators cannot be differentiated for."""
    compiled, eager = (OBRLoss(LABELS, alpha=ALPHA, impl=impl) for _ in range(2))
    found = step(compiled, torch.compile(compiled, fullgraph=True), of_targets=of_targets)
    expected = step(eager, eager, of_targets=of_targets)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close("compiled", values(ours), values(theirs), band(80, 100.0, "float32"))


def test_the_graph_holds_the_operators() -> None:
    """Of the default implementation; else nothing here would be by rows."""
    seen: list[str] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        parts = [part for part in graph.modules() if isinstance(part, torch.fx.GraphModule)]
        seen.extend(str(node.target).removesuffix(".default") for part in parts for node in part.graph.nodes)
        return graph.forward

    logits, targets = batch()
    torch.compile(OBRLoss(LABELS), fullgraph=True, backend=backend)(logits.requires_grad_(), targets)
    assert sorted(target for target in seen if target.startswith("obrl.")) == ["obrl.move_rows", "obrl.multiply_rows"]


def test_a_batch_of_a_size_that_the_graph_does_not_know() -> None:
    compiled, eager = OBRLoss(LABELS, alpha=ALPHA), OBRLoss(LABELS, alpha=ALPHA)
    call = torch.compile(compiled, fullgraph=True, dynamic=True)
    logits, targets = batch()
    for size in (9, 6, 4):
        x = logits[:size].clone().requires_grad_()
        found, expected = (torch.autograd.grad(loss(x, targets[:size]), x)[0] for loss in (call, eager))
        assert_close("gradient", values(found), values(expected), band(80, 10.0, "float32"))


def test_runs_under_vmap() -> None:
    """Where no value may be read, the relation moves whole."""
    criterion = OBRLoss(LABELS, impl="plain", validate=False)
    logits, targets = batch()
    criterion(logits, targets)
    state = {name: torch.stack([part, part]) for name, part in criterion.named_buffers()}

    def step(state: dict[str, Tensor], y: Tensor) -> Tensor:
        moved = {name: part.clone() for name, part in state.items()}
        loss = torch.func.functional_call(criterion, moved, (logits, y))
        return torch.stack([loss, moved["relation_sum"].sum()])

    found = torch.func.vmap(step)(state, torch.stack([targets, 1 - targets]))
    for ours, y in zip(found, (targets, 1 - targets), strict=True):
        expected = step(dict(criterion.named_buffers()), y)
        assert_close("one run", values(ours), values(expected), band(80, 100.0, "float32"))


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("measure", ["unit_pearson", "conditional"])
def test_operators(measure: str, estimator: str) -> None:
    criterion = OBRLoss(LABELS, measure=measure, estimator=estimator)
    logits, targets = batch()
    criterion(logits, targets)
    state = criterion.relation_sum, criterion.relation_weight
    observed = torch.rand(targets.shape) < 0.7
    powers = torch.cat([logits, logits**2, logits**3])
    for operator, arguments in (
        (torch.ops.obrl.move_rows, (*state, targets * observed, observed, 0.9, measure, estimator)),
        (torch.ops.obrl.multiply_rows, (*state, logits, powers, 0.8, 0.2, measure, estimator)),
    ):
        tests = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
        result = torch.library.opcheck(operator.default, arguments, test_utils=tests)
        assert set(result.values()) == {"SUCCESS"}, (operator, result)


def test_counts_of_several_processes_go_by_rows_too() -> None:
    """As `obrl_torch.distributed` gives them; the state is that of the batch itself."""
    _, targets = batch()
    whole, by_counts = OBRLoss(LABELS), OBRLoss(LABELS)
    whole(torch.zeros_like(targets), targets)
    s, ones, n = targets.mT @ targets, targets.sum(0), torch.full((LABELS, LABELS), float(len(targets)))
    r = ones[:, None].expand(LABELS, LABELS)
    state = RelationState(by_counts.relation_sum, by_counts.relation_weight)
    with torch.no_grad():
        rows.update(state, PairCounts(n, s, r, r.mT), Settings())
    assert_close("state", values(state[0]), values(whole.relation_sum), band(8, 1.0, "float32"))
