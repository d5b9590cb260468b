// The map: order, search, and the focused cell, which the pointer and the keys move.

const map = { order: null, focus: { row: 0, column: 1 }, pinned: { row: 0, column: 1 } };

const ORDERS = {
  cluster: () => Array.from(report.columns.order),
  name: () => report.labels.map((_, k) => k).sort((a, b) => report.nameRanks[a] - report.nameRanks[b]),
  table: () => report.labels.map((_, k) => k),
};

const KEYS = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  PageUp: [-10, 0],
  PageDown: [10, 0],
  Home: [0, -Infinity],
  End: [0, Infinity],
};

const inside = (place) => Math.min(Math.max(place, 0), report.numLabels - 1);

function startMap() {
  map.canvas = byId("map");
  map.overlay = byId("map-focus");
  map.levels = levelsOf(report.relation);
  map.order = ORDERS.cluster();
  map.focus = map.pinned = strongestCell();
  map.redraw = oncePerFrame(() => {
    drawMap(map);
    drawFocus(map);
    drawLens(map);
  });
  map.canvas.addEventListener("keydown", moveByKey);
  map.canvas.addEventListener("pointermove", (event) => focusCell(cellAt(event) ?? map.pinned));
  map.canvas.addEventListener("pointerleave", () => focusCell(map.pinned));
  map.canvas.addEventListener("click", (event) => pinCell(cellAt(event) ?? map.pinned));
  byId("map-order").addEventListener("change", (event) => reorder(event.target.value));
  byId("label-search").addEventListener("input", () => searchLabel(0));
  byId("label-search").addEventListener("keydown", (event) => {
    if (event.key === "Enter") searchLabel(1);
  });
  selection.listeners.push(() => {
    map.redraw();
    showCell();
  });
  new ResizeObserver(layMapOut).observe(byId("map-space"));
  layMapOut();
}

function layMapOut() {
  const width = Math.floor(byId("map-space").clientWidth);
  if (map.layout?.width === width || width === 0) return;
  map.layout = { ...mapLayout(width, report.numLabels), width };
  drawNow();
}

/** Draw at once, in the colours of the style as it is now. */
function drawNow() {
  map.colours = palette();
  map.images = {};
  drawMap(map);
  drawFocus(map);
  drawLens(map);
}

function reorder(name) {
  const labels = [map.pinned.row, map.pinned.column].map((place) => map.order[place]);
  map.order = ORDERS[name]();
  map.images = {};
  const [row, column] = labels.map((label) => map.order.indexOf(label));
  map.pinned = { row, column };
  map.focus = map.pinned;
  map.redraw();
  showCell();
}

function cellAt(event) {
  const box = map.canvas.getBoundingClientRect();
  const place = (offset) => Math.floor((offset - map.layout.margin) / map.layout.cell);
  const [row, column] = [place(event.clientY - box.top), place(event.clientX - box.left)];
  const outside = (at) => at < 0 || at >= report.numLabels;
  return outside(row) || outside(column) ? null : { row, column };
}

function focusCell(cell) {
  if (cell.row === map.focus.row && cell.column === map.focus.column) return;
  map.focus = cell;
  drawFocus(map);
  drawLens(map);
  showCell();
}

function pinCell(cell) {
  map.pinned = cell;
  focusCell(cell);
  announce(cellInWords());
}

function moveByKey(event) {
  const step = KEYS[event.key];
  if (step === undefined || event.altKey || event.metaKey) return;
  event.preventDefault();
  const [down, right] = event.ctrlKey ? step.map((part) => part * Infinity || 0) : step;
  pinCell({ row: inside(map.pinned.row + down), column: inside(map.pinned.column + right) });
}

/** Move to the next label whose name holds the text; 0 stays at the present one where it does. */
function searchLabel(advance) {
  const text = byId("label-search").value.trim().toLowerCase();
  const result = byId("label-search-result");
  if (text === "") {
    result.textContent = "";
    return;
  }
  const hits = [];
  map.order.forEach((label, place) => {
    if (report.labels[label].toLowerCase().includes(text)) hits.push(place);
  });
  if (hits.length === 0) {
    result.textContent = "no label has this in its name";
    return;
  }
  const next = hits.findIndex((place) => place >= map.pinned.row + advance);
  const number = next < 0 ? 0 : next;
  const row = hits[number];
  pinCell({ row, column: strongestPartner(row) });
  result.textContent = `label ${number + 1} of ${hits.length}${hits.length > 1 ? "; Enter for the next" : ""}`;
}

/** The cell of the strongest relation of all. */
function strongestCell() {
  const { relation, first, second, numPairs } = report;
  let best = -1;
  for (let k = 0; k < numPairs; k++) {
    if (!Number.isNaN(relation[k]) && !(Math.abs(centred(relation[k])) <= Math.abs(centred(relation[best])))) best = k;
  }
  return best < 0 ? { row: 0, column: 0 } : { row: map.order.indexOf(first[best]), column: map.order.indexOf(second[best]) };
}

/** The place of the label that the label at a place is most related to. */
function strongestPartner(row) {
  const partners = partnersOf(map.order[row], 1);
  return partners.length === 0 ? row : map.order.indexOf(partners[0].label);
}
