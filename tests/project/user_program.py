"""A user's program with the public names of every framework, for type checkers: it is checked, and never run."""

from pathlib import Path

import jax
import keras
import numpy as np
import tensorflow as tf
import torch

import obrl
import obrl.jax
import obrl.keras
import obrl.tensorflow
import obrl.torch
from obrl.environment import environment_report
from obrl.mining import RelationMiner


def train_in_numpy(features: np.ndarray, targets: np.ndarray) -> float:
    """Loss, gradient, pairs and files with NumPy."""
    criterion = obrl.OBRLoss(3, measure="pearson", label_names=["a", "b", "c"], ignore_index=-1)
    terms, gradient = criterion.value_and_grad(features, targets)
    total: float | np.ndarray = terms.total
    for pair in criterion.pairs():
        print(pair.i, pair.j, pair.relation)
    criterion.save_relation(Path("relation.npz"))
    relation = obrl.OnlineBatchRelation.load("relation.npz")
    print(relation.relation.round(2), gradient.shape, environment_report(quick=True))
    return float(np.sum(total))


def train_in_torch(model: torch.nn.Module, features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A step with PyTorch."""
    criterion = obrl.torch.OBRLoss(3, impl="auto")
    loss = criterion(model(features), targets)
    loss.backward()
    terms = criterion.terms(model(features), targets)
    relation = obrl.torch.OnlineBatchRelation(3)
    relation.update(targets)
    total: torch.Tensor = loss + terms.relation_loss
    return total


def train_in_jax(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """A step with JAX, whose state goes in and comes out."""
    criterion = obrl.jax.OBRLoss(3)
    state = criterion.init()
    loss, state = criterion(logits, targets, state)
    print(criterion.pairs(state))
    return loss


def train_in_keras(logits: keras.KerasTensor, targets: keras.KerasTensor) -> keras.Model:
    """A model whose last layer is the loss."""
    layer = obrl.keras.OBRLossLayer(3)
    print(layer.pairs())
    return keras.Model([logits, targets], layer(logits, targets))


def train_in_tensorflow(model: keras.Model, x: tf.Tensor, y: tf.Tensor) -> None:
    """A loss of TensorFlow in `compile` and `fit`."""
    criterion = obrl.tensorflow.OBRLoss(3)
    model.compile("adam", loss=criterion)
    model.fit(x, y, callbacks=[obrl.tensorflow.OBRLossCallback()])
    print(criterion.pairs())


def mine(table: np.ndarray) -> obrl.OBRLoss:
    """A relation from a table, and a loss that starts from it."""
    miner = RelationMiner(label_names=["a", "b", "c"]).fit(table)
    print(miner.condition(np.full((1, 3), 0.5), np.array([[1.0, np.nan, np.nan]])))
    return obrl.OBRLoss(3, relation=miner.as_start())
