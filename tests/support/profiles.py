"""The one place where hypothesis is set up.

`HYPOTHESIS_PROFILE=slow` multiplies the number of examples of every property by `SLOW_FACTOR`. Where `CI` is set,
examples are derandomized, so that a run can be repeated.
"""

import os

from hypothesis import HealthCheck, settings

DEFAULT_EXAMPLES = 100
SLOW_FACTOR = 40
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
_FACTORS = {"default": 1, "slow": SLOW_FACTOR}


def load_profile() -> None:
    """Register the profiles and load the one that the environment names."""
    if _PROFILE not in _FACTORS:
        raise ValueError(f"HYPOTHESIS_PROFILE must be one of {sorted(_FACTORS)}, got {_PROFILE!r}")
    for name, factor in _FACTORS.items():
        settings.register_profile(
            name,
            max_examples=DEFAULT_EXAMPLES * factor,
            deadline=None,
            derandomize=bool(os.environ.get("CI")),
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
    settings.load_profile(_PROFILE)


def examples(count: int) -> settings:
    """Settings for a property that needs another number of examples than the profile's.

    Args:
        count: examples under the default profile; the slow one multiplies it.
    """
    return settings(max_examples=count * _FACTORS[_PROFILE])
