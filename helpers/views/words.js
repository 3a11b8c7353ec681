// Counts in words. Sizes and tensors come from Python in words.

export const count = (number) => number.toLocaleString("en-US");

const plural = (number, one, many = `${one}s`) => (number === 1 ? one : many);

export const counted = (number, one, many) => `${count(number)} ${plural(number, one, many)}`;

// What is said of things that are not shown, `one` is one of them; "" if there are none.
export function andMore(number, one = "") {
  if (!number) return "";
  return `… and ${count(number)} more${one && ` ${plural(number, one)}`}`;
}
