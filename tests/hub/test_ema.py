"""Averages of weights with a criterion inside: torch's AveragedModel and Lightning's EMAWeightAveraging."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn, get_swa_multi_avg_fn

from obrl.torch import OBRLoss
from tests.support.tolerances import assert_close, band
from tests.torch.lightning_runs import EPOCH, LABELS, Module, assert_same, numbers, train

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*isinstance\\(treespec, LeafSpec\\):FutureWarning"),  # Lightning's own
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),  # advice to its user
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]
BUFFERS = ("relation_sum", "relation_weight")
DECAY, STEPS = 0.9, 6


class Net(torch.nn.Module):
    def __init__(self, estimator: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(4, LABELS)
        self.criterion = OBRLoss(LABELS, estimator=estimator, pos_weight=[2.0] * LABELS)


def relations(net: Net, average: AveragedModel | None) -> list[dict[str, torch.Tensor]]:
    """The state of the criterion after each of some steps."""
    generator = torch.Generator().manual_seed(0)
    states = []
    for _ in range(STEPS):
        targets = torch.randint(2, (8, LABELS), generator=generator).float()
        targets[:, 1] = targets[:, 0]
        net.criterion(net.layer(torch.randn(8, 4, generator=generator)), targets).backward()
        if average is not None:
            average.update_parameters(net)
        states.append({name: net.criterion.get_buffer(name).clone() for name in BUFFERS})
    return states


AVERAGES: dict[str, dict[str, Any]] = {
    "equal weights": {},
    "one by one": {"avg_fn": get_ema_avg_fn(DECAY)},
    "all at once": {"multi_avg_fn": get_ema_multi_avg_fn(DECAY)},
}


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("options", AVERAGES.values(), ids=AVERAGES)
def test_an_average_of_parameters_holds_the_relation_of_the_model(options: dict[str, Any], estimator: str) -> None:
    net = Net(estimator)
    average = AveragedModel(net, **options)
    states = relations(net, average)
    for name, value in states[-1].items():
        assert torch.equal(average.module.criterion.get_buffer(name), value)
    assert torch.equal(average.module.criterion.pos_weight, net.criterion.pos_weight)
    for state, alone in zip(states, relations(Net(estimator), None), strict=True):  # and the model's is untouched
        assert all(torch.equal(state[name], alone[name]) for name in BUFFERS)


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("way", ["one by one", "all at once"])
def test_an_average_of_buffers_too_lags_behind(way: str, estimator: str) -> None:
    net = Net(estimator)
    average = AveragedModel(net, use_buffers=True, **AVERAGES[way])
    states = relations(net, average)
    for name in BUFFERS:
        expected = states[0][name].double()
        for state in states[1:]:
            expected = DECAY * expected + (1 - DECAY) * state[name]
        size = float(states[-1][name].abs().max())
        assert_close(name, average.module.criterion.get_buffer(name), expected, band(STEPS, size, "float32"))
        assert not torch.equal(average.module.criterion.get_buffer(name), states[-1][name])
    relation = average.module.criterion.relation
    assert ((relation >= 0) & (relation <= 1))[~relation.isnan()].all()
    arrivals = average.module.criterion.get_buffer("_arrivals")
    assert (arrivals.dtype, int(arrivals.count_nonzero())) == (torch.int32, 0)
    assert [(pair.i, pair.j) for pair in average.module.criterion.pairs()] == [(0, 1)]


def test_equal_weights_all_at_once_refuse_buffers_of_whole_numbers() -> None:
    """As torch averages on a GPU where no function is given; the page says so."""
    net = Net("batch")
    average = AveragedModel(net, use_buffers=True, multi_avg_fn=get_swa_multi_avg_fn())
    average.update_parameters(net)
    with pytest.raises(RuntimeError, match="addcdiv"):
        average.update_parameters(net)


def without_dropout() -> Module:
    """Lightning's checkpoints hold no random state."""
    module = Module()
    module.net[1].p = 0.0
    return module


def averaged(folder: Path | None = None, *, use_buffers: bool = False, **options: Any) -> Module:
    module = without_dropout()
    callbacks: list[Any] = [EMAWeightAveraging(decay=DECAY, use_buffers=use_buffers)]
    if folder is not None:
        callbacks.append(ModelCheckpoint(folder, filename="{step}", every_n_train_steps=EPOCH // 2, save_top_k=-1))
        options["enable_checkpointing"] = True
    train(module, *callbacks, **options)
    return module


@pytest.fixture(scope="module")
def plain() -> Module:
    """A training without averages."""
    module = without_dropout()
    train(module)
    return module


def test_lightning_averages_weights_and_leaves_the_relation(plain: Module) -> None:
    module = averaged()
    assert_same(numbers(plain.criterion), numbers(module.criterion))
    assert not torch.equal(module.net[0].weight, plain.net[0].weight)


def test_lightnings_default_averages_the_relation_too(plain: Module) -> None:
    module = averaged(use_buffers=True)
    assert not torch.equal(module.criterion.relation_weight, plain.criterion.relation_weight)
    assert (module.criterion.relation_weight <= plain.criterion.relation_weight).all()
    assert [(p.i, p.j, p.sign) for p in module.criterion.pairs()] == [
        (p.i, p.j, p.sign) for p in plain.criterion.pairs()
    ]


@pytest.mark.parametrize("use_buffers", [False, True])
def test_a_resumed_run_of_lightning_is_the_whole(tmp_path: Path, use_buffers: bool) -> None:
    whole = averaged(use_buffers=use_buffers)
    averaged(tmp_path, use_buffers=use_buffers, max_steps=EPOCH + 2)
    checkpoint = tmp_path / f"step={EPOCH}.ckpt"
    resumed = averaged(tmp_path, use_buffers=use_buffers, ckpt_path=checkpoint)
    assert_same(numbers(whole), numbers(resumed))
