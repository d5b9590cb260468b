"""The kernels as operators of torch, which graphs, `torch.compile` and fake tensors can handle.

They check no argument and have no derivative: `obrl_torch.loss` and `obrl_torch.fused` check, and
`obrl_torch.one_pass.OnePass` differentiates.
"""

from obrl_torch.operators.loss import loss_terms
from obrl_torch.operators.relation import code_pairs, count_pairs, move_by_counts, move_relation

__all__ = ["code_pairs", "count_pairs", "loss_terms", "move_by_counts", "move_relation"]
