"""`python -m benchmarks`: what fits in memory, how figures grow, and a short run of the whole."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import benchmarks.__main__ as everything
from benchmarks.__main__ import QUICK_ENOUGH, at_once, fitting
from benchmarks.batches import kinds_up_to
from benchmarks.measure import Row
from benchmarks.peers import AsymmetricLoss
from benchmarks.registry import IMPLEMENTATIONS
from benchmarks.scaling import ALONG, exponents, fit

ROOT = Path(__file__).resolve().parents[2]


def asymmetric_by_loops(logits, targets, positive_focus, negative_focus, margin):
    total = 0.0
    for row, labels in zip(logits.tolist(), targets.tolist(), strict=True):
        for x, y in zip(row, labels, strict=True):
            p = 1 / (1 + math.exp(-x))
            shifted = max(p - margin, 0)
            total -= (1 - p) ** positive_focus * math.log(p) if y else shifted**negative_focus * math.log(1 - shifted)
    return total / len(logits)


@pytest.mark.parametrize("focus", [(0.0, 4.0, 0.05), (1.0, 2.0, 0.0), (0.0, 0.0, 0.0)])
def test_the_asymmetric_loss_is_its_papers(focus):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    targets = (torch.rand(5, 4, generator=generator) > 0.5).double()
    names = ("positive_focus", "negative_focus", "margin")
    loss = AsymmetricLoss(**dict(zip(names, focus, strict=True)))(logits, targets)
    assert loss.item() == pytest.approx(asymmetric_by_loops(logits, targets, *focus), rel=1e-12)


def test_the_asymmetric_loss_without_focus_and_margin_is_cross_entropy():
    logits, targets = torch.randn(6, 3), torch.randint(0, 2, (6, 3)).float()
    loss = AsymmetricLoss(negative_focus=0.0, margin=0.0)(logits, targets)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / 6
    torch.testing.assert_close(loss, expected)


def test_what_does_not_fit_is_left_out_with_the_reason():
    names = ["torch_bce", "torch_obrl", "torch_plain"]
    assert fitting(names, (64, 40), 10**10) == (names, [])
    fit_names, reasons = fitting(names, (512, 10_000), 32 * 10**9)
    assert fit_names == ["torch_bce", "torch_obrl"]
    assert reasons == [
        "(512, 10000) plain formula: left out, for its arrays of size K M^2 would take about 1229 GB, and half of "
        "memory is 16 GB"
    ]


def test_one_kind_of_labels_where_a_step_takes_seconds():
    assert kinds_up_to(QUICK_ENOUGH, 256, 3000) == ["correlated", "sparse"]
    assert kinds_up_to(QUICK_ENOUGH, 512, 10_000) == ["correlated"]


def test_frameworks_take_turns_alone_where_a_step_takes_gigabytes():
    names = ["torch_bce", "torch_obrl", "jax_obrl"]
    assert at_once(names, (256, 3000)) == [names]
    assert at_once(names, (512, 10_000)) == [["torch_bce", "torch_obrl"], ["jax_obrl"]]


def test_fit():
    assert fit([1, 2, 4, 8], [5, 5 * 2**1.5, 5 * 4**1.5, 5 * 8**1.5]) == 1.5
    with pytest.raises(ValueError, match="at least two points, got 1 and 1"):
        fit([1], [1])
    with pytest.raises(ValueError, match="positive numbers"):
        fit([1, 2], [0, 1])


def row(batch, milliseconds, peak):
    return Row(
        implementation="torch_obrl",
        title="obrl.torch",
        compiled=False,
        batch=batch,
        num_labels=10,
        labels="sparse",
        steps=1,
        median_ms=9.0,
        min_ms=milliseconds,
        max_ms=9.0,
        over_bce=None,
        plain_over=None,
        peak_memory_bytes=peak,
        active_together=None,
        active_apart=None,
    )


def test_exponents_of_time_and_memory():
    time, memory = exponents([row(10, 1.0, 3_000_000), row(20, 2.0, 12_000_000)], "batch")
    assert (time.quantity, time.exponent, time.values) == ("time", 1.0, (1.0, 2.0))
    assert (memory.quantity, memory.exponent, memory.sizes) == ("memory", 2.0, ((10, 10), (20, 10)))


def test_a_short_run(tmp_path):
    command = [
        "-m",
        "benchmarks",
        "--quick",
        "--no-scaling",
        "--sizes",
        "64x40",
        "--frameworks",
        "jax",
        "--out",
        tmp_path,
    ]
    done = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "all.json").read_text())
    measured = {entry["implementation"] for entry in document["rows"]}
    assert measured == {name for name in IMPLEMENTATIONS if name.startswith("jax_")}
    assert "obrl.jax, jit" in (tmp_path / "all.md").read_text()
    assert "</svg>" in (tmp_path / "all.svg").read_text()
    assert (document["left_out"], document["growth"]) == ([], [])


def test_growth_alone_shows_its_own_sizes(tmp_path, monkeypatch, capsys):
    def measure_rows(batch, num_labels, names, kinds, plan, *, say):
        scaled = row(batch, batch * num_labels**2 / 1e6, 1_000_000)
        return [replace(scaled, implementation=name, num_labels=num_labels) for name in names], {}

    monkeypatch.setattr(everything, "measure_size", measure_rows)
    everything.main(["--only-scaling", "--frameworks", "torch", "--out", str(tmp_path)])
    document = json.loads((tmp_path / "all.json").read_text())
    along = [size for sizes in ALONG.values() for size in sizes]
    assert list(dict.fromkeys((entry["batch"], entry["num_labels"]) for entry in document["rows"])) == along
    exponent = {(entry["variable"], entry["quantity"]): entry["exponent"] for entry in document["growth"]}
    assert (exponent["batch", "time"], exponent["num_labels", "time"]) == (1.0, 2.0)
    with pytest.raises(SystemExit):
        everything.main(["--only-scaling", "--sizes", "64x40"])
    assert "sets its sizes itself" in capsys.readouterr().err
