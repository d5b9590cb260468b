"""A small BERT that Trainer trains on related labels, some of them missing.

    python -m tests.hub.trainer_runs FOLDER

trains in FOLDER and is killed in the second of three micro-batches of step 4, after the checkpoint of step 2.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

from obrl.torch import OBRLoss
from obrl.torch.transformers import trainer_loss

LABELS, ROWS, BATCH, ACCUMULATE, STEPS = 4, 34, 4, 3, 6
"""34 rows are eight micro-batches of 4 and one of 2, three steps an epoch; 6 steps are two epochs."""


class Rows(Dataset[dict[str, Any]]):
    """Sentences of random words, with labels of which the second repeats the first and the third opposes it."""

    def __init__(self, rows: int = ROWS, *, missing: float = 0.2) -> None:
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, (rows, LABELS)).astype(np.float32)
        labels[:, 1], labels[:, 2] = labels[:, 0], 1 - labels[:, 0]
        labels[rng.random(labels.shape) < missing] = np.nan
        self.labels = torch.from_numpy(labels)
        self.words = torch.from_numpy(rng.integers(0, 64, (rows, 8)))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.words[index], "labels": self.labels[index]}


def small_model(**options: Any) -> BertForSequenceClassification:
    """A BERT with one layer; dropout draws random numbers unless `options` turn it off."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 16, "max_position_embeddings": 8}
    return BertForSequenceClassification(
        BertConfig(num_hidden_layers=1, num_attention_heads=2, num_labels=LABELS, **sizes, **options)
    )


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    settings: dict[str, Any] = {
        "max_steps": STEPS,
        "per_device_train_batch_size": BATCH,
        "gradient_accumulation_steps": ACCUMULATE,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "save_steps": 2,
        "learning_rate": 1e-2,
        "disable_tqdm": True,
    }
    return TrainingArguments(str(folder), use_cpu=True, report_to="none", **settings | options)


def trainer(folder: Path, *callbacks: TrainerCallback, **options: Any) -> Trainer:
    """A Trainer of a new model with a criterion; `trainer.model.criterion` is that."""
    model = small_model()
    loss = trainer_loss(model, OBRLoss(LABELS))
    settings = arguments(folder, **options)
    data = Rows()
    return Trainer(
        model, settings, train_dataset=data, eval_dataset=data, compute_loss_func=loss, callbacks=list(callbacks)
    )


class Killed(TrainerCallback):
    """Kills the process between two micro-batches of step 4."""

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 3:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    torch.set_num_threads(1)
    trainer(Path(sys.argv[1]), Killed()).train()
