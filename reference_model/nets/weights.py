"""Weights of face-level nets in .safetensors files: what one stage writes and another starts from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from reference_model.attributes import normalise_name
from reference_model.config import DRAWN_PICTURES, NetConfig, RunConfig
from reference_model.nets.tensor_files import write_tensors
from reference_model.settings.nets import SHAPE_SETTINGS

SCALING = "(x - 127.5) / 128"
"""How pixels in [0, 255] become the net's inputs; `reference_model.nets.model.scale_pixels`."""

PASSED_ON = ("features.", "hidden.")
"""The tensors that a stage may start from: convolutions and fully-connected layers, never the layer of the classes."""

SHOWN = 4


class WeightError(ValueError):
    """A file of weights cannot be used."""


@dataclass(frozen=True)
class WeightAccount:
    """What became of every tensor.

    Args:
        loaded: Names of the net's tensors that were read from the file.
        fresh: Names of the net's tensors that start anew.
        unused: Names of the file's tensors that went nowhere.
        notes: Sentences on how the net in the file differs in settings that leave the shapes alone.
    """

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the account as text for the console: a line each for loaded, fresh and unused, then the notes."""
        lines = [f"{kind}: {_enumerate(getattr(self, kind))}" for kind in ("loaded", "fresh", "unused")]
        return "\n".join([*lines, *self.notes])


def product_metadata(config: RunConfig) -> dict[str, str]:
    """Return what a file of weights says of itself: the net's settings (JSON), size, scaling, stage and data.

    ``data`` is a data set's name, or ``drawn pictures`` where it was written from a pool of them; the name of the
    pictures without faces is ``scenes_data``. ``shuffled`` is there where people were exchanged at random.
    """
    data = config.data_source()
    scenes = config.stage == "face" and data not in ("synthetic", DRAWN_PICTURES)
    return {
        "net": json.dumps(asdict(config.net)),
        "size": str(config.images.size),
        "scaling": SCALING,
        "stage": config.stage,
        "data": data,
        **({"scenes_data": config.read.scenes_data} if scenes else {}),
        **({"shuffled": "true"} if config.read.shuffle_people else {}),
    }


def save_weights(path: Path, module: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write the tensors that other stages may start from, under the names of `FaceNet` and ``hidden.``.

    Args:
        path: A .safetensors file; written under another name first, then renamed.
        module: A `FaceNet`, or a net with the parts ``trunk`` and ``head``.
        metadata: What the file says of itself; see `product_metadata`.
    """
    tensors = _by_product_name(module.state_dict())
    write_tensors(path, {name: tensor for name, tensor in tensors.items() if name.startswith(PASSED_ON)}, metadata)


def load_weights(
    module: nn.Module, path: Path, *, prefix: str = "", net: NetConfig | None = None, size: int | None = None
) -> WeightAccount:
    """Start a net from a file of weights: its convolutions, and its fully-connected layers where the shapes are equal.

    The layer of the classes always starts anew. On an error the net is as it was.

    Args:
        module: A `FaceNet`, or a net with the parts ``trunk`` and ``head``.
        path: A .safetensors file, as `save_weights` writes it or with the whole net.
        prefix: Read only the file's tensors whose names start so, and take them by the rest of their names.
        net: Settings of the net; where the file states others that change the tensors, that is an error.
        size: Side of the pictures in pixels; another one in the file is noted.

    Raises:
        WeightError: If the file cannot be read, nothing in it fits, or convolutions have other shapes.
    """
    stored, metadata = read_weights(path)
    notes = _compare_settings(path, metadata, net, size)
    names = {name: _product_name(name.removeprefix(prefix)) for name in stored if name.startswith(prefix)}
    offered = {short: name for name, short in names.items() if short.startswith(PASSED_ON)}
    state = module.state_dict()
    wanting = {_product_name(name): name for name in state}
    fitting = _fitting(
        path,
        {short: stored[name] for short, name in offered.items()},
        {short: state[name] for short, name in wanting.items()},
    )
    with torch.no_grad():
        for short in fitting:
            state[wanting[short]].copy_(stored[offered[short]])
    loaded_names = {offered[short] for short in fitting}
    return WeightAccount(
        loaded=tuple(fitting),
        fresh=tuple(short for short in wanting if short not in set(fitting)),
        unused=tuple(name for name in stored if name not in loaded_names),
        notes=notes,
    )


def load_model(
    model: nn.Module,
    path: Path,
    *,
    names: Sequence[str],
    groups: Sequence[Sequence[int]],
    net: NetConfig,
    size: int,
) -> WeightAccount:
    """Start a whole attribute net from the model.safetensors of an earlier run.

    On an error the net is as it was.

    Args:
        model: The net.
        path: The file.
        names: The attributes that the net predicts, in their order; those of the file must be the same.
        groups: For every branch the columns of its attributes; those of the file must be the same.
        net: Settings of the net; where the file states others that change the tensors, that is an error.
        size: Side of the pictures in pixels; another one in the file is noted.

    Raises:
        WeightError: If the file cannot be read or is no attribute net, its attributes or groups are others, nothing in
            it fits, or tensors have other shapes.
    """
    stored, metadata = read_weights(path)
    _compare_labels(path, metadata, names, groups)
    notes = _compare_settings(path, metadata, net, size, also=("nets",))
    state = model.state_dict()
    common = [name for name in state if name in stored]
    if not common:
        raise WeightError(
            f"{path}: nothing in it fits the net, which has {_enumerate(state)}; it holds {_enumerate(stored)}"
        )
    _check_shapes(path, [name for name in common if stored[name].shape != state[name].shape], stored, state)
    _check_finite(path, [name for name in common if not bool(torch.isfinite(stored[name].float()).all())])
    with torch.no_grad():
        for name in common:
            state[name].copy_(stored[name])
    return WeightAccount(
        loaded=tuple(common),
        fresh=tuple(name for name in state if name not in stored),
        unused=tuple(name for name in stored if name not in state),
        notes=notes,
    )


def _compare_labels(
    path: Path, metadata: Mapping[str, str], names: Sequence[str], groups: Sequence[Sequence[int]]
) -> None:
    """Raise WeightError unless a file's outputs are the same attributes, in the same order and branches."""
    try:
        stored_names = [str(name) for name in json.loads(metadata["names"])]
        stored_groups = [list(columns) for columns in json.loads(metadata["groups"]).values()]
    except (KeyError, ValueError, TypeError, AttributeError):
        raise WeightError(
            f"{path} does not say which attributes it predicts; weights.model takes the model.safetensors of a run of "
            "the stage attributes, weights.net_0 to weights.net_3 take face-level nets"
        ) from None
    there, here = ([normalise_name(name) for name in every] for every in (stored_names, names))
    if there != here:
        lacking = [name for name in names if normalise_name(name) not in there]
        extra = [name for name in stored_names if normalise_name(name) not in here]
        parts = [
            f"{phrase} {', '.join(listed[:SHOWN])}{', ...' if len(listed) > SHOWN else ''}"
            for phrase, listed in (("it lacks", lacking), ("it also has", extra))
            if listed
        ]
        raise WeightError(
            f"{path} predicts other attributes than this data has: {'; '.join(parts) or 'their order is another'}"
        )
    if stored_groups != [list(columns) for columns in groups]:
        raise WeightError(
            f"{path} divides the attributes into other groups: {len(stored_groups)} there, {len(groups)} here; use the "
            "groups that it was trained with"
        )


def _check_shapes(
    path: Path, wrong: Iterable[str], offered: Mapping[str, Tensor], wanting: Mapping[str, Tensor]
) -> None:
    listed = [f"{name}: {tuple(offered[name].shape)} in the file, {tuple(wanting[name].shape)} here" for name in wrong]
    if listed:
        raise WeightError(
            f"{path}: the shapes of {_enumerate(listed)} do not fit; train with the settings of net.* that the file "
            "was written with"
        )


def _check_finite(path: Path, broken: Sequence[str]) -> None:
    if broken:
        raise WeightError(
            f"{path}: {_enumerate(broken)} hold values that are not finite; the training that wrote it failed"
        )


def _fitting(path: Path, offered: Mapping[str, Tensor], wanting: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the file's tensors that the net takes; both by the names of `save_weights`."""
    common = [name for name in wanting if name in offered]
    fitting = [name for name in common if offered[name].shape == wanting[name].shape]
    wrong = [name for name in common if name not in fitting and name.startswith("features.")]
    _check_shapes(path, wrong, offered, wanting)
    if not any(name.startswith("features.") for name in fitting):
        raise WeightError(
            f"{path}: nothing in it fits a convolution of the net, which has {_enumerate(wanting)}; it offers "
            f"{_enumerate(offered)} under such names"
        )
    _check_finite(path, [name for name in fitting if not bool(torch.isfinite(offered[name].float()).all())])
    return fitting


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and what the file says of itself.

    Raises:
        WeightError: If it is missing or not in the format safetensors; other formats may run code when they are read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError:
        raise WeightError(f"{path}: no such file of weights") from None
    except (SafetensorError, OSError) as error:
        raise WeightError(
            f"{path}: not a whole .safetensors file ({error}); only this format is read, so convert others with "
            "safetensors.torch.save_file"
        ) from error


def _compare_settings(
    path: Path, metadata: Mapping[str, str], net: NetConfig | None, size: int | None, *, also: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return notes on settings that leave the shapes alone; ``also`` names more settings that must be equal."""
    if not metadata:
        return (f"{path} does not say what settings it was trained with",)
    notes = []
    try:
        stored = json.loads(metadata.get("net", "{}"))
    except ValueError:
        raise WeightError(f"{path}: the settings of the net in its metadata are no JSON") from None
    if net is not None and isinstance(stored, dict):
        expected = json.loads(json.dumps(asdict(net)))
        other = [
            f"net.{name} {stored[name]} in the file, {expected[name]} here"
            for name in (*SHAPE_SETTINGS, *also)
            if stored.get(name, expected[name]) != expected[name]
        ]
        if other:
            raise WeightError(f"{path} holds another net: {'; '.join(other)}")
        if stored.get("strides", expected["strides"]) != expected["strides"]:
            notes.append(f"the weights were trained with net.strides {stored['strides']}, here {expected['strides']}")
    if size is not None and metadata.get("size", str(size)) != str(size):
        notes.append(f"the weights were trained on pictures of {metadata['size']} pixels, here {size}")
    if metadata.get("scaling", SCALING) != SCALING:
        notes.append(f"the weights were trained with pixels scaled as {metadata['scaling']}, here {SCALING}")
    return tuple(notes)


def _product_name(name: str) -> str:
    return name.removeprefix("trunk.").removeprefix("head.")


def _by_product_name(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_product_name(name): tensor for name, tensor in state.items()}


def _enumerate(names: Iterable[str]) -> str:
    """Return how many names there are, and the first of them."""
    every = list(names)
    if not every:
        return "none"
    shown = ", ".join(every[:SHOWN]) + (", ..." if len(every) > SHOWN else "")
    return f"{len(every)} tensor{'s' if len(every) > 1 else ''} ({shown})"
