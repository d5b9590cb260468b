"""Faults in the native code, in how it is built, and in what calls it."""

from tests.mutants.mutant import NATIVE, NATIVE_BUILD, SANITIZERS, TORCH_OPERATORS, Mutant

RELATION = "adapters/obrl_native/src/relation.cc"
LOSS = "adapters/obrl_native/src/loss.cc"
BUILD = "adapters/obrl_native/build.py"

NATIVE_FAULTS = (
    Mutant(
        "native: a whole vector is read where fewer numbers are left",
        "adapters/obrl_native/src/vector.h",
        "v, count * sizeof(T))",
        "v, sizeof v)",
        (SANITIZERS,),
    ),
    Mutant("native: NaN counted as known", RELATION, "(value == value) & (mask", "(mask", (NATIVE,)),
    Mutant("native: the mask is not read", RELATION, "(mask == nullptr || mask[j] != 0)", "true", (NATIVE,)),
    Mutant("native: a target of one half counted as 0", RELATION, "target >= Y(0.5)", "target > Y(0.5)", (NATIVE,)),
    Mutant("native: what is missing goes unnoticed", RELATION, "missing == 0", "true", (NATIVE,)),
    Mutant(
        "native: pairs that the batch leaves undefined decay",
        RELATION,
        "return defined * decay_less_one_ + S(1);",
        "return decay_less_one_ + S(1);",
        (NATIVE,),
    ),
    Mutant(
        "native: counted from the first word alone",
        RELATION,
        "word < std::min(begin + kWords, words); ++word",
        "word < std::min(begin + kWords, words) && !word; ++word",
        (NATIVE,),
    ),
    Mutant("native: more ones than a byte can count", RELATION, "kWords = 31;", "kWords = 32;", (NATIVE,)),
    Mutant(
        "native: a pair counts once where its directions are one",
        RELATION,
        "pairs ? 1 : 2",
        "1",
        (NATIVE,),
    ),
    Mutant(
        "native: the directions of a pair are always one",
        RELATION,
        "return relation.symmetric && !relation.counts;",
        "return !relation.counts;",
        (NATIVE,),
    ),
    Mutant(
        "native: a pair is active where one direction is",
        RELATION,
        "(one & other) * 2",
        "(one | other) * 2",
        (NATIVE,),
    ),
    Mutant(
        "native: the diagonal is active",
        RELATION,
        "pairs_[i * num_labels_ + i] = 0",
        "pairs_[i * num_labels_ + i] |= 0",
        (NATIVE,),
    ),
    Mutant(
        "native: n s - r c as it stands, though it is not exact",
        RELATION,
        "<= int64_t{1} << 24",
        "<= int64_t{1} << 62",
        (NATIVE,),
    ),
    Mutant("native: the second label of a pair is not pushed", LOSS, "-= t * d", "-= V<T>{}", (NATIVE,)),
    Mutant(
        "native: a missing target has a gradient", LOSS, "(known ? slope : zero) * share_", "slope * share_", (NATIVE,)
    ),
    Mutant(
        "native: sample weights leave the gradient of L_E",
        LOSS,
        "gradient[j] *= weights_[first + row]",
        "gradient[j] *= 1",
        (NATIVE,),
    ),
    Mutant(
        "native: the derivative of the sigmoid is left out",
        LOSS,
        "(T(0.25) - q * q) * factors[k]",
        "factors[k]",
        (NATIVE,),
    ),
    Mutant("native: active pairs counted twice", LOSS, "0.5 * double(halves)", "double(halves)", (NATIVE,)),
    Mutant(
        "native: pairs beyond the first tile of labels", LOSS, "first += kLabelTile", "first += num_labels_", (NATIVE,)
    ),
    Mutant(
        "native: threads share their scratch",
        LOSS,
        "scratch[worker]);\n      } else {",
        "scratch[0]);\n      } else {",
        (NATIVE,),
    ),
    Mutant(
        "native: autograd does not see that the relation moves",
        "adapters/obrl_torch/native.py",
        "            increment_version(buffer)",
        "            pass",
        (TORCH_OPERATORS,),
    ),
    Mutant(
        "native: a damaged library is loaded",
        BUILD,
        "return _digest(library).read_bytes() == _hash(library.read_bytes()).encode()",
        "return _digest(library).exists()",
        (NATIVE_BUILD,),
    ),
    Mutant("native: every process builds", BUILD, "fcntl.flock(lock, fcntl.LOCK_EX)", "lock.flush()", (NATIVE_BUILD,)),
    Mutant(
        "native: a cache of others is trusted",
        BUILD,
        "status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)",
        "False",
        (NATIVE_BUILD,),
    ),
    Mutant(
        "native: one half is decided in single precision",
        "adapters/obrl_torch/native.py",
        "        return targets.contiguous()\n",
        "        return targets.float().contiguous()\n",
        (TORCH_OPERATORS,),
    ),
)
