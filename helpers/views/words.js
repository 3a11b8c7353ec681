// Numbers and tensors in words.

export const count = (number) => number.toLocaleString("en-US");

export function tensorOf(row) {
  const frozen = row.kind === "parameter" && !row.grad ? ", frozen" : "";
  const here = row.here ? `, here ${row.here}` : "";
  return `${row.shape}, ${row.dtype}${frozen}${here}`;
}
