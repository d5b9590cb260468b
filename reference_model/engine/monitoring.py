"""What a run with the relation loss writes down about its relation while it trains."""

from __future__ import annotations

import lightning
from lightning.pytorch.callbacks import Callback

from obrl.torch import OBRLoss
from obrl.torch.lightning import OBRMonitor
from reference_model.runs import RunFolder


def watch_relation(module: lightning.LightningModule, run: RunFolder, *, every: int) -> list[Callback]:
    """Return what logs the heat map, and records the relation in the run's history; nothing for another loss.

    It must come before what saves checkpoints: a resumed run has then what was logged up to its checkpoint.

    Args:
        module: What is trained.
        run: The run's folder.
        every: Steps of the optimiser between two looks.
    """
    has_relation = any(isinstance(part, OBRLoss) for part in module.modules())
    return [OBRMonitor(every=every, history=run.history)] if has_relation else []
