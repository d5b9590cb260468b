// Measures, intervals and charges from counts. Each operation is the one of obrl/measures.py or obrl/evidence.py, in
// the same order in float64, so that both select the same pairs at a threshold.

const NORMAL_QUANTILE = 1.959963984540054; // of .975

const crossDifference = (n, s, r, c) => s * (n - r - (c - s)) - (r - s) * (c - s);
const spread = (n, s, r, c) => Math.sqrt(r * (n - r) * (c * (n - c)));

/**
 * For each measure a function of n, s, r and c; NaN where it is undefined. COMPUTED_BY_PAGE of payload.py has their
 * names; the relation of another measure is in the file.
 */
const MEASURES = {
  pearson(n, s, r, c) {
    return ratio(crossDifference(n, s, r, c), spread(n, s, r, c));
  },
  unit_pearson(n, s, r, c) {
    const width = spread(n, s, r, c);
    return ratio(crossDifference(n, s, r, c) + width, width + width);
  },
  matching(n, s, r, c) {
    const agree = s + (n - r - (c - s));
    return ratio(agree, agree + (r - s + (c - s)));
  },
  cosine(n, s, r, c) {
    return ratio(s, Math.sqrt(r * c));
  },
  jaccard(n, s, r, c) {
    return ratio(s, r - s + c);
  },
  conditional(n, s, r, c) {
    return ratio(s, c);
  },
  yule_q(n, s, r, c) {
    const concordant = s * (n - r - (c - s));
    const discordant = (r - s) * (c - s);
    return ratio(concordant - discordant, concordant + discordant);
  },
  phi_ratio(n, s, r, c) {
    const difference = crossDifference(n, s, r, c);
    const largest = Math.min(r * (n - c), c * (n - r));
    const smallest = Math.min(r * c, (n - r) * (n - c));
    return ratio(difference, difference < 0 ? smallest : largest);
  },
};

function ratio(numerator, denominator) {
  return denominator > 0 ? numerator / denominator : NaN;
}

/** Half of the interval's width and its centre, from cells with 1/2 added to each. */
function phiEstimate(n, s, r, c) {
  const total = n + 2;
  const both = (s + 0.5) / total;
  const onlyI = (r - s + 0.5) / total;
  const onlyJ = (c - s + 0.5) / total;
  const neither = (n - r - c + s + 0.5) / total;
  const p = both + onlyI;
  const q = both + onlyJ;
  const notP = onlyJ + neither;
  const notQ = onlyI + neither;
  const width = Math.sqrt(p * notP * q * notQ);
  const phi = (both * neither - onlyI * onlyJ) / width;
  const half = phi / 2;
  const slopes = [
    neither / width - half * (1 / p + 1 / q),
    -onlyJ / width - half * (1 / p + 1 / notQ),
    -onlyI / width - half * (1 / notP + 1 / q),
    both / width - half * (1 / notP + 1 / notQ),
  ];
  const cells = [both, onlyI, onlyJ, neither];
  let mean = 0;
  for (let k = 0; k < 4; k++) mean += cells[k] * slopes[k];
  let variance = 0;
  for (let k = 0; k < 4; k++) variance += cells[k] * (slopes[k] - mean) ** 2;
  return [phi, NORMAL_QUANTILE * Math.sqrt(variance / total)];
}

/** The 95 % interval of phi. */
function phiInterval(n, s, r, c) {
  const [phi, reach] = phiEstimate(n, s, r, c);
  return [Math.max(-1, phi - reach), Math.min(1, phi + reach)];
}

/** The share of rows whose two labels differ: what a pair that is pulled together is charged. */
function unequalShare(n, s, r, c) {
  return n > 0 ? (r + c - 2 * s) / n : 0;
}
