// The data of the page: a header of JSON, and columns of numbers, which the loader has unzipped (obrl/report/payload.py).

const ARRAYS = {
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  i1: Int8Array,
  i2: Int16Array,
  f4: Float32Array,
  f8: Float64Array,
};

/** A column, whose first bytes come first, then its second bytes, and so on, the lowest first. */
function column(bytes, start, kind, length) {
  const size = Number(kind[1]);
  const joined = new Uint8Array(length * size);
  for (let plane = 0; plane < size; plane++) {
    const from = start + plane * length;
    for (let k = 0; k < length; k++) joined[k * size + plane] = bytes[from + k];
  }
  return new ARRAYS[kind](joined.buffer);
}

function jsonOfBytes(bytes) {
  return bytes === undefined ? null : JSON.parse(new TextDecoder().decode(bytes));
}

/** The header, and all columns by name. */
function readPayload() {
  const { bytes } = window.obrlReport;
  const header = JSON.parse(byId("header").textContent);
  const columns = {};
  let start = 0;
  for (const [name, kind, length] of header.columns) {
    columns[name] = column(bytes, start, kind, length);
    start += length * Number(kind[1]);
  }
  return { header, columns };
}
