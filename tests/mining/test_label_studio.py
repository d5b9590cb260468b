"""The import for Label Studio, read as Label Studio reads it: by the label interface of its SDK."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl.conditional import check_rates, condition, query_scores, suspicion
from obrl.mining import (
    MiningError,
    RelationMiner,
    label_studio_config,
    query_tasks,
    suspect_tasks,
    write_label_studio,
)
from obrl.mining.cli import main
from obrl.mining.suspects import score_matrix
from tests.mining.test_cli_suspects import NAMES, write_table
from tests.mining.test_suspects import related_table

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK declares its own models in ways that pydantic has deprecated
    from label_studio_sdk.label_interface import LabelInterface

AWKWARD = ['say "cheese"', "black & white", "<b>", "it's", "Möwe", 'name="labels"', "a,b", " -->", "5 $"]
AWKWARD += ["no\xa0break", "👨\u200d👩"]
NAN = float("nan")


def problems(folder: Path) -> list[str]:
    """What Label Studio finds wrong with an import; nothing where it takes it."""
    interface = LabelInterface((folder / "config.xml").read_text(encoding="utf-8"))
    interface.validate()
    (choices,) = interface.controls
    assert choices.tag == "Choices" and choices.attr["choice"] == "multiple"
    errors = []
    for number, task in enumerate(json.loads((folder / "tasks.json").read_text(encoding="utf-8"))):
        if not interface.validate_task({"data": task["data"]}):  # with predictions the SDK calls itself wrongly
            errors.append(f"task {number}: the data lacks what is shown")
        for prediction in task["predictions"]:
            errors += [f"task {number}: {error}" for error in interface.validate_prediction(prediction, True)]
    return errors


def tasks_of(folder: Path) -> list[dict[str, Any]]:
    assert problems(folder) == []
    tasks: list[dict[str, Any]] = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    return tasks


def ticked(task: dict[str, Any]) -> list[str]:
    (prediction,) = task["predictions"]
    return [name for region in prediction["result"] for name in region["value"]["choices"]]


def present(row: np.ndarray, names: list[str] = NAMES) -> list[str]:
    return [name for name, value in zip(names, row, strict=True) if value >= 0.5]


def test_suspects_become_one_task_a_row_with_the_worst_entry_turned(tmp_path: Path) -> None:
    table = np.array([[1, 0, 1], [0, 1, NAN], [1, 1, 1], [0, 0, 0]])
    scores = np.array([[0.1, 0.9, 0.2], [0.0, 0.3, -np.inf], [2.0, 0.4, 5.0], [0.0, 0.0, 0.0]])
    data = [{"text": f"row {k}", "id": k} for k in range(4)]
    names = ["hat", "bald", "fringe"]
    tasks = suspect_tasks(scores, table, data, label_names=names, top=4)
    write_label_studio(tmp_path / "out", tasks, label_names=names)
    assert tasks_of(tmp_path / "out") == tasks
    assert [task["data"]["id"] for task in tasks] == [2, 0]
    first, second = tasks
    assert first["data"] == {
        "text": "row 2",
        "id": 2,
        "question": "Look again: fringe (the table says present), hat (the table says present), "
        "bald (the table says present)",
        "labels": ["fringe", "hat", "bald"],
        "score": 5.0,
    }
    assert ticked(first) == ["hat", "bald"] and ticked(second) == ["hat", "bald", "fringe"]
    assert first["predictions"][0]["score"] == pytest.approx(1 - np.exp(-5), abs=1e-6)
    assert data == [{"text": f"row {k}", "id": k} for k in range(4)]


def test_queries_are_ranked_by_the_best_question_of_a_row(tmp_path: Path) -> None:
    scores = np.array([[0.1, 0.2], [-np.inf, -np.inf], [0.7, -np.inf], [0.2, 0.1]])
    p = np.array([[0.4, 0.6], [1, 1], [0.3, 0.0], [0.5, 0.9]])
    data = [{"image": f"https://host/{k}.jpg"} for k in range(4)]
    tasks = query_tasks(scores, p, data, label_names=["a", "b"])
    write_label_studio(tmp_path / "out", tasks, label_names=["a", "b"])
    assert tasks_of(tmp_path / "out") == tasks
    assert [task["data"]["image"][-5] for task in tasks] == ["2", "0", "3"]
    assert [task["data"]["labels"] for task in tasks] == [["a"], ["b"], ["a"]]
    assert [ticked(task) for task in tasks] == [[], ["b"], ["a", "b"]]
    assert "<Image" in (tmp_path / "out" / "config.xml").read_text()
    assert query_tasks(scores, p, data, label_names=["a", "b"], top=1) == tasks[:1]


def test_names_of_every_kind_are_escaped(tmp_path: Path) -> None:
    config = label_studio_config(AWKWARD)
    assert next(iter(LabelInterface(config).labels)).keys() == dict.fromkeys(AWKWARD).keys()
    table = np.ones((1, len(AWKWARD)))
    tasks = suspect_tasks(table, table, [{"text": "<i>&"}], label_names=AWKWARD, top=1)
    write_label_studio(tmp_path / "out", tasks, label_names=AWKWARD)
    assert ticked(tasks_of(tmp_path / "out")[0]) == AWKWARD[1:]
    for name in ("a\nb", "\x01", "", " ", "\ufffe"):
        with pytest.raises(MiningError, match="control character"):
            label_studio_config(["good", name])
    with pytest.raises(MiningError, match="starts with"):
        label_studio_config(["good", "$question"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda task: task["predictions"][0]["result"][0]["value"].update(choices=["no such label"]),
        lambda task: task["predictions"][0]["result"][0].update(from_name="others"),
        lambda task: task["predictions"][0]["result"][0].update(type="labels"),
        lambda task: task["predictions"][0]["result"][0].pop("value"),
        lambda task: task["predictions"][0].pop("result"),
        lambda task: task["predictions"][0].update(score=1.3),
        lambda task: task["data"].pop("text"),
    ],
)
def test_the_check_sees_a_broken_file(tmp_path: Path, damage: Any) -> None:
    tasks = suspect_tasks([[0.0, 1.0]], [[1, 0]], [{"text": "x"}], label_names=["a", "b"], top=1)
    write_label_studio(tmp_path / "out", tasks, label_names=["a", "b"])
    assert problems(tmp_path / "out") == []
    damage(tasks[0])
    (tmp_path / "out" / "tasks.json").write_text(json.dumps(tasks))
    assert problems(tmp_path / "out")


def test_the_check_sees_a_broken_setup(tmp_path: Path) -> None:
    write_label_studio(tmp_path / "out", [], label_names=["a"])
    config = tmp_path / "out" / "config.xml"
    config.write_text(config.read_text().replace('toName="shown"', 'toName="other"'))
    with pytest.raises(Exception, match="toName"):
        problems(tmp_path / "out")


def test_wrong_arguments_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    data, names = [{"text": "x"}], ["a", "b"]
    one = [[0.0, 1.0]]
    for call, message in (
        (lambda: suspect_tasks(one, [[1]], data, label_names=names), "shape of scores"),
        (lambda: query_tasks(one, [[1]], data, label_names=names), "shape of scores"),
        (lambda: suspect_tasks(one, one, [], label_names=names), r"scores must have shape .* \(0, 2\)"),
        (lambda: suspect_tasks([[NAN, 1]], one, data, label_names=names), "got NaN"),
        (lambda: suspect_tasks([[np.inf, 1]], one, data, label_names=names), "got inf"),
        (lambda: suspect_tasks(one, [[0, NAN]], data, label_names=names), "-inf where targets are NaN, got 1 in row 0"),
        (lambda: suspect_tasks(one, one, [{"text": "x", "score": 3}], label_names=names), "must not have score"),
        (lambda: suspect_tasks(one, one, [{"text": NAN}], label_names=names), "row 0 must hold .* under 'text'"),
        (lambda: suspect_tasks(one, one, [{"text": "x", "id": {3}}], label_names=names), "of type set under 'id'"),
        (lambda: suspect_tasks(one, one, [{"id": 3}], label_names=names), "image or text"),
        (lambda: suspect_tasks(one, one, data, label_names=["a", "a"]), "distinct"),
        (lambda: suspect_tasks(one, one, data, label_names=names, top=0), "top must be at least 1"),
        (lambda: label_studio_config(names, show="video"), '"text" or "image"'),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    numbered = suspect_tasks(one, one, [{"text": "x", "id": np.int64(3)}], label_names=names)
    assert type(numbered[0]["data"]["id"]) is int
    with pytest.raises(ValueError, match="speak of 'b' too"):
        write_label_studio(tmp_path / "out", numbered, label_names=["a", "c"])
    mixed = [task for row in (*data, {"image": ""}) for task in suspect_tasks(one, one, [row], label_names=names)]
    with pytest.raises(ValueError, match="some with image"):
        write_label_studio(tmp_path / "out", mixed, label_names=names)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(MiningError, match="no results of obrl"):
        write_label_studio(tmp_path, [], label_names=names)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_obrl_suspects_writes_its_list_as_tasks(tmp_path: Path) -> None:
    table = related_table(400)
    table[3, 2] = NAN
    first, second = write_table(tmp_path / "a.csv", table[:250]), write_table(tmp_path / "b.csv", table[250:])
    out = tmp_path / "studio"
    command = ["suspects", first, second, "--top", "30", "--label-studio", str(out), "--images", "https://host/p/"]
    assert main(command) == 0
    ids = [f"p{k if k < 250 else k - 250}.jpg" for k in range(400)]
    files = [(first, k + 1) if k < 250 else (second, k - 249) for k in range(400)]
    data = [
        {"image": f"https://host/p/{name}", "file": file, "row": row, "id": name}
        for name, (file, row) in zip(ids, files, strict=True)
    ]
    expected = suspect_tasks(score_matrix(table), table, data, label_names=NAMES, top=30)
    for task, other in zip(tasks_of(out), expected, strict=True):
        assert task["data"] | {"score": 0} == other["data"] | {"score": 0}
        assert task["data"]["score"] == pytest.approx(other["data"]["score"], abs=1e-6)
        assert ticked(task) == ticked(other)


def queried(tmp_path: Path, rows: int = 120) -> tuple[np.ndarray, str, str]:
    """A table with missing labels, its file, and a relation mined from another one."""
    table = related_table(rows, seed=5)
    table[np.random.default_rng(2).random(table.shape) < 0.3] = NAN
    table[:3] = 1.0
    RelationMiner(label_names=NAMES).fit(related_table(900, seed=4)).save(tmp_path / "mined.npz")
    return table, write_table(tmp_path / "a.csv", table), str(tmp_path / "mined.npz")


@pytest.mark.parametrize("with_model", [False, True])
def test_obrl_query_ranks_rows_by_query_scores(tmp_path: Path, with_model: bool, capsys: Any) -> None:
    table, path, relation = queried(tmp_path)
    miner = RelationMiner.load(relation)
    rates = check_rates(miner.counts_.s.diagonal() / miner.counts_.n.diagonal(), 6)
    p = np.random.default_rng(1).uniform(0.1, 0.9, table.shape) if with_model else np.broadcast_to(rates, table.shape)
    command = ["query", path, "--relation", relation, "--top", "40", "--out", str(tmp_path / "queue.csv")]
    if with_model:
        np.savez(tmp_path / "p.npz", probabilities=p)
        command += ["--predictions", str(tmp_path / "p.npz")]
    out = tmp_path / "studio"
    assert main([*command, "--label-studio", str(out)]) == 0
    assert f"{np.isnan(table).any(axis=1).sum()} of 120 rows miss a label" in capsys.readouterr().out
    scores, updated = query_scores(miner.phi_, p, table), condition(miner.phi_, p, table)
    order = np.argsort(-scores.max(axis=1), kind="stable")[:40]
    tasks = tasks_of(out)
    with (tmp_path / "queue.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    for k, task, entry in zip(order.tolist(), tasks, listed, strict=True):
        label = NAMES[int(scores[k].argmax())]
        assert (entry["row"], entry["id"], entry["label"]) == (str(k + 1), f"p{k}.jpg", label)
        assert float(entry["probability"]) == pytest.approx(updated[k].tolist()[NAMES.index(label)], abs=1e-4)
        assert float(entry["score"]) == pytest.approx(scores[k].max(), abs=1e-4)
        assert task["data"]["labels"] == [label] and task["data"]["text"] == f"p{k}.jpg"
        assert ticked(task) == present(updated[k])


def test_a_column_can_be_shown_in_place_of_the_id(tmp_path: Path) -> None:
    table, path, relation = queried(tmp_path, 20)
    path = write_table(tmp_path / "b.csv", table, by=[f"text {k}" for k in range(20)])
    arguments = [path, "--relation", relation, "--show", "annotator", "--label-studio"]
    assert main(["query", *arguments, str(tmp_path / "q")]) == 0
    for task in tasks_of(tmp_path / "q"):
        assert task["data"]["text"] == f"text {task['data']['row'] - 1}"
        assert task["data"]["id"] == f"p{task['data']['row'] - 1}.jpg"
    assert main(["suspects", *arguments, str(tmp_path / "s"), "--by", "annotator"]) == 0
    assert tasks_of(tmp_path / "s")[0]["data"]["text"].startswith("text ")


def test_a_table_without_ids_shows_where_the_row_stands(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("hat,head\n1,1\n0,0\n1,\n")
    assert main(["query", str(path), "--label-studio", str(tmp_path / "q")]) == 0
    (task,) = tasks_of(tmp_path / "q")
    assert task["data"]["text"] == f"{path}, row 3" and ticked(task) == ["hat", "head"]


def test_a_complete_table_has_an_empty_queue(tmp_path: Path, capsys: Any) -> None:
    path = write_table(tmp_path / "a.csv", related_table(20))
    assert main(["query", path, "--label-studio", str(tmp_path / "q"), "--out", str(tmp_path / "q.csv")]) == 0
    assert "there is nothing to ask for" in capsys.readouterr().out
    assert tasks_of(tmp_path / "q") == [] and len((tmp_path / "q.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--top", "0"], "--top must be at least 1"),
        (["--out", "queue.txt"], "ends with .csv"),
        (["--images", "x/"], "--images says what Label Studio shows"),
        (["--show", "photo"], "--show says what Label Studio shows"),
        (["--label-studio", "."], "name an empty or a new one with --label-studio"),
        (["--label-studio", "out", "--show", "nothing"], "nothing"),
        (["--out", "a.csv"], "this is the table itself"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "a.csv", related_table(20))
    assert main(["query", "a.csv", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_with_a_model_the_score_is_the_probability_of_an_error(tmp_path: Path) -> None:
    table = related_table(60)
    p = np.random.default_rng(1).uniform(0.1, 0.9, table.shape)
    np.savez(tmp_path / "p.npz", probabilities=p)
    path = write_table(tmp_path / "a.csv", table)
    command = ["suspects", path, "--predictions", str(tmp_path / "p.npz"), "--label-studio", str(tmp_path / "s")]
    assert main([*command, "--top", "10"]) == 0
    scores = suspicion(np.corrcoef(table.T), p, table, rates=check_rates(table.mean(axis=0), 6))
    for task in tasks_of(tmp_path / "s"):
        worst = scores[task["data"]["row"] - 1].max()
        assert task["predictions"][0]["score"] == pytest.approx(1 - np.exp(-worst), abs=1e-4)
