"""Compares, bit by bit, the results of the native launcher and its cubins with those of Triton's launches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from obrl.measures import MEASURES
from obrl_native import cpu, cuda

HOW = (
    "The launcher of the cubins, called through ctypes with torch's memory and stream, beside torch's operators of the "
    "same kernels: three batches move the relation in place and into other memory, from targets and from their counts, "
    "with every measure and estimator; then the loss of each sample and its gradients, at several sizes. The first "
    "call is captured into a graph. different names each result that is not equal to the bit. Triton compiles a launch "
    "anew where 16 divides a size, and may then add up a loss in another order, so losses are compared at other sizes."
)
EVERY = tuple((measure, estimator) for measure in MEASURES for estimator in ("batch", "counts"))
SOME = (("unit_pearson", "batch"), ("conditional", "counts"))
PARTS: dict[str, tuple[tuple[tuple[int, int], ...], tuple[tuple[str, str], ...]]] = {
    "few": (((37, 23), (1021, 41), (70, 115), (5003, 41)), SOME),
    "many": (((131, 300), (70, 1001), (515, 4099)), SOME),
    "measures": (((1021, 41),), EVERY),
}
"""The parts, each for one process: sizes (K, M), none divisible by 16; measures and estimators."""
DECAY, POSITIVE, NEGATIVE, ALPHA = 0.9, 0.7, 0.3, 0.5


class Native:
    """The native launcher, called with torch's memory and current stream."""

    def __init__(self, library: cuda.Library, device: str) -> None:
        self.library = library
        self.device = device

    def bytes(self, size: int) -> Tensor:
        """Memory of `size` bytes, none of them 0."""
        return torch.full((size,), 0xA5, dtype=torch.uint8, device=self.device)

    def pairs(self, num_labels: int) -> Tensor:
        """Memory for the pairs of a relation."""
        return self.bytes(self.library.pairs_bytes(num_labels))

    def count(self, targets: Tensor) -> Tensor:
        """The counts of a batch, (3, num_labels, num_labels)."""
        batch, num_labels = targets.shape
        counts = torch.full((3, num_labels, num_labels), torch.nan, device=self.device)
        self.library.count(targets.data_ptr(), batch, num_labels, counts.data_ptr(), stream=self._stream())
        return counts

    def move(
        self,
        state: tuple[Tensor, Tensor],
        new_state: tuple[Tensor, Tensor],
        pairs: Tensor,
        measure: str,
        estimator: str,
        *,
        targets: Tensor | None = None,
        counts: Tensor | None = None,
        scratch: Tensor | None = None,
    ) -> Tensor:
        """Move a state into another one, which may be the same; write its pairs into `pairs` and return them."""
        num_labels = state[1].shape[0]
        batch = 0 if targets is None else targets.shape[0]
        if scratch is None:
            scratch = self.bytes(self.library.move_scratch(batch, num_labels))
        arrays = (targets, counts, *state, *new_state, pairs)
        relation = cuda.Relation(
            *(None if array is None else array.data_ptr() for array in arrays),
            DECAY,
            POSITIVE,
            NEGATIVE,
            batch,
            num_labels,
            cpu.MEASURES[measure],
            estimator == "counts",
        )
        self.library.move(relation, stream=self._stream(), scratch=scratch.data_ptr(), scratch_bytes=scratch.numel())
        return pairs

    def loss(
        self,
        logits: Tensor,
        targets: Tensor | None,
        weights: tuple[Tensor, Tensor],
        pairs: Tensor,
        gradient: str,
        normalization: str,
    ) -> list[Tensor]:
        """L, L_E, L_B and up to two gradients; without targets, L_B and its gradient."""
        joint = targets is not None
        terms = [torch.full(logits.shape[:1], torch.nan, device=self.device) for _ in range(3)]
        gradients = [torch.full(logits.shape, torch.nan, device=self.device) for _ in range(2)]
        size = self.library.loss_scratch(*logits.shape, joint=joint, gradients=cpu.GRADIENTS[gradient])
        scratch = self.bytes(size)
        arrays = (logits, targets, *weights, pairs, *terms, *gradients)
        arguments = cuda.LossArguments(
            *(None if array is None else array.data_ptr() for array in arrays),
            ALPHA,
            *logits.shape,
            cpu.GRADIENTS[gradient],
            normalization == "active_pairs",
        )
        self.library.loss(arguments, stream=self._stream(), scratch=scratch.data_ptr(), scratch_bytes=size)
        count = {"none": 0, "total": 1, "parts": 2 if joint else 1}[gradient]
        return [*(terms if joint else terms[2:]), *gradients[:count]]

    def _stream(self) -> int:
        return int(torch.cuda.current_stream().cuda_stream)


def compare(part: str, native: Native) -> dict[str, Any]:
    """Compare everything in a part; see `HOW`."""
    different, compared = [], 0
    for name, result, expected in comparisons(part, native):
        compared += 1
        if not torch.equal(result.nan_to_num(nan=7.0), expected.nan_to_num(nan=7.0)):
            different.append(name)
    return {"part": part, "compared": compared, "different": different}


Comparison = tuple[str, Tensor, Tensor]


def comparisons(part: str, native: Native) -> Iterator[Comparison]:
    """The comparisons of a part: a name, the launcher's result, and that of torch's operators."""
    sizes, settings = PARTS[part]
    if part == "few":
        yield from captured(native)
    for size in sizes:
        generator = torch.Generator(native.device).manual_seed(sum(size))
        batches = [draw_targets(*size, generator) for _ in range(3)]
        for measure, estimator in settings:
            yield from relations(native, f"{size}, {measure}, {estimator}", batches, measure, estimator)
        if settings is SOME:
            yield from losses(native, f"{size}", batches, generator)


def draw_targets(batch: int, num_labels: int, generator: torch.Generator) -> Tensor:
    """Draw related labels, some of them missing."""
    device = generator.device
    source = torch.rand((batch, 3), generator=generator, device=device)[:, torch.arange(num_labels, device=device) % 3]
    values = source + 0.3 * torch.rand((batch, num_labels), generator=generator, device=device)
    missing = torch.rand((batch, num_labels), generator=generator, device=device) < 0.1
    return values.clamp(max=1.0).masked_fill(missing, torch.nan)


def empty_state(num_labels: int, estimator: str, device: str) -> tuple[Tensor, Tensor]:
    """Accumulators that have seen nothing."""
    matrix = (num_labels, num_labels)
    return torch.zeros((3, *matrix) if estimator == "counts" else matrix, device=device), torch.zeros(
        matrix, device=device
    )


def _code(pairs: Tensor, like: Tensor) -> Tensor:
    """The codes at the start of the launcher's pairs, in the shape and dtype of the operators' codes."""
    return pairs[: like.numel()].view(torch.int8).view(like.shape)


def _active(pairs: Tensor, code: Tensor) -> Tensor:
    """Twice the number of active pairs, from the counts that follow the codes."""
    return pairs[code.numel() :].view(torch.int32).sum()


def captured(native: Native) -> Iterator[Comparison]:
    """The first call of the process, captured into a graph that is then replayed."""
    from obrl_torch import operators

    generator = torch.Generator(native.device).manual_seed(1)
    targets = draw_targets(*PARTS["few"][0][0], generator)
    num_labels = targets.shape[1]
    settings = ("unit_pearson", "batch")
    state, expected = (empty_state(num_labels, "batch", native.device) for _ in range(2))
    pairs = native.pairs(num_labels)
    scratch = native.bytes(native.library.move_scratch(*targets.shape))
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        native.move(state, state, pairs, *settings, targets=targets, scratch=scratch)
    for _ in range(2):
        graph.replay()
        arrivals = torch.zeros(64, dtype=torch.int32, device=native.device)
        code, _, _ = operators.move_relation(targets, None, *expected, arrivals, DECAY, POSITIVE, NEGATIVE, *settings)
    yield from zip(("captured sum", "captured weight"), state, expected, strict=True)
    yield "captured codes", _code(pairs, code), code


def relations(native: Native, name: str, batches: list[Tensor], measure: str, estimator: str) -> Iterator[Comparison]:
    """The state, its codes and its active pairs after each batch, for each way to move the state."""
    from obrl_torch import operators

    device, num_labels = native.device, batches[0].shape[1]
    expected, state, by_counts = (empty_state(num_labels, estimator, device) for _ in range(3))
    settings = (POSITIVE, NEGATIVE, measure, estimator)
    for step, targets in enumerate(batches):
        arrivals = torch.zeros(64, dtype=torch.int32, device=device)
        code, active, _ = operators.move_relation(targets, None, *expected, arrivals, DECAY, *settings)
        new = tuple(torch.full_like(part, torch.nan) for part in state)
        counts = native.count(targets)
        pairs_of = {
            "into other memory": native.move(
                state, (new[0], new[1]), native.pairs(num_labels), measure, estimator, targets=targets
            ),
            "in place": native.move(state, state, native.pairs(num_labels), measure, estimator, targets=targets),
            "by counts": native.move(by_counts, by_counts, native.pairs(num_labels), measure, estimator, counts=counts),
            "codes alone": native.move(state, state, native.pairs(num_labels), measure, estimator),
        }
        for how, pairs in pairs_of.items():
            yield f"codes: {name}, {step}, {how}", _code(pairs, code), code
            yield f"active: {name}, {step}, {how}", _active(pairs, code), active.sum()
        for how, moved in (("in place", state), ("into other memory", new), ("by counts", by_counts)):
            for part, one, other in zip(("sum", "weight"), moved, expected, strict=True):
                yield f"{part}: {name}, {step}, {how}", one, other
        yield f"counts: {name}, {step}", counts, operators.count_pairs(targets, None)


def losses(native: Native, name: str, batches: list[Tensor], generator: torch.Generator) -> Iterator[Comparison]:
    """The terms of each sample and the gradients, with weights."""
    from obrl_torch import operators

    targets = batches[0]
    batch, num_labels = targets.shape
    settings = ("unit_pearson", "batch")
    state = empty_state(num_labels, "batch", native.device)
    native.move(state, state, native.pairs(num_labels), *settings, targets=targets)
    pairs = native.move(state, state, native.pairs(num_labels), *settings)
    code, active, counter = operators.code_pairs(*state, POSITIVE, NEGATIVE, *settings)
    logits = 4 * torch.randn(targets.shape, generator=generator, device=native.device)
    weights = (
        torch.rand(batch, generator=generator, device=native.device),
        torch.rand(num_labels, generator=generator, device=native.device),
    )
    names = ("total", "cross-entropy", "relation loss", "gradient", "relation gradient")
    for normalization in ("all_pairs", "active_pairs"):
        arguments = (logits, targets, None, *weights, code, active, counter, ALPHA, normalization, "none")
        parts = operators.loss_terms(*arguments, "parts", torch.float32)
        for gradient in ("none", "total", "parts"):
            expected = operators.loss_terms(*arguments, gradient, torch.float32)
            joint = native.loss(logits, targets, weights, pairs, gradient, normalization)
            alone = native.loss(logits, None, weights, pairs, gradient, normalization)
            for what, one, other in (
                *_pairs_of(names, joint, expected),
                *_pairs_of(("alone", "gradient alone"), alone, (parts[2], parts[4])),
            ):
                yield f"{what}: {name}, {normalization}, {gradient}", one, other


def _pairs_of(names: Sequence[str], results: Sequence[Tensor], expected: Sequence[Tensor]) -> Iterator[Comparison]:
    """Each result of the launcher, which leaves out gradients that were not asked for, beside the expected one."""
    count = len(results)
    return zip(names[:count], results, expected[:count], strict=True)
