"""The clocks of `make gpu` on a fake device, its tasks in child processes, and how it runs the parity suite."""

import json
import os
import subprocess
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.batches import BATCHES
from benchmarks.gpu import clocks, parity
from benchmarks.gpu.clocks import PASSES, CudaClock, Plan, Timing, batches_to_run, timed_rounds
from benchmarks.gpu.markdown import markdown
from benchmarks.gpu.run import RESULTS
from benchmarks.gpu.tasks import Limits, ask
from benchmarks.gpu.torch_tasks import Tasks

ROOT = Path(__file__).resolve().parents[2]
OF_THE_WHOLE_RUN = ("test_the_degenerate_cases_were_run", "test_enough_was_drawn")


# Clocks.


class FakeClock:
    """A clock on which a run takes the seconds that it says."""

    def __init__(self):
        self.now = 0.0

    def spend(self, seconds):
        self.now += seconds

    def elapsed(self, run):
        before = self.now
        run()
        return self.now - before


def test_rounds_last_as_long_as_planned():
    clock, plan = FakeClock(), Plan(rounds=7, round_s=0.03, most=500)
    steps, seconds = timed_rounds(clock, lambda: clock.spend(0.004), 4, plan)
    assert (steps, len(seconds)) == (7 * 8 * 4, 7)
    assert seconds == pytest.approx([0.001] * 7)
    assert plan.replays(1e-9) == 500
    assert timed_rounds(clock, lambda: clock.spend(2.0), 1, plan)[0] == 3, "what is slow is timed less often"


class FakeCuda:
    """As much of torch.cuda as the clock uses; an event is a reading of a fake clock."""

    def __init__(self, *, captures):
        self.clock, self.captures, self.captured = FakeClock(), captures, []
        self.Stream = lambda: SimpleNamespace(wait_stream=lambda other: None)
        self.current_stream = self.Stream
        self.stream = lambda stream: nullcontext()
        self.synchronize = lambda: None
        self.streams = []
        self.set_stream = self.streams.append
        self.CUDAGraph = lambda: SimpleNamespace(replay=lambda: self.clock.spend(0.002), reset=lambda: None)

    def Event(self, *, enable_timing):  # noqa: N802
        event = SimpleNamespace(at=None, synchronize=lambda: None)
        event.record = lambda: setattr(event, "at", self.clock.now)
        event.elapsed_time = lambda end: 1e3 * (end.at - event.at)
        return event

    @contextmanager
    def graph(self, graph):
        error = RuntimeError("operation not permitted when stream is capturing")
        if self.captures == "not at all":
            raise error
        before = self.clock.now
        yield
        if self.captures == "until its end":
            raise error
        self.captured.append(self.clock.now)
        self.clock.now = before


@pytest.mark.parametrize("captures", ["all", "not at all", "until its end"])
def test_what_cannot_be_captured_is_timed_by_events(captures, monkeypatch):
    cuda = FakeCuda(captures=captures)
    monkeypatch.setattr(clocks, "torch", SimpleNamespace(cuda=cuda))
    timing = CudaClock().measure(lambda index: cuda.clock.spend(0.001), Plan())
    assert len(cuda.captured) == (captures == "all")
    assert len(cuda.streams) == (captures != "all"), "the stream is that of before"
    if captures == "all":
        assert (timing.timed_by, timing.capture_error) == ("graph", None)
        assert timing.seconds == pytest.approx([0.002 / (BATCHES * PASSES)] * 7)
    else:
        assert timing.timed_by == "events"
        assert timing.capture_error == "RuntimeError: operation not permitted when stream is capturing"
        assert timing.seconds == pytest.approx([0.001] * 7)


def test_a_process_ends_after_a_failed_capture(monkeypatch):
    tasks = Tasks(8, 5, "cpu", quick=True)
    tasks.run("torch_bce/correlated")
    tasks.healthy()
    failed = Timing("events", 1, (0.001,), "RuntimeError: no")
    monkeypatch.setattr(clocks.CpuClock, "measure", lambda self, step, plan: failed)
    assert tasks.run("torch_bce/sparse")["capture_error"] == "RuntimeError: no"
    with pytest.raises(RuntimeError, match="a capture has failed"):
        tasks.healthy()


@pytest.mark.parametrize(("seconds", "runs"), [(0.001, BATCHES * PASSES), (0.02, BATCHES), (0.2, 1)])
def test_slow_steps_are_repeated_less(seconds, runs):
    clock = FakeClock()
    assert len(batches_to_run(clock, lambda index: clock.spend(seconds))) == runs


# Tasks in child processes.

CHILD = """
import os, sys, time
from benchmarks.gpu.tasks import answers_to_parent, serve

def run(task):
    if task == "die":
        os._exit(3)
    if task == "hang":
        time.sleep(60)
    if task in ("raise", "poison"):
        run.last = task
        raise ValueError(task)
    print("what a library says")
    return os.getpid()

def healthy():
    if run.last == "poison":
        raise RuntimeError("the device is lost")

run.last = None
answers = answers_to_parent()
serve(sys.argv[1:], run, healthy, answers)
"""


@pytest.fixture
def child(tmp_path):
    (tmp_path / "child_of_the_test.py").write_text(CHILD)
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT), str(ROOT / "adapters")])}


def test_one_failure_does_not_lose_the_rest(child):
    tasks = ["a", "raise", "b", "die", "c", "poison", "d", "hang", "e"]
    limits = Limits(time.monotonic() + 60, task_s=3)
    answered = list(ask("child_of_the_test", [], tasks, limits, environment=child))
    assert [task for task, _ in answered] == tasks
    answers = dict(answered)
    pids = [answers[name].get("result") for name in "abcde"]
    assert pids[0] == pids[1], "an error that leaves the device well ends no process"
    assert len({*pids}) == 4
    assert answers["raise"]["error"].endswith("ValueError: raise\n")
    assert answers["poison"]["error"].endswith("ValueError: poison\n")
    assert "exit status 3" in answers["die"]["error"]
    assert "out of time" in answers["hang"]["error"]


def test_what_there_is_no_time_for_is_left_out(child):
    answered = list(ask("child_of_the_test", [], ["a", "b"], Limits(time.monotonic() - 1), environment=child))
    assert answered == [(name, {"error": "left out: the time was up"}) for name in "ab"]


# The parity suite.

REPORT = '<testsuites><testsuite tests="9" failures="2" errors="1" skipped="1"/><testsuite tests="1"/></testsuites>'


def test_reports_are_counted():
    assert parity.read_report(REPORT) == (6, 3, 1)
    assert parity.count_examples("examples: 52 eager, 72 compiled\n") == 124
    parts = [parity.Outcome("torch", "quick", 6, 0, 0, 10, 2.0), parity.Outcome("torch", "quick", 1, 0, 0, 5, 3.0)]
    assert parity.together(parts) == parity.Outcome("torch", "quick", 7, 0, 0, 15, 3.0)
    assert parity.together(parts).ok
    assert not parity.together([*parts, parity.Outcome("torch", "quick", 0, 1, 0, 0, 1.0, ("x",))]).ok
    assert not parity.Outcome("torch", "quick", 3, 0, 1).ok, "a skipped test proves nothing"
    assert not parity.Outcome("torch", "quick").ok


def test_parity_without_a_device_fails(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (outcome,) = parity.run_parity(["torch"], "cuda", Limits(time.monotonic() + 60), shards=1)
    assert not outcome.ok
    assert (outcome.passed, outcome.failed) == (0, 1)
    assert "--device cuda needs a CUDA device, and torch sees none" in outcome.errors[0]


def test_parity_that_takes_too_long_fails():
    outcome = parity.run_shard(parity.Outcome("numpy", "quick"), "cpu", "1/1", Limits(time.monotonic() - 1))
    assert (outcome.ok, outcome.errors) == (False, ("shard 1/1: out of time",))


def test_a_part_of_the_suite_passes():
    outcome = parity.run_shard(parity.Outcome("numpy", "quick"), "cpu", "4/4", Limits(time.monotonic() + 60))
    assert outcome.ok, outcome.errors
    assert outcome.passed > 0
    assert outcome.examples > 0


def test_shards_deal_out_the_suite(tmp_path):
    shards = ("1/1", "1/2", "2/2")
    commands = [[*parity.command("numpy", "cpu", shard, tmp_path / "x"), "--collect-only"] for shard in shards]
    begun = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    listed = [{line for line in one.communicate()[0].splitlines() if "::" in line} for one in begun]
    whole_suite = {line for line in listed[0] if not line.partition("::")[2].startswith(OF_THE_WHOLE_RUN)}
    assert set.union(*listed[1:]) == whole_suite
    assert sum(map(len, listed[1:])) == len(whole_suite) > 3


def test_the_published_tables_are_those_of_the_results():
    documents = {path: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}
    of_gpus = {
        path: document
        for path, document in documents.items()
        if isinstance(document, dict) and document.get("benchmark") == "gpu"
    }
    assert of_gpus
    for path, document in of_gpus.items():
        assert path.with_suffix(".md").read_text() == markdown(document)
