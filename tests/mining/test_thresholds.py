"""The ladder of thresholds against its definition on the rows, the loss itself, and figures of real tables."""

import numpy as np
import pytest
from scipy.stats import norm

from obrl import OBRLoss
from obrl.counts import count_pairs
from obrl.evidence import estimate_phi
from obrl.mining import NoThresholds, RelationMiner
from obrl.mining.cli import main
from obrl.mining.tables import open_tables
from obrl.mining.thresholds import suggest_thresholds, threshold_ladder
from tests.mining.shared_data import shared_labels
from tests.support.html_report import header


def drawn_labels(rows=600, seed=3):
    """Seven labels: three that go together, a pair of exclusive ones, a rare one and an unrelated one."""
    rng = np.random.default_rng(seed)
    base = rng.random(rows) < 0.4
    noisy = [base ^ (rng.random(rows) < flips) for flips in (0.02, 0.1, 0.25)]
    side = rng.random(rows) < 0.5
    other = ~side ^ (rng.random(rows) < 0.05)
    return np.stack([*noisy, side, other, rng.random(rows) < 0.01, rng.random(rows) < 0.3], axis=1).astype(np.int64)


def test_the_ladder_is_what_the_rows_say():
    labels = drawn_labels()
    ladder = threshold_ladder(RelationMiner().fit(labels).table_counts_)
    assert repr(ladder).startswith("together (>=)\nthreshold    phi  pairs")
    phi = np.corrcoef(labels.T)
    errors = estimate_phi(count_pairs(labels)).standard_error
    pairs = list(zip(*np.triu_indices(labels.shape[1], 1), strict=True))
    assert [rung.phi for rung in ladder.together] == pytest.approx(np.arange(0.3, 0.951, 0.05).tolist())
    assert [rung.phi for rung in ladder.apart] == pytest.approx((-np.arange(0.3, 0.951, 0.05)).tolist())
    selecting = 0
    for rung in (*ladder.together, *ladder.apart):
        sign = np.sign(rung.phi)
        chosen = [pair for pair in pairs if sign * phi[pair] >= sign * rung.phi]
        contradicted = [np.mean((labels[:, i] != labels[:, j]) == (sign > 0)) for i, j in chosen]
        changes = sum(norm.sf(abs(phi[pair] - rung.phi) / (np.sqrt(2) * errors[pair])) for pair in chosen)
        assert rung.pairs == len(chosen)
        assert rung.threshold == pytest.approx((1 + rung.phi) / 2, abs=1e-12)
        assert rung.changes == pytest.approx(changes, rel=1e-9)
        if chosen:
            selecting += 1
            assert rung.charge == pytest.approx(np.mean(contradicted), rel=1e-12)
        else:
            assert np.isnan(rung.charge)
    assert selecting > 10


@pytest.mark.parametrize("side", ["together", "apart"])
def test_the_charge_is_what_the_loss_charges_a_perfect_model(side):
    labels = drawn_labels()
    miner = RelationMiner().fit(labels)
    rung = getattr(miner.thresholds(), side)[2]
    assert rung.pairs
    thresholds = {"positive_threshold": 1.01, "negative_threshold": -0.01}
    thresholds["positive_threshold" if side == "together" else "negative_threshold"] = rung.threshold
    with pytest.warns(UserWarning, match="the range of measure"):
        criterion = OBRLoss(
            7,
            relation=miner.as_start(decay=0.99, estimator="batch"),
            freeze=True,
            normalization="active_pairs",
            **thresholds,
        )
    terms = criterion.terms(200.0 * labels - 100.0, labels)
    assert 2 * float(terms.relation_loss) == pytest.approx(rung.charge, rel=1e-6)


def test_changes_are_those_of_second_samples():
    rng = np.random.default_rng(5)
    expected = changed = 0.0
    for _ in range(12):  # tables of 200 pairs whose true phi is spread evenly around the threshold
        base = rng.random((500, 200)) < 0.4
        flips = (1 - np.sqrt(rng.uniform(0.1, 0.75, 200))) / 2
        labels = np.concatenate([base ^ (rng.random(base.shape) < flips) for _ in range(2)], axis=1).astype(int)
        rung = threshold_ladder(RelationMiner().fit(labels[:250]).table_counts_).together[2]
        first, second = (
            np.corrcoef(half.T)[np.arange(200), np.arange(200, 400)] for half in (labels[:250], labels[250:])
        )
        expected += rung.changes
        changed += ((first >= rung.phi) & (second < rung.phi)).sum()
    assert changed == pytest.approx(expected, rel=0.2)
    assert changed > 80


def test_a_side_without_a_good_threshold_gets_the_end_of_the_range():
    rng = np.random.default_rng(0)
    base = rng.random(500) < 0.3
    labels = np.stack([base, base ^ (rng.random(500) < 0.03), rng.random(500) < 0.5], axis=1).astype(int)
    counts = RelationMiner().fit(labels).table_counts_
    assert suggest_thresholds(counts) == {"positive_threshold": 0.65, "negative_threshold": 0.0}
    assert suggest_thresholds(counts, measure="pearson") == {"positive_threshold": 0.3, "negative_threshold": -1.0}
    apart = np.stack([base, ~base, rng.random(500) < 0.5], axis=1).astype(int)
    expected = {"positive_threshold": 1.0, "negative_threshold": 0.35}
    assert RelationMiner().fit(apart).suggest_thresholds() == expected


def test_unrelated_labels_are_too_weak():
    labels = np.random.default_rng(1).integers(0, 2, (1_000, 5))
    with pytest.raises(NoThresholds, match="none: too weak to supervise"):
        RelationMiner().fit(labels).suggest_thresholds()


def test_a_few_rows_are_no_basis():
    labels = [[1, 1], [0, 0], [1, 0], [0, 0], [1, 1], [0, 0], [0, 1], [0, 0]] * 2
    rung = RelationMiner().fit(labels).thresholds().together[1]
    assert rung.pairs == 1
    assert not rung.is_good


def test_groups_make_thresholds_less_stable():
    rng = np.random.default_rng(2)
    base = rng.random(100) < 0.4
    people = np.repeat(np.stack([base, base ^ (rng.random(100) < 0.2)], axis=1), 20, axis=0).astype(int)
    names = np.repeat(np.arange(100), 20)
    alone = RelationMiner().fit(people).thresholds()
    grouped = RelationMiner().fit(people, groups=names).thresholds()
    rungs = zip(grouped.together, alone.together, strict=True)
    assert sum(rung.changes > other.changes for rung, other in rungs) >= 2


@pytest.mark.parametrize("measure", ["jaccard", "phi_ratio"])
def test_other_measures_are_refused(measure):
    with pytest.raises(ValueError, match="measure must be"):
        RelationMiner(measure=measure).fit(drawn_labels()).suggest_thresholds()


def test_a_loss_starts_from_what_is_suggested():
    labels = drawn_labels()
    miner = RelationMiner().fit(labels)
    thresholds = miner.suggest_thresholds()
    criterion = OBRLoss(7, relation=miner.as_start(), **thresholds)
    phi = np.corrcoef(labels.T)
    together = {(i, j) for i in range(7) for j in range(i) if (1 + phi[i, j]) / 2 >= thresholds["positive_threshold"]}
    assert len([pair for pair in criterion.pairs() if pair.sign > 0]) == len(together) > 0


def write_table(path, labels):
    header = ",".join(f"label{k}" for k in range(labels.shape[1]))
    path.write_text(header + "\n" + "\n".join(",".join(map(str, row)) for row in labels) + "\n")
    return str(path)


def test_the_command_prints_code_that_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["mine", write_table(tmp_path / "t.csv", drawn_labels()), "--out", "mined", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["thresholds", "mined"]) == 0
    lines = capsys.readouterr().out.splitlines()
    *first, last = lines[lines.index("from obrl.mining import RelationMiner") :]
    scope = {}
    exec("\n".join(first), scope)  # what a user pastes
    criterion = eval(last, scope)
    thresholds = RelationMiner.load("mined/relation.npz").suggest_thresholds()
    assert criterion.settings.positive_threshold == thresholds["positive_threshold"]
    code = header(tmp_path / "mined" / "report.html")["code"]
    assert code.format(**thresholds).splitlines() == [*first, last]  # the report offers the same lines


def test_the_command_says_none(tmp_path, capsys):
    table = write_table(tmp_path / "t.csv", np.random.default_rng(1).integers(0, 2, (1_000, 5)))
    assert main(["mine", table, "--out", str(tmp_path / "mined"), "--quiet"]) == 0
    assert main(["thresholds", str(tmp_path / "mined")]) == 0
    assert "none: too weak to supervise" in capsys.readouterr().out


def test_a_relation_without_counts_says_what_to_do(tmp_path, capsys):
    criterion = OBRLoss(7, label_names=[f"label{k}" for k in range(7)])
    criterion(np.zeros((20, 7)), drawn_labels()[:20])
    criterion.save_relation(tmp_path / "learnt.npz")
    assert main(["thresholds", str(tmp_path / "learnt.npz")]) == 2
    assert "mine the table with `obrl mine`" in capsys.readouterr().err


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "together", "apart"),
    [
        ("celeba/list_attr_celeba.txt", (0.5, 5, 0.12), (-0.45, 7, 0.15)),
        ("yeast.npz", (0.3, 8, 0.15), None),
        ("delicious.npz", (0.3, 1_496, 0.03), None),
        ("bibtex.npz", (0.3, 74, 0.02), None),
        ("emotions.npz", None, None),
    ],
)
def test_suggestions_for_real_tables(name, together, apart):
    counts = RelationMiner().fit_table(open_tables([shared_labels(name)])).table_counts_
    suggested = threshold_ladder(counts).suggested()
    assert [rung and (rung.phi, rung.pairs, round(rung.charge, 2)) for rung in suggested] == [together, apart]


def test_thresholds_in_another_measure_print_no_line_that_cannot_run(tmp_path, capsys):
    assert main(["mine", write_table(tmp_path / "t.csv", drawn_labels()), "--out", str(tmp_path / "m"), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["thresholds", str(tmp_path / "m"), "--measure", "pearson"]) == 0
    printed = capsys.readouterr().out
    assert "suggestion" in printed
    assert "OBRLoss(" not in printed
    assert "mine the relation with --measure pearson" in printed
