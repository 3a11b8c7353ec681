// Model and checkpoint side by side. All rows came with the view; filtering and folding happen here.

function render({ model, el }) {
  const { title, advice, notes, rows, more, matched, heads } = model.get("table");
  const signs = model.get("signs");

  const filter = node("input", { class: "inm-field", type: "text", spellcheck: "false", autocomplete: "off" });
  const fold = node("input", { type: "checkbox", disabled: !matched });
  const label = (...parts) => node("label", "inm-ways-switch", ...parts);
  const bar = node("div", "inm-ways-bar", label("filter", filter), label(fold, `show what matched: ${count(matched)}`));
  const head = node("tr", "", ...heads.map((one) => node("th", { scope: "col" }, one)));
  const body = node("tbody");
  const table = node("table", "inm-ways-table", node("thead", "", head), body);
  const scroll = node("div", { class: "inm-ways-scroll", tabindex: 0, role: "region",
    "aria-label": "Keys of the model and of the checkpoint" }, table); // prettier-ignore
  const status = node("div", { class: "inm-ways-status", role: "status" });
  const steps = advice.map(({ words: why, code, enough }) =>
    node("div", "inm-fit-step", why, node("pre", "inm-fit-code", node("code", "", code)), enough)); // prettier-ignore
  const root = node("div", "inm inm-ways inm-fit", node("div", "inm-fit-title", title), ...steps,
    ...notes.map((one) => node("div", "inm-ways-soft", one)), bar, scroll, status); // prettier-ignore

  const lines = rows.map((row) => {
    const sign = signs[row.state];
    const key = node("th", { scope: "row" }, node("code", "", row.key));
    const said = node("td", "", mark(sign, "inm-ways-sign"), sign.label);
    const line = node("tr", "", key, said, node("td", "", row.model), node("td", "", row.checkpoint));
    return { line, state: row.state, text: `${row.key} ${sign.label}`.toLowerCase() };
  });

  // A filter looks into what is folded too: who types a name wants to see it.
  function show() {
    const wanted = filter.value.trim().toLowerCase();
    const seen = lines.filter(({ state, text }) => (wanted ? text.includes(wanted) : fold.checked || state !== "matched"));
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

  const { on, leave } = enter(el, root);
  for (const input of [filter, fold]) on(input, "input", show);
  on(root, "keydown", onKey);
  show();
  return leave;
}

export default { render };
