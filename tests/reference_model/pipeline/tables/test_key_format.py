"""Keys of cells leave out settings at their defaults: a default that changes needs another format of the keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reference_model.config import RunConfig
from reference_model.pipeline.cells import FORMAT, FREE_IN_KEYS
from reference_model.settings.plain import flatten, plain

PINNED_FORMAT = 1
DEFAULTS: dict[str, Any] = {
    "stage": "attributes",
    "data": "synthetic",
    "loss": "obrl",
    "seed": 0,
    "images.size": 64,
    "images.flip": True,
    "images.crop_padding": 4,
    "images.missing": "error",
    "synthetic.num_train": 2400,
    "synthetic.num_valid": 300,
    "synthetic.num_test": 600,
    "synthetic.seed": 0,
    "synthetic.strength": 1.0,
    "synthetic.label_noise": 0.0,
    "pool.people": 800,
    "pool.valid_people": 80,
    "pool.test_people": 200,
    "pool.pictures_per_person": 6,
    "pool.identity_strength": 0.3,
    "pool.variation": 1.0,
    "pool.objects": 100,
    "pool.scenes": 120,
    "read.classes": None,
    "read.train_rows": None,
    "read.label_share": 1.0,
    "read.shuffle_people": False,
    "read.scenes_data": "sun397",
    "net.nets": ["net_1", "net_2", "net_3"],
    "net.width": 0.25,
    "net.depth": 3,
    "net.strides": [2, 1],
    "net.norm": "bn",
    "net.group_channels": 16,
    "net.group_hidden": 64,
    "net.groups": "paper",
    "net.frozen": [],
    "net.dropout": 0.2,
    "features.cache": False,
    "head.hidden": [128],
    "head.embedding": 128,
    "head.dropout": 0.2,
    "head.center_weight": 0.003,
    "head.center_rate": 0.5,
    "relation.decay": 0.99,
    "relation.alpha": 0.5,
    "relation.positive_threshold": 0.8,
    "relation.negative_threshold": 0.2,
    "relation.measure": "unit_pearson",
    "relation.estimator": "batch",
    "relation.normalization": "all_pairs",
    "relation.source": "online",
    "optim.kind": "adamw",
    "optim.lr": 0.002,
    "optim.lr_pretrained": None,
    "optim.momentum": 0.9,
    "optim.weight_decay": 0.01,
    "optim.schedule": "cosine",
    "optim.step_at": [0.5, 0.75],
    "optim.warmup": 0.1,
    "train.epochs": 6,
    "train.batch_size": 64,
    "train.accumulate": 1,
    "train.precision": "32",
    "train.ema": None,
    "train.influence_every": 20,
}
"""The defaults with which keys of this format were made."""


def test_the_defaults_are_those_of_the_format() -> None:
    defaults = {name: value for name, value in flatten(plain(asdict(RunConfig()))).items() if name not in FREE_IN_KEYS}
    changed = sorted(name for name in DEFAULTS if name in defaults and defaults[name] != DEFAULTS[name])
    assert FORMAT == PINNED_FORMAT, "pin the defaults of the new FORMAT here, all of them"
    assert not changed, f"old finished cells would answer for other defaults of {changed}: raise FORMAT"
    removed = sorted(DEFAULTS.keys() - defaults.keys())
    assert not removed, f"old finished cells would answer for runs that no longer have {removed}: raise FORMAT"
    added = sorted(defaults.keys() - DEFAULTS.keys())
    assert not added, f"pin {added} here if runs at their defaults are what they were before; if not, raise FORMAT"
