// The two thresholds: slider, fields, what they select, and the line that builds the loss.

const selection = { positive: NaN, negative: NaN, listeners: [] };

/** 1 for a relation that is pulled together, -1 for one that is pushed apart, 0 for others, and NaN never passes. */
function sideOf(value) {
  return value >= selection.positive ? 1 : value <= selection.negative ? -1 : 0;
}

/** How many pairs each side selects, and the mean share of rows that contradict them. */
function countSelected() {
  const { relation, numRelations, numPairs, hasCounts } = report;
  const together = { pairs: 0, charge: 0 };
  const apart = { pairs: 0, charge: 0 };
  for (let at = 0; at < numRelations; at++) {
    const [isTogether, isApart] = [relation[at] >= selection.positive, relation[at] <= selection.negative];
    if (!isTogether && !isApart) continue;
    const share = hasCounts ? unequal(at < numPairs ? at : at - numPairs) : NaN;
    if (isTogether) add(together, share);
    if (isApart) add(apart, 1 - share);
  }
  for (const side of [together, apart]) side.charge = side.pairs > 0 ? side.charge / side.pairs : NaN;
  return { together, apart };
}

function add(side, charge) {
  side.pairs += 1;
  side.charge += charge;
}

function setThreshold(side, value) {
  if (!Number.isFinite(value) || value === selection[side]) return;
  selection[side] = value;
  showThreshold(side);
  selection.changed();
}

/** Whether the loss takes these thresholds. */
const thresholdsFit = () => selection.negative < selection.positive;

function showThreshold(side) {
  const value = selection[side];
  const fields = selection.fields[side];
  fields.slider.value = value;
  fields.slider.setAttribute("aria-valuetext", `${significant(value)}`);
  if (document.activeElement !== fields.number) fields.number.value = value;
  if (fields.phi !== null && document.activeElement !== fields.phi) {
    fields.phi.value = Number(centred(value).toPrecision(12));
  }
}

function thresholdFields(side) {
  const { low, high, name, follows_phi: followsPhi } = report.measure;
  const [word, rule] = side === "positive" ? ["Pulled together", "at least"] : ["Pushed apart", "at most"];
  const step = high - low > 1 ? 0.01 : 0.005;
  const sliderId = `${side}-slider`;
  const slider = element("input", { type: "range", id: sliderId, min: low, max: high, step });
  const number = element("input", { type: "number", id: `${side}-number`, step: "any" });
  const hasPhi = followsPhi && name !== "pearson";
  const phi = hasPhi ? element("input", { type: "number", id: `${side}-phi`, step: "any" }) : null;
  slider.addEventListener("input", () => setThreshold(side, Number(slider.value)));
  number.addEventListener("input", () => number.value !== "" && setThreshold(side, Number(number.value)));
  number.addEventListener("blur", () => showThreshold(side));
  if (phi !== null) {
    phi.addEventListener("input", () => phi.value !== "" && setThreshold(side, (1 + Number(phi.value)) / 2));
    phi.addEventListener("blur", () => showThreshold(side));
  }
  selection.fields[side] = { slider, number, phi };
  const scale = name === "pearson" ? "phi" : name;
  const legend = element("legend", {}, signMark(side === "positive" ? 1 : -1), ` ${word}: ${scale} ${rule}`);
  return element(
    "fieldset",
    { class: `threshold ${side}` },
    legend,
    element("label", { class: "wide", for: sliderId }, element("span", { class: "unseen" }, `${word}: slider`), slider),
    element("label", {}, `${scale} `, number),
    ...(phi === null ? [] : [element("label", {}, "phi ", phi)]),
    element("output", { id: `${side}-result`, for: `${sliderId} ${side}-number` }),
  );
}

function resultText(side, { pairs, charge }) {
  const verb = side === "positive" ? "pulled together" : "pushed apart";
  const cost = Number.isNaN(charge) ? "" : `, mean charge ${decimal(charge, 3)}`;
  return `${counted(pairs, "pair")} ${verb}${cost}`;
}

function showSelected() {
  const counts = countSelected();
  const texts = { positive: resultText("positive", counts.together), negative: resultText("negative", counts.apart) };
  for (const [side, text] of Object.entries(texts)) byId(`${side}-result`).textContent = text;
  const problem = byId("threshold-problem");
  problem.textContent = thresholdsFit() ? "" : "OBRLoss refuses these: the threshold for apart must be below the other.";
  problem.hidden = thresholdsFit();
  byId("code").textContent = report.code
    .replace("{positive_threshold}", () => String(selection.positive))
    .replace("{negative_threshold}", () => String(selection.negative));
  announce(`${texts.positive}; ${texts.negative}`);
  selection.listeners.forEach((listener) => listener());
}

function startThresholds() {
  selection.fields = {};
  selection.changed = oncePerFrame(showSelected);
  [selection.positive, selection.negative] = report.thresholds;
  byId("threshold-fields").append(thresholdFields("positive"), thresholdFields("negative"));
  ["positive", "negative"].forEach(showThreshold);
  byId("charge-note").hidden = !report.hasCounts;
  byId("copy").addEventListener("click", copyCode);
  byId("reset").addEventListener("click", () => {
    setThreshold("positive", report.thresholds[0]);
    setThreshold("negative", report.thresholds[1]);
  });
}

/** Copy the line; where the browser forbids it, select it instead. */
async function copyCode() {
  try {
    await navigator.clipboard.writeText(byId("code").textContent);
    announce("copied");
    byId("copy-result").textContent = "copied";
  } catch {
    getSelection().selectAllChildren(byId("code"));
    byId("copy-result").textContent = "selected: press Ctrl+C";
  }
}
