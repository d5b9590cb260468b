"""`Condition` of PyTorch against NumPy's `condition`: in eager mode, compiled, exported, and in onnxruntime."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from obrl.conditional import CONDITION_SHRINKAGE, condition, shrunk
from obrl.mining import RelationMiner
from obrl.torch import Condition, OBRLoss, OnlineBatchRelation
from tests.support.start import LABELS, table
from tests.support.tolerances import CONDITION_FLOAT32, CONDITION_FLOAT64

FloatArray = npt.NDArray[np.float64]
Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_]]
KINDS = ("random", "equal", "opposite", "factors")


def correlations(rng: np.random.Generator, size: int, kind: str, undefined: float = 0.0) -> FloatArray:
    """A symmetric matrix in [-1, 1]: no correlation matrix where it is random, a singular one where all are equal."""
    if kind == "random":
        phi = np.triu(rng.uniform(-1, 1, (size, size)), 1)
        phi = phi + phi.T
    elif kind == "factors":
        factors = rng.normal(size=(size, 2))
        factors /= np.linalg.norm(factors, axis=1, keepdims=True)
        phi = np.clip(factors @ factors.T, -1, 1)
        phi = (phi + phi.T) / 2
    else:
        signs = np.ones(size) if kind == "equal" else rng.choice([-1.0, 1.0], size)
        phi = np.outer(signs, signs)
    np.fill_diagonal(phi, 1.0)
    missing = np.triu(rng.random((size, size)) < undefined)
    phi[missing | missing.T] = np.nan
    return phi


def batch(rng: np.random.Generator, size: int, rows: int = 12) -> Batch:
    """Rows that know nothing, all or a part of their labels, with probabilities at the ends and in between."""
    p = np.where(
        rng.random((rows, size)) < 0.3, rng.choice([0, 1e-3, 0.999, 1], (rows, size)), rng.random((rows, size))
    )
    y = rng.integers(0, 2, (rows, size)).astype(np.float32)
    known = rng.random((rows, size)) < rng.random((rows, 1))
    known[:1], known[1:2] = False, True
    y[~known] = rng.choice([np.nan, 7.0, 0.0], int((~known).sum()))
    return p.astype(np.float32), y, known


def off_by(result: Any, phi: FloatArray, arrays: Batch) -> float:
    p, y, known = arrays
    expected = condition(phi, p, y, observed=known)
    assert np.asarray(result).shape == expected.shape
    return float(np.abs(np.asarray(result, np.float64) - expected).max(initial=0.0))


def tensors(arrays: Batch) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(array) for array in arrays)


@given(
    st.integers(0, 2**31),
    st.sampled_from([1, 2, 3, 7, 40, 64]),
    st.sampled_from(KINDS),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.sampled_from([0, 1, 12]),
)
def test_it_is_numpys_condition(seed: int, size: int, kind: str, undefined: float, rows: int) -> None:
    rng = np.random.default_rng(seed)
    phi, arrays = correlations(rng, size, kind, undefined), batch(rng, size, rows)
    module = Condition(phi)
    result = module(*tensors(arrays))
    assert result.dtype == torch.float32
    assert off_by(result, phi, arrays) <= CONDITION_FLOAT32
    p, y, known = arrays
    assert torch.equal(module(*tensors((p, np.where(known, y, np.nan), known))[:2]), result)  # NaN alone says it, too
    wide = module.double()
    wide.correlations = torch.from_numpy(shrunk(phi, CONDITION_SHRINKAGE))  # without their rounding to float32
    assert off_by(wide(*tensors(arrays)), phi, arrays) <= CONDITION_FLOAT64


@pytest.mark.parametrize(("size", "kind"), [(1, "equal"), (2, "random"), (40, "random")])
def test_the_exported_file_agrees_in_onnxruntime(tmp_path: Path, size: int, kind: str) -> None:
    rng = np.random.default_rng(size)
    phi = correlations(rng, size, kind, 0.1)
    run = session(tmp_path, phi)
    for rows in (1, 2, 33):
        arrays = batch(rng, size, rows)
        assert off_by(run(arrays), phi, arrays) <= CONDITION_FLOAT32


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_exported_file_agrees_with_the_most_labels(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(64)
    phi = correlations(rng, 64, kind)
    run = session(tmp_path, phi)
    assert (tmp_path / "condition.onnx").stat().st_size < 500_000
    for rows in (1, 100):
        arrays = batch(rng, 64, rows)
        assert off_by(run(arrays), phi, arrays) <= CONDITION_FLOAT32


def session(folder: Path, phi: FloatArray) -> Any:
    """What runs the exported file on a batch."""
    Condition(phi).to_onnx(folder / "condition.onnx")
    running = onnxruntime.InferenceSession(folder / "condition.onnx", providers=["CPUExecutionProvider"])
    assert [entry.name for entry in running.get_inputs()] == ["probabilities", "targets", "observed"]

    def run(arrays: Batch) -> Any:
        names = ("probabilities", "targets", "observed")
        return running.run(["conditioned"], dict(zip(names, arrays, strict=True)))[0]

    return run


def test_a_file_knows_the_names_of_the_labels(tmp_path: Path) -> None:
    Condition(np.eye(2), label_names=["chapeau", "Möwe"]).to_onnx(tmp_path / "c.onnx")
    metadata = onnxruntime.InferenceSession(tmp_path / "c.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(metadata["label_names"]) == ["chapeau", "Möwe"]


def test_a_wide_module_is_exported_in_float32(tmp_path: Path) -> None:
    module = Condition(np.eye(2)).double()
    module.to_onnx(tmp_path / "c.onnx")
    running = onnxruntime.InferenceSession(tmp_path / "c.onnx")
    assert {entry.type for entry in (*running.get_inputs()[:2], *running.get_outputs())} == {"tensor(float)"}
    assert module.correlations.dtype == torch.float64


def test_a_model_that_ends_in_it_is_exported_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    phi, (_, y, known) = correlations(rng, 3, "factors"), batch(rng, 3)

    class Server(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.condition = torch.nn.Linear(4, 3), Condition(phi)

        def forward(self, x: torch.Tensor, y: torch.Tensor, known: torch.Tensor) -> Any:
            return self.condition(self.net(x).sigmoid(), y, known)

    server, x = Server().eval(), torch.randn(12, 4)
    size = torch.export.Dim("batch")
    arguments = (x, *tensors((y, y, known))[1:])
    program = torch.export.export(server, arguments, dynamic_shapes=({0: size}, {0: size}, {0: size}))
    p = server.net(x).sigmoid().detach().numpy()
    assert off_by(program.module()(*arguments).detach(), phi, (p, y, known)) <= CONDITION_FLOAT32


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_it_compiles_as_one_graph_for_every_batch() -> None:
    rng = np.random.default_rng(3)
    phi = correlations(rng, 4, "random")
    compiled = torch.compile(Condition(phi), fullgraph=True, dynamic=True)
    for rows in (5, 9):
        arrays = batch(rng, 4, rows)
        assert off_by(compiled(*tensors(arrays)), phi, arrays) <= CONDITION_FLOAT32


def test_it_takes_what_holds_a_relation(tmp_path: Path) -> None:
    labels = torch.tensor(table())
    names = [f"label {k}" for k in range(LABELS)]
    relation = OnlineBatchRelation(LABELS, decay=1, measure="pearson", label_names=names).update(labels)
    loss = OBRLoss(LABELS, label_names=names, decay=1)
    loss(torch.zeros(labels.shape), labels)
    miner = RelationMiner(label_names=names).fit(table())
    relation.save(tmp_path / "relation.npz")
    expected = Condition(np.corrcoef(table().T)).correlations
    for holder in (
        relation,
        relation.to_numpy(),
        loss,
        miner,
        tmp_path / "relation.npz",
        str(tmp_path / "relation.npz"),
    ):
        module = Condition(holder)
        assert module.label_names == tuple(names)
        torch.testing.assert_close(module.correlations, expected)
    other = ["another", *names[1:]]
    assert Condition(relation, label_names=other).label_names == tuple(other)


def test_its_state_is_the_correlations_and_never_narrow() -> None:
    module = Condition([[1.0, 0.8], [0.8, 1.0]])
    values = copy.deepcopy(module.correlations)
    assert list(module.state_dict()) == ["correlations"] and not list(module.parameters())
    for narrow in (module.half, module.bfloat16, lambda: module.to(torch.float16)):
        narrow()
        assert torch.equal(module.correlations, values)
    half = torch.tensor([[0.5, 0.5]], dtype=torch.float16)
    known = torch.tensor([[True, False]])
    with torch.autocast("cpu"):
        result = module(half, torch.tensor([[1, 0]]), known)
    assert result.dtype == torch.float32 and float(result[0, 1]) == pytest.approx(0.78, abs=1e-5)
    again = Condition(np.eye(2))
    again.load_state_dict(module.state_dict())
    assert torch.equal(again(half, half, known), module(half, half, known))


def test_gradients_flow_to_the_probabilities() -> None:
    rng = np.random.default_rng(1)
    module = Condition(correlations(rng, 4, "factors")).double()
    p = torch.tensor(rng.uniform(0.3, 0.7, (3, 4)), requires_grad=True)
    known = torch.tensor(rng.random((3, 4)) < 0.5)
    assert torch.autograd.gradcheck(lambda p: module(p, known, known), p)


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        (np.eye(65), "at most 64 labels.*got 65.*NumPy"),
        (np.ones((2, 3)), "shape"),
        (np.full((2, 2), 1.5), r"\[-1, 1\]"),
        (OnlineBatchRelation(2, measure="jaccard"), "for phi to follow"),
    ],
)
def test_a_relation_that_does_not_do_is_refused(relation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Condition(relation)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({0: torch.full((1, 3), 0.5)}, ValueError, "the shape of targets"),
        ({0: torch.full((1, 2), 3.0)}, ValueError, "apply the sigmoid to logits"),
        ({0: torch.full((1, 2), float("nan"))}, ValueError, "got NaN"),
        ({0: np.full((1, 2), 0.5)}, TypeError, "probabilities must be a torch.Tensor"),
        ({0: torch.full((1, 2), 1j)}, TypeError, "probabilities must be numbers"),
        ({1: torch.full((1, 2), -1)}, ValueError, "targets must lie in"),
        ({1: torch.zeros(1, 3)}, ValueError, "num_labels"),
        ({2: torch.zeros(1, 2)}, TypeError, "observed must be bool"),
        ({0: torch.full((1, 2), 0.5, device="meta")}, ValueError, "probabilities must be on the device"),
    ],
)
def test_wrong_tensors_are_refused(change: dict[int, Any], error: type[Exception], message: str) -> None:
    arguments = [torch.full((1, 2), 0.5), torch.ones(1, 2), torch.ones(1, 2, dtype=torch.bool)]
    for place, value in change.items():
        arguments[place] = value
    with pytest.raises(error, match=message):
        Condition(np.eye(2))(*arguments)


def test_without_the_exporter_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obrl_torch.condition.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"onnx, onnxscript.*obrl\[torch,export\]"):
        Condition(np.eye(2)).to_onnx(tmp_path / "c.onnx")
    assert not list(tmp_path.iterdir())
