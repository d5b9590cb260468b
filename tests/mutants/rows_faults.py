"""Faults in what goes by blocks of rows, where there are many labels."""

from tests.mutants.mutant import JAX, TENSORFLOW, TENSORFLOW_ROWS, TORCH, TORCH_ROWS, Mutant

ROWS_FAULTS = (
    Mutant(
        "JAX, by rows: the rows that are left over are forgotten",
        "adapters/obrl_jax/rows.py",
        "return moved(full * rows, left, state) if left else state",
        "return state",
        (JAX,),
    ),
    Mutant(
        "JAX, by rows: one known target is as good as all",
        "adapters/obrl_jax/rows.py",
        "observed.all()",
        "observed.any()",
        (JAX,),
    ),
    Mutant(
        "JAX, by rows: labels related to themselves",
        "adapters/obrl_jax/rows.py",
        "JAX.cast(positive & different, like=like)",
        "JAX.cast(positive, like=like)",
        (JAX,),
    ),
    Mutant(
        "JAX, by rows: the diagonal of the first rows in all",
        "adapters/obrl_jax/rows.py",
        "different = start + jnp.arange(rows)[:, None]",
        "different = jnp.arange(rows)[:, None]",
        (JAX,),
    ),
    Mutant(
        "JAX, by rows: pairs related one way without the other",
        "adapters/obrl_jax/rows.py",
        'alone = symmetric and settings.estimator == "batch"',
        'alone = settings.estimator == "batch"',
        (JAX,),
    ),
    Mutant(
        "by rows: A - B in place of A - 2 B",
        "obrl/row_products.py",
        "ns.cast((a + a) - four_b, like=like)",
        "ns.cast((a + a) - four_b / 2, like=like)",
        (JAX,),
    ),
    Mutant(
        "by rows: pairs related one way count twice",
        "obrl/row_products.py",
        'if normalization == "all_pairs" and not symmetric:',
        "if False:",
        (JAX,),
    ),
    Mutant(
        "torch, by rows: one known target is as good as all",
        "adapters/obrl_torch/rows.py",
        "bool(observed.all())",
        "bool(observed.any())",
        (TORCH,),
    ),
    Mutant(
        "torch, by rows: what cannot be differentiated is, as a constant",
        "adapters/obrl_torch/rows.py",
        "if torch.is_grad_enabled() and q.requires_grad:",
        "if torch.is_grad_enabled() and q.is_leaf:",
        (TORCH_ROWS,),
    ),
    Mutant(
        "torch, by rows: pairs of the first part alone",
        "adapters/obrl_torch/rows.py",
        "            code[few] = code_pairs(NUMPY, *compared, symmetric=True)",
        "            code[few] = code_pairs(NUMPY, *compared, symmetric=True) * (few.start == 0)",
        (TORCH,),
    ),
    Mutant(
        "torch, by rows: labels related to themselves",
        "adapters/obrl_torch/rows.py",
        "        np.fill_diagonal(code[:, rows], 0)\n",
        "",
        (TORCH,),
    ),
    Mutant(
        "TensorFlow, by rows: second derivatives of the loops",
        "adapters/obrl_tensorflow/functions.py",
        "return slope(x, upstream, scaled, lambda: problem.plain(x.dtype))",
        "return slope(x, upstream, scaled, lambda: problem)",
        (TENSORFLOW_ROWS,),
    ),
    Mutant(
        "TensorFlow, by rows: a pause that holds nothing",
        "adapters/obrl_tensorflow/rows.py",
        "if still is not None:",
        "if still is None:",
        (TENSORFLOW_ROWS,),
    ),
    Mutant(
        "TensorFlow, by rows: one known target is as good as all",
        "adapters/obrl_tensorflow/rows.py",
        "tf.reduce_all(observed)",
        "tf.reduce_any(observed)",
        (TENSORFLOW,),
    ),
)
