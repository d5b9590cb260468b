// The table of labels.

const degrees = { positive: null, negative: null };

/** How many selected pairs each label is in, on either side. */
function countDegrees() {
  const { relation, numRelations, first, second, numLabels } = report;
  degrees.positive = new Uint32Array(numLabels);
  degrees.negative = new Uint32Array(numLabels);
  for (let row = 0; row < numRelations; row++) {
    const side = sideOf(relation[row]);
    if (side === 0) continue;
    const count = side > 0 ? degrees.positive : degrees.negative;
    count[first[pairAt(row)]] += 1;
    count[second[pairAt(row)]] += 1;
  }
}

function labelColumns() {
  const { known, present } = report.columns;
  const rate = (label) => (known[label] > 0 ? present[label] / known[label] : NaN);
  const columns = [
    { title: "Label", header: true, value: (label) => report.nameRanks[label], cell: (label) => isolated(report.labels[label]) },
  ];
  if (report.hasCounts) {
    columns.push(numberColumn("Known", "rows that have an entry for the label", (label) => known[label], whole));
    columns.push(numberColumn("Present", "rows in which the label is present", (label) => present[label], whole));
    columns.push({
      title: "Share",
      hint: "of the known entries in which the label is present",
      numeric: true,
      value: rate,
      cell: (label) => element("span", { class: "interval" }, bar(0, rate(label), null, null, "neutral"), percent(rate(label))),
    });
  }
  columns.push(numberColumn("Together", "pairs of the label that the thresholds pull together", (label) => degrees.positive[label], whole));
  columns.push(numberColumn("Apart", "pairs of the label that the thresholds push apart", (label) => degrees.negative[label], whole));
  return columns;
}

function startLabels() {
  countDegrees();
  const table = pagedTable({ caption: counted(report.numLabels, "label"), columns: labelColumns(), pageSize: 40 });
  byId("labels-table").append(table.node);
  table.setRows(report.labels.map((_, label) => label));
  selection.listeners.push(() => {
    countDegrees();
    table.refresh();
  });
}
