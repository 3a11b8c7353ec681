// A question and its options, of which one can be chosen.

import { node, prose } from "./dom.js";

export const letter = (index) => String.fromCharCode(65 + index);

// Radio names are private to their form, so two cards on a page stay apart.
function rowOf(option, index, chosen) {
  const radio = node("input", { type: "radio", name: "option", value: index, checked: chosen });
  const mark = node("span", "inm-quiz-mark");
  const words = node("span", "inm-quiz-text", ...prose(option));
  const initial = node("b", "inm-quiz-letter", letter(index));
  return { row: node("label", "inm-quiz-option", radio, initial, words, mark), radio, mark };
}

// `options` are words; `chosen` is the place of one of them.
export function questionOf({ prompt, code, options, chosen }) {
  const rows = options.map((option, i) => rowOf(option, i, i === chosen));
  const legend = node("legend", "inm-quiz-prompt", ...prose(prompt));
  const about = { class: "inm-quiz-options", role: "radiogroup" };
  const shown = code ? node("pre", "inm-quiz-code", code) : "";
  const group = node("fieldset", about, legend, shown, ...rows.map(({ row }) => row));
  return { rows, group, choice: () => rows.findIndex(({ radio }) => radio.checked) };
}
