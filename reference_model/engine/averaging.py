"""The moving average of the weights, which validation, test and the files of weights use."""

from __future__ import annotations

import lightning
from lightning.pytorch.callbacks import EMAWeightAveraging


class WeightAverage(EMAWeightAveraging):
    """An exponential moving average of the parameters; buffers, such as statistics and centres, are the latest.

    A training that is resumed from the checkpoint of its end makes no step, and Lightning then exchanges nothing: the
    average is put in place here.

    Args:
        decay: Share of the old average in the new one.
    """

    def __init__(self, *, decay: float) -> None:
        super().__init__(decay=decay, use_buffers=False)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Put the average in the place of the weights."""
        self._copy_average_to_current(pl_module)
