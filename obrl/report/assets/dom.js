// Elements, text and numbers. Every text of the report goes through textContent, never through markup.

const LONGEST_SHOWN = 200;
const ISOLATE = "\u2068";
const END_ISOLATE = "\u2069";

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; a string child becomes text. No attribute may be "style": the policy refuses it. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** A text of any length and direction, cut off for the eye; the whole is its title. Sentences are not cut. A line may end after _ or /. */
function isolated(text, attributes = {}, longest = LONGEST_SHOWN) {
  const cut = text.length > longest ? `${text.slice(0, longest)}\u2026` : text;
  const parts = cut.split(/(?<=[_/])(?=[^_/])/).flatMap((part, k) => (k === 0 ? [part] : [element("wbr"), part]));
  return element("bdi", { class: "name", title: text, ...attributes }, ...(cut.trim() === "" ? ["(empty)"] : parts));
}

/** A name inside a sentence that is spoken or drawn. */
function spoken(text, longest = 60) {
  const cut = text.length > longest ? `${text.slice(0, longest)}\u2026` : text;
  return `${ISOLATE}${cut}${END_ISOLATE}`;
}

/** A share or a coefficient; a dash where it is undefined. */
function decimal(value, digits = 2) {
  return value === null || Number.isNaN(value) ? "\u2013" : value.toFixed(digits).replace("-", "\u2212");
}

/** A number of any size with three significant digits. */
function significant(value) {
  if (value === null || Number.isNaN(value)) return "\u2013";
  if (Number.isInteger(value)) return whole(value);
  const size = Math.abs(value);
  const text = size >= 0.001 && size < 1e6 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
  return text.replace("-", "\u2212");
}

function whole(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",").replace("-", "\u2212");
}

function percent(share) {
  if (Number.isNaN(share)) return "\u2013";
  return share > 0 && share < 0.0005 ? "<0.1 %" : `${(100 * share).toFixed(1)} %`;
}

/** An interval of a coefficient, with a digit more where it is narrow. */
function intervalInWords([low, high]) {
  const digits = high - low < 0.02 ? 3 : 2;
  return Number.isNaN(low) ? "\u2013" : `${decimal(low, digits)} to ${decimal(high, digits)}`;
}

function counted(number, noun, plural = `${noun}s`) {
  return `${whole(number)} ${number === 1 ? noun : plural}`;
}

/** The sign of a relation in a word and a mark, so that colour is never alone. */
function signMark(sign) {
  if (sign === 0) return element("span", { class: "sign none" }, "\u00b7");
  const [mark, word, kind] = sign > 0 ? ["+", "together", "positive"] : ["\u2212", "apart", "negative"];
  return element("span", { class: `sign ${kind}`, title: word }, mark);
}

/** A bar from one share of the scale to another, with a mark; all in [0, 1]. */
function bar(from, to, mark, zero, kind) {
  const box = element("span", { class: "bar", "aria-hidden": "true" });
  const place = (cls, left, width) => {
    const part = element("span", { class: cls });
    part.style.left = `${100 * left}%`;
    if (width !== undefined) part.style.width = `${100 * width}%`;
    box.append(part);
  };
  if (zero !== null) place("zero", zero);
  if (!Number.isNaN(from)) place(`span ${kind}`, from, to - from);
  if (mark !== null && !Number.isNaN(mark)) place(`point ${kind}`, mark);
  return box;
}

let announcement = 0;

/** Have a screen reader say something, once the reader has stopped moving. */
function announce(text) {
  clearTimeout(announcement);
  announcement = setTimeout(() => {
    byId("live").textContent = text;
  }, 150);
}

/** Run a function before the next frame, once however often it is asked for. */
function oncePerFrame(action) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      action();
    });
  };
}
