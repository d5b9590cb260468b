// The table of pairs: every column sorts it, a search and a choice of sides narrow it.

const INTERVAL_TITLE = "95 % interval";
const pairsTable = { table: null, visible: null };

const pairAt = (row) => (row < report.numPairs ? row : row - report.numPairs);

/** The two labels of a row; for a measure that is not symmetric the second half of the rows has them exchanged. */
function labelsAt(row) {
  const k = pairAt(row);
  const pair = [report.first[k], report.second[k]];
  return row < report.numPairs ? pair : pair.reverse();
}

const labelColumn = (title, which) => ({
  title,
  header: which === 0,
  value: (row) => report.nameRanks[labelsAt(row)[which]],
  cell: (row) => isolated(report.labels[labelsAt(row)[which]]),
});

const numberColumn = (title, hint, value, text) => ({
  title,
  hint,
  numeric: true,
  value,
  cell: (row) => text(value(row)),
});

function intervalBar(row) {
  const k = pairAt(row);
  const [low, high] = intervalOf(k);
  const place = (value) => (1 + value) / 2;
  const kind = report.phi[k] < 0 ? "negative" : "positive";
  const text = intervalInWords([low, high]);
  return element("span", { class: "interval" }, bar(place(low), place(high), place(report.phi[k]), 0.5, kind), element("span", { class: "ends" }, text));
}

const sideColumn = () => ({
  title: "Side",
  hint: "what the thresholds do with the pair",
  numeric: true,
  value: (row) => sideOf(report.relation[row]),
  cell: (row) => signMark(sideOf(report.relation[row])),
});

/** q in words; the smallest ones are below what a float64 can say. */
const qInWords = (q) => (q === 0 ? "<1e\u2212300" : significant(q));

function pairColumns() {
  const { measure, relation, counts, columns, phi, hasCounts, relationIsPhi } = report;
  const list = [labelColumn("Label", 0), labelColumn("Other label", 1), sideColumn()];
  if (!relationIsPhi) {
    list.push(numberColumn(measure.name, measure.formula, (row) => relation[row], (value) => decimal(value, 3)));
  }
  if (phi !== null) list.push(numberColumn("phi", "the correlation of the two", (row) => phi[pairAt(row)], (value) => decimal(value, 3)));
  if (hasCounts) {
    list.push({
      title: INTERVAL_TITLE,
      hint: "of phi; sorted by the end nearer 0: at least so strong is the pair",
      numeric: true,
      value: (row) => lowerBound(pairAt(row)),
      cell: intervalBar,
    });
  }
  if (columns.q !== undefined) {
    list.push(numberColumn("q", "the share of false discoveries among pairs at least as significant", (row) => qOf(pairAt(row)), qInWords));
  }
  if (hasCounts) {
    list.push(numberColumn("Both", "rows in which both labels are present", (row) => counts.s(pairAt(row)), whole));
    if (columns.n !== undefined) list.push(numberColumn("Rows", "rows in which both labels are known", (row) => counts.n(pairAt(row)), whole));
    list.push(numberColumn("Differ", "the share of rows in which one label is present and the other absent", (row) => unequal(pairAt(row)), percent));
  }
  if (columns.weight !== undefined) {
    list.push(numberColumn("Weight", "the decayed number of batches that speak for the pair", (row) => columns.weight[row], significant));
  }
  return list;
}

function startPairs() {
  const columns = pairColumns();
  const strength = columns.findIndex(({ title }) => title === INTERVAL_TITLE);
  const byRelation = columns.findIndex(({ title }) => title === "phi" || title === report.measure.name);
  pairsTable.table = pagedTable({
    caption: "Pairs of labels",
    columns,
    sorted: strength >= 0 ? strength : byRelation,
  });
  byId("pairs-table").append(pairsTable.table.node);
  const narrow = oncePerFrame(narrowPairs);
  byId("pair-search").addEventListener("input", narrow);
  byId("pair-filter").addEventListener("change", narrow);
  selection.listeners.push(() => {
    if (["together", "apart", "selected"].includes(byId("pair-filter").value)) narrowPairs();
    else pairsTable.table.refresh();
  });
  if (report.columns.related === undefined) byId("pair-filter").querySelector("[value=related]").remove();
  byId("interval-note").hidden = !report.hasCounts;
  byId("q-note").hidden = !report.q_for_related_only || report.columns.q === undefined;
  const leftOut = report.columns.phi_low === undefined ? "q stands" : "q and the intervals for rows in groups stand";
  byId("q-note").textContent = `To keep the file small, ${leftOut} with pairs that are called related only.`;
  narrowPairs();
}

/** For each word of a text, which labels hold it in their names. */
function labelsWithWords(text) {
  const names = report.labels.map((name) => name.toLowerCase());
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return words.map((word) => Uint8Array.from(names, (name) => (name.includes(word) ? 1 : 0)));
}

function narrowPairs() {
  const { first, second, relation, numRelations } = report;
  const words = labelsWithWords(byId("pair-search").value);
  const filter = byId("pair-filter").value;
  const passes = {
    all: () => true,
    related: (row) => isRelated(pairAt(row)),
    selected: (row) => sideOf(relation[row]) !== 0,
    together: (row) => sideOf(relation[row]) > 0,
    apart: (row) => sideOf(relation[row]) < 0,
  }[filter];
  const rows = new Uint32Array(numRelations);
  let length = 0;
  for (let row = 0; row < numRelations; row++) {
    const k = pairAt(row);
    if (words.every((holds) => holds[first[k]] | holds[second[k]]) && passes(row)) rows[length++] = row;
  }
  pairsTable.table.setRows(rows.subarray(0, length));
  const text = `${counted(length, "pair")} of ${whole(numRelations)}`;
  pairsTable.table.setCaption(text);
  announce(text);
}
