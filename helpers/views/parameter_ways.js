// The three ways to read parameters, and state_dict(), side by side. All four settings of the two switches came with
// the view; switching, prefixing and selecting happen here. Every text from the model is set as text content.

const TAKES = [[], ["prefix", "recurse", "remove_duplicate"], ["recurse"], ["prefix"]];
const NAMES = ["_parameters", "named_parameters", "parameters", "state_dict"];
const UNITS = ["entries", "pairs", "tensors", "entries"];

const partOf = (row) => (row.empty ? "None" : row.dtype ? tensorOf(row) : row.type);

function render({ model, el }) {
  const { rows, frames, returns, more } = model.get("ways");
  const signs = model.get("signs");
  let selected = null; // the place of a row
  let standing = [0, 0]; // row and column of the cell that Tab comes to
  let cells = [];

  const prefix = node("input", { class: "inm-field", type: "text", spellcheck: "false", autocomplete: "off" });
  const [recurse, once] = [0, 1].map(() => node("input", { type: "checkbox", checked: true }));
  const label = (name, input) => node("label", "inm-ways-switch", input, node("code", "", name));
  const bar = node("div", "inm-ways-bar", label("recurse", recurse), label("remove_duplicate", once),
    node("label", "inm-ways-switch", node("code", "", "prefix"), prefix)); // prettier-ignore
  const [head, body] = [node("thead"), node("tbody")];
  const table = node("table", { class: "inm-ways-table", role: "grid",
    "aria-label": "What each way returns, a row for each tensor" }, head, body); // prettier-ignore
  const status = node("div", { class: "inm-ways-status", role: "status" });
  const rest = node("div", "inm-ways-rest", more ? `… and ${count(more)} more tensors` : "");
  const root = node("div", "inm inm-ways", bar, node("div", "inm-ways-scroll", table), rest, status);

  const frame = () => frames[(recurse.checked ? "T" : "F") + (once.checked ? "T" : "F")];

  function callOf(way) {
    const given = { prefix: prefix.value && `prefix=${JSON.stringify(prefix.value)}`,
      recurse: recurse.checked ? "" : "recurse=False", remove_duplicate: once.checked ? "" : "remove_duplicate=False" }; // prettier-ignore
    const shown = TAKES[way].map((name) => given[name]).filter(Boolean);
    return NAMES[way] + (way ? `(${shown.join(", ")})` : "");
  }

  // As torch writes it: named_parameters puts a dot after the prefix, state_dict takes it as it is.
  function nameOf(way, name) {
    if (way === 1) return prefix.value ? `${prefix.value}.${name}` : name;
    return way === 3 ? prefix.value + name : name;
  }

  function show() {
    const { counts, cells: found } = frame();
    const heads = NAMES.map((_, way) => {
      const sum = `${returns[way]}, ${count(counts[way])} ${UNITS[way]}`;
      return node("th", { scope: "col" }, node("code", "", callOf(way)), node("div", "inm-ways-soft", sum));
    });
    head.replaceChildren(node("tr", "", node("th", { scope: "col" }, "tensor"), ...heads));
    cells = rows.map((row, place) => [tensorCell(row), ...found[place].map((cell, way) => wayCell(row, way, cell))]);
    cells.forEach((line, row) => line.forEach((cell, column) => Object.assign(cell.dataset, { row, column })));
    body.replaceChildren(...cells.map((line) => node("tr", "", ...line)));
    light();
  }

  function tensorCell(row) {
    const kind = row.kind === "parameter" ? "" : `, ${signs[row.kind].label}`;
    const label = `${signs[row.kind].label}, ${partOf(row)}`;
    return node("th", { scope: "row", "aria-label": label }, mark(signs[row.kind], "inm-ways-sign"), partOf(row) + kind);
  }

  function wayCell(row, way, { at, more: left }) {
    const items = at.map(([position, name]) => {
      const words = nameOf(way, name) + (row.empty ? ": None" : "") || row.type;
      return node("div", "inm-ways-item", node("span", "inm-ways-soft", `${position} `), node("code", "", words));
    });
    if (!items.length) return node("td", { "aria-label": "not there" }, "–");
    return node("td", "", ...items, left ? node("div", "inm-ways-soft", `… and ${count(left)} more names`) : "");
  }

  // Marks the row of the selected tensor, and says in words where each way has it.
  function light() {
    cells.forEach((line, row) => {
      line[0].parentNode?.setAttribute("aria-selected", row === selected);
      line.forEach((cell, column) => { cell.tabIndex = row === standing[0] && column === standing[1] ? 0 : -1; }); // prettier-ignore
    });
    if (selected === null) {
      status.textContent = rows.length ? "Select a tensor: every way that has it lights up." : "No tensor is registered.";
      return;
    }
    const where = NAMES.map((_, way) => {
      const { at, more: left } = frame().cells[selected][way];
      const names = at.map(([position, name]) => nameOf(way, name) || `position ${position}`);
      return `${callOf(way)}: ${names.length ? names.join(", ") + (left ? ", …" : "") : "not there"}`;
    });
    status.textContent = `${partOf(rows[selected])}. ${where.join(" · ")}`;
  }

  function onFocus(event) {
    const cell = event.target.closest("[data-row]");
    if (!cell) return;
    standing = [Number(cell.dataset.row), Number(cell.dataset.column)];
    [selected] = standing;
    light();
  }

  function onKey(event) {
    const [row, column] = standing;
    const moves = { ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [0, column], End: [rows.length - 1, column] }; // prettier-ignore
    if (event.key in moves) cells[moves[event.key][0]]?.[moves[event.key][1]]?.focus();
    else if (event.key === "Escape") selected = null;
    else return;
    event.preventDefault();
    light();
  }

  const { on, leave } = enter(el, root);
  for (const input of [recurse, once, prefix]) on(input, "input", show);
  on(body, "focusin", onFocus);
  on(body, "keydown", onKey);
  show();
  return leave;
}

export default { render };
