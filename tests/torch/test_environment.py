"""What `obrl env` says of PyTorch."""

import json
import subprocess
import sys

import torch

from obrl_torch import environment, fused


def test_a_cpu_is_described(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    facts = environment.facts()
    assert facts["version"] == torch.__version__
    assert facts["GPU"] == "none"
    assert facts['impl="auto" on a CPU'].startswith("torch's operations")
    assert facts['impl="fused" on a CPU'].startswith("native code")


def test_without_a_compiler_fused_raises(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("OBRL_CACHE", str(tmp_path / "cache"))
    assert environment.facts()['impl="fused" on a CPU'].startswith("raises: the native code of obrl needs a C++ comp")
    assert not (tmp_path / "cache").exists()


def test_each_gpu_says_what_it_runs_and_why(monkeypatch):
    """Of GPUs that this machine lacks: the functions of torch that read their properties are replaced."""
    names, capabilities = ["H200", "A100"], [(9, 0), (8, 0)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: names[device.index])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capabilities[device.index])
    versions = ["3.9.0"]
    for module in (environment, fused):
        monkeypatch.setattr(module, "version", lambda package: versions[0])
    try:
        fused.measured_on.cache_clear()
        facts = environment.facts()
        assert facts["GPU"] == "H200, A100"
        assert facts['impl="auto" on cuda:0'].startswith("Triton's kernels")
        assert facts['impl="auto" on cuda:1'].endswith("compute capability 8.0, and the kernels were measured on 9.0")
        assert facts['impl="fused" on cuda:1'] == "kernels of Triton 3.9.0"
        versions[0] = "3.1.0"
        fused.measured_on.cache_clear()
        assert environment.facts()['impl="auto" on cuda:0'].endswith("Triton 3.1.0, and the kernels need 3.6")
    finally:
        fused.measured_on.cache_clear()


def test_the_module_prints_json():
    done = subprocess.run([sys.executable, "-m", "obrl_torch.environment"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["version"] == torch.__version__
