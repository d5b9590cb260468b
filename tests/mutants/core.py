"""Faults in the formulas, the counts and the rules that every framework shares."""

from tests.mutants.mutant import Mutant

PARITY = "tests/parity --framework numpy"
FUNCTIONS = "tests/parity/test_cross_entropy.py --framework numpy"
MEASURES = "tests/core/test_measures.py"
ONLINE = "tests/core/test_online.py"
LOSSES = "tests/core/test_losses.py"

CORE_MUTANTS = (
    Mutant(
        "Eq. 1: the decay stays away from the sum",
        "obrl:add_evidence",
        "total = remaining * total",
        "pass",
        PARITY,
    ),
    Mutant(
        "Eq. 1: pairs that a batch leaves undefined decay",
        "obrl:remaining_share",
        "return remaining",
        "return decay",
        PARITY,
    ),
    Mutant(
        "Eq. 1: a merge forgets the decay of the first part",
        "obrl:merge_states",
        "(1.0 - decay) * later.relation_weight",
        "(1.0 - decay) * earlier.relation_weight",
        ONLINE,
    ),
    Mutant(
        "Eq. 2: a sign in the quartic form",
        "obrl:relation_terms",
        "pairs.negative) - $q * ns.matmul",
        "pairs.negative) + $q * ns.matmul",
        PARITY,
    ),
    Mutant("Eq. 2: 4 g + 4 h in the gradient", "obrl:relation_terms", "$g + 2.0 * $h", "$g + $h", PARITY),
    Mutant("Eq. 2: L_A - L_B", "obrl:pair_laplacians", "($b + $b) - $a", "$b - $a", PARITY),
    Mutant("Eq. 2: M in place of M^2", "obrl:_pair_scale", "num_labels**2", "num_labels", PARITY),
    Mutant("Eq. 2: active pairs without the negative", "obrl:_pair_scale", "+ 3.0 *", "+ 2.0 *", PARITY),
    Mutant(
        "Eq. 2: one-way pairs are not made symmetric",
        "obrl:pair_laplacians",
        "$a + ns.transpose($a), $b + ns.transpose($b)",
        "$a + $a, $b + $b",
        LOSSES,
    ),
    Mutant(
        "Eq. 3: the thresholds change places",
        "obrl:select_pairs",
        "settings.positive_threshold, settings.negative_threshold",
        "settings.negative_threshold, settings.positive_threshold",
        PARITY,
    ),
    Mutant(
        "Eq. 3: the diagonal is active", "obrl:threshold_pairs", "$known & ~ns.eye(like=relation)", "$known", PARITY
    ),
    Mutant(
        "Eq. 3: pairs without evidence are active", "obrl:select_pairs", "weight > 0, r_p", "weight >= 0, r_p", PARITY
    ),
    Mutant(
        "Eq. 4: pos_weight multiplies the negatives",
        "obrl:cross_entropy_terms",
        "positive = pos_weight * targets",
        "positive = targets; rest = pos_weight * rest",
        PARITY,
    ),
    Mutant(
        "Eq. 4: missing targets have a loss",
        "obrl:cross_entropy_terms",
        "$value = ns.where(observed, $value, 0.0)",
        "pass",
        PARITY,
    ),
    Mutant(
        "a function in place of Eq. 4: missing targets have a loss",
        "obrl:_observed",
        "ns.where(observed, $values, 0.0)",
        "$values",
        FUNCTIONS,
    ),
    Mutant(
        "total: alpha squared in the gradient",
        "obrl:evaluate",
        "(problem.alpha, relation)",
        "(problem.alpha**2, relation)",
        PARITY,
    ),
    Mutant(
        "total: alpha is missing in the chain rule",
        "obrl_tensorflow:chain",
        "alpha * total",
        "total",
        "tests/tensorflow/test_graphs.py",
    ),
    Mutant("mean: over one row more", "obrl:_share", "max($rows, 1)", "($rows + 1)", PARITY),
    Mutant(
        "none: the constant of L_B is missing",
        "obrl:_reduce",
        "$value = $value + terms.constant",
        "pass",
        PARITY,
    ),
    Mutant(
        "phi: ad + bc", "obrl:FourfoldTable.cross_difference", "- $only_i * $only_j", "+ $only_i * $only_j", MEASURES
    ),
    Mutant(
        "unit Pearson: 1 - phi",
        "obrl.measures:_unit_pearson",
        "difference += spread",
        "difference = spread - difference",
        MEASURES,
    ),
    Mutant("matching: disagreement once", "obrl.measures:_matching", "($only_i + $only_j)", "$only_i", MEASURES),
    Mutant("conditional: P(j | i)", "obrl.measures:_conditional", "table.j", "table.i", MEASURES),
    Mutant("Yule's Q: a sign in the denominator", "obrl.measures:_yule_q", "+ $discordant", "- $discordant", MEASURES),
    Mutant(
        "phi ratio: bounds change places",
        "obrl.measures:_phi_ratio",
        "smallest, largest)",
        "largest, smallest)",
        MEASURES,
    ),
    Mutant(
        "counts: r of pairs seen alone",
        "obrl.counts:pair_counts",
        "ns.matmul($columns, observed)",
        "ns.matmul($columns, observed * 0 + 1)",
        MEASURES,
    ),
    Mutant("labels: one half is 0", "obrl:split_labels", "targets >= 0.5", "targets > 0.5", MEASURES),
    Mutant("labels: NaN is observed", "obrl:split_labels", "observed & not_nan", "observed", MEASURES),
    Mutant("labels: an ignored number is known", "obrl:without_ignored", "observed & $known", "observed", FUNCTIONS),
    Mutant("update: moves although frozen", "obrl:resolve_update", "default and not freeze", "default", LOSSES),
)
