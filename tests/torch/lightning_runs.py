"""A small module that Lightning trains, and a logger that holds what it gets."""

from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from torch.utils.data import DataLoader, TensorDataset

from obrl.torch import OBRLoss

ROWS, BATCH, LABELS = 96, 8, 4
EPOCH = ROWS // BATCH


class Memory(Logger):
    """Holds what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, dict[str, float]] = {}
        self.pictures: dict[int, list[str]] = {}

    name = "memory"
    version = 0

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Not tested."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        monitored = {key: value for key, value in metrics.items() if "/" in key}
        if step is not None and monitored:
            self.rows.setdefault(step, {}).update(monitored)

    def log_image(self, key: str, images: list[Any], step: int) -> None:
        assert images[0].dtype == np.uint8
        self.pictures.setdefault(step, []).append(key)


class Module(lightning.LightningModule):
    """A linear model with dropout; `call` says how its step calls the criterion."""

    def __init__(self, criterion: Any = None, call: str = "forward") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(torch.nn.Linear(6, LABELS), torch.nn.Dropout(0.2))
        self.criterion = OBRLoss(LABELS, alpha=2.0) if criterion is None else criterion
        self.call = call

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        x, y = batch
        logits = self.net(x)
        return self.criterion.terms(logits, y).total if self.call == "terms" else self.criterion(logits, y)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        self.log("valid", self.criterion(self.net(x), y))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.05)


def data() -> DataLoader[Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, 6), np.float32)
    y = (x[:, :LABELS] > 0).astype(np.float32)
    y[:, 1], y[:, 2] = y[:, 0], 1 - y[:, 0]
    return DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), batch_size=BATCH)


def train(module: Any, *callbacks: Any, logger: Any = False, ckpt_path: Any = None, **options: Any) -> Any:
    settings = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "max_epochs": 2}
    settings |= {"enable_checkpointing": False, "num_sanity_val_steps": 0} | options
    torch.manual_seed(1)
    trainer = lightning.Trainer(logger=logger, callbacks=list(callbacks), **settings)
    trainer.fit(module, data(), data(), ckpt_path=ckpt_path)
    return trainer


def numbers(module: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_same(first: Any, second: Any) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=0, equal_nan=True)
