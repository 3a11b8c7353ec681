// Counts in words. Sizes and tensors come from Python in words.

export const count = (number) => number.toLocaleString("en-US");

export const plural = (number, one, many = `${one}s`) => (number === 1 ? one : many);

export const counted = (number, one, many) => `${count(number)} ${plural(number, one, many)}`;
