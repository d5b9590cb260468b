"""Features of frozen face-level nets on disk: computed once, read by every run with the same nets and pictures."""

from __future__ import annotations

import copy
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reference_model.config import RunConfig
from reference_model.data.cache import user_cache
from reference_model.data.catalogue import PictureFolder, fingerprint
from reference_model.data.errors import first_few
from reference_model.data.pictures import PictureBatches
from reference_model.engine.evaluation import choose_device
from reference_model.engine.feature_files import (
    CachedPictures,
    FeatureMap,
    Floats16,
    check_shared,
    read_map,
    stand_ins,
    writers,
)
from reference_model.engine.processes import this_rank, wait_for_all
from reference_model.engine.sources import StageData
from reference_model.nets.model import AttributeModel, scale_pixels
from reference_model.nets.weights import SCALING
from reference_model.runs import RunError
from reference_model.settings.sizes import usable_feature_size

FORMAT = 1
GIGABYTE = 1e9
CHECKED_ROWS = 8
CLOSE = 0.01
"""How far a stored value may be from a recomputed one, in parts of the row's largest: float16 rounds to 0.0005 of a
value, and a GPU may multiply with as few bits; other pictures or weights differ by a large part of it."""


class FeatureCache:
    """The features that a run needs: which they are, how large, and where.

    Args:
        model: The net, with the weights that its frozen nets have in training.
        data: The data.
        config: The settings.

    Raises:
        TypeError: If the net has no face-level nets whose features are fused.
    """

    def __init__(self, model: nn.Module, data: StageData, config: RunConfig) -> None:
        if not isinstance(model, AttributeModel):
            raise TypeError(f"expected an AttributeModel, got {type(model).__name__}")
        self._nets = dict(zip(model.face.nets.keys(), model.face.face_nets(), strict=True))
        self._data, self._config = data, config
        self._partitions = tuple(dict.fromkeys(("train", "valid", *data.stage.partitions)))
        self.folder = config.features.folder or user_cache() / "features"
        self.maps = self._plan()

    def _plan(self) -> tuple[FeatureMap, ...]:
        net, size = self._config.net, self._config.images.size
        side = usable_feature_size(size, net.strides)
        weights = {name: weights_digest(part) for name, part in self._nets.items()}
        maps = []
        for partition in self._partitions:
            rows = self._data.catalogue.subset(partition)
            pictures = fingerprint(replace(rows, labels={}, person=None))
            files = rows.pictures
            sizes = hashlib.sha256(files.sizes().tobytes()).hexdigest() if isinstance(files, PictureFolder) else None
            for mirrored in (False, True) if partition == "train" and self._config.images.flip else (False,):
                for name, face in self._nets.items():
                    origin = {
                        "format": FORMAT,
                        "weights": weights[name],
                        "trunk": {"depth": net.depth, "norm": net.norm, "strides": list(net.strides)},
                        "size": size,
                        "scaling": SCALING,
                        "pictures": pictures,
                        "sizes": sizes,
                        "mirrored": mirrored,
                    }
                    key = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:32]
                    maps.append(FeatureMap(name, partition, mirrored, key, (len(rows), side, side, face.out_channels)))
        return tuple(maps)

    def missing(self) -> list[FeatureMap]:
        """Return the maps that are not on disk yet."""
        return [part for part in self.maps if not part.is_stored(self.folder)]

    def forecast(self) -> str:
        """Return how much disk space the features take, as a sentence.

        Raises:
            RunError: If they are more than the settings or the disk allow.
        """
        total, wanting = (sum(part.bytes for part in parts) for parts in (self.maps, self.missing()))
        limit, free = self._config.features.disk_gb * GIGABYTE, _free_bytes(self.folder)
        pictures = sum({part.partition: part.shape[0] for part in self.maps}.values())
        text = (
            f"features of {', '.join(self._nets)} for {pictures} pictures take {_gigabytes(total)} in {self.folder}, "
            f"{_gigabytes(total - wanting)} of which are there"
        )
        if total > limit:
            raise RunError(
                f"{text}: more than the {_gigabytes(limit)} that features.disk_gb allows. Raise it, use a part of the "
                "data, or leave features.cache out"
            )
        if wanting > free:
            raise RunError(
                f"{text}, and {_gigabytes(free)} are free: choose another disk with features.folder, or leave "
                "features.cache out"
            )
        return text[0].upper() + text[1:] + "."

    def build(self, *, say: Callable[[str], None]) -> None:
        """Compute the features that are not on disk yet; what a killed process left half-written is done anew.

        Args:
            say: Tells the user what takes long.

        Raises:
            RunError: If they take too much space, or float16 cannot hold them.
            DataError: If too many pictures cannot be used.
        """
        self.forecast()
        for partition in self._partitions:
            parts = [part for part in self.missing() if part.partition == partition]
            if parts:
                started = time.monotonic()
                self._compute(partition, parts)
                seconds = time.monotonic() - started
                say(f"Features of {parts[0].shape[0]} {partition} pictures computed in {seconds:.1f} s")

    def _compute(self, partition: str, parts: list[FeatureMap]) -> None:
        """Compute several maps of one partition, for which each picture is decoded once."""
        nets, pictures = self._on_device(), self._decoder(partition)
        step = self._config.train.eval_batch_size
        with writers(parts, self.folder) as every:
            for start in range(0, len(pictures), step):
                images, _ = pictures.batch(np.arange(start, min(start + step, len(pictures)), dtype=np.int64))
                for writer in every:
                    features = _compute_features(nets[writer.part.net], images, mirrored=writer.part.mirrored)
                    writer.write(_in_float16(writer.part, features))
            for writer in every:
                writer.finish({picture.row: picture.reason for picture in pictures.unusable})

    def open(self) -> dict[str, CachedPictures]:
        """Return the features of every partition, after eight rows of each, drawn anew, were computed and compared.

        Raises:
            RunError: If they are not what the nets say of the pictures; the message says what to do.
        """
        nets = self._on_device()
        return {partition: self._open(partition, nets) for partition in self._partitions}

    def _open(self, partition: str, nets: Mapping[str, nn.Module]) -> CachedPictures:
        parts = [part for part in self.maps if part.partition == partition]
        values, unusable = self._read(parts)
        count, allowed = parts[0].shape[0], self._config.read.max_unusable
        if len(unusable) > allowed * count:
            reasons = first_few([unusable[row] for row in sorted(unusable)], limit=3)
            raise RunError(
                f"{len(unusable)} of {count} {partition} pictures cannot be used, more than the {allowed:.1%} that "
                f"read.max_unusable allows: {reasons}"
            )
        rows = stand_ins(count, unusable)
        # Other rows each time: pictures replaced under their names are not missed by every run alike.
        generator = np.random.Generator(np.random.PCG64(secrets.randbits(64)))
        sample = np.sort(generator.choice(count, min(CHECKED_ROWS, count), replace=False))
        images, read = self._decoder(partition).batch(rows[sample])
        for part in parts:
            fresh = _compute_features(nets[part.net], images, mirrored=part.mirrored).cpu().numpy()
            same_pictures = np.array_equal(read, rows[sample])
            if not (same_pictures and _all_close(values[part][sample].astype(np.float32), fresh)):
                raise self._wrong([part], f"rows {', '.join(map(str, sample))} were computed anew and differ")
        plain = [values[part] for part in parts if not part.mirrored]
        mirrored = [values[part] for part in parts if part.mirrored]
        return CachedPictures(plain, mirrored, self._data.values(partition), unusable)

    def _read(self, parts: list[FeatureMap]) -> tuple[dict[FeatureMap, Floats16], dict[int, str]]:
        values, reasons = {}, []
        for part in parts:
            try:
                values[part], unusable = read_map(part, self.folder)
            except ValueError as error:
                raise self._wrong([part], str(error)) from error
            reasons.append(unusable)
        if any(other.keys() != reasons[0].keys() for other in reasons):
            raise self._wrong(parts, "some were computed when other pictures could be used")
        return values, reasons[0]

    def _wrong(self, parts: list[FeatureMap], reason: str) -> RunError:
        nets = ", ".join(dict.fromkeys(part.net for part in parts))
        return RunError(
            f"the stored features of {nets} are not those of the {parts[0].partition} pictures: {reason}. Delete "
            f"{' and '.join(str(self.folder / part.key) for part in parts)}, and they are computed anew"
        )

    def _on_device(self) -> dict[str, nn.Module]:
        device = choose_device(self._config.train.device)
        return {name: copy.deepcopy(net).to(device).eval() for name, net in self._nets.items()}

    def _decoder(self, partition: str) -> PictureBatches:
        """Return the pictures of a partition, never in memory; their targets are their rows."""
        rows = self._data.catalogue.subset(partition).pictures
        return PictureBatches(
            rows,
            np.arange(len(rows)),
            self._config.images.size,
            memory_mb=0,
            max_unusable=self._config.read.max_unusable,
        )


def prepare_features(model: nn.Module, data: StageData, config: RunConfig) -> dict[str, CachedPictures]:
    """Return the features of every partition, which the first process computes where they are not there yet.

    Args:
        model: The net, with the weights that its frozen nets have in training.
        data: The data.
        config: The settings.

    Raises:
        RunError: If they cannot be stored, not every process sees them, or what is stored is something else.
        DataError: If too many pictures cannot be used.
    """
    cache = FeatureCache(model, data, config)
    check_shared(cache.folder)
    if this_rank() == 0:
        cache.build(say=lambda text: print(text, flush=True))
    wait_for_all()
    return cache.open()


def weights_digest(net: nn.Module) -> str:
    """Return the SHA-256 of a net's tensors, their names and shapes included, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode() + values.numpy().tobytes())
    return digest.hexdigest()


def _compute_features(net: nn.Module, images: npt.NDArray[np.uint8], *, mirrored: bool) -> Tensor:
    """Return a net's features of some pictures: (batch, side, side, channels) float32."""
    device = next(net.parameters()).device
    pixels = torch.from_numpy(np.ascontiguousarray(images[..., ::-1]) if mirrored else images)
    with torch.inference_mode():
        features: Tensor = net(scale_pixels(pixels.to(device)))
    return features.permute(0, 2, 3, 1).float()


def _in_float16(part: FeatureMap, features: Tensor) -> Floats16:
    rounded: Floats16 = features.half().cpu().numpy()
    if not np.isfinite(rounded).all():
        raise RunError(
            f"features of {part.net} are beyond what float16 holds, up to {features.abs().max().item():.3g}: start a "
            "run without features.cache"
        )
    return rounded


def _all_close(stored: npt.NDArray[np.float32], fresh: npt.NDArray[np.float32]) -> bool:
    """Compare rows; a value that is no number differs from every other."""
    largest = np.abs(fresh).max(axis=(1, 2, 3), keepdims=True)
    return bool((np.abs(stored - fresh) <= CLOSE * largest + 1e-6).all())


def _free_bytes(folder: Path) -> int:
    """Return the free space of the disk that a folder lies on, which may not exist yet."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    return shutil.disk_usage(existing).free


def _gigabytes(size: float) -> str:
    return f"{size / GIGABYTE:.3g} GB"
