// Model and checkpoint side by side. All rows came with the view; filtering and folding happen
// here.

import { mark, node } from "./dom.js";
import { enter } from "./life.js";
import { count } from "./words.js";

function lineOf(row, sign) {
  const line = node(
    "tr",
    "",
    node("th", { scope: "row" }, node("code", "", row.key)),
    node("td", "", mark(sign), sign.label),
    node("td", "", row.model),
    node("td", "", row.checkpoint),
  );
  return { line, state: row.state, text: `${row.key} ${sign.label}`.toLowerCase() };
}

function stepOf({ words, code, enough }) {
  return node(
    "div",
    "inm-fit-step",
    node("div", "inm-prose", words),
    node("pre", "inm-fit-code", node("code", "", code)),
    node("div", "inm-prose", enough),
  );
}

function render({ model, el }) {
  const { title, advice, notes, rows, more, matched, heads } = model.get("table");
  const signs = model.get("signs");
  const lines = rows.map((row) => lineOf(row, signs[row.state]));

  const filter = node("input", {
    class: "inm-field",
    type: "text",
    spellcheck: "false",
    autocomplete: "off",
  });
  const fold = node("input", { type: "checkbox", disabled: !matched });
  const bar = node(
    "div",
    "inm-bar",
    node("label", "inm-switch", "filter", filter),
    node("label", "inm-switch", fold, `show what matched: ${count(matched)}`),
  );
  const head = node("tr", "", ...heads.map((one) => node("th", { scope: "col" }, one)));
  const body = node("tbody");
  const table = node("table", "inm-table", node("thead", "", head), body);
  const about = { role: "group", "aria-label": "Keys of the model and of the checkpoint" };
  const scroll = node("div", { class: "inm-scroll", tabindex: 0, ...about }, table);
  const status = node("div", { class: "inm-status", role: "status" });

  // A filter looks into what is folded too: who types a name wants to see it.
  function show() {
    const wanted = filter.value.trim().toLowerCase();
    const unfolded = ({ state }) => fold.checked || state !== "matched";
    const seen = lines.filter(wanted ? ({ text }) => text.includes(wanted) : unfolded);
    body.replaceChildren(...seen.map(({ line }) => line));
    table.hidden = !seen.length;
    const rest = more ? `; ${count(more)} more are not listed` : "";
    status.textContent = `${count(seen.length)} of ${count(lines.length + more)} keys shown${rest}`;
  }

  function onKey(event) {
    if (event.key !== "Escape" || !filter.value) return;
    filter.value = "";
    show();
  }

  const said = notes.map((one) => node("div", "inm-soft inm-prose", one));
  const words = [node("div", "inm-fit-title inm-prose", title), ...advice.map(stepOf), ...said];
  const root = node("div", "inm inm-fit", ...words, bar, scroll, status);
  const { on, leave } = enter(el, root);
  for (const input of [filter, fold]) on(input, "input", show);
  on(root, "keydown", onKey);
  show();
  return leave;
}

export default { render };
