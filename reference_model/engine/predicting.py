"""What a net says of any pictures: decoded by threads while the net computes, without stopping at broken ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reference_model.data.alignment import Landmarks, align_face
from reference_model.data.catalogue import PictureSource
from reference_model.data.errors import DataError
from reference_model.data.pictures import decode_picture, decode_upright, square_pixels
from reference_model.engine.model_file import ModelFile

BATCH_SIZE = 32

Pixels = npt.NDArray[np.uint8]


class Answer(NamedTuple):
    """What a net says of one picture.

    Attributes:
        row: The picture's row.
        pixels: (3, size, size) uint8: the net's input; None where the picture cannot be used.
        values: (C,) float64: what the stage predicts; None where the picture cannot be used.
        reason: Why it cannot be used; empty where it can.
    """

    row: int
    pixels: Pixels | None
    values: npt.NDArray[np.float64] | None
    reason: str


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A batch: the pixels of every picture, or why it cannot be used."""

    rows: range
    pixels: list[Pixels | DataError]


def predict(model: ModelFile, pictures: PictureSource, landmarks: Landmarks | None = None) -> Iterator[Answer]:
    """Yield what a net says of every picture, in their order.

    Args:
        model: The net.
        pictures: The pictures.
        landmarks: Where their faces are, to align them; a picture without is not used.

    Raises:
        ValueError: If an output is not finite.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = model.model.to(device).eval()

    def prepare(row: int) -> Pixels | DataError:
        try:
            return _pixels(pictures, row, model.size, landmarks)
        except DataError as error:
            return error

    for batch in _batches(len(pictures), prepare):
        usable = [pixels for pixels in batch.pixels if not isinstance(pixels, DataError)]
        values = iter(())
        if usable:
            with torch.inference_mode():
                outputs = net(torch.from_numpy(np.stack(usable)).to(device))
                values = iter(_values(model, outputs).double().cpu().numpy())
        for row, pixels in zip(batch.rows, batch.pixels, strict=True):
            if isinstance(pixels, DataError):
                yield Answer(row, None, None, str(pixels))
            else:
                yield Answer(row, pixels, next(values), "")


def _pixels(pictures: PictureSource, row: int, size: int, landmarks: Landmarks | None) -> Pixels:
    where = pictures.describe(row)
    if landmarks is None:
        return decode_picture(pictures.read(row), size, where=where)
    points = landmarks.points.get(pictures.name(row))
    if points is None:
        raise DataError(f"{where}: {landmarks.path} has no landmarks for it")
    return square_pixels(align_face(decode_upright(pictures.read(row), where=where), points, where=where), size)


def _batches(count: int, prepare: Callable[[int], Pixels | DataError]) -> Iterator[_Prepared]:
    """Yield batches, the next of which is decoded while the last one is in use."""
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode") as pool:

        def submit(start: int) -> tuple[range, list[Future[Pixels | DataError]]]:
            rows = range(start, min(start + BATCH_SIZE, count))
            return rows, [pool.submit(prepare, row) for row in rows]

        waiting = submit(0)
        for start in range(BATCH_SIZE, count + BATCH_SIZE, BATCH_SIZE):
            rows, futures = waiting
            waiting = submit(start)
            yield _Prepared(rows, [future.result() for future in futures])


def _values(model: ModelFile, outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Return what is written of a batch: (batch, C)."""
    parts = outputs if isinstance(outputs, tuple) else (outputs,)
    if not all(bool(torch.isfinite(part).all()) for part in parts):
        raise ValueError(f"{model.path}: the net's outputs are not finite; train it anew")
    if isinstance(outputs, tuple):  # logits and embeddings
        return outputs[1]
    if model.stage.name == "attributes":
        return outputs.double().sigmoid()
    if model.stage.name == "age":
        return model.stage.collect(outputs, outputs)["years"].unsqueeze(1)
    return outputs.double().softmax(dim=1)
