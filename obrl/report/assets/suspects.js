// Entries of the table that are probably wrong: a summary by label, and the rows where the report shows them.

function startSuspects() {
  const { suspects, labels, nameRanks } = report;
  if (suspects === null) return;
  byId("suspects").hidden = false;
  const nameColumn = (title, entries, header) => ({
    title,
    header,
    value: (row) => nameRanks[entries[row].label],
    cell: (row) => isolated(labels[entries[row].label]),
  });
  const number = (title, hint, entries, key, text) => numberColumn(title, hint, (row) => entries[row][key] ?? NaN, text);
  const summary = pagedTable({
    caption: "Suspected entries by label",
    columns: [
      nameColumn("Label", suspects.labels, true),
      number("Known", "rows that have an entry for the label", suspects.labels, "known", whole),
      number("About so many wrong", "of the entries that were listed for the whole table; an estimate", suspects.labels, "wrong", significant),
    ],
    sorted: 2,
  });
  byId("suspects-summary").append(summary.node);
  summary.setRows(suspects.labels.map((_, row) => row));
  byId("suspects-without-rows").hidden = suspects.rows !== null;
  if (suspects.rows === null) return;
  const text = (title, key) => textColumn(title, suspects.rows.map((row) => row[key]));
  const rows = pagedTable({
    caption: `${counted(suspects.rows.length, "entry", "entries")}, most suspicious first`,
    columns: [
      { ...text("File", "file"), header: true },
      number("Row", "from 1", suspects.rows, "row", whole),
      ...(suspects.rows.some((row) => row.id !== "") ? [text("Id", "id")] : []),
      nameColumn("Label", suspects.rows),
      number("Value", "the entry in the table", suspects.rows, "value", whole),
      number("Probability", "that the label is present, by the row's other labels", suspects.rows, "probability", (value) => decimal(value, 3)),
      text("Because of", "explanation"),
    ],
  });
  byId("suspects-rows").append(rows.node);
  rows.setRows(suspects.rows.map((_, row) => row));
}

const LONGEST_WORD = 20;
const LONGEST_WORDS = 30;
const LONGEST_EXPLANATION = 1000;

/** A column of texts, one a row: short ones stay in a line, and more than a few words get a broad column. */
function textColumn(title, texts) {
  const places = ranks(texts);
  const cell = (row) => isolated(texts[row], {}, LONGEST_EXPLANATION);
  const longest = texts.reduce((most, text) => Math.max(most, text.length), 0);
  const kind = longest > LONGEST_WORDS ? "text" : longest > LONGEST_WORD ? undefined : "word";
  return { title, value: (row) => places[row], cell, kind };
}
