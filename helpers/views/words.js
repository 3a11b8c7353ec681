// Counts in words. Sizes and tensors come from Python in words.

export const count = (number) => number.toLocaleString("en-US");
