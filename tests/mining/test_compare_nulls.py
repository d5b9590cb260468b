"""Where nothing changed or drifts: rejections are near nominal, for rare labels and for rows in groups too."""

from __future__ import annotations

import numpy as np
import pytest

from obrl.mining import RelationMiner, compare
from obrl.mining.changes.differences import rates_p
from obrl.mining.changes.over_time import over_time
from tests.mining.shared_data import shared_labels
from tests.mining.test_compare import drawn, in_groups, mined


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_random_parts_of_a_table_hardly_differ(share: float) -> None:
    """Rejections at .05 are near nominal, and few tables of 40 have a pair at q <= .05: rare labels included."""
    rejected, tested, tables = 0, 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        table = drawn(4_000, seed, labels=12)
        table[:, 8:] *= rng.random((4_000, 4)) < 0.2
        second = rng.random(4_000) < share
        result = compare(mined(table[~second], None), mined(table[second], None))
        rejected += int((result.p[result.supported] <= 0.05).sum())
        tested += int(result.supported.sum())
        tables += bool(result.changed().any())
    assert tested > 800
    assert 0.015 < rejected / tested < 0.065
    assert tables <= 6


def test_random_people_hardly_differ_with_groups_and_do_without() -> None:
    rates = {}
    for grouped in (True, False):
        p = []
        for seed in range(40):
            table, people = in_groups(400, 8, seed)
            second = np.random.default_rng(seed).permutation(400)[people] < 200
            sides = [mined(table[which], groups=people[which] if grouped else None) for which in (~second, second)]
            p.append(compare(*sides).p)
        rates[grouped] = float((np.concatenate(p) <= 0.05).mean())
    assert 0.02 < rates[True] < 0.08
    assert rates[False] > 0.2


@pytest.mark.filterwarnings("ignore:intervals and q-values rest on 10 groups:obrl.mining.MiningWarning")
def test_prevalence_and_odds_of_few_random_people_hardly_differ() -> None:
    """With ten people a side, rejections at .05 and far out are near nominal: Student's t has few degrees there."""
    rates, odds = [], []
    for seed in range(250):
        table, people = in_groups(20, 40, seed)
        sides = [mined(table[which], groups=people[which]) for which in (people < 10, people >= 10)]
        rates.append(rates_p(*(side.table_counts_ for side in sides)))
        odds.append(compare(*sides).log_odds_p)
    p = np.concatenate(rates)
    assert 0.03 < (p <= 0.05).mean() < 0.06
    assert (p <= 0.00125).mean() < 0.003
    assert (np.concatenate(odds) <= 0.05).mean() < 0.08


@pytest.mark.parametrize("parts", [2, 16])
def test_rows_in_random_order_hardly_drift(parts: int) -> None:
    """Rejections at .05 are near nominal, rare labels included."""
    rejected, tested, tables = 0, 0, 0
    for seed in range(40):
        table = drawn(3_000, seed, labels=10)
        table[:, 6:] *= np.random.default_rng(seed).random((3_000, 4)) < 0.2
        result = over_time(RelationMiner(history=parts).fit(table).history_)
        rejected += int((result.p <= 0.05).sum())
        tested += int(result.supported.sum())
        tables += bool(result.drifts().any())
    assert tested > 1_000
    assert 0.03 < rejected / tested < 0.065
    assert tables <= 6


def test_people_in_random_order_hardly_drift_with_groups() -> None:
    rates = {}
    for grouped in (True, False):
        p = []
        for seed in range(30):
            people = np.repeat(np.arange(300), 8)
            rng = np.random.default_rng(seed)
            alike = drawn(300, seed)[people]
            table = np.where(rng.random(alike.shape) < 0.9, alike, 1 - alike)
            p.append(over_time(RelationMiner(history=6).fit(table, people if grouped else None).history_).p)
        rates[grouped] = float((np.concatenate(p) <= 0.05).mean())
    assert 0.01 < rates[True] < 0.09
    assert rates[False] > 0.2


@pytest.mark.parametrize("name", ["yeast.npz", "emotions.npz", "bibtex.npz"])
def test_random_halves_of_real_tables_hardly_differ_and_labels_turned_round_are_named(name: str) -> None:
    with np.load(shared_labels(name), allow_pickle=False) as content:
        table = content["Y"]
    others = 0
    for seed in range(3):
        second = np.random.default_rng(seed).random(len(table)) < 0.5
        assert compare(mined(table[~second], None), mined(table[second], None)).changed().sum() <= 1
        turned = table.copy()
        turned[second, 1] = 1 - turned[second, 1]
        result = compare(mined(turned[~second], None), mined(turned[second], None))
        clear = result.supported & (np.minimum(np.abs(result.phi_a), np.abs(result.phi_b)) > 0.1)
        touched = (result.i == 1) | (result.j == 1)
        assert result.changed()[clear & touched].all()
        others += int((result.changed() & ~touched).sum())
    assert others <= 3
