"""Faults in the launcher of the CUDA kernels, and in the table of them."""

from tests.mutants.mutant import CUBINS, LAUNCHER, LAUNCHES, SANITIZERS, Mutant

SOURCE = "adapters/obrl_native/src/launcher.cc"
TABLE = "adapters/obrl_native/src/cubins.h"
DRIVER = "adapters/obrl_native/src/cuda_driver.h"

CUDA_FAULTS = (
    Mutant(
        "launcher: room for four arguments", SOURCE, "void*, kArgs> arguments", "void*, 4> arguments", (SANITIZERS,)
    ),
    Mutant("launcher: a counter is not 0", SOURCE, "  work.zero(scratch + places.counter, 1);\n", "", (LAUNCHES,)),
    Mutant(
        "launcher: arrivals are not 0", SOURCE, "    work.zero(scratch + places.arrivals, written);\n", "", (LAUNCHES,)
    ),
    Mutant(
        "launcher: numbers of active pairs that nobody writes",
        SOURCE,
        "active_numbers(state.table, num_labels) - written)",
        "0)",
        (LAUNCHES,),
    ),
    Mutant("launcher: the decay is that of the sum", SOURCE, "relation.decay - 1.0", "relation.decay", (LAUNCHES,)),
    Mutant(
        "launcher: rows of codes without a gap",
        SOURCE,
        "return padded(num_labels, kAligned); }",
        "return num_labels; }",
        (LAUNCHES,),
    ),
    Mutant("launcher: starting a program costs nothing", SOURCE, " + target.start_cost", "", (LAUNCHES,)),
    Mutant("launcher: room for two products of three", SOURCE, "wide->parts * 3 *", "wide->parts * 2 *", (LAUNCHES,)),
    Mutant("launcher: a new state is no copy", SOURCE, "if (to == from) return;", "return;", (LAUNCHER,)),
    Mutant("launcher: any address will do", SOURCE, "(address) % kAligned", "(address) % 1", (LAUNCHER,)),
    Mutant(
        "launcher: any scratch will do", SOURCE, "call.scratch_bytes < bytes", "call.scratch_bytes < 0", (LAUNCHER,)
    ),
    Mutant("launcher: one context has the kernels of all", SOURCE, "contexts_[id]", "contexts_[0]", (LAUNCHER,)),
    Mutant(
        "launcher: much shared memory is not asked for",
        SOURCE,
        "kernel.shared > kSharedForAll",
        "kernel.shared > 1u << 30",
        (LAUNCHES,),
    ),
    Mutant(
        "launcher: a kernel that cannot be used stays",
        SOURCE,
        "      driver.cuModuleUnload(module);\n",
        "",
        (LAUNCHER,),
    ),
    Mutant("launcher: any device is of Hopper", TABLE, "major == 8 ? 80 : capability", "90", (LAUNCHER,)),
    Mutant("launcher: kernels of any size will do", TABLE, "(found != bytes)", "(found == -1)", (LAUNCHER,)),
    Mutant(
        "launcher: a load ends a capture", DRIVER, "mode_ = CU_STREAM_CAPTURE_MODE_RELAXED", "mode_ = 0", (LAUNCHER,)
    ),
    Mutant("launcher: a captured stream is asked", DRIVER, "if (stream && !capturing)", "if (stream)", (LAUNCHER,)),
    Mutant("launcher: a context is left behind", DRIVER, "    driver_.cuCtxPopCurrent(&context);\n", "", (LAUNCHER,)),
    Mutant(
        "cubins: other constants than those of the key",
        "adapters/obrl_torch/kernels/cubins.py",
        '"ACTIVE_PAIRS": normalization == "active_pairs"',
        '"ACTIVE_PAIRS": normalization == "all_pairs"',
        (CUBINS,),
    ),
    Mutant(
        "cubins: sources that have changed",
        "adapters/obrl_torch/kernels/tiles.py",
        "decay * value + batch",
        "value * decay + batch",
        (CUBINS,),
    ),
)
