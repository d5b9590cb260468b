// What the page knows of labels and pairs. Pair k stands for the labels i < j in the order of numpy.triu_indices; for a
// measure that is not symmetric, k + numPairs stands for (j, i).

let report = null;

function buildReport({ header, columns }) {
  const numLabels = header.labels.length;
  const numPairs = (numLabels * (numLabels - 1)) / 2;
  const first = new Uint32Array(numPairs);
  const second = new Uint32Array(numPairs);
  for (let i = 0, k = 0; i < numLabels; i++) {
    for (let j = i + 1; j < numLabels; j++, k++) {
      first[k] = i;
      second[k] = j;
    }
  }
  const { measure } = header;
  report = { ...header, columns, numLabels, numPairs, first, second, nameRanks: ranks(header.labels) };
  report.numRelations = measure.symmetric ? numPairs : 2 * numPairs;
  report.hasCounts = columns.s !== undefined;
  report.counts = report.hasCounts ? countsOfPairs(columns, first, second) : null;
  report.relation = relationOfPairs();
  report.phi = phiOfPairs();
  report.relationIsPhi = measure.name === "pearson" && !(report.hasCounts && columns.relation !== undefined);
  report.suspects = jsonOfBytes(columns.suspects);
  report.drift = jsonOfBytes(columns.drift) ?? [];
  spreadQ();
}

/** The counts n, s, r and c of a pair, each as a function. */
function countsOfPairs({ s, n, r, c, known, present }, first, second) {
  if (n !== undefined) return { n: (k) => n[k], s: (k) => s[k], r: (k) => r[k], c: (k) => c[k] };
  return { n: () => known[0], s: (k) => s[k], r: (k) => present[first[k]], c: (k) => present[second[k]] };
}

function computed(compute) {
  const { counts, numPairs } = report;
  const values = new Float64Array(numPairs);
  for (let k = 0; k < numPairs; k++) values[k] = compute(counts.n(k), counts.s(k), counts.r(k), counts.c(k));
  return values;
}

function relationOfPairs() {
  const { columns, measure, numPairs, numRelations } = report;
  if (columns.relation !== undefined) return Float64Array.from(columns.relation);
  const compute = MEASURES[measure.name];
  const values = new Float64Array(numRelations);
  values.set(computed(compute));
  if (!measure.symmetric) values.set(computed((n, s, r, c) => compute(n, s, c, r)), numPairs);
  if (columns.last_bits !== undefined) {
    const integers = new BigInt64Array(values.buffer);
    columns.last_bits.forEach((step, k) => {
      if (step !== 0) integers[k] += BigInt(step);
    });
  }
  return values;
}

/**
 * Phi of each pair: of the counts where there are any, for intervals and charges are theirs; else of a relation from
 * which it follows, or null. With a decay a relation is not that of the counts.
 */
function phiOfPairs() {
  if (report.hasCounts) return computed(MEASURES.pearson);
  if (report.measure.name === "pearson") return report.relation;
  return report.measure.follows_phi ? report.relation.map((value) => 2 * value - 1) : null;
}

/** Columns that hold related pairs alone are spread over all pairs. */
function spreadQ() {
  const { columns, numPairs, q_for_related_only: relatedOnly } = report;
  if (!relatedOnly) return;
  for (const [name, missing] of [["q", 0], ["phi_low", NO_END], ["phi_high", NO_END]]) {
    const short = columns[name];
    if (short === undefined) continue;
    const long = new short.constructor(numPairs).fill(missing);
    for (let k = 0, next = 0; k < numPairs; k++) if (isRelated(k)) long[k] = short[next++];
    columns[name] = long;
  }
}

const NO_END = -32768;
const INTERVAL_STEPS = 10000;

function isRelated(k) {
  const { related } = report.columns;
  return related !== undefined && ((related[k >> 3] >> (k & 7)) & 1) === 1;
}

/** q of a pair, with two digits; NaN where it is not in the file. */
function qOf(k) {
  const code = report.columns.q === undefined ? 0 : report.columns.q[k];
  if (code < 2) return code === 0 ? NaN : 0;
  return Number(`${code % 100}e-${Math.floor(code / 100)}`);
}

/** The interval of phi of a pair. */
function intervalOf(k) {
  const { phi_low: low, phi_high: high } = report.columns;
  if (low !== undefined) {
    return low[k] === NO_END ? [NaN, NaN] : [low[k] / INTERVAL_STEPS, high[k] / INTERVAL_STEPS];
  }
  if (!report.hasCounts || Number.isNaN(report.phi[k])) return [NaN, NaN];
  const { n, s, r, c } = report.counts;
  return phiInterval(n(k), s(k), r(k), c(k));
}

/** At least so strong is a pair: the end of its interval nearer 0, below 0 where the interval reaches over 0. */
function lowerBound(k) {
  const [low, high] = intervalOf(k);
  return report.phi[k] < 0 ? -high : low;
}

function unequal(k) {
  const { n, s, r, c } = report.counts;
  return unequalShare(n(k), s(k), r(k), c(k));
}

/** The number of the pair of two different labels, whichever comes first. */
function pairOf(i, j) {
  const low = i < j ? i : j;
  const high = i < j ? j : i;
  return low * report.numLabels - (low * (low + 1)) / 2 + (high - low - 1);
}

/** Where the relation of the first label, under the second, stands. */
function relationIndex(i, j) {
  const k = pairOf(i, j);
  return i < j || report.measure.symmetric ? k : k + report.numPairs;
}

/** A relation on a scale from -1, apart, over 0, unrelated, to 1, together. */
function centred(value) {
  return report.measure.name === "unit_pearson" || report.measure.name === "matching" ? 2 * value - 1 : value;
}

/** For each of some texts its place among them in order. */
function ranks(texts) {
  const order = texts.map((_, k) => k).sort((a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : a - b));
  const places = new Uint32Array(texts.length);
  order.forEach((k, place) => {
    places[k] = place;
  });
  return places;
}
