"""Settings of the feature cache: what frozen face-level nets say of every picture, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reference_model.settings.checks import require


@dataclass(frozen=True)
class FeaturesConfig:
    """Features of frozen face-level nets on disk, so that only the attribute net is computed in every step.

    Args:
        cache: Compute the features once and read them from disk; all of net.nets must be in net.frozen. Training
            pictures are mirrored as before, and never shifted.
        folder: Where the features lie; without it, in the user's cache folder. Runs may share it.
        disk_gb: Refuse to write features if a run needs more than this many gigabytes (10^9 bytes) of them.
    """

    cache: bool = False
    folder: Path | None = None
    disk_gb: float = 20.0

    def __post_init__(self) -> None:
        """Check the range."""
        require(self.disk_gb > 0, "features.disk_gb", "above 0", self.disk_gb)
