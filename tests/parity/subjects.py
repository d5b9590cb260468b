"""What the suite asks of a framework. `FRAMEWORKS` names the `Framework` of each adapter."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from obrl import spec
from tests.support.cases import Batch, Case
from tests.support.interpreter import interpret
from tests.support.strategies import LABEL_COUNTS, SIZES
from tests.support.tolerances import Results

FRAMEWORKS = {
    "numpy": "tests.parity.numpy_subjects:NUMPY",
    "torch": "tests.parity.torch_subjects:TORCH",
    "torch_native": "tests.parity.torch_subjects:NATIVE",
    "torch_fused": "tests.parity.torch_subjects:FUSED",
    "torch_wide": "tests.parity.wide_subjects:WIDE",
    "jax": "tests.parity.jax_subjects:JAX",
    "jax_fused": "tests.parity.jax_subjects:FUSED",
    "tensorflow": "tests.parity.tensorflow_subjects:TENSORFLOW",
    "tensorflow_fused": "tests.parity.tensorflow_subjects:FUSED",
    "keras_tensorflow": "tests.parity.keras_subjects:KERAS",
    "keras_jax": "tests.parity.keras_subjects:KERAS",
    "keras_torch": "tests.parity.keras_subjects:KERAS",
}
"""Where each framework's entry is; it is imported in the process that tests it, and must be importable there."""


@dataclass(frozen=True)
class Outcome:
    """The results of a call.

    Attributes:
        values: of the terms (L, L_E, L_B), or of the one value asked for, in float64.
        gradient: of the first, with respect to the logits, in float64.
        logits: after rounding to their dtype, in float64.
        value_dtype: the name of the dtype of the values.
        gradient_dtype: likewise.
    """

    values: tuple[Any, ...]
    gradient: NDArray[np.float64]
    logits: NDArray[np.float64]
    value_dtype: str
    gradient_dtype: str


@dataclass(frozen=True)
class State:
    """The accumulators and the relation, as NumPy arrays."""

    relation_sum: NDArray[Any]
    relation_weight: NDArray[Any]
    relation: NDArray[Any]


class Relation(Protocol):
    """A relation under test."""

    def state(self) -> State:
        """What it holds now."""

    def update(self, batch: Batch) -> None:
        """Eq. 1."""


class Endpoint(Protocol):
    """A loss under test that returns its value alone; a call updates it as a training step does."""

    def state(self) -> State:
        """What its relation holds now."""

    def call(self, batch: Batch) -> Outcome:
        """The value alone and its gradient."""


class Criterion(Endpoint, Protocol):
    """A loss under test."""

    def terms(self, batch: Batch) -> Outcome:
        """L, L_E, L_B and the gradient of L."""


@dataclass(frozen=True)
class Framework:
    """An adapter as the suite sees it. What it does not have is None, and the tests of that are left out.

    Attributes:
        name: as users import it.
        eager: the dtypes of each implementation that runs without a compiler.
        compiled: the dtypes that are run through the framework's compiler.
        state: the dtype of the state in a criterion.
        plain: the loss in ordinary code of this framework in float32, for the lower precisions' bounds.
        functions: what takes the place of Eq. 4, in this framework, by the names of `tests.support.other_losses`.
        joint: an `OBRLoss` for the settings of a case; takes the case, implementation and dtype.
        compiled_joint: the same through the compiler, which compiles once for the same settings, shapes and dtype.
        relation_criterion: a `RelationLoss`, likewise.
        stateless: `relation_loss`; takes case, batch, relation, implementation and dtype.
        relation: an `OnlineBatchRelation`; takes the case and the dtype of its state.
        endpoint: a layer that returns one value, never one for each sample; takes the case and the dtype.
        scale: what the suite's numbers of examples are multiplied by.
        least_examples: the fewest examples on the eager paths under the default profile; Keras draws 1,000 over
            its three backends.
        ignored_warnings: of the framework's compiler, in the form of pytest's `filterwarnings`.
        label_counts: the numbers of labels to draw from.
        sizes: the numbers of rows to draw from; few where every shape is compiled, operation by operation.
        max_batches: of a case; fewer where a step is slow.
        on: the same on another device, by its name; None where the suite knows no other.
    """

    name: str
    eager: Mapping[str, tuple[str, ...]]
    compiled: tuple[str, ...]
    state: str
    plain: Callable[[Case, Batch, spec.PairCodes], Results]
    functions: Mapping[str, Callable[..., Any]]
    joint: Callable[[Case, str, str], Criterion] | None = None
    compiled_joint: Callable[[Case, str], Criterion] | None = None
    relation_criterion: Callable[[Case, str, str], Criterion] | None = None
    stateless: Callable[[Case, Batch, NDArray[np.float64], str, str], Outcome] | None = None
    relation: Callable[[Case, str], Relation] | None = None
    endpoint: Callable[[Case, str], Endpoint] | None = None
    scale: float = 1.0
    least_examples: int = 1000
    ignored_warnings: tuple[str, ...] = ()
    label_counts: tuple[int, ...] = LABEL_COUNTS
    sizes: tuple[int, ...] = SIZES
    max_batches: int = 3
    on: Callable[[str], Framework] | None = None

    @property
    def package(self) -> str:
        """What a user imports."""
        return "obrl" if self.name == "numpy" else f"obrl.{self.name}"


def plain_arguments(case: Case, batch: Batch, codes: spec.PairCodes) -> tuple[Any, ...]:
    """What the plain formulas of the frameworks take, in float32.

    Returns:
        Logits, targets (0 where missing), known (bool), pos_weight, sample_weight; f_p, f_n and what L_B is divided by;
        and alpha.
    """
    single = np.float32
    targets = batch.targets.astype(np.float64)
    known = ~np.isnan(targets) & (True if batch.observed is None else batch.observed)
    pos_weight = np.ones(case.num_labels) if case.pos_weight is None else case.pos_weight
    weight = np.ones(batch.size) if batch.sample_weight is None else batch.sample_weight
    pairs = case.num_labels**2 if case.normalization == "all_pairs" else max(codes.active, 1)
    return (
        batch.logits.astype(single),
        np.where(known, targets, 0).astype(single),
        known,
        pos_weight.astype(single),
        weight.astype(single),
        (codes.positive.astype(single), codes.negative.astype(single), single(2 * pairs)),
        single(case.alpha),
    )


class NoDeviceError(RuntimeError):
    """The device that was asked for is not there, or the framework is not tested on it."""


def load(name: str, device: str = "cpu") -> Framework:
    """Import a framework's entry; an ImportError here fails the run, as it must.

    Args:
        name: a key of `FRAMEWORKS`.
        device: `"cpu"` or `"cuda"`; what is not there is an error, never a reason to skip.

    Raises:
        NoDeviceError: no such device, or a framework that has no tests on it.
    """
    family, _, backend = name.partition("_")
    if family == "keras":
        os.environ["KERAS_BACKEND"] = backend  # before Keras is imported
    if backend == "native":
        os.environ["TRITON_INTERPRET"] = "0"
    if name in ("torch_fused", "torch_wide"):
        if device == "cpu":
            interpret()
        else:
            os.environ["TRITON_INTERPRET"] = "0"  # before the kernels are imported
    module, attribute = FRAMEWORKS[name].split(":")
    framework: Framework = getattr(import_module(module), attribute)
    if device == "cpu":
        return framework
    if framework.on is None:
        raise NoDeviceError(f"--framework {name} runs on the CPU alone, got --device {device}")
    return framework.on(device)
