"""The monitor of Lightning: what it logs, and that training gives the same numbers with and without it."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger

from obrl.history import History
from obrl.monitor import Monitor
from obrl.torch import OBRLoss, RelationLoss
from obrl.torch.lightning import OBRMonitor
from tests.torch.lightning_runs import EPOCH, LABELS, Memory, Module, assert_same, numbers, train

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*isinstance\\(treespec, LeafSpec\\):FutureWarning"),  # Lightning's own
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),  # advice to its user
    pytest.mark.filterwarnings("ignore:.*smaller than the logging interval"),
    # What the compiler of torch and its bfloat16 on a CPU use of torch.
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]
ROOT = Path(__file__).parents[2]


def monitored(module: Any, **options: Any) -> Memory:
    memory = Memory()
    train(module, OBRMonitor(every=5), logger=memory, **options)
    return memory


@pytest.mark.parametrize("call", ["forward", "terms"])
@pytest.mark.parametrize(
    "options",
    [{}, {"accumulate_grad_batches": 3}, {"precision": "bf16-mixed"}],
    ids=["plain", "accumulated", "half precision"],
)
def test_it_logs_and_changes_no_number_of_the_training(call: str, options: dict[str, Any]) -> None:
    plain, watched = Module(call=call), Module(call=call)
    train(plain, **options)
    memory = monitored(watched, **options)
    assert_same(numbers(plain), numbers(watched))
    last = 2 * EPOCH // options.get("accumulate_grad_batches", 1)
    assert list(memory.rows) == list(memory.pictures) == list(range(5, last + 1, 5))
    for row in memory.rows.values():
        assert list(row) == [
            f"criterion/{name}" for name in ("pairs_together", "pairs_apart", "share_of_loss", "share_of_gradient")
        ]
        assert 0 < row["criterion/share_of_loss"] < 1
        assert 0 < row["criterion/share_of_gradient"] < 1
        assert (row["criterion/pairs_together"], row["criterion/pairs_apart"]) == (1, 2)
    assert memory.pictures[5] == ["criterion/relation"]


class Manual(Module):
    """Steps by itself, twice a batch; records terms and norms of gradients, and writes into the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.seen: list[Any] = []

    def training_step(self, batch: Any, batch_idx: int) -> None:
        for _ in range(2):
            x, y = batch
            logits = self.net(x)
            terms = self.criterion.terms(logits, y)
            gradients = [torch.autograd.grad(part, logits, retain_graph=True)[0] for part in terms[1:]]
            self.seen.append(
                [float(value.detach()) for value in (*terms, *(gradient.norm() for gradient in gradients))]
            )
            self.optimizers().zero_grad()
            self.manual_backward(terms.total)
            self.optimizers().step()
            logits.detach().sigmoid_()


def test_the_shares_are_those_of_the_steps_batch() -> None:
    module = Manual()
    memory = Memory()
    train(module, OBRMonitor(every=6), logger=memory, precision="64-true", max_epochs=1)
    assert list(memory.rows) == [6, 12, 18, 24]
    for step, row in memory.rows.items():
        total, _, relation_loss, entropy_norm, relation_norm = module.seen[step - 1]
        assert row["criterion/share_of_loss"] == pytest.approx(2 * relation_loss / total)
        share = 2 * relation_norm / (entropy_norm + 2 * relation_norm)
        assert row["criterion/share_of_gradient"] == pytest.approx(share)


def compiled(criterion: OBRLoss, way: str) -> Any:
    if way == "wrapped":
        return torch.compile(criterion, backend="eager", fullgraph=True)
    criterion.compile(backend="eager", fullgraph=True)
    return criterion


@pytest.mark.parametrize("way", ["wrapped", "in place"])
def test_a_compiled_criterion_is_watched_and_not_compiled_again(way: str) -> None:
    results = []
    for callbacks in ((), (OBRMonitor(every=5),)):
        torch._dynamo.reset()
        module, memory = Module(compiled(OBRLoss(LABELS, alpha=2.0), way)), Memory()
        with torch._dynamo.config.patch(error_on_recompile=True):
            train(module, *callbacks, logger=memory, limit_val_batches=0)
        results.append(numbers(module))
    assert_same(*results)
    assert list(memory.rows) == [5, 10, 15, 20]
    assert all(0 < row["criterion/share_of_gradient"] < 1 for row in memory.rows.values())


def test_a_criterion_in_a_larger_graph_is_logged_without_its_shares() -> None:
    module = Module()
    call = module.criterion.forward
    whole = torch.compile(lambda logits, y: call(logits, y) * 1, backend="eager", fullgraph=True)
    module.training_step = lambda batch, batch_idx: whole(module.net(batch[0]), batch[1])  # type: ignore[method-assign]
    rows = monitored(module).rows
    assert list(rows[5]) == ["criterion/pairs_together", "criterion/pairs_apart"]


def test_nothing_is_copied_on_other_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    module, copies = Module(), []
    original = OBRLoss._host_state
    monkeypatch.setattr(OBRLoss, "_host_state", lambda self: copies.append(self._see) or original(self))
    assert list(monitored(module).rows) == [5, 10, 15, 20]
    assert copies == [None] * 4


def test_validation_in_between_logs_nothing_and_steps_go_on() -> None:
    module = Module()
    rows = monitored(module, val_check_interval=4).rows
    assert list(rows) == [5, 10, 15, 20]


PATHS = ("", ".heads.face", ".heads.other")


class Several(Module):
    """Three criteria: two joint losses, one of which has no active pair, and a relation loss alone."""

    def __init__(self) -> None:
        super().__init__(OBRLoss(LABELS, positive_threshold=2.0, negative_threshold=-1.0, measure="matching"))
        self.heads = torch.nn.ModuleDict({"face": OBRLoss(LABELS), "other": RelationLoss(LABELS)})

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        x, y = batch
        logits = self.net(x)
        return self.criterion(logits, y) + self.heads["face"](logits, y) + self.heads["other"](logits, y)


@pytest.mark.filterwarnings("ignore:thresholds must lie in")
def test_several_criteria_are_named_by_their_path(tmp_path: Path) -> None:
    memory = Memory()
    monitor = OBRMonitor(every=10, history=tmp_path / "history.npz", report=tmp_path / "report.html")
    train(Several(), monitor, logger=memory)
    row = memory.rows[20]
    assert {key.rpartition("/")[0] for key in row} == {"criterion", "heads.face", "heads.other"}
    nothing = ("pairs_together", "pairs_apart", "share_of_loss", "share_of_gradient")
    assert [row[f"criterion/{name}"] for name in nothing] == [0, 0, 0, 0]
    assert row["heads.face/share_of_loss"] > 0
    assert "heads.other/share_of_loss" not in row
    files = {f"{name}{of}{end}" for name, end in (("history", ".npz"), ("report", ".html")) for of in PATHS}
    assert {path.name for path in tmp_path.iterdir()} == files
    assert (tmp_path / "report.heads.face.html").read_text().startswith("<!doctype html>")
    assert History.load(tmp_path / "history.npz").measure == "matching"


def test_one_of_several_can_be_chosen() -> None:
    module, memory = Several.__new__(Several), Memory()
    with pytest.warns(UserWarning, match="range of"):
        module.__init__()
    train(module, OBRMonitor(module.heads["face"], every=10), logger=memory)
    assert {key.rpartition("/")[0] for key in memory.rows[20]} == {"heads.face"}


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_resumed_training_goes_on(tmp_path: Path) -> None:
    def run(folder: Path, **options: Any) -> Memory:
        memory = Memory()
        saving = ModelCheckpoint(folder, filename="{step}", every_n_train_steps=EPOCH, save_top_k=-1)
        monitor = OBRMonitor(every=5, history=folder / "history.npz")
        train(Module(), monitor, saving, logger=memory, enable_checkpointing=True, **options)
        return memory

    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", max_steps=22)  # is interrupted, and goes on from the checkpoint of step 12
    second = run(tmp_path / "parts", ckpt_path=tmp_path / "parts" / f"step={EPOCH}.ckpt")
    assert list(second.rows) == [15, 20]
    assert second.rows[20].keys() == whole.rows[20].keys()
    histories = [History.load(tmp_path / name / "history.npz") for name in ("whole", "parts")]
    assert [history.steps.tolist() for history in histories] == [[5, 10, 15, 20]] * 2
    np.testing.assert_array_equal(histories[0].relation, histories[1].relation)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_loggers_of_lightning(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # TensorBoard would import TensorFlow, after which torch cannot compile in this process.
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loggers = [
        CSVLogger(offline, name="csv"),
        TensorBoardLogger(offline, name="events"),
        WandbLogger(save_dir=offline, offline=True),
    ]
    train(Module(), OBRMonitor(every=10), logger=loggers)
    with (offline / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["criterion/pairs_apart"]]
    assert [row["step"] for row in rows] == ["10", "20"]
    events = EventAccumulator(str(offline / "events" / "version_0"))
    events.Reload()
    assert [event.step for event in events.Scalars("criterion/share_of_loss")] == [10, 20]
    assert [event.step for event in events.Images("criterion/relation")] == [10, 20]
    run = loggers[2].experiment
    assert Path(run.dir).is_relative_to(offline)
    assert run.summary["criterion/pairs_together"] == 1
    assert run.summary["criterion/relation"]["count"] == 1
    run.finish()


def test_an_interrupted_training_leaves_its_history(tmp_path: Path) -> None:
    class Broken(Module):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if self.global_step == 9:
                self.criterion(self.net(batch[0]), batch[1])
                raise ZeroDivisionError
            return super().training_step(batch, batch_idx)

    module = Broken()
    with pytest.raises(ZeroDivisionError):
        train(module, OBRMonitor(every=5, history=tmp_path / "history.npz"))
    assert History.load(tmp_path / "history.npz").steps.tolist() == [5]
    assert module.criterion._see is None


def test_errors_come_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="criterion must be an OBRLoss or RelationLoss"):
        OBRMonitor(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        OBRMonitor(every=0)
    module = Module(torch.nn.BCEWithLogitsLoss())
    with pytest.raises(ValueError, match="Module must have an OBRLoss or RelationLoss among its submodules, got none"):
        train(module, OBRMonitor())
    (tmp_path / "history.npz").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"expected a history"):
        train(Module(), OBRMonitor(history=tmp_path / "history.npz"))


class Untrained(Module):
    """Fails where it is trained."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        raise AssertionError("trained")


def test_a_training_that_the_files_do_not_fit_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "history.npz"
    with Monitor([], every=1, history=file) as monitor:
        monitor.log(1, OBRLoss(LABELS, measure="jaccard"))
    content, module = file.read_bytes(), Untrained()
    with pytest.raises(ValueError, match=r"history.npz does not fit 'criterion': .*'jaccard', got 'unit_pearson'"):
        train(module, OBRMonitor(every=5, history=file))
    assert file.read_bytes() == content
    monkeypatch.setattr("obrl.report.checks.MOST_LABELS", LABELS - 1)
    with pytest.raises(ValueError, match=f"at most {LABELS - 1} labels.* got {LABELS}"):
        train(module, OBRMonitor(report=tmp_path / "report.html"))


def test_of_two_processes_the_first_logs_and_all_train_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    worker = [*command, "-m", "tests.torch.lightning_worker", str(tmp_path)]
    done = subprocess.run(worker, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for other in (first["watched"], second["plain"], second["watched"]):
        assert_same(first["plain"], other)
    assert (first["steps"], second["steps"]) == ([5, 10], [])
    assert History.load(tmp_path / "history.npz").steps.tolist() == [5, 10]
