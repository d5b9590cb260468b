"""The moving average beside the whole table's relation, on labels whose relations are known."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl import OnlineBatchRelation
from reference_model.data.errors import DataError
from reference_model.pipeline.tables.relation_measures import (
    as_bool,
    deviation,
    measured_batches,
    shuffled_batches,
    whole_relation,
)
from reference_model.pipeline.tables.relation_study import Point, Study, StudyOptions, Way, run_study, settle
from reference_model.tables import main

SMALL = StudyOptions(batch_sizes=(8, 16), decays=(0.8, 0.95), batches=200, seeds=(0, 1))


def draw_labels(rows: int, agreement: float, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Four fair labels; the second is the first in this share of the rows, the others are independent."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, (rows, 4))
    labels[:, 1] = np.where(generator.random(rows) < agreement, labels[:, 0], 1 - labels[:, 0])
    return labels.astype(np.float32)


@pytest.fixture(scope="module")
def study() -> Study:
    return run_study([draw_labels(500, 0.95, 1), draw_labels(300, 0.05, 2)], SMALL)


def test_the_whole_relation_is_one_plus_phi_over_two() -> None:
    labels = draw_labels(400, 0.8, 3)
    labels[::7, 2] = np.nan
    relation = whole_relation(labels, "unit_pearson")
    for first, second in itertools.combinations(range(4), 2):
        known = ~np.isnan(labels[:, [first, second]]).any(axis=1)
        phi = np.corrcoef(labels[known, first], labels[known, second])[0, 1]
        assert relation[first, second] == pytest.approx((1 + phi) / 2)
    full = draw_labels(50, 0.5, 4)
    assert as_bool(full).dtype == bool
    assert as_bool(labels) is labels
    np.testing.assert_array_equal(whole_relation(as_bool(full), "pearson"), whole_relation(full, "pearson"))


def test_deviation_counts_pairs_once_and_leaves_undefined_ones_out() -> None:
    table = np.array([[1, 0.9, 0.5], [0.9, 1, 0.1], [0.5, 0.1, 1]])
    relation = np.array([[1, 0.75, np.nan], [0.75, 1, 0.15], [np.nan, 0.15, 1]])
    mean, maximum, wrong, undefined = deviation(relation, table, ((0.8, 0.2), (0.7, 0.3)))
    assert mean == pytest.approx(0.1)
    assert maximum == pytest.approx(0.15)
    assert (wrong, undefined) == ((1, 0), 1)
    unknown = np.full((3, 3), np.nan)
    mean, maximum, wrong, undefined = deviation(unknown, table, ((0.8, 0.2),))
    assert math.isnan(mean + maximum)
    assert (wrong, undefined) == ((2,), 3), "a pair without evidence is not active"


def test_deviation_of_a_measure_that_is_not_symmetric_counts_both_directions() -> None:
    table = np.array([[1.0, 0.9], [0.3, 1.0]])
    relation = np.array([[1.0, 0.9], [0.5, 1.0]])
    assert deviation(relation, table, ((0.8, 0.4),), symmetric=False)[:3] == (pytest.approx(0.1), 0.2, (1,))


def test_a_sign_that_is_wrong_is_one_wrong_pair() -> None:
    table, relation = np.array([[1.0, 0.9], [0.9, 1.0]]), np.array([[1.0, 0.1], [0.1, 1.0]])
    assert deviation(relation, table, ((0.8, 0.2),)).wrong_side == (1,)


def test_batches_are_whole_epochs_in_new_orders() -> None:
    stream = shuffled_batches(10, 3, seed=(5,))
    batches = [next(stream) for _ in range(6)]
    for epoch in (batches[:3], batches[3:]):
        rows = np.concatenate(epoch)
        assert len(set(rows.tolist())) == 9
    assert any((a != b).any() for a, b in zip(batches[:3], batches[3:], strict=True))
    again = shuffled_batches(10, 3, seed=(5,))
    assert all((batch == next(again)).all() for batch in batches)


def test_measurements_are_dense_at_first_and_end_with_the_phase() -> None:
    numbers = measured_batches(4000)
    assert numbers[:40] == list(range(1, 41))
    assert numbers[-1] == 4000
    assert len(set(numbers)) == len(numbers) < 160
    assert all(later <= 1.05 * number or later == number + 1 for number, later in itertools.pairwise(numbers))


def test_a_course_is_that_of_eq_1(study: Study) -> None:
    """One way again, with NumPy alone and nothing of the study but its batches."""
    labels = [draw_labels(500, 0.95, 1), draw_labels(300, 0.05, 2)]
    relation = OnlineBatchRelation(4, decay=0.95, estimator="counts")
    for phase, part in enumerate(labels):
        table = OnlineBatchRelation(4, decay=1).update(part).relation
        stream = shuffled_batches(len(part), 16, seed=(1, phase))
        expected = []
        for _ in range(SMALL.batches):
            apart = np.abs(relation.update(part[next(stream)]).relation - table)[np.triu_indices(4, 1)]
            expected.append((apart.mean(), apart.max()))
        for point in study.courses[Way(16, 0.95, "counts"), 1, phase]:
            assert point.deviation[:2] == pytest.approx(expected[point.batch - 1])


def test_what_is_known_comes_out(study: Study) -> None:
    frozen = study.frozen
    assert frozen[0] == (0.0, 0.0, (0, 0), 0)
    assert frozen[1].maximum == pytest.approx(0.9, abs=0.05)  # phi from .9 to -.9
    assert frozen[1].wrong_side == (1, 1)
    slow, fast = (study.settled(Way(16, decay, "batch"), 1) for decay in (0.95, 0.8))
    for part in (*slow, *fast):
        assert part.mean < frozen[1].mean, "the moving average follows the change"
        assert part.wrong_side[0] == 0
    assert np.mean([part.mean for part in slow]) < np.mean([part.mean for part in fast]), "a longer memory is quieter"
    assert np.mean([part.to_floor for part in slow]) > np.mean([part.to_floor for part in fast]), "and slower"
    assert study.rows == (500, 300)
    assert set(study.update_seconds) == {(size, name) for size in (8, 16) for name in ("batch", "counts")}


def test_settling_is_summed_up_from_the_measurements() -> None:
    table = np.eye(2)
    points = []
    for batch, value in [(1, 0.5), (2, 0.03), (3, 0.012), (4, 0.01), (9, 0.01), (10, 0.02)]:
        relation = np.array([[1.0, value], [value, 1.0]])
        points.append(Point(batch, deviation(relation, table, ((0.8, 0.015),))))
    options = StudyOptions(batches=10, thresholds=((0.8, 0.015),), tolerance=0.001)
    result = settle(points, options, frozen=0.04)
    assert result.mean == pytest.approx(0.015)  # batches 9 and 10
    assert result.wrong_side == (0.5,)
    assert (result.to_floor, result.to_frozen) == (3.0, 2.0)
    assert math.isnan(result.to_tolerance)


def test_a_table_without_a_whole_batch_is_refused() -> None:
    with pytest.raises(DataError, match=r"a table of 20 rows has no batch of 256; give smaller --batch-sizes"):
        run_study([draw_labels(20, 0.5, 0)], StudyOptions())


NAMES = ("Bald", "Bangs", "Big_Nose", "5_o_Clock_Shadow")


def write_list(path: Path, labels: np.ndarray[Any, Any], names: tuple[str, ...] = NAMES) -> Path:
    rows = [f"{row:06d}.jpg " + " ".join("1" if value else "-1" for value in part) for row, part in enumerate(labels)]
    path.write_text("\n".join([str(len(rows)), " ".join(names), *rows]) + "\n")
    return path


def table(*arguments: str | Path) -> int:
    return main(["relation", *(str(argument) for argument in arguments)])


QUICK = ("--batches", "40", "--batch-sizes", "8,16", "--seeds", "2")


def test_the_table_is_written_with_rows_figures_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_list(tmp_path / "first.txt", draw_labels(100, 0.95, 1))
    turned = draw_labels(60, 0.05, 2)[:, ::-1]
    second = write_list(tmp_path / "second.txt", turned, NAMES[::-1])  # columns are matched by name
    out = tmp_path / "out"
    assert table("--labels", first, "--labels-after", second, "--out", out, *QUICK) == 0
    names = {path.name for path in out.iterdir()}
    expected = {"relation.md", "relation.csv", "relation-after.csv", "relation.svg", "relation-after.svg"}
    assert names == {*expected, "relation.json"}
    text = (out / "relation.md").read_text()
    assert "100 rows of first.txt, then as many of 60 rows of second.txt" in text
    assert "the frozen matrix is exact by construction" in text
    assert "moving averages end up nearer" in text
    assert len((out / "relation-after.csv").read_text().splitlines()) == 2 + 2 * 2 * 3
    assert "The same data" in capsys.readouterr().out
    numbers = json.loads((out / "relation.json").read_text())
    assert len(numbers["moving_averages"]) == 2 * 12
    assert numbers["data"][1]["frozen"]["maximum"] == pytest.approx(0.9, abs=0.08)
    assert [part["rows"] for part in numbers["data"]] == [100, 60]
    svg = (out / "relation-after.svg").read_text()
    assert svg.startswith("<?xml")


def test_one_set_alone_has_no_part_after_the_change(tmp_path: Path) -> None:
    first = write_list(tmp_path / "first.txt", draw_labels(100, 0.95, 1))
    assert table("--labels", first, "--out", tmp_path / "out", *QUICK) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "relation.md",
        "relation.csv",
        "relation.svg",
        "relation.json",
    }


def test_no_torch_is_needed(tmp_path: Path) -> None:
    first = write_list(tmp_path / "first.txt", draw_labels(40, 0.95, 1))
    words = ["relation", "--labels", str(first), "--out", str(tmp_path / "out"), "--batches=8", "--batch-sizes=8"]
    program = (
        f"import sys; sys.modules['torch'] = None; from reference_model.tables import main; sys.exit(main({words}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "relation.md").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "relation needs a file of labels"),
        (("--labels", "nowhere.txt"), "--labels nowhere.txt: no such file"),
        (("--labels", "first.txt", "--roots.lfwa", "nowhere"), "--roots.lfwa nowhere: no such folder"),
        (("--labels", "first.txt", "--labels-after", "first.txt", "--roots.lfwa", "."), "leave one out"),
        (("--labels", "first.txt", "--labels-after", "other.txt"), "it lacks Bald and it also has Tall"),
        (("--labels", "first.txt", "--batches", "many"), "--batches must be whole numbers of at least 8"),
        (("--labels", "first.txt", "--batch-sizes", "8,8"), "names a size twice"),
        (("--labels", "first.txt", "--batch-sizes", "256"), "has no batch of 256"),
        (("--labels", "first.txt", "--train.epochs", "1"), "has no option --train.epochs"),
        (("--labels", "first.txt", "--labels-befor", "a"), "did you mean labels"),
        (("--labels", "first.txt", "--dry-run"), "has no cells to list"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    options: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_list(tmp_path / "first.txt", draw_labels(100, 0.95, 1))
    write_list(tmp_path / "other.txt", draw_labels(100, 0.95, 1), ("Tall", *NAMES[1:]))
    assert table(*options, "--out", "out") == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert words in message
    assert not (tmp_path / "out").exists()
