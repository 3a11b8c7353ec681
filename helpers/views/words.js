// Numbers and tensors in words.

export const count = (number) => number.toLocaleString("en-US");

export function tensorOf(row) {
  const frozen = row.kind === "parameter" && !row.grad ? ", frozen" : "";
  return `${row.shape}, ${row.dtype}${frozen}`;
}
