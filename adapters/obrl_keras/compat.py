"""What obrl uses of Keras's private parts, one function each."""

from __future__ import annotations

from typing import Any


def activation_of(tensor: Any) -> str:
    """The name of the activation that gives a tensor of a functional model; "" where it is not known.

    Keras has no public way from a KerasTensor to the layer that it comes from.
    """
    operation = getattr(getattr(tensor, "_keras_history", None), "operation", None)
    activation = getattr(operation, "activation", operation)
    name: str = getattr(activation, "__name__", type(activation).__name__)
    return name.lower()


def outermost_layer(layer: Any) -> Any:
    """The layer or model whose call is running, within which `layer` is called.

    Keras clears the losses of everything below it when its call begins, and collects them when it has ended. Keras has
    no public access to the context of a call.
    """
    return layer._get_call_context().entry_layer


def nested_layers(layer: Any) -> list[Any]:
    """The layer and all layers within it, at any depth.

    Keras has a public list of sublayers (`model.layers`) for models only, and of the first level only.
    """
    layers: list[Any] = layer._flatten_layers()
    return layers


def applied_batches(optimizer: Any) -> Any:
    """The variable that counts the batches whose gradients the optimizer got, those that it only accumulated included.

    The public `optimizer.iterations` counts whole steps only, so what it says within an accumulated step is too little.
    """
    return optimizer._iterations


def added_losses(layer: Any) -> list[Any]:
    """The list that `add_loss` appends to.

    The public `layer.losses` is a copy, and includes those of sublayers and of regularizers.
    """
    losses: list[Any] = layer._losses
    return losses
