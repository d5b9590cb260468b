// The colours of canvases, read from the page's style, so that both follow light, dark and print.

const LEVELS = 100; // on either side of 0
const UNDEFINED_LEVEL = 2 * LEVELS + 1;

function channels(colour) {
  return colour.match(/[\d.]+/g).slice(0, 3).map(Number);
}

/** The colour that the style gives to an element of a class. */
function styleColour(name) {
  return getComputedStyle(byId(`colour-${name}`)).color;
}

function mixed(from, to, share) {
  return from.map((value, k) => Math.round(value + (to[k] - value) * share));
}

/** How bright the eye sees a colour, from 0 to 1. */
function luminance(colour) {
  const [red, green, blue] = colour.map((value) => (value / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

const pixel = ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red;

/** Colours of all levels as pixels, and the same faded, for what no threshold selects. */
function palette() {
  const [zero, positive, negative, blank] = ["zero", "positive", "negative", "blank"].map((name) =>
    channels(styleColour(name)),
  );
  const colours = [];
  for (let level = -LEVELS; level <= LEVELS; level++) {
    colours.push(mixed(zero, level < 0 ? negative : positive, Math.abs(level / LEVELS) ** 0.8));
  }
  colours.push(blank);
  return {
    css: colours.map((colour) => `rgb(${colour.join(",")})`),
    pixels: Int32Array.from(colours, pixel),
    faded: Int32Array.from(colours, (colour) => pixel(mixed(zero, colour, 0.45))),
    dark: colours.map((colour) => luminance(colour) < 0.18), // white stands out more than black
    positive: styleColour("mark-positive"),
    negative: styleColour("mark-negative"),
    line: styleColour("line"),
    text: styleColour("text"),
  };
}

/** The level of each relation: which colour it has. */
function levelsOf(relation) {
  const levels = new Uint8Array(relation.length);
  for (let at = 0; at < levels.length; at++) {
    const value = Math.min(1, Math.max(-1, centred(relation[at])));
    levels[at] = Number.isNaN(value) ? UNDEFINED_LEVEL : LEVELS + Math.round(LEVELS * value);
  }
  return levels;
}

/** Make a canvas as sharp as the screen, and empty; returns its context, in units of the style's pixels. */
function sharpContext(canvas, width, height) {
  const density = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  return context;
}

const canvasFont = (size, weight = "") => `${weight} ${size}px system-ui, sans-serif`;

/** A name that fits into a width, isolated from the direction of what is around it. */
function fittingName(context, name, width) {
  let cut = name.length > LONGEST_SHOWN ? name.slice(0, LONGEST_SHOWN) : name;
  if (cut === name && context.measureText(name).width <= width) return `${ISOLATE}${name}${END_ISOLATE}`;
  let size = cut.length;
  while (size > 1 && context.measureText(`${cut.slice(0, size)}\u2026`).width > width) size = Math.floor(size * 0.9);
  return `${ISOLATE}${cut.slice(0, size)}\u2026${END_ISOLATE}`;
}
