"""See the batches of a criterion while a model trains, also where it is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from obrl.monitor import Arrays
from obrl_torch.compat import compiled_module, watch_compiled_calls
from obrl_torch.inputs import Batch
from obrl_torch.loss import Criterion


class Watched(NamedTuple):
    """A criterion inside of a model.

    Attributes:
        name: its path, such as "head.criterion"; "relation" where it is the model itself, or no part of it.
        criterion: the criterion.
        wrapper: what `torch.compile` returned for it, where that is what the model calls.
    """

    name: str
    criterion: Criterion
    wrapper: nn.Module | None


def find_criteria(model: nn.Module) -> list[Watched]:
    """Every `OBRLoss` and `RelationLoss` of a model, named by its path."""
    wrappers = {id(compiled_module(module)): module for module in model.modules() if compiled_module(module)}
    return [
        Watched(_plain(path), module, wrappers.get(id(module)))
        for path, module in model.named_modules()
        if isinstance(module, Criterion)
    ]


def _plain(path: str) -> str:
    """A path without the names that `torch.compile` adds."""
    return ".".join(part for part in path.split(".") if part not in ("", "_orig_mod")) or "relation"


class Watcher:
    """Copies the arguments of the last call of a criterion, between `start` and `stop`.

    Args:
        watched: the criterion.

    Attributes:
        batch: the copies, on their device; None where there was no call that can be seen: one inside of a larger
            compiled graph cannot.
    """

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.batch: Arrays | None = None
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Look at calls from now on."""
        self.batch = None
        criterion, wrapper = self.watched.criterion, self.watched.wrapper
        criterion._see = self._see
        self._undo = [lambda: setattr(criterion, "_see", None)]
        if wrapper is not None:
            hook = wrapper.register_forward_pre_hook(
                lambda module, args, kwargs: self._see_call(*args, **kwargs), with_kwargs=True
            )
            self._undo.append(hook.remove)
        undo = watch_compiled_calls(criterion, self._see_call)
        if undo is not None:
            self._undo.append(undo)

    def stop(self) -> None:
        """Look no longer."""
        while self._undo:
            self._undo.pop()()

    def _see(self, batch: Batch) -> None:
        self.batch = Arrays(*(None if part is None else part.detach().clone() for part in batch))

    def _see_call(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        update: bool | None = None,
    ) -> None:
        self._see(Batch(logits, targets, observed, sample_weight))
