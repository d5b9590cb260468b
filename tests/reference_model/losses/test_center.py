"""Center loss against loops over the paper's formulas."""

import copy
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from reference_model.losses.center import CenterLoss
from reference_model.losses.forecast import forecast_memory
from tests.reference_model.losses.center_worker import PARTS
from tests.reference_model.losses.paper import (
    CLASSES,
    EMBEDDING,
    RATE,
    ROWS,
    WEIGHT,
    batches,
    center_bound,
    gradient_bound,
    paper_steps,
    value_bound,
)
from tests.support.tolerances import assert_close, assert_exact

ROOT = Path(__file__).parents[3]
SECONDS = 120


def center_loss() -> CenterLoss:
    return CenterLoss(CLASSES, EMBEDDING, weight=WEIGHT, rate=RATE)


def test_value_gradient_and_centers_are_the_papers() -> None:
    loss = center_loss()
    for batch, expected in zip(batches(), paper_steps(batches()), strict=True):
        logits = torch.from_numpy(batch.logits).requires_grad_()
        embeddings = torch.from_numpy(batch.embeddings).requires_grad_()
        terms = loss.terms((logits, embeddings), torch.from_numpy(batch.labels))
        terms.total.backward()
        loss.after_step()
        for name in ("total", "cross_entropy", "center_loss"):
            assert_close(name, getattr(terms, name).detach(), getattr(expected, name), value_bound())
        assert_close("gradient of embeddings", embeddings.grad, expected.embedding_gradient, gradient_bound())
        assert_close("gradient of logits", logits.grad, expected.logit_gradient, gradient_bound())
        assert_close("centers", loss.centers, expected.centers, center_bound())
    assert float(loss.centers[6].abs().sum()) == 0  # no picture of this class came


def test_micro_batches_move_the_centers_once_a_step() -> None:
    loss = center_loss()
    for batch, expected in zip(batches(), paper_steps(batches()), strict=True):
        gradient = []
        for rows in (slice(0, 4), slice(4, 8), slice(8, 12)):
            embeddings = torch.from_numpy(batch.embeddings[rows]).requires_grad_()
            terms = loss.terms((torch.from_numpy(batch.logits[rows]), embeddings), torch.from_numpy(batch.labels[rows]))
            (terms.total / 3).backward()
            gradient.append(embeddings.grad)
        loss.after_step()
        assert_close("gradient", torch.cat(gradient), expected.embedding_gradient, gradient_bound())
        assert_close("centers", loss.centers, expected.centers, center_bound())


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    """What each of two processes ended with."""
    folder = tmp_path_factory.mktemp("gloo")
    files = [folder / f"{rank}.npz" for rank in range(2)]
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.reference_model.losses.center_worker",
                str(rank),
                "2",
                folder / "store",
                file,
            ],
            cwd=ROOT,
            env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank, file in enumerate(files)
    ]
    try:
        outputs = [process.communicate(timeout=SECONDS)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    for process, output in zip(started, outputs, strict=True):
        assert process.returncode == 0, output
    results = []
    for file in files:
        with np.load(file, allow_pickle=False) as arrays:
            results.append({name: arrays[name] for name in arrays.files})
    return results


@pytest.mark.parametrize("part", PARTS)
def test_two_processes_have_the_papers_centers(ranks: list[dict[str, np.ndarray]], part: str) -> None:
    expected = np.stack([step.centers for step in paper_steps(batches())])
    assert_close(part, ranks[0][part], expected, center_bound())
    assert_exact("the ranks' centers", ranks[1][part], ranks[0][part])


def test_validation_leaves_the_centers_where_they_are() -> None:
    loss = center_loss()
    batch = batches()[0]
    outputs, labels = (
        (torch.from_numpy(batch.logits), torch.from_numpy(batch.embeddings)),
        torch.from_numpy(batch.labels),
    )
    loss.eval()
    loss.terms(outputs, labels)
    loss.after_step()
    loss.train()
    with torch.no_grad():
        loss.terms(outputs, labels)
    loss.after_step()
    assert not loss.centers.any()


def test_rows_without_a_class_count_nowhere() -> None:
    batch = batches()[0]
    labels = torch.from_numpy(np.concatenate([batch.labels, [-1, -1]]))
    more = [torch.from_numpy(np.concatenate([part, part[:2]])) for part in (batch.logits, batch.embeddings)]
    loss = center_loss()
    terms = loss.terms((more[0], more[1]), labels)
    loss.after_step()
    expected = paper_steps([batch])[0]
    assert_close("total", terms.total, expected.total, value_bound())
    assert_close("centers", loss.centers, expected.centers, center_bound())


def test_the_uniform_loss_is_ln_c() -> None:
    terms = CenterLoss(100_000, 2).terms((torch.zeros(1, 100_000), torch.zeros(1, 2)), torch.tensor([3]))
    assert_close("ln C", terms.uniform_loss, math.log(100_000), value_bound())
    assert_close("loss", terms.cross_entropy, math.log(100_000), value_bound())


def test_movement_is_logged_and_a_standstill_is_a_warning() -> None:
    loss = center_loss()
    batch = batches()[0]
    outputs, labels = (
        (torch.from_numpy(batch.logits), torch.from_numpy(batch.embeddings)),
        torch.from_numpy(batch.labels),
    )
    loss.terms(outputs, labels)
    loss.after_step()
    seen = np.unique(batch.labels)
    expected = math.sqrt((paper_steps([batch])[0].centers[seen] ** 2).sum() / len(seen))
    assert_close("movement", loss.epoch_figures()["center_movement"], expected, center_bound())
    loss.terms(outputs, labels)  # and no after_step
    with pytest.warns(UserWarning, match="no centre of the center loss moved"):
        figures = loss.epoch_figures()
    assert math.isnan(figures["center_movement"])


def test_the_centers_are_no_parameters_and_lie_in_the_state() -> None:
    loss = center_loss()
    assert not list(loss.parameters())
    for batch in batches():
        loss.terms((torch.from_numpy(batch.logits), torch.from_numpy(batch.embeddings)), torch.from_numpy(batch.labels))
        loss.after_step()
    other = center_loss()
    other.load_state_dict(copy.deepcopy(loss.state_dict()))
    assert_exact("centers", other.centers, loss.centers)
    assert other.epoch_figures() == loss.epoch_figures()


def test_embeddings_in_half_precision_meet_centers_in_float32() -> None:
    loss = center_loss()
    batch = batches()[0]
    embeddings = torch.from_numpy(batch.embeddings).bfloat16().requires_grad_()
    terms = loss.terms((torch.from_numpy(batch.logits).bfloat16(), embeddings), torch.from_numpy(batch.labels))
    terms.total.backward()
    loss.after_step()
    assert terms.total.dtype == loss.centers.dtype == torch.float32
    assert embeddings.grad is not None
    assert embeddings.grad.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("classes", "settings", "message"),
    [
        (1, {}, "2 classes or more"),
        (2, {"weight": -1.0}, "weight must be 0 or more"),
        (2, {"weight": math.nan}, "weight must be 0 or more"),
        (2, {"rate": 1.5}, "rate must be in"),
    ],
)
def test_settings_out_of_range_are_refused(classes: int, settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CenterLoss(classes, 4, **settings)


STEP = """
import resource, sys, torch
from reference_model.losses.center import CenterLoss
from reference_model.nets.heads import EmbeddingHead
classes, batch = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
head = EmbeddingHead(8, 2, 2, embedding=512)
loss = CenterLoss(2, 512)
optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
def step(head, loss, optimizer, classes):
    terms = loss.terms(head(torch.randn(batch, 8, 2, 2)), torch.randint(classes, (batch,)))
    terms.total.backward()
    optimizer.step()
    loss.after_step()
step(head, loss, optimizer, 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
head = EmbeddingHead(8, 2, classes, embedding=512)
loss = CenterLoss(classes, 512)
optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
for _ in range(2):
    step(head, loss, optimizer, classes)
    optimizer.zero_grad()
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.slow
def test_100000_classes_train_within_the_forecast_memory() -> None:
    classes, batch = 100_000, 256
    run = subprocess.run(
        [sys.executable, "-c", STEP, str(classes), str(batch)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    used = int(run.stdout)
    forecast = forecast_memory(classes, 512, batch_size=batch, optimizer="sgd").total
    assert forecast / 2 < used < forecast * 1.05


class LargestTensor(TorchDispatchMode):
    """Records the size of the largest tensor that an operation returns."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            # What an operation writes into is none of its own.
            if isinstance(tensor, torch.Tensor) and not any(tensor is argument for argument in args):
                self.numbers = max(self.numbers, tensor.numel())
        return result


def test_a_step_needs_memory_for_the_batch_and_not_for_the_classes() -> None:
    loss = CenterLoss(5_000, EMBEDDING)
    embeddings, labels = torch.randn(ROWS, EMBEDDING), torch.randint(5_000, (ROWS,))
    loss.terms((torch.zeros(ROWS, 5_000), embeddings), labels)
    with LargestTensor() as largest:
        loss.after_step()
    assert loss.centers[labels].all()
    assert 0 < largest.numbers <= ROWS * EMBEDDING
