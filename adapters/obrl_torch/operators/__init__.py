"""The kernels as operators of torch, so that graphs, `torch.compile` and fake tensors know them.

They check nothing and differentiate nothing: `obrl_torch.loss` has checked, and `obrl_torch.functions` differentiates.
"""

from obrl_torch.operators.loss import loss_terms, scale_gradients
from obrl_torch.operators.relation import code_pairs, count_pairs, move_by_counts, move_relation

__all__ = ["code_pairs", "count_pairs", "loss_terms", "move_by_counts", "move_relation", "scale_gradients"]
