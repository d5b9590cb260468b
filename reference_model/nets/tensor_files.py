"""Files of tensors in the format safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from reference_model.runs import write_atomically


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors of any device to a .safetensors file, all of it or nothing.

    Args:
        path: The file.
        tensors: By name.
        metadata: What the file says of itself.
    """
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    # Not save_file, which makes a file that nobody else can read, whatever the umask.
    write_atomically(path, save(copies, metadata=dict(metadata)))
