"""Faults in the JAX adapter."""

from tests.mutants.mutant import (
    JAX,
    JAX_BAD_INPUTS,
    JAX_DISTRIBUTED,
    JAX_STATE,
    JAX_TRANSFORMS,
    Mutant,
)

JAX_FAULTS = (
    Mutant(
        "JAX: the gradient of the first reduction alone",
        "adapters/obrl_jax/functions.py",
        'return factor[:, None] if static.reduction == "none" else factor',
        'return factor[0] if static.reduction == "none" else factor',
        (JAX,),
    ),
    Mutant(
        "JAX: alpha forgotten on the way back",
        "adapters/obrl_jax/functions.py",
        "by_relation = static.alpha * total + relation_loss",
        "by_relation = total + relation_loss",
        (JAX,),
    ),
    Mutant(
        "JAX: a zero for the gradient of the weights",
        "adapters/obrl_jax/functions.py",
        "    found: Problem = gradients\n",
        "    found: Problem = jax.tree.map(lambda part: 0 * part, gradients)\n",
        (JAX_TRANSFORMS,),
    ),
    Mutant(
        "JAX: NaN counted as known",
        "adapters/obrl_jax/inputs.py",
        "not_nan = targets == targets",
        "not_nan = (targets == targets) | True",
        (JAX, JAX_DISTRIBUTED),
    ),
    Mutant(
        "JAX: a target of one half counted as 0",
        "adapters/obrl_jax/inputs.py",
        "else targets >= 0.5",
        "else targets > 0.5",
        (JAX,),
    ),
    Mutant(
        "JAX: every batch counted twice",
        "adapters/obrl_jax/loss.py",
        "state = self._advance(state, labels)",
        "state = self._advance(self._advance(state, labels), labels)",
        (JAX,),
    ),
    Mutant(
        "JAX: counts averaged over the devices",
        "adapters/obrl_jax/relation.py",
        "jax.lax.psum(jnp.stack([counts.n, counts.s, counts.r]), axis_name)",
        "jax.lax.pmean(jnp.stack([counts.n, counts.s, counts.r]), axis_name)",
        (JAX_DISTRIBUTED,),
    ),
    Mutant(
        "JAX: a frozen relation that moves",
        "adapters/obrl_jax/loss.py",
        "moves = resolve_update(update, default=True, freeze=self.freeze)",
        "moves = resolve_update(update, default=True, freeze=False)",
        (JAX_TRANSFORMS, JAX_BAD_INPUTS),
    ),
    Mutant(
        "JAX: a state of any shape is taken",
        "adapters/obrl_jax/relation.py",
        "if found.shape != shape or",
        "if",
        (JAX_BAD_INPUTS,),
    ),
    Mutant(
        "JAX: products at the precision of the device",
        "adapters/obrl_jax/namespace.py",
        "precision=jax.lax.Precision.HIGHEST",
        "precision=None",
        (JAX_TRANSFORMS,),
    ),
    Mutant(
        "JAX: the two parts of a run merged in the wrong order",
        "adapters/obrl_jax/relation.py",
        "merge_states(self._checked(earlier), self._checked(later), self.settings.decay)",
        "merge_states(self._checked(later), self._checked(earlier), self.settings.decay)",
        (JAX_DISTRIBUTED,),
    ),
    Mutant(
        "JAX: a file's weight read as its sum",
        "adapters/obrl_jax/relation.py",
        "jnp.asarray(part, dtype) for part in start.state",
        "jnp.asarray(start.state[1], dtype) for _ in start.state",
        (JAX_STATE,),
    ),
    Mutant(
        "JAX: a start that is forgotten",
        "adapters/obrl_jax/relation.py",
        "if self._start is None:",
        "if True:",
        (JAX_STATE,),
    ),
)
