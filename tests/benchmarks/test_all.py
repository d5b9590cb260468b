"""`python -m benchmarks`: what fits in memory, how figures grow, and a short run of the whole."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import benchmarks.__main__ as everything
from benchmarks.__main__ import QUICK_ENOUGH, at_once, fitting
from benchmarks.batches import kinds_up_to
from benchmarks.measure import Timed, make_rows
from benchmarks.registry import IMPLEMENTATIONS
from benchmarks.scaling import ALONG, fit

ROOT = Path(__file__).resolve().parents[2]


def test_what_does_not_fit_is_left_out_with_the_reason():
    names = ["torch_bce", "torch_obrl", "torch_plain"]
    assert fitting(names, (64, 40), 10**10) == (names, [])
    fit_names, reasons = fitting(names, (512, 10_000), 32 * 10**9)
    assert fit_names == ["torch_bce", "torch_obrl"]
    assert reasons == [
        "(512, 10000) plain formula: left out, for its arrays of size K M^2 would take about 1229 GB, and half of "
        "memory is 16 GB"
    ]


def test_a_step_of_seconds_has_one_kind_of_labels_and_one_of_gigabytes_runs_alone():
    assert kinds_up_to(QUICK_ENOUGH, 256, 3000) == ["correlated", "sparse"]
    assert kinds_up_to(QUICK_ENOUGH, 512, 10_000) == ["correlated"]
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
    timed = {"torch_obrl": Timed((1e-3 * milliseconds, 1e3), None, None)}
    return make_rows(batch, 10, "sparse", timed, {"torch_obrl": peak})[0]


def test_a_short_run(tmp_path):
    options = ["--quick", "--no-scaling", "--sizes", "64x40", "--frameworks", "jax", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "benchmarks", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "all.json").read_text())
    measured = {entry["implementation"] for entry in document["rows"]}
    assert measured == {name for name in IMPLEMENTATIONS if name.startswith("jax_")}
    assert "obrl.jax, jit" in (tmp_path / "all.md").read_text()
    assert "</svg>" in (tmp_path / "all.svg").read_text()
    assert (document["left_out"], document["growth"]) == ([], [])


def test_growth_alone_shows_its_own_sizes(tmp_path, monkeypatch, capsys):
    def measure_rows(batch, num_labels, names, kinds, plan, *, say):
        scaled = row(batch, batch * num_labels**2 / 1e6, 1000 * batch**2)
        return [replace(scaled, implementation=name, num_labels=num_labels) for name in names], {}

    monkeypatch.setattr(everything, "measure_size", measure_rows)
    everything.main(["--only-scaling", "--frameworks", "torch", "--out", str(tmp_path)])
    document = json.loads((tmp_path / "all.json").read_text())
    along = [size for sizes in ALONG.values() for size in sizes]
    assert list(dict.fromkeys((entry["batch"], entry["num_labels"]) for entry in document["rows"])) == along
    exponent = {(entry["variable"], entry["quantity"]): entry["exponent"] for entry in document["growth"]}
    assert (exponent["batch", "time"], exponent["num_labels", "time"]) == (1.0, 2.0)
    assert (exponent["batch", "memory"], exponent["num_labels", "memory"]) == (2.0, 0.0)
    with pytest.raises(SystemExit):
        everything.main(["--only-scaling", "--sizes", "64x40"])
    assert "sets its sizes itself" in capsys.readouterr().err
