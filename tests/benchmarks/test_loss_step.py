"""A short run of `benchmarks.loss_step`, its table, JSON and Markdown; and every implementation by itself."""

import json
import math
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.labels import LABEL_KINDS
from benchmarks.loss_step import QUICK, SIZES, make_plan, parse
from benchmarks.registry import FRAMEWORKS, IMPLEMENTATIONS, of_framework
from benchmarks.report import busy_warning, machine, markdown, text_table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
ROW_TYPES = {
    **dict.fromkeys(("implementation", "title", "labels"), str),
    **dict.fromkeys(("batch", "num_labels", "steps", "peak_memory_bytes"), int),
    **dict.fromkeys(("median_ms", "min_ms", "max_ms", "over_bce", "plain_over"), float),
    "compiled": bool,
}
WITHOUT_A_RELATION = (":bce", ":bce_eager", ":asymmetric")


SHOWN = ["torch_bce", "torch_obrl", "torch_plain"]
"""What a short run measures; `test_every_implementation_works` has the others, and test_all.py measures JAX's."""
NOT_COMPILED_AGAIN = ["torch_obrl_compiled", "torch_obrl_fused_compiled", "torch_plain_compiled"]
"""Left out, for they are compiled as `torch_bce_compiled` is, and compiling takes most of the time."""

WORK = """
import json, sys
from benchmarks.labels import LABEL_KINDS
from benchmarks.worker import Worker
for name in sys.argv[1:]:
    worker = Worker(name, 64, 40, 1)
    shares = {kind: worker.load(kind) for kind in LABEL_KINDS}
    print(json.dumps([name, shares, worker.time(0.001, 2), worker.memory(1), worker.versions()]))
"""


@pytest.mark.parametrize("framework", [name for name in FRAMEWORKS if name != "jax"])
def test_every_implementation_works(framework):
    """One after another in one process, most of whose time is the framework's import."""
    names = [name for name in of_framework(framework) if name not in NOT_COMPILED_AGAIN]
    done = subprocess.run([sys.executable, "-c", WORK, *names], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert [name for name, *_ in answers] == names
    seen = set()
    for name, shares, seconds, peak, versions in answers:
        assert min(seconds) > 0
        assert peak >= 0
        assert {framework, *({"keras"} if framework == "tensorflow" else ())} <= set(versions)
        if not IMPLEMENTATIONS[name].factory.endswith(WITHOUT_A_RELATION):
            seen.add(json.dumps(shares))
    assert len(seen) == 1, "every relation has the same active pairs"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    arguments = ["--quick", "--sizes", "64x40", "--json", str(folder / "out.json"), "--implementations", *SHOWN]
    arguments += ["--markdown", str(folder / "out.md")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.loss_step", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "out.json").read_text()), (folder / "out.md").read_text()


def check_document(document):
    """Raise AssertionError unless the document has the documented form."""
    assert document["benchmark"] in ("loss_step", "all")
    assert document["format"] == 1
    datetime.fromisoformat(document["date"])
    assert document["commit"] is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", document["commit"])
    assert set(document["machine"]) == {"cpu", "cores", "architecture", "gpu", "load_before"}
    frameworks = {IMPLEMENTATIONS[row["implementation"]].framework for row in document["rows"]}
    assert set(document["versions"]) - {"keras"} == {"python", "numpy", "obrl"} | frameworks
    assert ("keras" in document["versions"]) == ("tensorflow" in frameworks)
    assert document["settings"]["threads"] >= 1
    assert set(document["how"]) == {"time", "memory"}
    measured = {row["implementation"] for row in document["rows"]}
    for row in document["rows"]:
        entry = IMPLEMENTATIONS[row["implementation"]]
        absent = {"plain_over"} | (set() if entry.baseline in measured else {"over_bce"})
        assert set(row) == {*ROW_TYPES, "active_together", "active_apart"}
        for key, kind in ROW_TYPES.items():
            # The plain formula does not fit everywhere, and growth is measured of few implementations.
            assert type(row[key]) is kind or (key in absent and row[key] is None), key
        assert 0 < row["min_ms"] <= row["median_ms"] <= row["max_ms"] < math.inf
        assert row["peak_memory_bytes"] >= 0
        if row["implementation"] == entry.baseline:
            assert row["over_bce"] == 1
        if entry.factory.endswith(WITHOUT_A_RELATION):
            assert row["active_together"] is row["active_apart"] is None
        else:
            assert 0 <= row["active_together"] <= 1
            assert 0 <= row["active_apart"] <= 1


def test_the_json_holds_what_was_measured_on_every_kind_of_labels(run):
    _, document, _ = run
    check_document(document)
    rows = [(row["labels"], row["implementation"]) for row in document["rows"]]
    assert rows == [(kind, name) for kind in LABEL_KINDS for name in SHOWN]


def test_the_table_and_the_markdown_show_every_row(run):
    printed, document, text = run
    assert printed.strip() == text_table(document).strip()
    assert text == markdown(document)
    for title in {row["title"] for row in document["rows"]}:
        assert printed.count(f"\n{title} ") >= len(LABEL_KINDS)
        assert text.count(f"| {title} |") == len(LABEL_KINDS)
    assert "GPU: not measured" in text


@pytest.mark.parametrize("folder", [".", "jax_tensorflow", "many_labels"])
def test_published_tables_are_those_of_the_published_figures(folder):
    path = RESULTS / folder / "all.json"
    document = json.loads(path.read_text())
    check_document(document)
    assert len(document["commit"]) == 40, "published figures belong to a commit"
    assert path.with_suffix(".md").read_text() == markdown(document)


def test_a_document_names_its_commit(run, monkeypatch):
    _, document, text = run
    assert f"at commit {(document['commit'] or 'unknown')[:12]} on " in text
    monkeypatch.setenv("PATH", "")  # no git
    assert report.commit() is None
    assert "at commit unknown on " in markdown({**document, "commit": None})


def test_a_busy_machine_is_told(run):
    _, document, _ = run
    busy = {**document["machine"], "load_before": 3.0}
    assert "load 3.0" in busy_warning(busy)
    assert "load 3.0" in markdown({**document, "machine": busy})
    assert busy_warning({**busy, "load_before": 0.1}) is None
    assert machine()["load_before"] >= 0


def test_the_default_sizes_are_the_documented_five():
    assert SIZES == ((64, 40), (256, 40), (1024, 40), (256, 312), (128, 1000))
    options = parse([])
    assert options.sizes is None
    assert options.implementations == of_framework("torch")
    assert parse(["--framework", "jax"]).implementations == of_framework("jax")
    assert parse(["--implementations", "jax_bce", "torch_bce"]).implementations == ["jax_bce", "torch_bce"]


def test_options_change_the_plan():
    assert make_plan(parse(["--quick"])) == QUICK
    plan = make_plan(parse(["--repeats", "4", "--threads", "1"]))
    assert (plan.rounds, plan.threads) == (4, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "64"], "BATCHxLABELS"),
        (["--sizes", "1x40"], "at least 2 samples"),
        (["--repeats", "0"], "--repeats must be at least 1"),
        (["--implementations", "nothing"], "invalid choice"),
    ],
)
def test_bad_arguments_are_explained(arguments, message, capsys):
    with pytest.raises(SystemExit):
        parse(arguments)
    assert message in capsys.readouterr().err
