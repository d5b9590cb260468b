"""The seeded faults: where, what stands there, what is put in its place, and which tests must notice."""

from __future__ import annotations

from dataclasses import dataclass

CORE = "tests/core/test_parity.py"
ONLINE = "tests/core/test_online.py"
LOSSES = "tests/core/test_losses.py"
MEASURES = "tests/core/test_measures.py"
STORAGE = "tests/core/test_storage.py"
SETTINGS = "tests/core/test_settings.py"
BAD_INPUTS = "tests/core/test_bad_inputs.py"
TORCH = "tests/torch/test_parity.py"
TORCH_AUTOGRAD = "tests/torch/test_autograd.py"
TORCH_STATE = "tests/torch/test_state.py"
TORCH_UPDATES = "tests/torch/test_updates.py"
TORCH_MEMORY = "tests/torch/test_memory.py"
TORCH_BAD_INPUTS = "tests/torch/test_bad_inputs.py"
TORCH_DISTRIBUTED = "tests/torch/test_distributed.py"


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        name: what is wrong.
        file: relative to the repository's root.
        snippet: source that occurs in it exactly once.
        replacement: what is put in its place.
        tests: what must fail, likeliest first.
    """

    name: str
    file: str
    snippet: str
    replacement: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "a sign in the quartic form",
        "obrl/algebra.py",
        "spread = q2 * ns.matmul(q, pairs.negative) - q * ns.matmul(q2, pairs.negative)",
        "spread = q2 * ns.matmul(q, pairs.negative) + q * ns.matmul(q2, pairs.negative)",
        (CORE,),
    ),
    Mutant(
        "the quadratic part of a negative pair counted once",
        "obrl/algebra.py",
        "mixed=_laplacian(ns, a - (b + b), diagonal)",
        "mixed=_laplacian(ns, a - b, diagonal)",
        (CORE,),
    ),
    Mutant("a factor 2 in L_B", "obrl/algebra.py", "scale=2.0 * pairs.scale", "scale=pairs.scale", (CORE,)),
    Mutant(
        "a factor 2 in the gradient of L_B",
        "obrl/algebra.py",
        "gradient_scale=4.0 * pairs.scale",
        "gradient_scale=2.0 * pairs.scale",
        (CORE,),
    ),
    Mutant(
        "a mean over the labels in place of their square",
        "obrl/algebra.py",
        "num_labels**2  # Eq. 2",
        "num_labels  # Eq. 2",
        (CORE,),
    ),
    Mutant(
        "the derivative of the sigmoid without its square",
        "obrl/algebra.py",
        "gradient=(0.25 - q2) * (both + h)",
        "gradient=0.25 * (both + h)",
        (CORE,),
    ),
    Mutant(
        "alpha applied twice in the gradient",
        "obrl/algebra.py",
        "[[(1.0, entropy), (alpha, relation)]]",
        "[[(1.0, entropy), (alpha * alpha, relation)]]",
        (CORE,),
    ),
    Mutant(
        "L_B reported after alpha",
        "obrl/algebra.py",
        "LossTerms(cross_entropy + alpha * relation_loss, cross_entropy, relation_loss)",
        "LossTerms(cross_entropy + alpha * relation_loss, cross_entropy, alpha * relation_loss)",
        (CORE,),
    ),
    Mutant(
        "missing targets let into L_E",
        "obrl/algebra.py",
        "value = ns.where(observed, value, 0.0)",
        "value = ns.where(observed, value, value)",
        (CORE,),
    ),
    Mutant(
        "one-way pairs not symmetrised",
        "obrl/algebra.py",
        "if not symmetric:",
        "if False:",
        (LOSSES, CORE),
    ),
    Mutant(
        "pos_weight on the negatives",
        "obrl/algebra.py",
        "positive = pos_weight * targets",
        "positive = targets; rest = pos_weight * rest",
        (CORE,),
    ),
    Mutant(
        "the constant part of L_B without its sample weights",
        "obrl/algebra.py",
        "return value + terms.constant * (weight * share)",
        "return value + terms.constant",
        (CORE,),
    ),
    Mutant(
        "the decay dropped from the sum",
        "obrl/online.py",
        "relation_sum=kept * state.relation_sum",
        "relation_sum=state.relation_sum",
        (ONLINE, CORE),
    ),
    Mutant(
        "undefined pairs decayed",
        "obrl/online.py",
        "kept = defined * (settings.decay - 1.0) + 1.0",
        "kept = settings.decay",
        (ONLINE, CORE),
    ),
    Mutant(
        "a weight that counts every batch",
        "obrl/online.py",
        "kept * state.relation_weight + defined,",
        "kept * state.relation_weight + 1.0,",
        (ONLINE, CORE),
    ),
    Mutant(
        "swapped thresholds",
        "obrl/online.py",
        "settings.positive_threshold, settings.negative_threshold, scale=scale",
        "settings.negative_threshold, settings.positive_threshold, scale=scale",
        (CORE,),
    ),
    Mutant(
        "the diagonal counted",
        "obrl/online.py",
        "candidate = known & ~ns.eye(like=relation)",
        "candidate = known",
        (CORE,),
    ),
    Mutant(
        "pairs without evidence counted",
        "obrl/online.py",
        "candidate = known & ~ns.eye(like=relation)",
        "candidate = ~ns.eye(like=relation)",
        (CORE,),
    ),
    Mutant(
        "a merge that forgets to decay the first part",
        "obrl/online.py",
        "remaining = 1.0 - (1.0 - decay) * later.relation_weight",
        "remaining = 1.0 - (1.0 - decay) * earlier.relation_weight",
        (ONLINE,),
    ),
    Mutant(
        "a sign in phi",
        "obrl/measures.py",
        "return both * neither - only_i * only_j",
        "return both * neither + only_i * only_j",
        (MEASURES,),
    ),
    Mutant(
        "jaccard that counts both twice",
        "obrl/measures.py",
        "return table.both, (table.i - table.both) + table.j",
        "return table.both, table.i + table.j",
        (MEASURES,),
    ),
    Mutant(
        "the other conditional",
        "obrl/measures.py",
        "return table.both, table.j  # P(i | j)",
        "return table.both, table.i  # P(i | j)",
        (MEASURES,),
    ),
    Mutant(
        "a soft target of one half counted as 0",
        "obrl/counts.py",
        'positive = values >= 0.5 if values.dtype.kind != "b" else values',
        'positive = values > 0.5 if values.dtype.kind != "b" else values',
        (CORE, MEASURES),
    ),
    Mutant(
        "a NaN target taken for observed",
        "obrl/counts.py",
        "known = not_nan if known is None else known & not_nan",
        "known = known",
        (CORE, MEASURES),
    ),
    Mutant(
        "a file of another decay accepted",
        "obrl/storage.py",
        'ACCUMULATION_SETTINGS = ("decay", "measure", "estimator")',
        'ACCUMULATION_SETTINGS = ("measure", "estimator")',
        (STORAGE,),
    ),
    Mutant(
        "pickles allowed",
        "obrl/storage.py",
        "np.load(file, allow_pickle=False)",
        "np.load(file, allow_pickle=True)",
        (STORAGE,),
    ),
    Mutant(
        "thresholds that cross accepted",
        "obrl/settings.py",
        "if not -math.inf < negative_threshold < positive_threshold < math.inf:",
        "if not -math.inf < negative_threshold <= positive_threshold < math.inf:",
        (BAD_INPUTS,),
    ),
    Mutant(
        "updates although frozen",
        "obrl/errors.py",
        "return default and not freeze",
        "return default",
        (LOSSES, TORCH_UPDATES),
    ),
    Mutant(
        "torch: updates in validation",
        "adapters/obrl_torch/loss.py",
        "default=self.training and torch.is_grad_enabled()",
        "default=self.training",
        (TORCH_UPDATES,),
    ),
    Mutant(
        "torch: updates in eval mode",
        "adapters/obrl_torch/loss.py",
        "default=self.training and torch.is_grad_enabled()",
        "default=torch.is_grad_enabled()",
        (TORCH_UPDATES,),
    ),
    Mutant(
        "torch: missing targets reach L_E",
        "adapters/obrl_torch/inputs.py",
        "known = not_nan if observed is None else observed & not_nan",
        "known = not_nan if observed is None else observed",
        (TORCH,),
    ),
    Mutant(
        "torch: alpha applied twice where parts are differentiated",
        "adapters/obrl_torch/functions.py",
        "by_relation = _add(None if total is None else problem.alpha * total, relation_loss)",
        "by_relation = _add(None if total is None else problem.alpha**2 * total, relation_loss)",
        (TORCH_AUTOGRAD,),
    ),
    Mutant(
        "torch: the factor that arrives is dropped",
        "adapters/obrl_torch/functions.py",
        'return gradient * (factor[:, None] if problem.reduction == "none" else factor)',
        "return gradient",
        (TORCH_AUTOGRAD,),
    ),
    Mutant(
        "torch: second derivatives of a constant",
        "adapters/obrl_torch/functions.py",
        "if torch.is_grad_enabled() and not torch.compiler.is_compiling():",
        "if False:",
        (TORCH_AUTOGRAD,),
    ),
    Mutant(
        "torch: buffers replaced in place of written",
        "adapters/obrl_torch/relation.py",
        "self.relation_sum.copy_(state.relation_sum)",
        "self.relation_sum = state.relation_sum.clone()",
        (TORCH_STATE,),
    ),
    Mutant(
        "torch: state narrowed by half()",
        "adapters/obrl_torch/relation.py",
        "if new is not None and new.dtype.is_floating_point and new.dtype.itemsize < 4:",
        "if new is not None and new.dtype.is_floating_point and new.dtype.itemsize < 0:",
        (TORCH_STATE,),
    ),
    Mutant(
        "torch: each rank counts for itself",
        "adapters/obrl_torch/distributed.py",
        "dist.all_reduce(packed, op=dist.ReduceOp.SUM, group=process_group)",
        "dist.barrier(group=process_group)",
        (TORCH_DISTRIBUTED,),
    ),
    Mutant(
        "torch: counts averaged in place of summed",
        "adapters/obrl_torch/distributed.py",
        "n, s, r = packed.unbind(0)",
        "n, s, r = (packed / dist.get_world_size(process_group)).unbind(0)",
        (TORCH_DISTRIBUTED,),
    ),
    Mutant(
        "torch: autocast left on",
        "adapters/obrl_torch/inputs.py",
        "return torch.autocast(device_type, enabled=False)",
        "return contextlib.nullcontext()",
        (TORCH_UPDATES,),
    ),
    Mutant(
        "torch: values read although told not to",
        "adapters/obrl_torch/inputs.py",
        'return tensor.device.type == "cpu" if validate is None else validate',
        'return tensor.device.type == "cpu"',
        (TORCH_MEMORY, TORCH_BAD_INPUTS),
    ),
    Mutant(
        "the two Laplacians swapped on their way out of NumPy",
        "adapters/obrl_torch/host.py",
        "mixed=torch.from_numpy(pairs.mixed),",
        "mixed=torch.from_numpy(pairs.negative),",
        (TORCH,),
    ),
    Mutant(
        "the shorter form of ad - bc with a sign wrong",
        "obrl/measures.py",
        "return self.n * self.both - self.i * self.j",
        "return self.n * self.both + self.i * self.j",
        (MEASURES, TORCH),
    ),
)
