"""The joint loss as a module."""

from __future__ import annotations

from torch import Tensor

from obrl.algebra import LossTerms
from obrl_torch.criterion import Batch, Criterion


class OBRLoss(Criterion):
    """L = L_E + alpha L_B: cross-entropy, and agreement with the relation learnt online.

        L_E = -1/K sum_k sum_m [ y log p + (1 - y) log(1 - p) ]                                          (Eq. 4)
        L_B = 1/(2 K M^2) sum_k sum_ij [ f_p(R_ij) (p_ki - p_kj)^2 + f_n(R_ij) (1 - (p_ki - p_kj)^2)^2 ]  (Eq. 2)

    with p = sigmoid(logits), f_p(R) = 1 where R >= positive_threshold and f_n(R) = 1 where R <= negative_threshold
    (Eq. 3; the diagonal and pairs without evidence count for neither). The relation R comes from the targets alone:
    no gradient flows through it. A call in training mode with gradients enabled updates it first, then uses it. So a
    validation pass under `torch.no_grad()` does not update it, even if the module is never put in eval mode; with
    gradient accumulation each micro-batch updates it. Missing targets do not enter L_E or the relation; L_B acts on
    every prediction.

    The state is that of `OnlineBatchRelation`. Value and gradient are computed in one pass (with `impl="plain"` the
    gradient is autograd's), in O(batch M + M^2) memory, without waiting for a device; second derivatives work in eager
    mode. Built on the meta device, `reset_parameters()` sets every buffer after `to_empty`.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1, in (0, 1].
        alpha: weight of L_B.
        positive_threshold: r_p, on the scale of `measure`.
        negative_threshold: r_n, below it.
        measure: a key of `obrl.MEASURES`; `"unit_pearson"` is (1 + phi) / 2, `"pearson"` the formula as printed.
        estimator: `"batch"` (Eq. 1) or `"counts"`.
        normalization: `"all_pairs"` (Eq. 2) or `"active_pairs"`, which divides by the number of active ordered pairs
            in place of M^2.
        reduction: `"mean"` (the paper: 1/K sum_k w_k L_k), `"sum"` or `"none"`.
        pos_weight: (num_labels,), finite and non-negative; multiplies the positives' part of L_E. Held as a float32
            buffer, which `.double()` widens; not in `state_dict`.
        cross_entropy: `"bce"` (Eq. 4), or a function that takes its place: of logits and targets, tensors
            (batch, num_labels) in float32 (float64 for float64 logits), it returns the loss of each label in the same
            shape and dtype, which is differentiated. obrl masks the missing labels, sums over labels, weighs the
            samples and reduces. A missing target is 0. Not beside `pos_weight`. A
            module in its place is a submodule, whose parameters are in `state_dict`.
        ignore_index: a number such as -1 or 255 that marks missing targets, in the loss and in the relation; targets
            are then integers. Where values are read, targets coded -1 and 1 are refused with -1: a batch in which -1
            occurs and at least 32 labels are known, all of them 1.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix.
        freeze: never update the relation; requires `relation=`.
        impl: how to compute. `"plain"`: in torch's operations, with the gradient left to autograd. `"auto"`: the same
            operations, with the gradient computed beside the value; or the kernels of `"fused"` where they were
            measured to be faster: on a Hopper GPU with Triton 3.6 or later, in single and half precision, in eager
            mode, and in one process (or with `sync=False`). `"fused"`: in Triton's kernels on a GPU; on a CPU in
            native code, which a C++ compiler builds at the first call.
            Transforms of `torch.func` and forward mode work with `"plain"` and `"auto"`.
        sync: whether to sum the pair counts of all processes of `torch.distributed`.
        process_group: None is the default group.
        validate: whether to check the values of targets. None: on the CPU; True: on every device, where the check
            makes the host wait; False: never. Shapes, dtypes and devices are always checked. Logits that lie in
            [0, 1] give a warning where values are read.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range.

    Example:
        >>> import torch
        >>> criterion = OBRLoss(3)
        >>> logits = torch.zeros(4, 3, requires_grad=True)
        >>> targets = torch.tensor([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])
        >>> loss = criterion(logits, targets)
        >>> loss.backward()
        >>> round(loss.item(), 4)  # 3 log 2 + 0.5 * 4 / 18
        2.1906

    Source: Wang, Su and Zhao, Eq. 1 to 4.
    """

    __module__ = "obrl.torch"

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        update: bool | None = None,
    ) -> Tensor:
        """Update the relation if this call should, then compute L.

        Args:
            logits: x, (batch, num_labels), float16, bfloat16, float32 or float64.
            targets: y, (batch, num_labels), bool, integer or floating point in [0, 1]; NaN is missing; the relation
                counts at least 0.5 as 1.
            observed: (batch, num_labels), bool; False marks a missing target, whatever its value.
            sample_weight: w, (batch,); multiplies each sample's loss and does not affect the relation.
            update: whether to update the relation; None: in training mode with gradients enabled, unless frozen.

        Returns:
            A scalar, or (batch,) with `reduction="none"`; float64 for float64 logits, else float32. The gradient
            comes in the dtype of the logits.

        Raises:
            TypeError, ValueError: what was expected and what came; the relation has then not changed. (Another error,
                such as a lack of memory, can come after Eq. 1 has moved it.)
        """
        return self._terms(Batch(logits, targets, observed, sample_weight), update, joint=True, parts=False)[0]

    def terms(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        update: bool | None = None,
    ) -> LossTerms:
        """The same as a call, but gives L, L_E and L_B (before alpha); each can be differentiated."""
        return LossTerms(*self._terms(Batch(logits, targets, observed, sample_weight), update, joint=True, parts=True))
