"""What `obrl env` says of PyTorch: its GPUs, and what each `impl` of `obrl.torch` runs on each device."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version

import torch

from obrl_native import cpu
from obrl_native.environment import native_code
from obrl_torch.fused import LEAST_TRITON, MEASURED_CAPABILITY, measured_on

OPERATIONS = "torch's operations, which give the gradient with the value"


def facts() -> dict[str, str]:
    """The version, and for each device what `impl="auto"` and `impl="fused"` run there, with the reason."""
    devices = [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    report = {
        "version": torch.__version__,
        "CUDA": str(torch.version.cuda or "none: built without"),
        "GPU": ", ".join(torch.cuda.get_device_name(device) for device in devices) or "none",
        'impl="auto" on a CPU': OPERATIONS,
        'impl="fused" on a CPU': native_code(cpu.RECIPE),
    }
    for device in devices:
        report[f'impl="auto" on {device}'] = _chosen(device)
        report[f'impl="fused" on {device}'] = _fused()
    return report


def _chosen(device: torch.device) -> str:
    if measured_on(device):
        return "Triton's kernels; torch's operations in a compiled step and in float64"
    major, minor = torch.cuda.get_device_capability(device)
    if major != MEASURED_CAPABILITY:
        reason = f"compute capability {major}.{minor}, and the kernels were measured on {MEASURED_CAPABILITY}.0"
    else:
        reason = f"Triton {_triton() or 'is not installed'}, and the kernels need {'.'.join(map(str, LEAST_TRITON))}"
    return f"{OPERATIONS}: {reason}"


def _fused() -> str:
    triton = _triton()
    return f"kernels of Triton {triton}" if triton else "raises: Triton is not installed (pip install triton)"


def _triton() -> str | None:
    try:
        return version("triton")
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    print(json.dumps(facts()))
