"""A mined relation in the forms of other programs, each read back by an independent reader."""

from __future__ import annotations

import csv
import io
import pickle
import pickletools
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest

from obrl.mining import RelationMiner
from obrl.mining.cli import main
from obrl.mining.export import GRAPHML, ml_gcn_pickle

NAMES = ("Hat", "<script>&", "Beard, long", "Glasses", "Bald")


@pytest.fixture(scope="module")
def targets() -> npt.NDArray[np.int64]:
    rng = np.random.default_rng(7)
    y = (rng.random((400, 5)) < [0.5, 0.2, 0.4, 0.1, 0.3]).astype(np.int64)
    y[:, 1] |= y[:, 0] & (rng.random(400) < 0.8)
    return y


@pytest.fixture(scope="module")
def miner(targets: npt.NDArray[np.int64]) -> RelationMiner:
    return RelationMiner(label_names=NAMES).fit(targets)


def adjacency_of_ml_gcn(nums: npt.NDArray[np.int64], adj: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """ML-GCN's own arithmetic from its description: threshold .4, neighbours that weigh .25 together, and the label."""
    size = len(nums)
    binary = [[1.0 if adj[i, j] / nums[i] >= 0.4 else 0.0 for j in range(size)] for i in range(size)]
    result = np.zeros((size, size))
    for j in range(size):
        total = sum(binary[i][j] for i in range(size)) + 1e-6
        for i in range(size):
            result[i, j] = binary[i][j] * 0.25 / total + (1.0 if i == j else 0.0)
    return result


def test_ml_gcn_reads_counts_and_makes_our_matrix_of_them(targets: npt.NDArray[np.int64], miner: RelationMiner) -> None:
    content = pickle.loads(ml_gcn_pickle(miner.table_counts_))  # noqa: S301 - written above
    assert set(content) == {"nums", "adj"}
    assert content["nums"].dtype == content["adj"].dtype == np.int64
    np.testing.assert_array_equal(content["nums"], targets.sum(axis=0))
    together = targets.T @ targets
    np.fill_diagonal(together, 0)
    np.testing.assert_array_equal(content["adj"], together)
    expected = adjacency_of_ml_gcn(content["nums"], content["adj"])
    assert (expected - np.eye(5) > 0).any()
    np.testing.assert_allclose(miner.to_adjacency(), expected, rtol=0, atol=1e-15)


def test_the_pickle_names_modules_that_numpy_1_has(miner: RelationMiner) -> None:
    names = {
        str(argument)
        for opcode, argument, _ in pickletools.genops(ml_gcn_pickle(miner.table_counts_))
        if opcode.name == "GLOBAL"
    }
    assert "numpy.core.multiarray _reconstruct" in names
    assert not any(name.startswith("numpy._core") for name in names)


@pytest.mark.slow
def test_numpy_1_loads_the_pickle(miner: RelationMiner, tmp_path: Path) -> None:
    """In an environment with NumPy 1.26, which pip installs."""
    file = tmp_path / "adj.pkl"
    file.write_bytes(ml_gcn_pickle(miner.table_counts_))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "numpy==1.26.4"], check=True)
    read = "import pickle, sys, numpy; c = pickle.load(open(sys.argv[1], 'rb')); print(numpy.__version__, *c['nums'])"
    done = subprocess.run([python, "-c", read, file], capture_output=True, text=True, check=True)
    version, *nums = done.stdout.split()
    assert version == "1.26.4"
    assert [int(value) for value in nums] == miner.counts_.s.diagonal().tolist()


@pytest.mark.parametrize(("threshold", "weight"), [(-0.1, 0.25), (1.1, 0.25), (0.4, -1.0), (0.4, float("nan"))])
def test_wrong_settings_of_the_adjacency_are_refused(miner: RelationMiner, threshold: float, weight: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        miner.to_adjacency(threshold=threshold, weight=weight)


def test_a_graph_has_an_edge_for_each_related_pair(miner: RelationMiner) -> None:
    graph = miner.to_networkx()
    assert set(graph.nodes) == set(NAMES)
    assert [set(edge) for edge in graph.edges] == [{"Hat", "<script>&"}]
    facts = graph.edges["Hat", "<script>&"]
    assert facts["phi"] == pytest.approx(miner.phi_[0, 1])
    assert facts["both"] == miner.counts_.s[0, 1]
    assert graph.nodes["Hat"]["rate"] == miner.table_counts_.rates[0]


def test_the_command_writes_every_format(
    miner: RelationMiner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "relation.npz"
    miner.save(source)
    for name in ("ml-gcn", "npz", "csv", "graphml"):
        assert main(["export", str(source), "--to", name]) == 0
        assert "wrote" in capsys.readouterr().out
    with np.load(tmp_path / "relation_matrix.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["phi"], miner.phi_)
        assert tuple(arrays["label_names"].tolist()) == NAMES
    rows = list(csv.reader(io.StringIO((tmp_path / "relation_matrix.csv").read_text())))
    assert tuple(rows[0][1:]) == NAMES == tuple(row[0] for row in rows[1:])
    assert float(rows[1][2]) == miner.phi_[0, 1]
    root = ElementTree.parse(tmp_path / "relation.graphml").getroot()
    nodes, edges = (root.findall(f".//{{{GRAPHML}}}{kind}") for kind in ("node", "edge"))
    assert [node[0].text for node in nodes] == list(NAMES)
    assert [(edge.get("source"), edge.get("target")) for edge in edges] == [("0", "1")]
    assert (tmp_path / "relation_adj.pkl").read_bytes() == ml_gcn_pickle(miner.table_counts_)


def test_graphml_is_read_by_networkx(miner: RelationMiner, tmp_path: Path) -> None:
    import networkx

    miner.save(tmp_path / "relation.npz")
    assert (
        main(["export", str(tmp_path / "relation.npz"), "--to", "graphml", "--out", str(tmp_path / "g.graphml")]) == 0
    )
    graph = networkx.read_graphml(tmp_path / "g.graphml")
    assert graph.nodes["1"]["label"] == "<script>&"
    assert graph.edges["0", "1"]["phi"] == pytest.approx(miner.phi_[0, 1])


def test_the_relation_itself_is_not_overwritten(
    miner: RelationMiner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "relation.npz"
    miner.save(source)
    before = source.read_bytes()
    assert main(["export", str(source), "--to", "npz", "--out", str(source)]) == 2
    assert "this is the mined relation itself" in capsys.readouterr().err
    assert source.read_bytes() == before
