"""A mined relation for other programs: graph convolutions (ML-GCN), NumPy, spreadsheets, and graphs."""

from __future__ import annotations

import csv
import io
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from obrl.mining.accumulate import TableCounts
from obrl.mining.errors import MiningError
from obrl.mining.pair_table import pair_table
from obrl.mining.result_tables import label_names
from obrl.significance import RELATED_Q

FloatArray = npt.NDArray[np.float64]
GRAPHML = "http://graphml.graphdrawing.org/xmlns"
EPSILON = 1e-6
"""What ML-GCN adds to a column's sum."""


def to_adjacency(counts: TableCounts, *, threshold: float = 0.4, weight: float = 0.25) -> FloatArray:
    """The adjacency matrix that ML-GCN starts from, before its normalisation by degrees.

    With P_ij = n_ij / n_i, the share of the rows with label i that have j too, B_ij is 1 where P_ij is at least the
    threshold, else 0; each column of B is scaled to the sum `weight`, and 1 is added on the diagonal.

    Args:
        counts: of the table.
        threshold: tau, in [0, 1].
        weight: p, what the neighbours of a label weigh together.

    Returns:
        (num_labels, num_labels) float64.

    Raises:
        ValueError: a threshold or a weight out of its range.

    Source: Chen et al., Multi-Label Image Recognition with Graph Convolutional Networks (CVPR 2019), Eq. 6 to 8; as
    their code computes it, which scales columns.

    Example:
        >>> from obrl.mining import RelationMiner
        >>> miner = RelationMiner().fit([[1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 1, 0]])
        >>> miner.to_adjacency().round(2)
        array([[1.  , 0.12, 0.  ],
               [0.25, 1.  , 0.  ],
               [0.  , 0.12, 1.  ]])
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be in [0, 1], got {threshold}")
    if not 0 <= weight < np.inf:
        raise ValueError(f"weight must be finite and at least 0, got {weight}")
    nums, together = _positives(counts)
    share = np.divide(together, nums[:, None], out=np.zeros(together.shape), where=nums[:, None] > 0)
    neighbours = (share >= threshold).astype(np.float64)
    return neighbours * weight / (neighbours.sum(axis=0, keepdims=True) + EPSILON) + np.eye(len(nums))


def ml_gcn_pickle(counts: TableCounts) -> bytes:
    """The file that ML-GCN reads, `{"nums": (C,), "adj": (C, C)}` of int64.

    `nums` holds how many rows have each label, `adj` how many have both, with a zero diagonal. The pickle has
    protocol 2 and names NumPy's modules as NumPy 1 did, so that both load it. obrl never reads this format.

    Args:
        counts: of the table.
    """
    nums, together = _positives(counts)
    content = pickle.dumps({"nums": nums, "adj": together}, protocol=2)
    return content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def _positives(counts: TableCounts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    nums = np.ascontiguousarray(counts.counts.s.diagonal())
    together = np.array(counts.counts.s)
    np.fill_diagonal(together, 0)
    return nums, together


def npz_bytes(counts: TableCounts, phi: FloatArray) -> bytes:
    """An .npz of plain arrays: phi, the counts n, s and r of all pairs, rows, and the names.

    Args:
        counts: of the table.
        phi: (num_labels, num_labels), NaN where undefined.
    """
    n, s, r, _ = counts.counts
    file = io.BytesIO()
    names = np.array(label_names(counts), dtype=np.str_)
    np.savez_compressed(file, allow_pickle=False, phi=phi, n=n, s=s, r=r, rows=np.array(counts.rows), label_names=names)
    return file.getvalue()


def csv_text(counts: TableCounts, phi: FloatArray) -> str:
    """The phi coefficients as a square table with names on both sides; an empty cell where phi is undefined."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    names = label_names(counts)
    writer.writerow(["", *names])
    for name, row in zip(names, phi.tolist(), strict=True):
        writer.writerow([name, *("" if value != value else repr(value) for value in row)])
    return file.getvalue()


def graphml_bytes(counts: TableCounts) -> bytes:
    """A graph of the labels in GraphML, with an edge for each related pair (q at most 0.05, and enough support)."""
    ElementTree.register_namespace("", GRAPHML)
    root = ElementTree.Element(f"{{{GRAPHML}}}graphml")
    keys = (
        ("label", "node", "string"),
        ("rate", "node", "double"),
        *((name, "edge", "double") for name in ("phi", "phi_low", "phi_high", "q")),
        ("both", "edge", "long"),
    )
    for name, domain, kind in keys:
        attributes = {"id": name, "for": domain, "attr.name": name, "attr.type": kind}
        ElementTree.SubElement(root, f"{{{GRAPHML}}}key", attributes)
    graph = ElementTree.SubElement(root, f"{{{GRAPHML}}}graph", {"edgedefault": "undirected"})
    for number, (name, rate) in enumerate(zip(label_names(counts), counts.rates.tolist(), strict=True)):
        node = ElementTree.SubElement(graph, f"{{{GRAPHML}}}node", {"id": str(number)})
        _add_data(node, {"label": _without_control(name), "rate": rate})
    for i, j, facts in _related(counts):
        edge = ElementTree.SubElement(graph, f"{{{GRAPHML}}}edge", {"source": str(i), "target": str(j)})
        _add_data(edge, facts)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def to_networkx(counts: TableCounts) -> Any:
    """A `networkx.Graph` of the labels, with an edge for each related pair (q at most 0.05, and enough support).

    Nodes are the names, with `rate`; edges have `phi`, `phi_low`, `phi_high`, `q` and `both`.

    Raises:
        MiningError: networkx is not installed.
    """
    try:
        import networkx
    except ImportError:
        raise MiningError('to_networkx needs networkx: pip install "obrl[graph]"') from None
    names = label_names(counts)
    graph = networkx.Graph()
    graph.add_nodes_from((name, {"rate": rate}) for name, rate in zip(names, counts.rates.tolist(), strict=True))
    graph.add_edges_from((names[i], names[j], facts) for i, j, facts in _related(counts))
    return graph


def _related(counts: TableCounts) -> Iterator[tuple[int, int, dict[str, Any]]]:
    pairs = pair_table(counts)
    for k in np.flatnonzero(pairs.related(RELATED_Q)).tolist():
        facts: dict[str, Any] = {name: float(getattr(pairs, name)[k]) for name in ("phi", "phi_low", "phi_high", "q")}
        yield int(pairs.i[k]), int(pairs.j[k]), facts | {"both": int(pairs.both[k])}


def _add_data(parent: ElementTree.Element, facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        ElementTree.SubElement(parent, f"{{{GRAPHML}}}data", {"key": name}).text = str(value)


def _without_control(name: str) -> str:
    """A name without the control characters that XML cannot hold."""
    return "".join(character for character in name if character >= " " or character in "\t\n\r")


FORMATS = ("ml-gcn", "npz", "csv", "graphml")


def exported(name: str, counts: TableCounts, phi: FloatArray) -> bytes:
    """A relation in one of `FORMATS`.

    Args:
        name: of the format.
        counts: of the table.
        phi: (num_labels, num_labels), NaN where undefined.
    """
    if name == "ml-gcn":
        return ml_gcn_pickle(counts)
    if name == "npz":
        return npz_bytes(counts, phi)
    return csv_text(counts, phi).encode() if name == "csv" else graphml_bytes(counts)


def write_export(path: str | os.PathLike[str], name: str, counts: TableCounts, phi: FloatArray) -> None:
    """Write a relation in one of `FORMATS`; see `exported`."""
    Path(path).write_bytes(exported(name, counts, phi))
