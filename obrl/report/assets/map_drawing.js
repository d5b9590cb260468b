// The picture of the map: a pixel a pair in an off-screen image, enlarged; names and marks where there is room.

const ROOM_FOR_NAMES = 10;
const ROOM_FOR_SIGNS = 8;
const LARGEST_NAME = 13;
const LARGEST_CELL = 26;
const SMALLEST_MARK = 2.4;
const MOST_ENLARGED_MARKS = 20000;

/** The width of the longest name in the size that `drawNames` draws it in, or a little more. */
function widestName() {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.font = canvasFont(LARGEST_NAME);
  return Math.max(...report.labels.map((name) => context.measureText(name.slice(0, LONGEST_SHOWN)).width));
}

/** Where the cells lie: the size of one, and the margins that names take, wider ones where few labels leave room. */
function mapLayout(width, numLabels) {
  const room = Math.min(260, width - LARGEST_CELL * numLabels);
  const names = Math.min(Math.max(room, Math.min(150, width * 0.28)), widestName() + 14);
  const withNames = (width - names) / numLabels >= ROOM_FOR_NAMES;
  const margin = withNames ? names : 0;
  const cell = Math.min(LARGEST_CELL, (width - margin) / numLabels);
  return { margin, cell, size: cell * numLabels, total: margin + cell * numLabels };
}

/**
 * One pixel a pair, in the order of the map: "plain", all "faded", or faded but for the "selected" pairs. The first two
 * stay until the order or the colours change, so that a slider moves smoothly.
 */
function mapImage(map, kind) {
  if (map.images[kind] !== undefined) return map.images[kind];
  const { numLabels, relation } = report;
  const { order, levels, colours } = map;
  const image = new ImageData(numLabels, numLabels);
  const pixels = new Int32Array(image.data.buffer);
  for (let y = 0, cell = 0; y < numLabels; y++) {
    const i = order[y];
    for (let x = 0; x < numLabels; x++, cell++) {
      const at = i === order[x] ? -1 : relationIndex(i, order[x]);
      const full = at < 0 || kind === "plain" || (kind === "selected" && sideOf(relation[at]) !== 0);
      pixels[cell] = (full ? colours.pixels : colours.faded)[at < 0 ? 2 * LEVELS : levels[at]];
    }
  }
  const canvas = new OffscreenCanvas(numLabels, numLabels);
  canvas.getContext("2d").putImageData(image, 0, 0);
  if (kind !== "selected") map.images[kind] = canvas;
  return canvas;
}

function drawMap(map) {
  const { layout } = map;
  const signs = layout.cell >= ROOM_FOR_SIGNS;
  const selected = selectedRelations(signs ? Infinity : MOST_ENLARGED_MARKS);
  const image = mapImage(map, signs ? "plain" : selected === null ? "selected" : "faded");
  const context = sharpContext(map.canvas, layout.total, layout.total);
  context.imageSmoothingEnabled = layout.cell * (window.devicePixelRatio || 1) < 1;
  context.drawImage(image, layout.margin, layout.margin, layout.size, layout.size);
  if (layout.margin > 0) drawNames(context, map);
  drawMarks(context, map, selected ?? []);
}

function drawNames(context, { layout, order, colours }) {
  const { margin, cell } = layout;
  context.fillStyle = colours.text;
  context.font = canvasFont(Math.min(LARGEST_NAME, cell * 0.8));
  context.textBaseline = "middle";
  order.forEach((label, place) => {
    const name = fittingName(context, report.labels[label], margin - 8);
    const middle = margin + (place + 0.5) * cell;
    context.textAlign = "right";
    context.fillText(name, margin - 6, middle);
    context.save();
    context.translate(middle, margin - 6);
    context.rotate(-Math.PI / 2);
    context.textAlign = "left";
    context.fillText(name, 0, 0);
    context.restore();
  });
}

/** Signs on the pairs that the thresholds select; where cells are small, squares that can be seen. */
function drawMarks(context, map, selected) {
  const { layout, order, colours, levels } = map;
  const places = new Uint32Array(report.numLabels);
  order.forEach((label, place) => {
    places[label] = place;
  });
  const { margin, cell } = layout;
  const signs = cell >= ROOM_FOR_SIGNS;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = canvasFont(Math.min(16, cell * 0.95), "bold");
  const square = Math.max(cell, SMALLEST_MARK);
  for (const [i, j, at, side] of selected) {
    const x = margin + (places[j] + 0.5) * cell;
    const y = margin + (places[i] + 0.5) * cell;
    if (signs) {
      context.fillStyle = colours.dark[levels[at]] ? "#fff" : "#000";
      context.fillText(side > 0 ? "+" : "\u2212", x, y + cell * 0.04);
    } else {
      context.fillStyle = side > 0 ? colours.positive : colours.negative;
      context.fillRect(x - square / 2, y - square / 2, square, square);
    }
  }
}

/** Row, column, relation and side of every selected cell; null where there are more than some number. */
function selectedRelations(most) {
  const { relation, numRelations, numPairs, first, second, measure } = report;
  const cells = [];
  for (let at = 0; at < numRelations; at++) {
    const side = sideOf(relation[at]);
    if (side === 0) continue;
    if (cells.length >= most) return null;
    const [i, j] = at < numPairs ? [first[at], second[at]] : [second[at - numPairs], first[at - numPairs]];
    cells.push([i, j, at, side]);
    if (measure.symmetric) cells.push([j, i, at, side]);
  }
  return cells;
}

/** The focused cell with its row and column, on the canvas above the map. */
function drawFocus(map) {
  const { layout, colours, focus } = map;
  const context = sharpContext(map.overlay, layout.total, layout.total);
  const { margin, cell, size } = layout;
  const left = margin + focus.column * cell;
  const top = margin + focus.row * cell;
  context.strokeStyle = colours.line;
  context.globalAlpha = 0.55;
  context.lineWidth = 1;
  context.strokeRect(margin, top, size, cell);
  context.strokeRect(left, margin, cell, size);
  context.globalAlpha = 1;
  context.lineWidth = 2;
  const room = Math.max(cell, 8);
  context.strokeRect(left + (cell - room) / 2, top + (cell - room) / 2, room, room);
}
