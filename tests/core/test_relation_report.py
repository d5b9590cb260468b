"""The HTML report of a relation without a table: of a loss, and of a relation under thresholds."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl import OBRLoss, OnlineBatchRelation, RelationLoss
from obrl.measures import MEASURES
from obrl.mining.cli import main
from obrl.report import checks
from obrl.report.findings import label_groups
from obrl.report.from_relation import report_of_relation
from tests.support.html_report import assert_reported, header, run_code, texts
from tests.support.start import LABELS, NAMES, table


def said(relation: OnlineBatchRelation, **settings: Any) -> list[str]:
    criterion = OBRLoss(relation.num_labels, relation=relation, **settings)
    return [finding.text for finding in report_of_relation(relation, criterion.settings).findings]


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_a_loss_reports_what_it_has_learnt(tmp_path: Path, kind: Any) -> None:
    criterion = kind(LABELS, estimator="counts", label_names=NAMES)
    arguments = (np.zeros((400, LABELS)), table())
    criterion(*arguments)
    path = tmp_path / "report.html"
    criterion.report(path)
    assert_reported(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["expected.html", "report.html"]


def test_the_code_of_a_report_builds_the_loss_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    criterion = OBRLoss(LABELS, decay=0.9, alpha=2, measure="pearson", positive_threshold=0.5, negative_threshold=-0.5)
    criterion(np.zeros((400, LABELS)), table())
    criterion.report("report.html")
    again = run_code(Path("report.html"), criterion=criterion)
    assert again.settings == criterion.settings
    assert again.pairs() == criterion.pairs()
    relation = criterion.to_numpy()
    relation.report("report.html", positive_threshold=0.5, negative_threshold=-0.5)
    again = run_code(Path("report.html"), relation=relation)
    assert again.pairs() == criterion.pairs()


def test_a_relation_takes_thresholds(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    relation = OnlineBatchRelation(LABELS, label_names=NAMES).update(table())
    relation.report(path, positive_threshold=0.45, negative_threshold=0.1)
    assert header(path)["thresholds"] == [0.45, 0.1]
    assert "acts on 6 of 6 pairs of 4 labels: 4 occur together, 2 occur apart" in texts(path)[0]
    before = path.read_bytes()
    with pytest.raises(ValueError, match="negative_threshold must be below positive_threshold"):
        relation.report(path, positive_threshold=0.1, negative_threshold=0.4)
    assert path.read_bytes() == before


def test_the_strongest_pairs_are_named_with_intervals_where_there_are_counts() -> None:
    relation = OnlineBatchRelation(LABELS, estimator="counts", label_names=NAMES).update(table())
    together, apart = said(relation, estimator="counts")[1:3]
    assert together.startswith(
        "“hat” and “cap” go together most: phi is 1.00, and phi lies with 95 % confidence between"
    )
    assert apart.startswith("“hat” and “bald” avoid each other most: phi is -1.00")
    by_batches = said(OnlineBatchRelation(LABELS, label_names=NAMES).update(table()))
    assert "95 %" not in " ".join(by_batches)
    assert "nothing here says how sure a pair is" in by_batches[-1]


def test_what_a_loss_cannot_act_on_is_a_warning() -> None:
    half = np.tile([[1, 1, 0], [1, 0, 1], [0, 1, 1], [0, 0, 0]], (20, 1))
    relation = OnlineBatchRelation(3).update(half)
    (first, *_) = report_of_relation(relation, relation.settings).findings
    assert first.warning
    assert first.text == (
        "With these thresholds a loss acts on no pair of its 3 labels, so it is cross-entropy alone: the relations "
        "reach from 0.50 to 0.50, and the thresholds are 0.8 for pairs that occur together and 0.2 for those apart."
    )
    constant = np.column_stack([half[:, :2], np.ones(80)])
    relation = OnlineBatchRelation(3, label_names=["a", "b", "always"]).update(constant)
    assert any(
        "2 pairs have no relation yet: there is none while one of the two labels is the same in all rows of a batch "
        "that know both"
        in text
        and "“always” has none with any label" in text
        for text in said(relation)
    )
    (only,) = said(OnlineBatchRelation(3))
    assert only == "The relation is empty: no pair of labels has been learnt yet."


def test_the_weight_says_how_long_a_batch_counts() -> None:
    relation = OnlineBatchRelation(LABELS)
    relation.update(table())
    assert any("is 1 batch; with decay 0.99 a batch counts half or less once 69" in text for text in said(relation))
    for _ in range(400):
        relation.update(table())
    report = report_of_relation(relation, relation.settings)
    (weight,) = [finding for finding in report.findings if "relation weight" in finding.text]
    assert not weight.warning
    assert "98.2 batches" in weight.text


@pytest.mark.parametrize(
    ("decay", "words"), [(0.5, "1 further one has"), (0.2, "1 further one has"), (0.8, "4 further")]
)
def test_a_batch_counts_half_after_a_whole_number_of_batches(decay: float, words: str) -> None:
    relation = OnlineBatchRelation(LABELS, decay=decay)
    relation.update(table())
    weight = relation.relation_weight[0, 1]
    (text,) = [text for text in said(relation, decay=decay) if "relation weight" in text]
    assert f"a batch counts half or less once {words}" in text
    further = int(words.split(" ")[0])
    assert weight * decay**further <= weight / 2 < weight * decay ** (further - 1)


@pytest.mark.parametrize(
    ("measure", "targets", "text"),
    [
        (
            "conditional",
            [[1, 0, 0], [1, 1, 0]],
            "2 ordered pairs have no relation yet: there is none, given a label that",
        ),
        (
            "cosine",
            [[1, 0, 0], [1, 1, 0]],
            "2 pairs have no relation yet: there is none while one of the two labels is ab",
        ),
        (
            "jaccard",
            [[0, 0, 1], [0, 0, 1]],
            "1 pair has no relation yet: there is none while both labels are absent in a",
        ),
        (
            "matching",
            [[0, np.nan, 1], [np.nan, 0, 1]],
            "1 pair has no relation yet: there is none without rows of a batch",
        ),
        (
            "yule_q",
            [[1, 0, 0], [0, 1, 0]],
            "2 pairs have no relation yet: there is none while one of the two labels is th",
        ),
    ],
)
def test_why_a_pair_has_no_relation_depends_on_the_measure(measure: str, targets: Any, text: str) -> None:
    relation = OnlineBatchRelation(3, measure=measure).update(targets)
    unknown = np.isnan(relation.relation) & ~np.eye(3, dtype=bool)
    assert unknown.sum() == int(text[0]) * (1 if measure == "conditional" else 2)
    (sentence,) = [sentence for sentence in said(relation, measure=measure) if "no relation yet" in sentence]
    assert sentence.startswith(text)


def test_one_label_has_no_pairs() -> None:
    relation = OnlineBatchRelation(1).update([[1], [0]])
    assert said(relation) == ["There is one label alone, so there are no pairs that could be related."]


@pytest.mark.parametrize("measure", MEASURES)
def test_thresholds_start_on_the_scale_of_the_measure(tmp_path: Path, measure: str) -> None:
    relation = OnlineBatchRelation(3, measure=measure).update(np.random.default_rng(0).integers(2, size=(2_000, 3)))
    relation.report(tmp_path / "r.html")
    low, high = MEASURES[measure].low, MEASURES[measure].high
    expected = [low + 0.8 * (high - low), low + 0.2 * (high - low)]
    np.testing.assert_allclose(header(tmp_path / "r.html")["thresholds"], expected)
    relation.save(tmp_path / "r.npz")
    assert main(["report", str(tmp_path / "r.npz"), "--out", str(tmp_path / "s.html"), "--quiet"]) == 0
    np.testing.assert_allclose(header(tmp_path / "s.html")["thresholds"], expected)
    if MEASURES[measure].low < 0:
        assert "acts on no pair" in texts(tmp_path / "r.html")[0]  # the labels are independent
    relation.report(tmp_path / "r.html", positive_threshold=0.9)
    np.testing.assert_allclose(header(tmp_path / "r.html")["thresholds"], [0.9, expected[1]])


def test_too_many_labels_are_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relation = OnlineBatchRelation(LABELS).update(table())
    monkeypatch.setattr(checks, "MOST_LABELS", LABELS - 1)
    with pytest.raises(ValueError, match="at most 3 labels, since a browser cannot handle more pairs, got 4"):
        report_of_relation(relation, relation.settings)
    with pytest.raises(ValueError, match="at most 3 labels"):
        relation.report(tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("measure", ["conditional", "yule_q", "cosine"])
def test_other_measures(tmp_path: Path, measure: str) -> None:
    relation = OnlineBatchRelation(LABELS, measure=measure).update(table())
    relation.report(tmp_path / "r.html", positive_threshold=0.6, negative_threshold=0.1)
    content = header(tmp_path / "r.html")
    assert content["labels"] == ["0", "1", "2", "3"]
    assert f"{measure} is 1.00" in " ".join(texts(tmp_path / "r.html"))
    assert ("ordered pairs" in texts(tmp_path / "r.html")[0]) == (measure == "conditional")


def test_names_are_shown_as_they_are_and_run_nothing(tmp_path: Path) -> None:
    names = ["</script><script>alert(1)</script>", "a\nb\x1b[31m", "{positive_threshold}", "é" * 300]
    relation = OnlineBatchRelation(LABELS, label_names=names).update(table())
    relation.report(tmp_path / "r.html")
    content = header(tmp_path / "r.html")
    assert content["labels"] == names
    words = " ".join(texts(tmp_path / "r.html"))
    assert words.isprintable()
    assert "alert(1)</script>" not in (tmp_path / "r.html").read_text()


def test_a_report_that_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relation = OnlineBatchRelation(LABELS).update(table())
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        relation.report(tmp_path / "folder")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
    relation.report(tmp_path / "r.html")
    before = (tmp_path / "r.html").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        relation.report(tmp_path / "r.html", positive_threshold=0.9)
    assert (tmp_path / "r.html").read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", "r.html"]


def test_folders_that_are_missing_are_made(tmp_path: Path) -> None:
    criterion = OBRLoss(LABELS)
    criterion.report(tmp_path / "new" / "folder" / "report.html")
    criterion.save_relation(tmp_path / "newer" / "folder" / "relation.npz")
    assert [entry.name for entry in (tmp_path / "new" / "folder").iterdir()] == ["report.html"]
    assert [entry.name for entry in (tmp_path / "newer" / "folder").iterdir()] == ["relation.npz"]


def test_groups_are_of_labels_that_are_all_linked() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        size = int(rng.integers(2, 12))
        i, j = np.triu_indices(size, 1)
        linked = rng.random(len(i)) < 0.6
        strength = rng.uniform(0.3, 1, len(i))
        links = {(a, b) for a, b in zip(i[linked].tolist(), j[linked].tolist(), strict=True)}
        groups = label_groups(size, i[linked], j[linked], strength[linked])
        members = [label for group in groups for label in group]
        assert len(members) == len(set(members))
        assert [len(group) for group in groups] == sorted((len(group) for group in groups), reverse=True)
        for group in groups:
            assert len(group) >= 3
            assert all((min(a, b), max(a, b)) in links for a in group for b in group if a != b)
            rest = set(range(size)) - set(members)
            assert not any(all((min(a, b), max(a, b)) in links for b in group) for a in rest)
