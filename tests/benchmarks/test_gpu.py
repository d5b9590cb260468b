"""What `make gpu` does, as far as it runs without a GPU: a short run on the CPU, and its parts on fakes."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.batches import draw_batches, kinds_up_to
from benchmarks.gpu import parity
from benchmarks.gpu import run as gpu_run
from benchmarks.gpu.__main__ import main
from benchmarks.gpu.clocks import Timing
from benchmarks.gpu.document import BARS, FUSED, HOW, bars, slug, table, with_ratios
from benchmarks.gpu.floors import Rates, bytes_of, floor_of, operations_of
from benchmarks.gpu.rows import JAX_TITLES, Row, times
from benchmarks.gpu.run import ALL, CHEAP, FIRST, QUICK, failures
from benchmarks.gpu.steps import ENTRIES, TorchStep, block_rows, in_blocks, whole
from benchmarks.gpu.tasks import LEFT_OUT
from benchmarks.labels import LABEL_KINDS
from benchmarks.peers import PlainOBRLoss

ROOT = Path(__file__).resolve().parents[2]
RATES = Rates(bytes_per_s=2e12, half_per_s=5e14, single_per_s=5e13)
FIELDS = {*Row.__dataclass_fields__, "over_bce", "plain_compiled_over", "over_floor"}
SINGLE_PRECISION = float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "cpu.json"
    arguments = ["--commit", "abc", "--device", "cpu", "--quick", "--no-parity", "--out", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done, json.loads(path.read_text())


def test_a_short_run_holds_every_implementation(run):
    done, document = run
    datetime.fromisoformat(document["date"])
    assert (document["benchmark"], document["format"], document["how"]) == ("gpu", 1, HOW)
    assert {"machine", "settings", "rates"} <= set(document)
    assert {"python", "numpy", "torch", "triton", "cuda", "obrl", "jax"} <= set(document["versions"])
    size = QUICK.sizes[0]
    names = [*FIRST, *(name for name in ENTRIES if name not in FIRST)]
    expected = [(name, kind) for name in names for kind in LABEL_KINDS]
    expected += [(name, "correlated") for name in JAX_TITLES]
    assert [(row["implementation"], row["labels"]) for row in document["rows"]] == expected
    for row in document["rows"]:
        assert set(row) == FIELDS
        assert (row["error"], row["timed_by"] in ("graph", "events", "wall")) == (None, True)
        assert 0 < row["min_us"] <= row["median_us"] <= row["max_us"]
    for part in ("rows", "floors"):
        assert {(entry["batch"], entry["num_labels"]) for entry in document[part]} == {size}
    assert (document["commit"], document["gpu"], document["errors"], document["parity"]) == ("abc", None, [], [])
    assert table(document) in done.stdout


def test_a_short_run_compares_the_kernels_with_float64(run):
    (errors,) = run[1]["accuracy"]
    assert (errors.pop("batch"), errors.pop("num_labels")) == QUICK.sizes[0]
    assert errors.pop("pairs_near_thresholds") == 0
    kinds = [f"{whose}{what}_error" for whose in ("", "auto_") for what in ("loss", "gradient")]
    assert set(errors) == {"relation_error", *kinds}
    assert all(0 <= error < 16 * SINGLE_PRECISION for error in errors.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--commit", "abc"], "needs a CUDA device, and torch"),
        (["--commit", "abc", "--quick"], "need --out"),
        (["--commit", "abc", "--device", "cpu"], "need --out"),
        ([], "--commit"),
        (["--commit", ""], "--commit is empty"),
    ],
)
def test_bad_arguments_are_explained(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_make_target_needs_no_virtual_environment():
    done = subprocess.run(
        ["make", "--dry-run", "gpu", "COMMIT=abc"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == 'PYTHONPATH=.:adapters python3 -m benchmarks.gpu --commit "abc"\n'


def test_the_sizes_are_those_of_the_bars_and_more_and_the_file_has_the_gpus_name():
    assert slug("NVIDIA H100 80GB HBM3") == "nvidia-h100-80gb-hbm3"
    assert {size for _, size, _, _ in BARS} == set(ALL.sizes[:2])
    assert len(set(ALL.sizes)) == 7
    assert kinds_up_to(CHEAP, 1024, 40) == list(LABEL_KINDS)
    assert kinds_up_to(CHEAP, 512, 10_000) == ["correlated"]


def test_without_jax_its_rows_say_why(monkeypatch, tmp_path):
    def ask_nobody(module, arguments, tasks, limits, *, environment):
        yield tasks[0], {"error": "ModuleNotFoundError: No module named 'jax'\n"}
        raise AssertionError("a task is run without JAX")

    monkeypatch.setattr(gpu_run, "ask", ask_nobody)
    short = gpu_run.Run(QUICK, "cpu", {}, commit="abc", budget_s=60)
    short.path = tmp_path / "out.json"
    short.jax()
    rows = json.loads(short.path.read_text())["rows"]
    assert [row["implementation"] for row in rows] == list(JAX_TITLES)
    assert all("No module named 'jax'" in row["error"] for row in rows)


# Floors, ratios and bars.


def test_floors_count_bytes_and_operations():
    batch, labels = 4, 3
    assert bytes_of(batch, labels) == 4 * (3 * batch * labels + 4 * labels**2)
    assert operations_of(batch, labels, split=True) == 10 * 2 * batch * labels**2
    assert operations_of(batch, labels, split=False) == 6 * 2 * batch * labels**2


def test_the_floor_is_the_larger_of_the_two():
    few, many = floor_of(8, 10_000, RATES), floor_of(4096, 10_000, RATES)
    assert few.floor_us == few.bytes_us > few.operations_us
    assert many.floor_us == many.operations_us > many.bytes_us
    assert many.operations_unsplit_us == pytest.approx(0.6 * many.operations_us)


def measured(name, size, microseconds):
    return Row(name, name, *size, "correlated", **times(Timing("graph", 1, (1e-6 * microseconds,)))).as_dict()


def test_ratios_are_over_the_same_size_and_framework():
    small, large = (1024, 40), (512, 10_000)
    rows = [
        measured("torch_bce", small, 10.0),
        measured(FUSED, small, 15.0),
        measured("jax_bce", small, 40.0),
        measured("jax_obrl", small, 60.0),
        measured("torch_plain_compiled", large, 30_000.0),
        measured(FUSED, large, 3_000.0),
        Row("torch_bce", "BCE", *large, "correlated", error="RuntimeError: no\n").as_dict(),
    ]
    ratios = {(row["implementation"], row["batch"]): row for row in with_ratios(rows, RATES)}
    assert ratios[FUSED, 1024]["over_bce"] == pytest.approx(1.5)
    assert ratios["jax_obrl", 1024]["over_bce"] == pytest.approx(1.5)
    assert ratios[FUSED, 512]["plain_compiled_over"] == pytest.approx(10)
    assert ratios[FUSED, 512]["over_floor"] == pytest.approx(3_000 / floor_of(*large, RATES).floor_us)
    assert ratios["torch_bce", 1024]["over_floor"] is None
    assert ratios[FUSED, 512]["over_bce"] is None
    met = {bar["ratio"]: bar["met"] for bar in bars(list(ratios.values()))}
    assert met == {"over_bce": True, "plain_compiled_over": True, "over_floor": True}
    assert {bar["met"] for bar in bars(with_ratios(rows[1:2], None))} == {None}
    slow = with_ratios([rows[0], measured(FUSED, small, 16.0)], RATES)
    assert [bar["met"] for bar in bars(slow)] == [False]
    otherwise = with_ratios([rows[0], {**measured(FUSED, small, 16.0), "timed_by": "events"}], RATES)
    assert [bar["met"] for bar in bars(otherwise)] == [None], "a replay is not to be compared with the host's launches"


def test_what_fails_a_run():
    row = Row(FUSED, "fused", 8, 5, "sparse", error="RuntimeError: no\n").as_dict()
    other = Row("torch_plain", "plain", 8, 5, "sparse", error="out of memory\n").as_dict()
    wrong = parity.Outcome("torch", "quick", passed=3, failed=1).as_dict()
    size = {"batch": 8, "num_labels": 5}
    errors = {"relation_error": 0.0, "loss_error": 1e-7, "gradient_error": 0.5, "pairs_near_thresholds": 0}
    near = {**errors, "pairs_near_thresholds": 1}
    apart = {**near, "relation_error": 0.3}
    late = Row(FUSED, "fused", 8, 5, "correlated", error=LEFT_OUT).as_dict()
    document = {
        "parity": [wrong],
        "rows": [row, other, late],
        "accuracy": [size, {**size, **errors}, {**size, **near}, {**size, **apart}],
        "launcher": [
            {"part": "few", "compared": 2, "different": []},
            {"part": "many", "compared": 2, "different": ["codes", "sum"]},
            {"part": "launcher/measures", "error": LEFT_OUT},
            {"part": "launcher/measures", "error": "ImportError: no driver"},
        ],
        "errors": ["Traceback\nValueError: x\n"],
    }
    assert failures(document) == [
        "parity of torch failed",
        f"{FUSED} failed at (8, 5), sparse labels",
        "at (8, 5) the kernels' gradient_error is 0.5",
        "at (8, 5) the kernels' relation_error is 0.3",
        "the launcher, many: ['codes', 'sum']",
        "the launcher, launcher/measures: ImportError: no driver",
        "failed: ValueError: x",
    ]
    assert "RuntimeError: no" in table({"rows": with_ratios([row], RATES), "bars": []})


# The plain formula in blocks.


@pytest.mark.parametrize("rows", [1, 4, 5, 16])
def test_the_plain_formula_in_blocks_is_the_whole(rows):
    results_of = []
    for make in (whole, lambda criterion: in_blocks(criterion, rows, lambda call: call)):
        criterion = PlainOBRLoss(6).double()
        step = make(criterion)
        for batch in draw_batches(16, 6, "correlated", 2):
            logits = torch.from_numpy(batch.logits).double().requires_grad_()
            results = step(logits, torch.from_numpy(batch.targets).double())
        results_of.append((*results, criterion.relation_sum, criterion.relation_weight))
    torch.testing.assert_close(*results_of)


def test_a_step_goes_in_blocks_where_memory_is_small():
    results_of = []
    for memory in (2**40, 100_000):
        step = TorchStep("torch_plain_compiled", 16, 20, device="cpu", memory=memory)
        step.load(draw_batches(16, 20, "correlated", 2))
        step(0)
        results_of.append((step.rows, step(1)))
    assert [rows for rows, _ in results_of] == [16, 8]
    torch.testing.assert_close(results_of[0][1], results_of[1][1])


def test_blocks_fit():
    memory = 80 * 10**9
    assert block_rows("torch_plain", 1024, 40, memory) == 1024
    for name in ("torch_plain", "torch_plain_compiled"):
        rows = block_rows(name, 512, 10_000, memory)
        assert 1 < rows < 512
        assert rows * 10_000**2 < 2**31
    assert block_rows("torch_plain", 512, 10_000, 1) == 1
