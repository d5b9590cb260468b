"""What `obrl env` says of JAX."""

import jax

from obrl_jax.environment import facts


def test_the_platform_is_described():
    report = facts()
    assert report["version"] == jax.__version__
    assert report["devices"].startswith("cpu (")
    assert report['impl="auto"'].startswith("JAX's operations")
    assert report['impl="fused" on a CPU'].startswith("native code")


def test_other_platforms_say_what_fused_does(monkeypatch):
    class Device:
        def __init__(self, platform):
            self.platform = self.device_kind = platform

    monkeypatch.setattr(jax, "devices", lambda: [Device("gpu"), Device("tpu")])
    report = facts()
    assert report['impl="fused" on a gpu'].startswith("native code")
    assert report['impl="fused" on a tpu'] == "raises: runs on a CPU or a CUDA device"
