"""Turns, medians and ratios, on workers that answer at once."""

from types import SimpleNamespace

import pytest

from benchmarks.measure import Plan, Timed, in_turn, make_rows
from benchmarks.processes import WorkerError, WorkerProcess
from benchmarks.registry import FRAMEWORKS, IMPLEMENTATIONS, of_framework


def recorder(name, log):
    """Stands for a worker process and notes when it was asked."""

    def ask(command, *, budget_s, max_steps):
        log.append(name)
        return [float(len(log))]

    return SimpleNamespace(ask=ask)


def test_every_round_asks_each_worker_once_and_starts_with_another():
    log = []
    seconds = in_turn([recorder(name, log) for name in "abc"], Plan(rounds=3))
    assert "".join(log) == "abcbcacab"
    assert seconds == [[1.0, 6.0, 8.0], [2.0, 4.0, 9.0], [3.0, 5.0, 7.0]]


def test_rows_hold_medians_and_the_two_ratios():
    timed = {
        "torch_bce": Timed((0.001, 0.002, 0.009), None, None),
        "torch_obrl": Timed((0.004, 0.006, 0.005), 0.1, 0.09),
        "torch_plain": Timed((0.05,), 0.1, 0.09),
        "torch_obrl_compiled": Timed((0.001,), 0.1, 0.09),
    }
    rows = {row.implementation: row for row in make_rows(16, 6, "correlated", timed, dict.fromkeys(timed, 7))}
    obrl = rows["torch_obrl"]
    assert (obrl.median_ms, obrl.min_ms, obrl.max_ms, obrl.steps) == (5.0, 4.0, 6.0, 3)
    assert obrl.over_bce == pytest.approx(2.5)
    assert obrl.plain_over == pytest.approx(10)
    assert (obrl.active_together, obrl.active_apart, obrl.peak_memory_bytes) == (0.1, 0.09, 7)
    assert rows["torch_bce"].over_bce == 1
    assert rows["torch_obrl_compiled"].over_bce is None, "compiled BCE was not measured"


def test_every_implementation_belongs_to_a_framework_and_its_baseline_to_the_same_mode():
    assert FRAMEWORKS == ("torch", "jax", "tensorflow")
    assert [name for framework in FRAMEWORKS for name in of_framework(framework)] == list(IMPLEMENTATIONS)
    for implementation in IMPLEMENTATIONS.values():
        baseline, plain = IMPLEMENTATIONS[implementation.baseline], IMPLEMENTATIONS[implementation.plain]
        assert baseline.compiled == implementation.compiled
        assert baseline.framework == plain.framework == implementation.framework


def test_a_worker_that_cannot_start_and_a_request_that_fails_say_why():
    with WorkerProcess("no_such_entry", 4, 3, threads=1) as worker, pytest.raises(WorkerError, match="no_such_entry"):
        worker.ask("versions")
    with WorkerProcess("torch_bce", 4, 3, threads=1) as worker:
        with pytest.raises(WorkerError, match="no_such_kind"):
            worker.ask("load", labels="no_such_kind")
        assert worker.ask("versions")["torch"]
