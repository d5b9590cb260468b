"""`python -m benchmarks.pipeline`: its command line, its ratios, and a short run of the whole."""

import json
import math

import pytest

from benchmarks import pipeline
from benchmarks.pipeline import NO_GPU, compare, markdown, paper_batch, parse
from benchmarks.pipeline_tasks import QUICK, Task, draw_faces, images_per_second, make_config, time_in_turn
from reference_model.engine.sources import open_data
from reference_model.stages.registry import load_stage


def test_the_command_line(capsys):
    options = parse(["--quick", "--rounds", "2", "--json", "a.json"])
    assert (options.quick, options.rounds, options.threads, options.json.name) == (True, 2, 2, "a.json")
    for name in ("rounds", "threads", "paper-batch"):
        with pytest.raises(SystemExit):
            parse([f"--{name}", "0"])
        assert f"--{name} must be at least 1, got 0" in capsys.readouterr().err


def test_ratios_are_medians_over_rounds_in_which_both_were_measured():
    speeds = {"load_files": [10.0, 30.0, 90.0], "train": [10.0, 10.0, 45.0]}
    speeds |= {"paper_step": [0.5], "paper_loss": [100.0]}
    first, last = compare(speeds)
    assert (first["median"], first["min"], first["max"], first["met"]) == (2.0, 1.0, 3.0, True)
    assert (last["median"], last["bar"], last["met"]) == (0.005, "below 0.01", True)
    assert [row["met"] for row in compare({"load_files": [19.0], "train": [10.0]})] == [False]


def test_the_batch_of_the_paper_is_what_fits_into_memory():
    assert paper_batch(64e9) == 32
    assert paper_batch(10e9) == 16
    assert paper_batch(1e9) == 1


def test_each_round_times_every_task_and_the_first_burst_does_not_count():
    calls, said = [], []

    def burst(name):
        calls.append(name)
        return 5

    tasks = [Task(name, name, lambda name=name: burst(name)) for name in ("a", "b")]
    speeds = time_in_turn(tasks, 2, say=said.append)
    assert calls == ["a", "b"] * 3
    assert {name: len(values) for name, values in speeds.items()} == {"a": 2, "b": 2}
    assert len(said) == 4


def test_training_in_mixed_precision_takes_pictures(tmp_path):
    root = draw_faces(tmp_path, QUICK)
    config = make_config("paper", root, *QUICK.settings, "--train.batch_size=4", "--loss=obrl")
    assert images_per_second(config, open_data(config, load_stage("attributes")), device="cpu", steps=2) > 0


def test_a_short_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pipeline.torch.cuda, "is_available", lambda: False)
    paths = tmp_path / "new" / "pipeline.json", tmp_path / "new" / "pipeline.md"
    threads = str(pipeline.torch.get_num_threads())
    pipeline.main(["--quick", "--threads", threads, "--paper-batch=2", f"--json={paths[0]}", f"--markdown={paths[1]}"])
    document = json.loads(paths[0].read_text())
    names = ["load_files", "load_memory", "train", "frozen", "cached", "paper_step", "paper_loss"]
    assert [row["name"] for row in document["rows"]] == names
    assert all(0 < row["min"] <= row["median"] <= row["max"] < math.inf for row in document["rows"])
    assert len(document["ratios"]) == len(pipeline.RATIOS)
    assert (document["paper_on_gpu"], document["settings"]["paper_batch"]) == (NO_GPU, 2)
    text = capsys.readouterr().out
    assert text == paths[1].read_text() == markdown(document)
    assert "a training step of the paper's net, of 2 pictures" in text
    assert NO_GPU in text
