// Start the page: read the payload, fill each part, and say when all of it stands.

function fillHead() {
  byId("title").replaceChildren(isolated(report.title));
  byId("facts-list").append(
    ...report.facts.map(([name, value]) =>
      element("div", {}, element("dt", {}, isolated(name)), element("dd", {}, isolated(value))),
    ),
  );
  byId("findings").hidden = report.findings.length === 0;
  byId("findings-list").append(
    ...report.findings.map(({ text, warning }) =>
      element(
        "li",
        { class: warning ? "warning" : undefined },
        ...(warning ? [element("strong", {}, "Warning: ")] : []),
        isolated(text, { class: "text", title: undefined }, Infinity),
      ),
    ),
  );
  byId("measure-note").textContent = `The relation is measured by ${report.measure.name}: ${report.measure.formula}.`;
}

function startTheme() {
  const root = document.documentElement;
  const button = byId("theme");
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark";
  const nameButton = () => {
    button.textContent = isDark() ? "Light mode" : "Dark mode";
  };
  const repaint = () => {
    nameButton();
    drawNow();
    charts.forEach((draw) => draw());
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    repaint();
  });
  systemDark.addEventListener("change", repaint);
  let before;
  window.addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    repaint();
  });
  window.addEventListener("afterprint", () => {
    if (before === undefined) delete root.dataset.theme;
    else root.dataset.theme = before;
    repaint();
  });
  nameButton();
}

function startParts() {
  startThresholds();
  startPairs();
  startLabels();
  startSuspects();
  startDrift();
  byId("nav-suspects").hidden = byId("suspects").hidden;
  byId("nav-drift").hidden = byId("drift").hidden;
  startMap();
  showSelected();
  showCell();
  startTheme();
}

function start() {
  try {
    buildReport(readPayload());
    fillHead();
    byId("content").hidden = false;
    startParts();
    delete window.obrlReport;
    document.body.dataset.ready = String(Math.round(performance.now()));
  } catch (error) {
    byId("problem").hidden = false;
    byId("problem").textContent = `This report cannot be shown: ${error.message}.`;
    throw error;
  }
}

start();
