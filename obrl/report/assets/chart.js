// A line chart: lines differ in colour and in dashes, and have their names at their ends.

const CHART_COLOURS = 6;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2]];
const CHART_HEIGHT = 300;

/** The smallest and the largest of some numbers, apart where they are equal. */
function range(values) {
  const numbers = values.filter((value) => value !== null && !Number.isNaN(value));
  if (numbers.length === 0) return [0, 1];
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** Round numbers that divide a range into about five parts. */
function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const values = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) {
    values.push(Number(value.toPrecision(12)));
  }
  return values;
}

function drawChart(canvas, { steps, series }) {
  const width = Math.floor(canvas.parentElement.clientWidth);
  if (width === 0) return;
  const context = sharpContext(canvas, width, CHART_HEIGHT);
  context.font = canvasFont(12);
  const widest = Math.max(0, ...series.map(([name]) => context.measureText(name.slice(0, LONGEST_SHOWN)).width));
  const right = Math.min(widest + 24, width * 0.4);
  const box = { left: 52, top: 10, right: width - right, bottom: CHART_HEIGHT - 30 };
  const [xs, ys] = [range(steps), range(series.flatMap(([, values]) => values))];
  const scale = {
    x: (value) => box.left + ((value - xs[0]) / (xs[1] - xs[0])) * (box.right - box.left),
    y: (value) => box.bottom - ((value - ys[0]) / (ys[1] - ys[0])) * (box.bottom - box.top),
  };
  drawAxes(context, box, scale, xs, ys);
  const ends = series.map(([name, values], number) => drawLine(context, scale, steps, values, name, number));
  drawEnds(context, box, right, ends.filter((end) => end !== null));
}

function drawAxes(context, box, scale, xs, ys) {
  context.strokeStyle = styleColour("grid");
  context.fillStyle = styleColour("text");
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of ticks(...ys)) {
    const y = Math.round(scale.y(value)) + 0.5;
    line(context, [[box.left, y], [box.right, y]]);
    context.fillText(significant(value), box.left - 6, y);
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const value of ticks(...xs).filter(Number.isInteger)) {
    context.fillText(whole(value), scale.x(value), box.bottom + 8);
  }
}

function line(context, points) {
  context.beginPath();
  points.forEach(([x, y], k) => (k === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  context.stroke();
}

/** Draw one line, with gaps where values are missing; returns where its last value stands. */
function drawLine(context, scale, steps, values, name, number) {
  context.strokeStyle = styleColour(`line-${number % CHART_COLOURS}`);
  context.setLineDash(DASHES[number % DASHES.length]);
  context.lineWidth = 2;
  let points = [];
  let last = null;
  const missing = (value) => value === null || Number.isNaN(value);
  values.forEach((value, k) => {
    if (missing(value)) {
      line(context, points);
      points = [];
      return;
    }
    last = [scale.x(steps[k]), scale.y(value)];
    points.push(last);
  });
  line(context, points);
  context.setLineDash([]);
  return last === null ? null : { name, x: last[0], y: last[1], colour: context.strokeStyle };
}

/** The names of the lines, each beside its end and below the one before it. */
function drawEnds(context, box, width, ends) {
  context.textAlign = "left";
  context.textBaseline = "middle";
  let lowest = -Infinity;
  for (const end of ends.sort((a, b) => a.y - b.y)) {
    const y = Math.max(end.y, lowest + 14);
    lowest = y;
    context.fillStyle = end.colour;
    context.fillRect(box.right + 4, y - 1, 8, 3);
    context.fillStyle = styleColour("text");
    context.fillText(fittingName(context, end.name, width - 20), box.right + 16, y);
  }
}
