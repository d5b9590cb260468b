"""The one place where hypothesis is set up.

`HYPOTHESIS_PROFILE` names the profile: `default`; `slow`, with many times the examples; `quick`, with fewer, always the
same and not shrunk, which is what the mutation check runs; `device`, as many as by default, always the same and not
shrunk, for a run on a GPU, whose time is short. Where `CI` is set, examples are derandomized, so that a run
can be repeated.
"""

import os

from hypothesis import HealthCheck, Phase, settings

DEFAULT_EXAMPLES = 100
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
_FACTORS = {"default": 1.0, "slow": 21.0, "quick": 0.25, "device": 1.0}
_SCALE = 1.0
_REPEATED = ("quick", "device")
_WITHOUT_SHRINKING = (Phase.explicit, Phase.generate)


def load_profile(*, scale: float = 1.0) -> None:
    """Register the profiles and load the one that the environment names.

    Args:
        scale: multiplies every number of examples in this process.
    """
    global _SCALE
    _SCALE = scale
    if _PROFILE not in _FACTORS:
        raise ValueError(f"HYPOTHESIS_PROFILE must be one of {sorted(_FACTORS)}, got {_PROFILE!r}")
    for name, factor in _FACTORS.items():
        settings.register_profile(
            name,
            max_examples=max(1, int(DEFAULT_EXAMPLES * factor * scale)),
            deadline=None,
            derandomize=name in _REPEATED or bool(os.environ.get("CI")),
            print_blob=True,
            phases=_WITHOUT_SHRINKING if name in _REPEATED else tuple(Phase),
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
    settings.load_profile(_PROFILE)


def draws_few() -> bool:
    """Whether the profile draws too few examples to ask which cases were among them."""
    return _FACTORS[_PROFILE] < 1.0


def draws_many() -> bool:
    """Whether the profile is for a run that may take long."""
    return _FACTORS[_PROFILE] > 1.0


def examples(count: int) -> settings:
    """Settings for a property that needs another number of examples than the profile's.

    Args:
        count: examples under the default profile; the others multiply it.
    """
    return settings(max_examples=max(1, int(count * _FACTORS[_PROFILE] * _SCALE)))
