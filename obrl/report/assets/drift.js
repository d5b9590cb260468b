// What changed between two tables, or over time: tables, and a chart with the table of its values.

const charts = [];

function startDrift() {
  const sections = report.drift.map(driftSection);
  byId("drift").hidden = sections.length === 0;
  byId("drift-sections").append(...sections.map(({ node }) => node));
  for (const { canvas, drift } of sections) {
    if (canvas === null) continue;
    charts.push(() => drawChart(canvas, drift));
    new ResizeObserver(() => drawChart(canvas, drift)).observe(canvas.parentElement);
  }
}

function driftSection(drift) {
  const heading = element("h3", {}, isolated(drift.title));
  const parts = [heading, element("p", {}, isolated(drift.note, { class: "text", title: undefined }, Infinity))];
  const canvas = drift.series.length > 0 ? element("canvas", { role: "img", "aria-label": chartInWords(drift) }) : null;
  if (canvas !== null) parts.push(element("div", { class: "beside" }, element("div", { class: "chart" }, canvas), valuesTable(drift)));
  if (drift.rows.length > 0) parts.push(rowsTable(drift));
  return { node: element("article", {}, ...parts), canvas, drift };
}

const chartInWords = ({ title, series }) =>
  `line chart of ${spoken(title)}: ${series.map(([name]) => spoken(name, 30)).join(", ")}; the table beside it has the values`;

/** The values of the chart, a row a step. */
function valuesTable({ title, step, steps, series }) {
  const columns = [
    { ...numberColumn(step, undefined, (row) => steps[row], whole), header: true },
    ...series.map(([name, values]) => numberColumn(spoken(name), name, (row) => values[row] ?? NaN, significant)),
  ];
  const table = pagedTable({ caption: `Values of the chart: ${spoken(title)}`, columns, pageSize: 10, sorted: 0, descending: false });
  table.setRows(steps.map((_, row) => row));
  return table.node;
}

function rowsTable({ title, columns, rows }) {
  const table = pagedTable({
    caption: `${spoken(title)}: ${counted(rows.length, "row")}`,
    columns: columns.map((name, number) => driftColumn(name, rows.map((row) => row[number]), number === 0)),
  });
  table.setRows(rows.map((_, row) => row));
  return table.node;
}

/** A column of texts, or of numbers where all of its cells are numbers or missing. */
function driftColumn(name, cells, header) {
  const title = spoken(name, 40);
  if (cells.some((cell) => typeof cell === "string")) {
    return { ...textColumn(title, cells.map((cell) => (typeof cell === "string" ? cell : significant(cell)))), header };
  }
  return { ...numberColumn(title, undefined, (row) => cells[row] ?? NaN, significant), header };
}
