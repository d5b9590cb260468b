"""The measurement of `compare` on drawn tables."""

import json
from typing import Any

import numpy as np
import pytest

from benchmarks.evidence import compare
from benchmarks.evidence.__main__ import main
from benchmarks.evidence.compare_report import markdown, misses


def drawn(rows: int, labels: int = 5) -> np.ndarray:
    rng = np.random.default_rng(0)
    cause = rng.normal(size=(rows, 1))
    return (cause + rng.normal(size=(rows, labels)) > 0.3).astype(np.uint8)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("labels")
    np.savez(folder / "yeast.npz", Y=drawn(3_000))
    people = np.arange(1_200) // 6
    table = drawn(200)[people]
    names = " ".join(f"label{number}" for number in range(5))
    rows = "".join(f"{k}.jpg {' '.join(map(str, 2 * row.astype(int) - 1))}\n" for k, row in enumerate(table))
    (folder / "list_attr_celeba.txt").write_text(f"1200\n{names}\n{rows}")
    (folder / "identity_CelebA.txt").write_text("".join(f"{k}.jpg {who}\n" for k, who in enumerate(people)))
    arguments = ["--labels", str(folder), "--people", str(folder), "--tables", "yeast", "--seeds", "2"]
    status = main(["compare", *arguments, "--out", str(folder / "out")])
    result: dict[str, Any] = json.loads((folder / "out.json").read_text())
    assert status == bool(misses(result))
    assert (folder / "out.md").read_text() == markdown(result)
    return result


def test_labels_that_are_turned_round_are_named(document: dict[str, Any]) -> None:
    figure = document["turned"]["yeast"]
    assert figure["cases"] == 2 * 10
    assert figure["expected_named"] == figure["expected"] == figure["expected_in_whole_named"] > 0
    assert figure["labels_turned"] == 2 * (5 + 5 * 3)


def test_people_are_the_groups(document: dict[str, Any]) -> None:
    people = document["people"]
    assert (people["number"], people["pairs"]) == (200, 10)
    assert max(people["changed"]) <= 1
    assert np.mean(people["p_below_5_percent_without_groups"]) > np.mean(people["p_below_5_percent"])


def test_what_misses_a_goal_is_said(document: dict[str, Any]) -> None:
    bad = json.loads(json.dumps(document))
    bad["rows"]["yeast"][0]["changed"] = [0, 2]
    bad["people"]["changed"] = [3, 0]
    bad["turned"]["yeast"]["expected_named"] -= 1
    bad["turned"]["yeast"]["named_wrongly"] = bad["turned"]["yeast"]["named"]
    assert len(misses(bad)) == 4
    assert "yeast, 50% of the rows against the rest: 2 pairs changed, expected at most 1" in markdown(bad)


def test_nothing_changes_between_random_parts() -> None:
    result = compare.random_rows(drawn(2_000), 0.3, seed=1)
    assert result.rows[1] == pytest.approx(600, abs=80)
    assert result.rows[0] + result.rows[1] == 2_000
