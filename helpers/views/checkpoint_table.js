// Model and checkpoint side by side. All rows came with the view; filtering and folding happen here.

function render({ model, el }) {
  const { title, advice, notes, rows, more, matched, heads } = model.get("table");
  const signs = model.get("signs");
  const words = (name, className, text) => node(name, className, text); // every text from a model is text content

  const filter = Object.assign(node("input"), { type: "text", spellcheck: false, autocomplete: "off" });
  const fold = Object.assign(node("input"), { type: "checkbox", disabled: !matched });
  const label = (...parts) => node("label", "inm-ways-switch", ...parts);
  const bar = node("div", "inm-ways-bar", label("filter", filter), label(fold, `show what matched: ${count(matched)}`));
  const head = node("tr", "", ...heads.map((one) => Object.assign(words("th", "", one), { scope: "col" })));
  const body = node("tbody");
  const table = node("table", "inm-ways-table", node("thead", "", head), body);
  const scroll = Object.assign(node("div", "inm-ways-scroll", table), { tabIndex: 0 });
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Keys of the model and of the checkpoint");
  const status = node("div", "inm-ways-status");
  status.setAttribute("role", "status");
  const steps = advice.map(({ words: why, code, enough }) =>
    node("div", "inm-fit-step", why, node("pre", "inm-fit-code", words("code", "", code)), enough)); // prettier-ignore
  const root = node("div", "inm inm-ways inm-fit", words("div", "inm-fit-title", title), ...steps,
    ...notes.map((one) => words("div", "inm-ways-soft", one)), bar, scroll, status); // prettier-ignore

  const lines = rows.map((row) => {
    const sign = signs[row.state];
    const mark = words("span", "inm-ways-sign", sign.glyph);
    mark.style.color = sign.colour;
    const key = Object.assign(node("th", "", words("code", "", row.key)), { scope: "row" });
    const line = node("tr", "", key, node("td", "", mark, sign.label), words("td", "", row.model), words("td", "", row.checkpoint));
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
    keepKey(event);
    if (event.key !== "Escape" || !filter.value) return;
    filter.value = "";
    show();
  }

  const listening = new AbortController();
  const { signal } = listening;
  for (const input of [filter, fold]) input.addEventListener("input", show, { signal });
  root.addEventListener("keydown", onKey, { signal });
  el.append(root);
  show();
  return () => {
    listening.abort();
    root.remove();
  };
}

export default { render };
