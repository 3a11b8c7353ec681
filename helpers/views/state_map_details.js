// What is known of the row that is selected: its facts, its names, and who sees it.

import { breakable, mark, node } from "./dom.js";
import { isModule, signOf } from "./state_map_rows.js";
import { count } from "./words.js";

function tensorFacts(row) {
  return [
    ["shape", row.shape],
    ["shape here", row.here ?? null],
    ["dtype", row.dtype],
    ["device", row.device],
    ["elements", row.numel === null ? null : count(row.numel)],
    ["memory", row.memory],
    ["requires_grad", row.grad ? "True" : "False"],
  ].filter(([, value]) => value !== null);
}

function factsOf(row) {
  const facts = [["type", row.type]];
  if (row.dtype) return [...facts, ...tensorFacts(row)];
  if (row.value !== undefined) return [...facts, ["value", row.value]];
  return row.totals ? [...facts, ...row.totals.told] : facts;
}

function namesOf({ names }) {
  if (!names?.length) return "";
  const lines = names.map((name) => node("li", "", node("code", "", ...breakable(name))));
  const head = node("div", "inm-map-subhead", "One tensor, several names");
  return node("div", "inm-map-names", head, node("ul", "", ...lines));
}

// The sign of an answer and its words: yes, no, or words for what is neither.
function saidOf(answer, [yes, no, call]) {
  if (typeof answer === "string") return ["?", `${call}: ${answer}`];
  return answer ? ["✓", yes] : ["–", no];
}

function seenLine(answer, about) {
  const [sign, words] = saidOf(answer, about);
  const drawn = node("span", { class: "inm-map-mark", "aria-hidden": "true" }, sign);
  return node("li", answer ? "" : "inm-map-no", drawn, words);
}

export class Details {
  constructor({ signs, sees }, ask) {
    Object.assign(this, { signs, sees, ask });
    const about = { role: "group", "aria-label": "Details of what is selected" };
    this.element = node("div", { class: "inm-map-details", tabindex: 0, ...about });
  }

  show(row) {
    if (!row) return;
    this.askAbout(row);
    const sign = signOf(row, this.signs);
    const name = row.path ? node("code", "", ...breakable(row.path)) : "The model itself";
    const facts = factsOf(row).flatMap(([key, value]) => [
      node("dt", "", key),
      node("dd", "", value),
    ]);
    this.element.replaceChildren(
      node("div", "inm-map-head", mark(sign), name),
      node("div", "inm-soft", row.empty ? `${sign.label}, empty` : sign.label),
      node("dl", "inm-map-facts", ...facts),
      namesOf(row),
      ...this.seersOf(row),
      row.dtype ? this.previewOf(row) : "",
    );
  }

  // What Python has to be asked for: the sums of a submodule, the other names of a tensor.
  askAbout(row) {
    const missing = row.dtype ? !row.names : isModule(row) && !row.totals;
    if (!missing || row.asked) return;
    row.asked = true;
    this.ask({ type: "about", id: row.id, path: row.path });
  }

  // Which calls of torch see a tensor under this name: found by experiment, in Python.
  seersOf(row) {
    if (!row.seen) return [];
    const lines = row.seen.map((answer, place) => seenLine(answer, this.sees[place]));
    return [node("div", "inm-map-subhead", "Who sees it"), node("ul", "inm-map-sees", ...lines)];
  }

  previewOf(row) {
    if (row.preview !== undefined) return node("pre", "inm-map-preview", row.preview);
    const button = node(
      "button",
      { class: "inm-button", type: "button" },
      "Show the first numbers",
    );
    button.addEventListener("click", () => {
      this.element.focus(); // the button goes when the numbers come
      this.ask({ type: "preview", id: row.id, path: row.path });
    });
    return button;
  }
}
