// Numbers and tensors in words.

export const count = (number) => number.toLocaleString("en-US");

export function shapeOf(row) {
  return row.shape === null ? "no shape yet" : row.shape.join(" × ") || "scalar";
}

export function tensorOf(row) {
  const frozen = row.kind === "parameter" && !row.grad ? ", frozen" : "";
  return `${shapeOf(row)}, ${row.dtype}${frozen}`;
}

export function bytes(number) {
  if (number < 1024) return `${count(number)} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let size = number / 1024;
  let unit = 0;
  for (; size >= 1000 && unit < 3; unit += 1) size /= 1024;
  return `${count(Number(size.toPrecision(3)))} ${units[unit]} (${count(number)} bytes)`;
}
