"""What a run with the relation loss writes down about its relation while it trains."""

from __future__ import annotations

import lightning
from lightning.pytorch.callbacks import Callback

from obrl.torch import OBRLoss
from obrl.torch.lightning import OBRMonitor
from reference_model.engine.loader import TrainLoader
from reference_model.runs import RunFolder


def watch_relation(module: lightning.LightningModule, run: RunFolder, loader: TrainLoader) -> list[Callback]:
    """Return what logs the heat map and records the relation after each epoch; nothing for another loss.

    It must come before what saves checkpoints: a resumed run has then what was logged up to its checkpoint.

    Args:
        module: What is trained.
        run: The run's folder.
        loader: The training batches.
    """
    has_relation = any(isinstance(part, OBRLoss) for part in module.modules())
    return [OBRMonitor(every=loader.steps_per_epoch, history=run.history)] if has_relation else []
