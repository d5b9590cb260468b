// A table in pages, sorted by the column whose heading is pressed.

const LONGEST_HEADING = 24; // in one line

/**
 * @param {object} options caption, columns (title, value(row) to sort by, cell(row), numeric, hint, and of texts a kind,
 *   "text" for sentences, "word" for what stays in a line), pageSize, and sorted: the number of the column to sort by at
 *   first, and descending.
 * Rows are numbers that the columns understand. A value of NaN comes last in either direction.
 */
function pagedTable({ caption, columns, pageSize = 25, sorted = null, descending = true }) {
  const state = { rows: [], sorted, descending, page: 0 };
  const captionNode = element("caption", {}, caption);
  const body = element("tbody");
  const headings = columns.map((_, number) => heading(number));
  const table = element("table", {}, captionNode, element("thead", {}, element("tr", {}, ...headings)), body);
  const pages = pager();
  const scroller = element("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": caption }, table);
  const node = element("div", { class: "paged" }, scroller, pages.node);

  function heading(number) {
    const { title, hint, numeric } = columns[number];
    const arrow = element("span", { class: "arrow", "aria-hidden": "true" });
    const button = element("button", { type: "button", title: hint }, title, arrow);
    button.addEventListener("click", () => {
      state.descending = state.sorted === number ? !state.descending : Boolean(numeric);
      state.sorted = number;
      sort();
      show(0);
      announce(`sorted by ${title}, ${state.descending ? "descending" : "ascending"}`);
    });
    const kinds = [...(numeric ? ["number"] : []), ...(title.length > LONGEST_HEADING ? ["text"] : [])];
    return element("th", { scope: "col", class: kinds.join(" ") || undefined }, button);
  }

  function pager() {
    const button = (label, text, page) => {
      const control = element("button", { type: "button", "aria-label": label }, text);
      control.addEventListener("click", () => show(page()));
      return control;
    };
    const previous = button("previous page", "\u2039", () => state.page - 1);
    const next = button("next page", "\u203a", () => state.page + 1);
    const field = element("input", { type: "number", min: "1", step: "1", "aria-label": "page" });
    const text = element("span");
    field.addEventListener("change", () => show((Number(field.value) || 1) - 1));
    const box = element("div", { class: "pager" }, previous, element("label", {}, "Page ", field), text, next);
    return { node: box, previous, next, field, text };
  }

  const lastPage = () => Math.max(0, Math.ceil(state.rows.length / pageSize) - 1);

  function sort() {
    headings.forEach((cell, number) => {
      const active = number === state.sorted;
      if (active) cell.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
      cell.querySelector(".arrow").textContent = active ? (state.descending ? " \u25bc" : " \u25b2") : "";
    });
    if (state.sorted === null) return;
    state.rows = sortedRows(state.rows, columns[state.sorted].value, state.descending);
  }

  function show(page) {
    state.page = Math.min(Math.max(page, 0), lastPage());
    const shown = Array.from(state.rows.slice(state.page * pageSize, (state.page + 1) * pageSize));
    body.replaceChildren(...shown.map(line));
    pages.field.value = state.page + 1;
    pages.field.max = lastPage() + 1;
    pages.text.textContent = `of ${whole(lastPage() + 1)}`;
    pages.previous.disabled = state.page === 0;
    pages.next.disabled = state.page === lastPage();
    pages.node.hidden = lastPage() === 0;
  }

  function line(row) {
    const cells = columns.map(({ cell, numeric, kind, header }) =>
      element(header ? "th" : "td", { class: numeric ? "number" : kind, scope: header ? "row" : undefined }, cell(row)),
    );
    return element("tr", {}, ...cells);
  }

  return {
    node,
    /** Show other rows, from the first page on. */
    setRows(rows) {
      state.rows = rows;
      sort();
      show(0);
    },
    /** Draw the rows of this page again. */
    refresh: () => show(state.page),
    setCaption(text) {
      captionNode.textContent = text;
    },
  };
}

/** Rows in the order of their values; equal ones stay in the order in which they are. */
function sortedRows(rows, value, descending) {
  const sign = descending ? -1 : 1;
  const keys = new Float64Array(rows.length);
  for (let place = 0; place < rows.length; place++) {
    const key = sign * value(rows[place]);
    keys[place] = Number.isNaN(key) ? Infinity : key + 0; // -0 becomes 0
  }
  return rows.constructor.from(radixOrder(keys), (place) => rows[place]);
}

/** The places of some numbers in ascending order: a stable radix sort of their bits, 16 at a time. */
function radixOrder(keys) {
  const words = new Uint32Array(keys.buffer); // the lower half of each number first
  for (let k = 0; k < keys.length; k++) {
    const high = words[2 * k + 1];
    if (high >>> 31) words[2 * k] = ~words[2 * k];
    words[2 * k + 1] = high >>> 31 ? ~high : high | 0x80000000; // negative numbers come first, and in reverse
  }
  let order = Uint32Array.from(keys, (_, k) => k);
  let next = new Uint32Array(keys.length);
  for (let pass = 0; pass < 4; pass++) {
    const [word, shift] = [pass >> 1, 16 * (pass & 1)];
    const starts = new Uint32Array(65537);
    for (let k = 0; k < keys.length; k++) starts[((words[2 * k + word] >>> shift) & 0xffff) + 1] += 1;
    for (let digit = 0; digit < 65536; digit++) starts[digit + 1] += starts[digit];
    for (let k = 0; k < keys.length; k++) {
      const place = order[k];
      next[starts[(words[2 * place + word] >>> shift) & 0xffff]++] = place;
    }
    [order, next] = [next, order];
  }
  return order;
}
