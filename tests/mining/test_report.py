"""What the report of a table says: each finding on a table that has it, and none on one that has not."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl import OnlineBatchRelation
from obrl.measures import MEASURES
from obrl.mining import MiningWarning, RelationMiner
from obrl.mining.report import report_of_table
from obrl.report import checks
from obrl.report.content import Drift, Finding
from obrl.report.words import share_in_words
from tests.support.html_report import header, run_code, texts

NAMES = ("hat", "cap", "bald", "smile", "beard", "coat")


def drawn(rows: int = 600, seed: int = 0) -> np.ndarray:
    """Two labels that go together, one that excludes both, and three that are unrelated."""
    rng = np.random.default_rng(seed)
    hat = rng.random(rows) < 0.4
    cap = hat ^ (rng.random(rows) < 0.1)
    bald = ~(hat | cap) & (rng.random(rows) < 0.8)
    return np.column_stack([hat, cap, bald, *(rng.random((3, rows)) < 0.3)]).astype(float)


def said(table: np.ndarray, groups: Any = None, **settings: Any) -> tuple[Finding, ...]:
    miner = RelationMiner(label_names=NAMES[: table.shape[1]], **settings).fit(table, groups)
    return report_of_table(miner.table_counts_, mined=miner.to_numpy()).findings


def with_words(findings: tuple[Finding, ...], words: str) -> Finding:
    """The one finding that has these words."""
    (finding,) = [finding for finding in findings if words in finding.text]
    return finding


def test_a_plain_table_has_the_findings_that_every_table_has() -> None:
    findings = said(drawn())
    assert not any(finding.warning for finding in findings)
    assert findings[0].text.startswith(
        "600 rows and 6 labels: 3 of 15 pairs of labels are related (at most 1 in 20 of them by chance): 1 occurs "
        "together, 2 occur apart. Phi is 1 for"
    )
    miner = RelationMiner(label_names=NAMES).fit(drawn())
    pairs = miner.pairs()
    for words, first, second in (("go together", 0, 1), ("avoid each other", 1, 2)):
        text = with_words(findings, f"{words} most surely").text
        (k,) = np.flatnonzero((pairs.i == first) & (pairs.j == second))
        assert text == (
            f"“{NAMES[first]}” and “{NAMES[second]}” {words} most surely: phi is {pairs.phi[k]:.2f}, and with 95 % "
            f"confidence between {pairs.phi_low[k]:.2f} and {pairs.phi_high[k]:.2f}."
        )
    text = with_words(findings, "never occur together").text
    assert text.startswith(
        "2 pairs of labels never occur together, though by chance alone each would in 5 rows or more"
    )
    assert re.search(r": “\w+” and “bald” would by chance in \d+, for example\.$", text)
    assert len(findings) == 5


def test_the_thresholds_are_those_suggested_with_their_charge() -> None:
    miner = RelationMiner(label_names=NAMES).fit(drawn())
    report = report_of_table(miner.table_counts_)
    assert report.thresholds == tuple(miner.suggest_thresholds().values())
    together, apart = miner.thresholds().suggested()
    assert together is not None
    text = with_words(report.findings, "Thresholds worth supervising with").text
    assert f"{together.threshold:g} (phi 0.3 or more) selects 1 pair that occurs together" in text
    assert f"contradicted by {100 * together.charge:.0f} % of the rows" in text
    assert ("there is none for pairs that occur apart" in text) == (apart is None)
    table = drawn()
    table[:, 3:5] = table[:, :2]
    (one,) = [t for t in RelationMiner().fit(table).thresholds().suggested() if t is not None and t.phi > 0]
    assert one.pairs > 1
    assert (
        f"selects {one.pairs} pairs that occur together, each contradicted by {100 * one.charge:.0f} % of the rows on "
        "average" in with_words(said(table), "Thresholds worth").text
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_has_thresholds_that_it_can_reach(measure: str) -> None:
    miner = RelationMiner(measure=measure).fit(drawn())
    report = report_of_table(miner.table_counts_, mined=miner.to_numpy())
    positive, negative = report.thresholds
    assert MEASURES[measure].low <= negative < positive <= MEASURES[measure].high
    np.testing.assert_array_equal(report.relation, miner.relation_)
    follows = measure in ("pearson", "unit_pearson")
    assert any("Thresholds worth" in finding.text for finding in report.findings) == follows
    assert (f"measure={measure!r}" in report.code) == (measure != "unit_pearson")


def test_a_weak_relation_is_called_too_weak() -> None:
    rng = np.random.default_rng(1)
    table = (rng.random((3000, 2)) < 0.5).astype(float)
    table[:, 1] = np.where(rng.random(3000) < 0.6, table[:, 0], 1 - table[:, 0])
    findings = said(table)
    assert with_words(findings, "Too weak to supervise").warning
    report = report_of_table(RelationMiner().fit(table).table_counts_)
    assert report.thresholds == (0.65, 0.35)  # |phi| .3


def test_unrelated_labels() -> None:
    findings = said((np.random.default_rng(5).random((60, 3)) < 0.5).astype(float))
    assert findings[0].warning
    assert findings[0].text.startswith("60 rows and 3 labels: no pair of labels is related.")
    assert len(findings) == 1


def test_labels_that_are_nearly_the_same_or_opposites() -> None:
    table = drawn()
    table[:, 4] = table[:, 3]
    table[:4, 4] = 1 - table[:4, 4]
    same = with_words(said(table), "the same label")
    assert same.warning
    assert same.text.startswith("“smile” and “beard” are the same label in all but 4 rows (phi 0.98)")
    table[:, 4] = 1 - table[:, 3]
    table[:, 5] = table[:, 3]
    findings = said(table)
    assert "“smile” and “coat” are the same label in all rows (phi 1.00)" in with_words(findings, "the same").text
    opposite = with_words(findings, "opposites")
    assert opposite.text.startswith("“smile” and “beard” are opposites in all rows (phi -1.00)")
    assert opposite.text.endswith("There is 1 more such pair.")


def test_groups_of_labels() -> None:
    table = drawn()
    table[:, 3] = table[:, 0]
    table[::9, 3] = 1 - table[::9, 3]
    text = with_words(said(table), "group of labels").text
    assert (
        text == "1 group of labels goes together, with a phi of 0.3 or more between any two: “hat”, “cap” and “smile”."
    )


def test_constant_and_rare_labels() -> None:
    table = drawn()
    table[:, 3], table[:, 4], table[:, 5] = 0, 1, 0
    table[:4, 5] = 1
    findings = said(table)
    constant = with_words(findings, "constant")
    assert constant.warning
    assert constant.text == (
        "2 labels are constant and relate to nothing: “smile” is never present; “beard” is always present."
    )
    rare = with_words(findings, "fewer than 5")
    assert rare.text.endswith("too seldom to be called related to another: “coat”.")
    table[4, 5] = 1
    assert not any("fewer than 5" in finding.text for finding in said(table))
    table[:, 5] = np.nan
    assert "“coat” is never known" in with_words(said(table), "constant").text


@pytest.mark.parametrize(("share", "warning"), [(0.2, False), (0.7, True)])
def test_missing_entries(share: float, warning: bool) -> None:
    table = drawn()
    table[np.random.default_rng(0).random(600) < share, 3] = np.nan
    missing = float(np.isnan(table[:, 3]).mean())
    finding = with_words(said(table), "missing")
    assert finding.warning == warning
    assert finding.text.startswith(f"{share_in_words(missing / 6)} of the entries are missing")
    assert f"most of “smile” ({100 * missing:.0f} %)" in finding.text


def test_a_table_of_classes() -> None:
    table = np.eye(3)[np.random.default_rng(0).integers(3, size=300)]
    assert with_words(said(table), "No row has two labels present").warning
    table[0] = 1
    assert not any("No row has two" in finding.text for finding in said(table))


def test_rows_that_are_ordered() -> None:
    table = drawn()
    table = table[np.argsort(table[:, 3], kind="stable")]
    assert with_words(said(table), "Rows are sorted by the label 'smile'").warning
    findings = said(table, decay=0.9)
    decay = with_words(findings, "mined with decay 0.9")
    assert decay.warning
    assert "a batch counts half or less once 7 further ones have come" in decay.text
    assert "mean of those of the batches" in with_words(said(table, estimator="batch"), "as a loss would").text


def test_groups_of_rows() -> None:
    table, people = drawn(), np.arange(600) // 3
    assert with_words(said(table, people), "allow for rows of a group").warning is False
    with pytest.warns(MiningWarning, match="4 groups alone"):
        findings = said(table, np.arange(600) % 4)
    assert with_words(findings, "The rows come in 4 groups, too few to say well").warning
    with pytest.warns(MiningWarning, match="single group"):
        findings = said(table, np.zeros(600))
    assert with_words(findings, "Groups are not used, for there are all rows in a single group").warning


def test_the_relation_is_that_which_was_mined() -> None:
    miner = RelationMiner(decay=0.8, batch_size=50).fit(drawn())
    report = report_of_table(miner.table_counts_, mined=miner.to_numpy())
    np.testing.assert_array_equal(report.relation, miner.relation_)
    assert report.counts is not None
    np.testing.assert_array_equal(report.counts.s, miner.counts_.s)
    assert dict(report.facts)["decay"] == "0.8"
    with pytest.raises(ValueError, match="measure must be one of"):
        report_of_table(miner.table_counts_, measure="phi")


def test_one_label_has_no_pairs() -> None:
    findings = said(drawn()[:, :1])
    assert findings[0].text == "There is one label alone, so there are no pairs that could be related."
    assert findings[0].warning
    assert "no pair of labels is related" not in " ".join(finding.text for finding in findings)


def test_a_decay_says_how_soon_a_batch_fades() -> None:
    assert with_words(said(drawn(), decay=0.2, batch_size=50), "mined with decay").text.startswith(
        "The relation was mined with decay 0.2: the last rows count most, and a batch counts half or less once 1 "
        "further one has come."
    )


def test_more_labels_than_a_browser_shows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = RelationMiner().fit(drawn()).table_counts_
    monkeypatch.setattr(checks, "MOST_LABELS", 5)
    with pytest.raises(ValueError, match="at most 5 labels, since a browser cannot handle more pairs, got 6"):
        report_of_table(counts)


def test_a_miner_of_what_a_loss_has_saved_starts_on_the_scale_of_its_measure(tmp_path: Path) -> None:
    OnlineBatchRelation(3, measure="pearson").update(drawn()[:, :3]).save(tmp_path / "learnt.npz")
    RelationMiner.load(tmp_path / "learnt.npz").report(tmp_path / "r.html")
    assert header(tmp_path / "r.html")["thresholds"] == [0.6, -0.6]


def test_what_others_add_comes_last() -> None:
    drift = Drift("Change", "of two tables", ("label",), (("hat",),))
    extra = Finding("Something else.")
    counts = RelationMiner(label_names=NAMES).fit(drawn()).table_counts_
    report = report_of_table(counts, findings=(extra,), drift=[drift], facts={"files": "a.csv"}, title="T")
    assert report.findings[-1] == extra and report.drift == (drift,)
    assert report.facts[-1] == ("files", "a.csv") and report.title == "T"


def test_a_miner_writes_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = drawn()
    miner = RelationMiner(label_names=NAMES).fit(table)
    miner.report(tmp_path / "a.html")
    assert texts(tmp_path / "a.html") == [finding.text for finding in said(table)]
    miner.save(tmp_path / "r.npz")
    RelationMiner.load(tmp_path / "r.npz").report(tmp_path / "b.html")
    assert (tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()
    miner.as_start().save(tmp_path / "learnt.npz")  # without counts, as what a loss saves
    learnt = RelationMiner.load(tmp_path / "learnt.npz")
    learnt.report(tmp_path / "c.html")
    assert "acts on" in texts(tmp_path / "c.html")[0]
    monkeypatch.chdir(tmp_path)
    for page, some in (("a.html", miner), ("c.html", learnt)):
        criterion = run_code(tmp_path / page, miner=some)
        np.testing.assert_allclose(criterion.relation, some.relation_, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="mined nothing yet"):
        RelationMiner().report(tmp_path / "d.html")
    assert not (tmp_path / "d.html").exists()


def test_names_that_would_harm_a_page_stand_in_it_as_they_are(tmp_path: Path) -> None:
    names = ["</script><script>alert(1)</script>", "a\nb", "\ud800", "", "x" * 5_000, "{{script}}"]
    table = drawn()
    table[:, 5] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RelationMiner(label_names=names).fit(table).report(tmp_path / "r.html")
    assert header(tmp_path / "r.html")["labels"] == names
    assert "alert(1)</script>" not in (tmp_path / "r.html").read_text()
    assert all(text.isprintable() and len(text) < 700 for text in texts(tmp_path / "r.html"))
