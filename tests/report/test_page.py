"""The file: one of it, whole or not at all, that loads nothing and trusts no name."""

import base64
import dataclasses
import hashlib
import html
import re
from importlib import resources

import numpy as np
import pytest

from obrl.report import Drift
from obrl.report.page import SCRIPTS, html_of, write_report
from tests.project.helpers import ROOT
from tests.report.reports import HOSTILE, drawn_table, evidence_of, full_report, loss_report, report_of

ASSETS = resources.files("obrl.report") / "assets"
REPORT = report_of(drawn_table(100, 5, 0))


def test_the_file_is_the_page_and_replaces_an_older_one(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(path, REPORT)
    assert path.read_bytes().decode("ascii") == html_of(REPORT)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    write_report(path, REPORT)
    assert path.read_bytes().decode("ascii") == html_of(REPORT)  # the same report, the same bytes


def test_nothing_is_written_where_the_page_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_report(tmp_path / "file" / "report.html", REPORT)
    (tmp_path / "file").unlink()
    wrong = dataclasses.replace(REPORT, label_names=("a",))
    with pytest.raises(ValueError, match=r"relation must have shape \(1, 1\)"):
        write_report(tmp_path / "report.html", wrong)
    assert list(tmp_path.iterdir()) == []


def test_the_policy_names_the_hash_of_every_style_and_script_that_runs():
    page = html_of(REPORT)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    inline = re.findall(r"<style>(.*?)</style>", page, re.DOTALL) + re.findall(
        r"<script>(.*?)</script>", page, re.DOTALL
    )
    assert len(inline) == 2
    for text in inline:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_the_page_names_no_address():
    assert "http:" not in html_of(REPORT)
    assert "https:" not in html_of(REPORT)
    assert "url(" not in (ASSETS / "report.css").read_text()


def test_a_hostile_title_is_text(tmp_path):
    page = html_of(full_report(rows=100))
    assert f"<title>{html.escape(HOSTILE[0])}</title>" in page
    assert "<img" not in page
    write_report(tmp_path / "report.html", dataclasses.replace(REPORT, title="\ud800 \u05e2"))
    assert b"<title>&#55296; &#1506;</title>" in (tmp_path / "report.html").read_bytes()


def test_every_script_is_joined_and_every_asset_is_short_ascii():
    names = {entry.name for entry in ASSETS.iterdir()}
    assert names == {"page.html", "report.css", "loader.js"} | {f"{name}.js" for name in SCRIPTS}
    for name in names:
        text = (ASSETS / name).read_text()
        assert text.isascii(), name
        assert len(text.splitlines()) < 300, name
        assert "</script" not in text or name == "page.html"


def test_every_class_of_an_element_is_used():
    texts = {name: (ASSETS / name).read_text() for name in ("page.html", *(f"{script}.js" for script in SCRIPTS))}
    selectors = (ASSETS / "report.css").read_text() + "".join(
        re.findall(r"querySelector\(.*", "\n".join(texts.values()))
    )
    for name, text in texts.items():
        classes = " ".join(re.findall(r'class(?:="|: (?:[^,"}]*\? )?")([\w -]+)"', text)).split()
        unused = [word for word in classes if not re.search(rf"\.{word}(?![\w-])", selectors)]
        assert unused == [], name
    assert "rowClass" not in texts["pairs.js"] + texts["paged_table.js"]


def test_the_documentation_calls_the_parts_as_the_page_does():
    rows = re.findall(
        r"^\| (\w+) \| (.*) \|$", (ROOT / "docs" / "mining" / "mining_report.md").read_text(), re.MULTILINE
    )
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", (ASSETS / "page.html").read_text())
    assert [name for name, _ in rows[1:]] == [heading.split()[0] for heading in headings]
    columns = re.findall(r'(?:title: |numberColumn\()"(\w+)"', (ASSETS / "labels.js").read_text())
    assert columns == ["Label", "Known", "Present", "Share", "Together", "Apart"]
    said = dict(rows)["Labels"]
    assert all(word in said.lower() for word in ("known", "present", "together", "apart"))
    assert "relates to" not in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_names": ()}, "at least one label, got none"),
        ({"label_names": ("a",) * 4_001}, "at most 4,000 labels, since a browser cannot handle more pairs, got 4,001"),
        ({"measure": "phi"}, "measure must be one of"),
        ({"relation": np.zeros((4, 4))}, r"relation must have shape \(5, 5\), got \(4, 4\)"),
        ({"thresholds": (0.2, 0.2)}, "negative_threshold must be below positive_threshold"),
        ({"weight": np.ones((5, 5))}, "got both"),
        ({"counts": None}, "got evidence without counts"),
        ({"counts": REPORT.counts._replace(s=REPORT.counts.s[:4])}, r"counts.s must have shape \(5, 5\)"),
        ({"evidence": dataclasses.replace(REPORT.evidence, q=np.zeros(3))}, r"evidence.q must have shape \(10,\)"),
        ({"code": "OBRLoss(5, positive_threshold={positive_threshold})"}, "negative_threshold"),
        ({"drift": (Drift("d", "", ("a", "b"), (("x",),)),)}, "row 1 must have 2 cells, one a column, got 1"),
        ({"drift": (Drift("d", "", (), (), (1, 2), (("s", (1.0,)),)),)}, "series 's' must have 2 values"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        html_of(dataclasses.replace(REPORT, **changes))


def test_a_loss_with_a_weight_of_another_size_is_refused():
    with pytest.raises(ValueError, match="weight must have shape"):
        html_of(dataclasses.replace(loss_report(5), weight=np.ones((4, 4))))


@pytest.mark.parametrize("size", [1, 2])
def test_few_labels_have_a_page(size):
    table = drawn_table(50, 3, 0)[:, :size]
    assert "<title>" in html_of(report_of(table))
    assert evidence_of(report_of(table).counts).q.shape == (size * (size - 1) // 2,)


def test_a_page_of_forty_labels_is_small():
    assert len(html_of(report_of(drawn_table(3_000, 40, 0)))) < 50_000
