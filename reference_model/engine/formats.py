"""Nets in the formats that other programs read, each file compared with torch before it gets its name."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor

from reference_model.engine.finished import (
    BATCH_SIZES,
    INPUT,
    Finished,
    example_pixels,
    load_exactly,
    torch_outputs,
)
from reference_model.engine.module import build_net
from reference_model.nets.weights import read_weights
from reference_model.runs import RunError
from reference_model.stages.stage import Targets

TOLERANCE = 1e-5
"""Largest difference of an ONNX file's outputs to torch's; where outputs are above 1, as a share of the largest."""
OPSET = 20
LARGEST_FILE = 2**31 - 1  # bytes that a file of protobuf may have


class Difference(NamedTuple):
    """How far a file's outputs are from torch's, over all outputs of a batch.

    Attributes:
        batch: Pictures in the batch.
        largest: Largest absolute difference.
        magnitude: Largest absolute value that torch gives out.
    """

    batch: int
    largest: float
    magnitude: float

    def within(self, tolerance: float) -> bool:
        """Return whether the difference is small enough; one that is not a number is not."""
        return self.largest <= tolerance * max(1.0, self.magnitude)


def write_onnx(path: Path, net: Finished) -> tuple[Difference, ...]:
    """Write a net as ONNX, for any number of pictures a batch, and compare it with torch.

    Args:
        path: The file; it must be removed if this raises.
        net: The net.

    Returns:
        The differences, by size of the batch.

    Raises:
        RunError: If the file's outputs are not torch's.
    """
    import onnx

    model = net.model
    size = net.config.images.size
    with _quiet():
        program: Any = torch.onnx.export(
            model,
            (example_pixels(2, size),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[output.name for output in net.outputs],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    content = program.model_proto
    if content.ByteSize() > LARGEST_FILE:
        raise RunError(
            f"the net needs {content.ByteSize():,} bytes as ONNX, and such a file holds {LARGEST_FILE:,}; export it "
            "with --safetensors"
        )
    content.producer_name, content.producer_version = "reference_model", net.metadata["obrl_version"]
    onnx.helper.set_model_props(content, dict(net.metadata))
    onnx.checker.check_model(content)
    path.write_bytes(content.SerializeToString())
    return _accepted(compare_onnx(path, net), path, TOLERANCE)


def compare_onnx(path: Path, net: Finished) -> tuple[Difference, ...]:
    """Return how far the outputs of an ONNX file are from torch's, computed by onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(pixels: Tensor) -> list[Tensor]:
        return [torch.from_numpy(values) for values in session.run(None, {INPUT: pixels.numpy()})]

    return _compare(run, net)


def write_safetensors(path: Path, net: Finished) -> tuple[Difference, ...]:
    """Write every tensor of a net, with what the file says of itself, and compare a net made of the file with it.

    Args:
        path: The file; it must be removed if this raises.
        net: The net.

    Returns:
        The differences, by size of the batch.

    Raises:
        RunError: If the file's outputs are not torch's.
    """
    tensors = {name: tensor.contiguous().clone() for name, tensor in net.model.state_dict().items()}
    path.write_bytes(save(tensors, metadata=dict(net.metadata)))
    stored, _ = read_weights(path)
    targets = Targets(net.labels["names"], tuple(net.labels["names"]), net.labels["details"])
    again = build_net(net.stage, targets, net.config).eval()
    load_exactly(again, stored, path)
    return _accepted(_compare(lambda pixels: torch_outputs(again, pixels), net), path, 0.0)


def describe_differences(differences: Sequence[Difference]) -> str:
    """Return the result of a comparison in words."""
    parts = [f"{difference.largest:.1e} at batch size {difference.batch}" for difference in differences]
    largest = max(difference.magnitude for difference in differences)
    return f"largest difference to torch {', '.join(parts)}; outputs of up to {largest:.3g}"


def _compare(run: Callable[[Tensor], list[Tensor]], net: Finished) -> tuple[Difference, ...]:
    differences = []
    for batch in BATCH_SIZES:
        pixels = example_pixels(batch, net.config.images.size)
        expected, got = torch_outputs(net.model, pixels), run(pixels)
        shapes = [[tuple(part.shape) for part in parts] for parts in (expected, got)]
        if shapes[0] != shapes[1]:
            raise RunError(f"at batch size {batch} torch gives outputs of shapes {shapes[0]}, the file {shapes[1]}")
        apart = [(a.double() - b.double()).abs().max() for a, b in zip(expected, got, strict=True)]
        magnitudes = [part.abs().max() for part in expected]
        # torch's maximum is NaN where one value is; Python's leaves NaN out
        differences.append(Difference(batch, *(float(torch.stack(values).max()) for values in (apart, magnitudes))))
    return tuple(differences)


def _accepted(differences: tuple[Difference, ...], path: Path, tolerance: float) -> tuple[Difference, ...]:
    if not all(difference.within(tolerance) for difference in differences):
        raise RunError(f"{path}: {describe_differences(differences)}; allowed is {tolerance:g}: nothing is written")
    return differences


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what torch's exporter says of packages that are not there and of its own deprecated calls."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\)", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
