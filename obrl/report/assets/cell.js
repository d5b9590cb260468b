// What stands beside the map: the focused pair, the labels closest to the one of its row, and an enlarged part.

const PARTNERS_SHOWN = 8;
const LENS_CELLS = 15;
const LENS_CELL = 16;

/** The labels most related to a label, either way, the strongest first. */
function partnersOf(label, most) {
  const partners = [];
  for (let other = 0; other < report.numLabels; other++) {
    if (other === label) continue;
    const value = report.relation[relationIndex(label, other)];
    if (!Number.isNaN(value)) partners.push({ label: other, value, strength: Math.abs(centred(value)) });
  }
  return partners.sort((a, b) => b.strength - a.strength || a.label - b.label).slice(0, most);
}

const focusedLabels = () => [map.order[map.focus.row], map.order[map.focus.column]];

const sideInWords = (side) => (side > 0 ? "pulled together" : side < 0 ? "pushed apart" : "not selected");

/** The focused pair as a list of terms and values. */
function pairFacts(i, j) {
  const at = relationIndex(i, j);
  const k = pairOf(i, j);
  const value = report.relation[at];
  const facts = [];
  if (!report.relationIsPhi) facts.push([report.measure.name, decimal(value, 3)]);
  if (report.phi !== null) facts.push(["phi", decimal(report.phi[k], 3)]);
  const interval = intervalOf(k);
  if (!Number.isNaN(interval[0])) facts.push(["95 % interval", intervalInWords(interval)]);
  if (report.hasCounts) {
    facts.push(["rows with both", `${whole(report.counts.s(k))} of ${whole(report.counts.n(k))}`]);
    facts.push(["rows that differ", percent(unequal(k))]);
  }
  if (report.columns.q !== undefined && !Number.isNaN(qOf(k))) facts.push(["q", qInWords(qOf(k))]);
  if (report.columns.related !== undefined) facts.push(["related", isRelated(k) ? "yes" : "not shown to be"]);
  if (report.columns.weight !== undefined) facts.push(["weight", significant(report.columns.weight[at])]);
  facts.push(["thresholds", sideInWords(sideOf(value))]);
  return facts;
}

function cellInWords() {
  const [i, j] = focusedLabels();
  const [a, b] = [i, j].map((label) => spoken(report.labels[label]));
  if (i === j) return `${a}, with itself`;
  const facts = pairFacts(i, j).map(([term, value]) => `${term} ${value}`);
  return `${a} and ${b}: ${facts.slice(0, 2).join(", ")}, ${sideInWords(sideOf(report.relation[relationIndex(i, j)]))}`;
}

function showCell() {
  const [i, j] = focusedLabels();
  byId("cell-first").replaceChildren(isolated(report.labels[i]));
  byId("cell-second").replaceChildren(isolated(report.labels[j]));
  const facts = i === j ? [["", "a label with itself"]] : pairFacts(i, j);
  byId("cell-facts").replaceChildren(
    ...facts.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]),
  );
  showPartners(i);
}

function showPartners(label) {
  byId("partners-of").replaceChildren("Strongest relations of ", isolated(report.labels[label]));
  const rows = partnersOf(label, PARTNERS_SHOWN).map(({ label: other, value }) => {
    const shown = centred(value);
    const kind = shown < 0 ? "negative" : "positive";
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, isolated(report.labels[other])),
      element("td", { class: "number" }, decimal(value)),
      element("td", {}, bar(Math.min(0.5, (1 + shown) / 2), Math.max(0.5, (1 + shown) / 2), null, 0.5, kind)),
      element("td", {}, signMark(sideOf(value))),
    );
  });
  byId("partners").replaceChildren(...rows);
}

/** Where cells are too small to see, the cells around the focused one. */
function drawLens({ layout, focus, order, levels, colours }) {
  const box = byId("lens-box");
  box.hidden = layout.cell >= ROOM_FOR_SIGNS;
  if (box.hidden) return;
  const cells = Math.min(LENS_CELLS, report.numLabels);
  const start = (place) => Math.min(Math.max(place - (cells >> 1), 0), report.numLabels - cells);
  const [top, left] = [start(focus.row), start(focus.column)];
  const context = sharpContext(byId("lens"), cells * LENS_CELL, cells * LENS_CELL);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = canvasFont(13, "bold");
  for (let y = 0; y < cells; y++) {
    for (let x = 0; x < cells; x++) {
      const [i, j] = [order[top + y], order[left + x]];
      const at = i === j ? -1 : relationIndex(i, j);
      const level = at < 0 ? 2 * LEVELS : levels[at];
      context.fillStyle = colours.css[level];
      context.fillRect(x * LENS_CELL, y * LENS_CELL, LENS_CELL, LENS_CELL);
      const side = at < 0 ? 0 : sideOf(report.relation[at]);
      if (side === 0) continue;
      context.fillStyle = colours.dark[level] ? "#fff" : "#000";
      context.fillText(side > 0 ? "+" : "\u2212", (x + 0.5) * LENS_CELL, (y + 0.55) * LENS_CELL);
    }
  }
  context.strokeStyle = colours.line;
  context.lineWidth = 2;
  context.strokeRect((focus.column - left) * LENS_CELL, (focus.row - top) * LENS_CELL, LENS_CELL, LENS_CELL);
}
