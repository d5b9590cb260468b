// The two thresholds: slider, fields, what they select, and the code that builds the loss.

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
  selection[side] = value;
  selection.fields[side].refused = null;
  showThreshold(side);
  selection.changed();
}

const inRange = (value) => value >= report.measure.low && value <= report.measure.high;

/** Take what is typed into a field where it is a number of the measure's range; the rest is marked and stays out. */
function typeThreshold(side, field, threshold) {
  const value = field.value === "" ? NaN : threshold(Number(field.value));
  if (inRange(value)) {
    setThreshold(side, value);
    return;
  }
  selection.fields[side].refused = field;
  showThreshold(side);
  selection.changed();
}

/** Sentences on why there is no code for these thresholds: those that a loss refuses or warns of. */
function thresholdProblems() {
  const { low, high } = report.measure;
  const { positive, negative, fields } = selection;
  const refused = [["positive", "pulled together"], ["negative", "pushed apart"]].filter(([side]) => fields[side].refused);
  const used = refused.map(([side, word]) => `${significant(selection[side])} for pairs ${word}`);
  const range = `${scaleName()} goes from ${significant(low)} to ${significant(high)}${fields.positive.phi ? ", and phi from \u22121 to 1" : ""}.`;
  const sentences = [];
  if (used.length > 0) sentences.push(`${range} The page stays at ${used.join(" and ")}.`);
  else if (!inRange(positive) || !inRange(negative)) sentences.push(`${range} No pair, or every pair, passes a threshold outside.`);
  if (negative >= positive) sentences.push("OBRLoss refuses these: the threshold for apart must be below the other.");
  return sentences;
}

/** Tell a screen reader which fields are wrong. */
function markFields() {
  const crossed = selection.negative >= selection.positive;
  for (const side of ["positive", "negative"]) {
    const { number, phi, refused } = selection.fields[side];
    const wrong = refused ?? (crossed || !inRange(selection[side]) ? number : null);
    for (const field of [number, phi]) field?.setAttribute("aria-invalid", String(field === wrong));
  }
}

function showThreshold(side) {
  const value = selection[side];
  const fields = selection.fields[side];
  fields.slider.value = value;
  fields.slider.setAttribute("aria-valuetext", `${significant(value)}`);
  const shown = [[fields.number, value], [fields.phi, Number(centred(value).toPrecision(12))]];
  for (const [field, number] of shown) {
    if (field !== null && field !== document.activeElement && field !== fields.refused) field.value = number;
  }
}

const scaleName = () => (report.measure.name === "pearson" ? "phi" : report.measure.name);

function thresholdFields(side) {
  const { low, high, name, follows_phi: followsPhi } = report.measure;
  const [word, rule] = side === "positive" ? ["Pulled together", "at least"] : ["Pushed apart", "at most"];
  const step = high - low > 1 ? 0.01 : 0.005;
  const sliderId = `${side}-slider`;
  const slider = element("input", { type: "range", id: sliderId, min: low, max: high, step });
  const field = (kind, range) =>
    element("input", { type: "number", id: `${side}-${kind}`, ...range, "aria-describedby": "threshold-problem" });
  const number = field("number", { min: low, max: high, step });
  const hasPhi = followsPhi && name !== "pearson";
  const phi = hasPhi ? field("phi", { min: -1, max: 1, step: 0.01 }) : null;
  slider.addEventListener("input", () => setThreshold(side, Number(slider.value)));
  number.addEventListener("input", () => typeThreshold(side, number, (value) => value));
  phi?.addEventListener("input", () => typeThreshold(side, phi, (value) => (1 + value) / 2));
  for (const input of [number, phi]) input?.addEventListener("blur", () => showThreshold(side));
  selection.fields[side] = { slider, number, phi, refused: null };
  const scale = scaleName();
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
  showCode(thresholdProblems());
  markFields();
  announce(`${texts.positive}; ${texts.negative}`);
  selection.listeners.forEach((listener) => listener());
}

/** The code that builds the loss, or in its place why there is none. */
function showCode(problems) {
  const none = problems.length > 0;
  byId("threshold-problem").textContent = problems.join(" ");
  byId("code").textContent = none
    ? ""
    : report.code
        .replace("{positive_threshold}", () => String(selection.positive))
        .replace("{negative_threshold}", () => String(selection.negative));
  byId("code").parentElement.hidden = none;
  byId("copy").disabled = none;
  byId("copy-result").textContent = "";
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

/** Copy the code; where the browser forbids it, select it instead. */
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
