"""Faults in the custom calls for JAX, and in what calls them."""

from tests.mutants.mutant import JAX_BUILT, JAX_CUDA, JAX_FUSED, JAX_NATIVE, Mutant

HANDLERS = "adapters/obrl_native/src/jax_ffi.cc"
SHARED = "adapters/obrl_native/src/jax_ffi.h"
CALLS = "adapters/obrl_jax/native.py"
CUDA = "adapters/obrl_jax/cuda.py"
PROBLEM = "adapters/obrl_jax/fused.py"

JAX_NATIVE_FAULTS = (
    Mutant(
        "XLA: room for two counts of three",
        HANDLERS,
        "found(3 * num_labels",
        "found(2 * num_labels",
        (JAX_BUILT,),
    ),
    Mutant(
        "XLA: the mask is not passed on",
        HANDLERS,
        "data_or_null<const uint8_t>(observed), shape[0]",
        "nullptr, shape[0]",
        (JAX_NATIVE,),
    ),
    Mutant(
        "XLA: accumulators are not copied",
        HANDLERS,
        "if (to.untyped_data() != from.untyped_data()) std::memcpy",
        "if (to.untyped_data() == from.untyped_data()) std::memcpy",
        (JAX_NATIVE,),
    ),
    Mutant(
        "XLA: a mask of any dtype",
        HANDLERS,
        "!(is_bytes(observed) && has_shape(observed, {shape[0], shape[1]}))",
        "!has_shape(observed, {shape[0], shape[1]})",
        (JAX_NATIVE,),
    ),
    Mutant("XLA: a measure that there is not", HANDLERS, "settings.measure > OBRL_PHI_RATIO", "false", (JAX_NATIVE,)),
    Mutant(
        "XLA: results are not counted",
        SHARED,
        "if (results.size() != places.size())",
        "if (results.size() < terms)",
        (JAX_NATIVE,),
    ),
    Mutant(
        "XLA: L_E in the place of L_B",
        HANDLERS,
        "found.relation_loss,",
        "found.cross_entropy ? found.cross_entropy : found.relation_loss,",
        (JAX_FUSED,),
    ),
    Mutant(
        "XLA: the gradient of L_B is that of L_E",
        HANDLERS,
        "found.relation_gradient,",
        "found.relation_gradient ? found.gradient : nullptr,",
        (JAX_FUSED,),
    ),
    Mutant("JAX, fused: vmap has no rule", CALLS, 'vmap_method="sequential"', "vmap_method=None", (JAX_FUSED,)),
    Mutant("JAX, fused: a donated state is copied", CALLS, "{first: 0, first + 1: 1},", "None,", (JAX_FUSED,)),
    Mutant("JAX, fused: results vary over no axis", CALLS, "    if not axes:\n", "    if axes:\n", (JAX_FUSED,)),
    Mutant(
        "JAX, fused: what is spread is not gathered",
        CALLS,
        "return array if _spec(array) == tuple(spec) else",
        "return array if True else",
        (JAX_FUSED,),
    ),
    Mutant(
        "JAX, fused: any platform will do",
        "adapters/obrl_jax/platforms.py",
        'if platform not in ("cpu", "gpu"):',
        "if False:",
        (JAX_FUSED,),
    ),
    Mutant(
        "JAX on CUDA: a missing target is 0",
        CUDA,
        "jnp.where(observed, single, np.float32(np.nan))",
        "jnp.where(observed, single, np.float32(0))",
        (JAX_CUDA,),
    ),
    Mutant("JAX on CUDA: codes with their padding", CUDA, "[:, :num_labels]", "[:, -num_labels:]", (JAX_CUDA,)),
    Mutant("JAX on CUDA: float64 is rounded", CUDA, "if dtype != jnp.float32:", "if False:", (JAX_CUDA,)),
    Mutant(
        "JAX, fused: threads register at once", CALLS, "    with _ONE_AT_A_TIME:\n", "    if True:\n", (JAX_NATIVE,)
    ),
    Mutant(
        "JAX, fused: one library for every version", CALLS, "versions=(jaxlib_version,)", "versions=()", (JAX_NATIVE,)
    ),
    Mutant("JAX, fused: counts averaged over the devices", PROBLEM, "jax.lax.psum(", "jax.lax.pmax(", (JAX_FUSED,)),
    Mutant(
        "JAX, fused: second derivatives of nothing",
        PROBLEM,
        "jax.jvp(plain, primals, tangents)[1]",
        "jax.tree.map(jnp.zeros_like, jax.jvp(plain, primals, tangents)[1])",
        (JAX_FUSED,),
    ),
    Mutant(
        "JAX, fused: NaN is known to the derivatives",
        PROBLEM,
        "            observed = known if observed is None else observed & known\n        if",
        "        if",
        (JAX_FUSED,),
    ),
    Mutant("JAX, fused: negative pairs are lost", PROBLEM, "(codes >> 2)", "(codes >> 3)", (JAX_FUSED,)),
    Mutant(
        "JAX, fused: one half is decided in float32",
        PROBLEM,
        "np.where(targets < 0.5,",
        "np.where(targets < 0,",
        (JAX_FUSED,),
    ),
    Mutant(
        "JAX, fused: integers are counted as they are",
        PROBLEM,
        "return targets > 0 if integer else targets",
        "return targets",
        (JAX_FUSED,),
    ),
    Mutant(
        "JAX: whoever wants gradients of data gets none",
        "adapters/obrl_jax/functions.py",
        "any(part.perturbed for part in jax.tree.leaves(problem))",
        "False",
        (JAX_FUSED,),
    ),
)
