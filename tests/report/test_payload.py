"""The payload against what went in: counts, relations to the last bit, q, intervals, and JSON that ends no element."""

import dataclasses
import json
import re
from importlib import resources

import numpy as np
import pytest

from obrl.counts import PairCounts
from obrl.measures import MEASURES
from obrl.report import PairEvidence, payload
from obrl.report.payload import COMPUTED_BY_PAGE, encode_q, pack, relation_of_counts
from tests.report.reports import (
    HOSTILE,
    drawn_table,
    evidence_of,
    full_report,
    loss_report,
    report_of,
)


def unpacked(report):
    """The header and the columns of a report's payload, as the page reads them."""
    packed = pack(report)
    header = json.loads(packed.header)
    columns, start = {}, 0
    for name, kind, length in header["columns"]:
        size = int(kind[1])
        planes = np.frombuffer(packed.columns[start : start + length * size], np.uint8).reshape(size, length)
        columns[name] = np.ascontiguousarray(planes.T).view(f"<{kind}").ravel()
        start += length * size
    assert start == len(packed.columns)
    return header, columns


def decoded_q(codes):
    return np.array(
        [np.nan if code == 0 else 0.0 if code == 1 else float(f"{code % 100}e-{code // 100}") for code in codes]
    )


@pytest.mark.parametrize("rows", [100, 70_000])
def test_a_complete_table_needs_joint_counts_and_margins_alone(rows):
    report = report_of(drawn_table(rows, 6, 0))
    _, columns = unpacked(report)
    i, j = np.triu_indices(6, 1)
    np.testing.assert_array_equal(columns["s"], report.counts.s[i, j])
    np.testing.assert_array_equal(columns["present"], report.counts.s.diagonal())
    np.testing.assert_array_equal(columns["known"], np.full(6, rows))
    assert set(columns) == {"order", "s", "known", "present", "related", "q"}


def test_missing_entries_bring_the_counts_of_each_pair():
    report = report_of(drawn_table(200, 6, 0, missing=0.2))
    _, columns = unpacked(report)
    i, j = np.triu_indices(6, 1)
    for name in "nsrc":
        np.testing.assert_array_equal(columns[name], getattr(report.counts, name)[i, j])


def test_counts_that_broadcast_are_those_of_a_complete_table():
    report = report_of(drawn_table(100, 5, 0))
    ones = report.counts.s.diagonal()
    counts = PairCounts(np.full((1, 1), 100), report.counts.s, ones[:, None], ones[None])
    assert pack(dataclasses.replace(report, counts=counts)) == pack(report)


def test_counts_beyond_32_bits_stay_exact():
    report = report_of(drawn_table(100, 4, 0))
    factor = 2**45 + 1
    counts = PairCounts(*(field * factor for field in report.counts))
    _, columns = unpacked(dataclasses.replace(report, counts=counts, evidence=None))
    np.testing.assert_array_equal(columns["s"], counts.s[np.triu_indices(4, 1)].astype(float))


def test_the_page_computes_the_measures_that_the_payload_leaves_out():
    script = (resources.files("obrl.report") / "assets" / "statistics.js").read_text()
    functions = re.findall(r"^  (\w+)\(n, s, r, c\) \{$", script, re.MULTILINE)
    assert sorted(functions) == sorted(COMPUTED_BY_PAGE)
    assert set(MEASURES) >= COMPUTED_BY_PAGE


@pytest.mark.parametrize("measure", sorted(COMPUTED_BY_PAGE))
def test_a_relation_that_follows_from_the_counts_is_left_out(measure):
    report = report_of(drawn_table(300, 9, 1, missing=0.1), measure=measure)
    _, columns = unpacked(report)
    assert not {"relation", "last_bits"} & set(columns)


def test_last_bits_that_differ_travel_along():
    report = report_of(drawn_table(300, 9, 1))
    relation = np.nextafter(report.relation, 2)
    _, columns = unpacked(dataclasses.replace(report, relation=relation))
    np.testing.assert_array_equal(columns["last_bits"], 1)
    assert "relation" not in columns


@pytest.mark.parametrize(
    "change", [lambda relation: relation * 0.9, lambda relation: np.where(relation < 0.5, np.nan, relation)]
)
def test_a_relation_of_its_kind_travels_whole(change):
    report = report_of(drawn_table(300, 9, 1))
    relation = change(report.relation)
    _, columns = unpacked(dataclasses.replace(report, relation=relation))
    np.testing.assert_array_equal(columns["relation"], relation[np.triu_indices(9, 1)])


def test_a_loss_has_its_relation_in_float32_and_its_weight():
    report = loss_report(9)
    _, columns = unpacked(report)
    i, j = np.triu_indices(9, 1)
    assert columns["relation"].dtype == np.float32
    np.testing.assert_array_equal(columns["relation"].astype(float), report.relation[i, j])
    np.testing.assert_array_equal(columns["weight"], report.weight[i, j])
    assert "s" not in columns


def test_a_measure_that_is_not_symmetric_has_both_halves():
    report = loss_report(7, measure="conditional")
    _, columns = unpacked(report)
    i, j = np.triu_indices(7, 1)
    expected = np.concatenate([report.relation[i, j], report.relation[j, i]])
    np.testing.assert_array_equal(columns["relation"].astype(float), expected)
    table = report_of(drawn_table(300, 7, 2), measure="conditional")
    pairs = PairCounts(*(field[i, j].astype(float) for field in table.counts))
    expected = np.concatenate([table.relation[i, j], table.relation[j, i]])
    np.testing.assert_array_equal(relation_of_counts(pairs, "conditional"), expected)


def test_q_keeps_two_digits():
    q = np.array([1.0, 0.996, 0.05, 0.000123, 1e-300, 5e-324, 0.0, np.nan])
    np.testing.assert_array_equal(decoded_q(encode_q(q)), [1, 1, 0.05, 0.00012, 1e-300, 4.9e-324, 0, np.nan])


def test_intervals_that_follow_from_the_counts_are_left_out_and_others_rounded_outwards():
    report = report_of(drawn_table(300, 9, 1))
    wide = report.evidence
    wide = dataclasses.replace(wide, phi_low=wide.phi_low - 0.01, phi_high=wide.phi_high + 0.01)
    wide.phi_low[3] = wide.phi_high[3] = np.nan
    _, columns = unpacked(dataclasses.replace(report, evidence=wide))
    low, high = columns["phi_low"].astype(float), columns["phi_high"].astype(float)
    assert (low[3], high[3]) == (payload.NO_END, payload.NO_END)
    rest = np.arange(36) != 3
    for steps, ends in ((low, wide.phi_low), (high, wide.phi_high)):
        assert (np.abs(steps - ends * payload.INTERVAL_STEPS)[rest] < 1).all()
    assert (low <= wide.phi_low * payload.INTERVAL_STEPS)[rest].all()
    assert (high >= wide.phi_high * payload.INTERVAL_STEPS)[rest].all()


def test_a_pair_without_an_interval_has_none_though_all_others_follow_from_the_counts():
    report = report_of(drawn_table(300, 9, 1))
    low, high = report.evidence.phi_low.copy(), report.evidence.phi_high.copy()
    low[3] = high[3] = np.nan  # a label that is present in one group alone
    evidence = dataclasses.replace(report.evidence, phi_low=low, phi_high=high)
    _, columns = unpacked(dataclasses.replace(report, evidence=evidence))
    assert np.flatnonzero(columns["phi_low"] == payload.NO_END).tolist() == [3]
    assert np.flatnonzero(columns["phi_high"] == payload.NO_END).tolist() == [3]


def test_many_pairs_have_q_only_where_they_are_related(monkeypatch):
    monkeypatch.setattr(payload, "MOST_PAIRS_WITH_Q", 20)
    report = report_of(drawn_table(300, 9, 1))
    header, columns = unpacked(report)
    related = report.evidence.related
    assert 0 < related.sum() < len(related)
    assert header["q_for_related_only"]
    np.testing.assert_array_equal(columns["q"], encode_q(report.evidence.q[related]))
    bits = np.unpackbits(columns["related"], bitorder="little")[: len(related)].astype(bool)
    np.testing.assert_array_equal(bits, related)


def test_no_text_can_end_the_element_that_holds_it():
    packed = pack(full_report(rows=100))
    assert packed.header.isascii()
    assert not set("<>&") & set(packed.header)
    assert tuple(json.loads(packed.header)["labels"][: len(HOSTILE)]) == HOSTILE


def test_numbers_that_json_cannot_say_become_null():
    report = full_report(rows=100)
    drift = dataclasses.replace(report.drift[0], rows=(("a", float("inf"), np.float32(0.5)),))
    _, columns = unpacked(dataclasses.replace(report, drift=(drift,)))
    assert json.loads(columns["drift"].tobytes())[0]["rows"] == [["a", None, 0.5]]


def test_a_table_of_one_label_has_no_pair():
    _, columns = unpacked(report_of(np.array([[1.0], [0.0]])))
    assert len(columns["s"]) == 0


def test_undefined_pairs_have_no_evidence_of_their_counts():
    table = drawn_table(100, 5, 0)
    table[:, 2] = 0
    evidence = evidence_of(report_of(table).counts)
    assert isinstance(evidence, PairEvidence)
    _, columns = unpacked(report_of(table))
    assert "phi_low" not in columns
    np.testing.assert_array_equal(columns["q"] == 0, np.isnan(evidence.q))
