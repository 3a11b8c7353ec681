// Tables that came from Python: their rows are read by the names of their fields, which came along.

// The rows of the table `name` as objects, with those of a table inside a row.
export function recordsOf(rows, fields, name) {
  const valueOf = (value, field) => (field in fields ? recordsOf(value, fields, field) : value);
  return rows.map((row) =>
    Object.fromEntries(fields[name].map((field, i) => [field, valueOf(row[i], field)])),
  );
}
