// The three ways to read parameters, and state_dict(), side by side. All four settings of the two
// switches came with the view; switching, prefixing and selecting happen here.

import { breakable, mark, node } from "./dom.js";
import { enter } from "./life.js";
import { andMore, counted } from "./words.js";

const COLUMN = { scope: "col", role: "columnheader" };

function partOf(row) {
  if (row.empty) return "None";
  return row.words ?? row.type;
}

// What is given to a call, as it is written. At its default an argument is not.
function argumentsOf({ prefix, recurse, once }) {
  return {
    prefix: prefix && `prefix=${JSON.stringify(prefix)}`,
    recurse: recurse ? "" : "recurse=False",
    remove_duplicate: once ? "" : "remove_duplicate=False",
  };
}

function callOf({ name, takes }, given) {
  if (!takes) return name; // it is no call
  const written = argumentsOf(given);
  const shown = takes.map((one) => written[one]).filter(Boolean);
  return `${name}(${shown.join(", ")})`;
}

// As torch writes it.
function nameOf({ joint }, name, { prefix }) {
  return joint === null || !prefix ? name : prefix + joint + name;
}

// The two switches and the field for a prefix. `given` says what stands in them now.
function controls() {
  const field = { class: "inm-field", type: "text", spellcheck: "false", autocomplete: "off" };
  const prefix = node("input", field);
  const [recurse, once] = [0, 1].map(() => node("input", { type: "checkbox", checked: true }));
  const label = (name, input) => node("label", "inm-switch", input, node("code", "", name));
  const bar = node(
    "div",
    "inm-bar",
    label("recurse", recurse),
    label("remove_duplicate", once),
    node("label", "inm-switch", node("code", "", "prefix"), prefix),
  );
  const given = () => ({ prefix: prefix.value, recurse: recurse.checked, once: once.checked });
  return { bar, inputs: [recurse, once, prefix], given };
}

function tensorCell(row, sign) {
  const kind = row.kind === "parameter" ? "" : `, ${sign.label}`;
  const label = `${sign.label}, ${partOf(row)}`;
  const about = { scope: "row", role: "rowheader", "aria-label": label };
  return node("th", about, mark(sign), partOf(row) + kind);
}

function wayCell(row, way, found, given) {
  const about = { role: "gridcell", "data-call": callOf(way, given) };
  if (!found) return node("td", { ...about, "aria-label": "the call raises" }, "?");
  const { at, more } = found;
  if (!at.length) return node("td", { ...about, "aria-label": "not there" }, "–");
  const items = at.map(([position, name]) => {
    const words = nameOf(way, name, given) + (row.empty ? ": None" : "") || row.type;
    const place = node("span", "inm-soft", `${position} `);
    return node("div", "inm-ways-item", place, node("code", "", ...breakable(words)));
  });
  const rest = more ? node("div", "inm-soft", andMore(more, "name")) : "";
  return node("td", about, node("div", "", ...items, rest));
}

// The table: a row for each tensor, a column for each way, and the row that is selected.
class Grid {
  selected = null; // the place of a row
  standing = [0, 0]; // row and column of the cell that Tab comes to
  cells = [];
  // On a narrow page the parts of the table are cards; what they are for a reader is said here.
  head = node("thead", { role: "rowgroup" });
  body = node("tbody", { role: "rowgroup" });
  status = node("div", { class: "inm-status inm-prose", role: "status" });

  constructor({ rows, frames, returns, ways }, signs, given) {
    Object.assign(this, { rows, frames, returns, ways, signs, given });
    const label = "What each way returns, a row for each tensor";
    const about = { class: "inm-table", role: "grid", "aria-label": label };
    this.table = node("table", about, this.head, this.body);
  }

  frame() {
    const { recurse, once } = this.given();
    return this.frames[(recurse ? "T" : "F") + (once ? "T" : "F")];
  }

  show() {
    const frame = this.frame();
    const given = this.given();
    const heads = this.ways.map((way, i) => {
      const count = frame.counts[i]; // or the words for what the call raises
      const sum = `${this.returns[i]}, ${counted(count, way.one, way.many)}`;
      const told = typeof count === "string" ? count : sum;
      const call = node("code", "", ...breakable(callOf(way, given)));
      return node("th", COLUMN, call, node("div", "inm-soft", told));
    });
    this.head.replaceChildren(node("tr", { role: "row" }, node("th", COLUMN, "tensor"), ...heads));
    this.cells = this.rows.map((row, place) => {
      const found = frame.cells[place];
      const ways = this.ways.map((way, i) => wayCell(row, way, found[i], given));
      return [tensorCell(row, this.signs[row.kind]), ...ways];
    });
    this.eachCell((cell, row, column) => Object.assign(cell.dataset, { row, column }));
    this.body.replaceChildren(...this.cells.map((line) => node("tr", { role: "row" }, ...line)));
    this.light();
  }

  eachCell(act) {
    this.cells.forEach((line, row) => line.forEach((cell, column) => act(cell, row, column)));
  }

  // Marks the row of the selected tensor, and says in words where each way has it.
  light() {
    const [row, column] = this.standing;
    this.eachCell((cell, i, k) => {
      cell.tabIndex = i === row && k === column ? 0 : -1;
    });
    this.cells.forEach(([first], i) => {
      first.parentNode.setAttribute("aria-selected", i === this.selected);
    });
    this.status.textContent = this.words();
  }

  words() {
    if (!this.rows.length) return "No tensor is registered.";
    if (this.selected === null) return "Select a tensor: every way that has it lights up.";
    const given = this.given();
    const found = this.frame().cells[this.selected];
    const where = this.ways.map((way, i) => {
      if (!found[i]) return `${callOf(way, given)}: ${this.frame().counts[i]}`;
      const { at, more } = found[i];
      const names = at.map(([place, name]) => nameOf(way, name, given) || `position ${place}`);
      const said = names.length ? names.join(", ") + (more ? ", …" : "") : "not there";
      return `${callOf(way, given)}: ${said}`;
    });
    return `${partOf(this.rows[this.selected])}. ${where.join(" · ")}`;
  }

  onFocus(event) {
    const cell = event.target.closest("[data-row]");
    if (!cell) return;
    this.standing = [Number(cell.dataset.row), Number(cell.dataset.column)];
    [this.selected] = this.standing;
    this.light();
  }

  onKey(event) {
    const [row, column] = this.standing;
    const moves = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [0, column],
      End: [this.rows.length - 1, column],
    };
    if (event.key in moves) {
      const [to, over] = moves[event.key];
      this.cells[to]?.[over]?.focus();
    } else if (event.key === "Escape") {
      this.selected = null;
    } else {
      return;
    }
    event.preventDefault();
    this.light();
  }
}

function render({ model, el }) {
  const ways = model.get("ways");
  const { bar, inputs, given } = controls();
  const grid = new Grid(ways, model.get("signs"), given);
  const rest = node("div", "inm-rest", andMore(ways.more, "tensor"));
  const scroll = node("div", "inm-scroll", grid.table);
  const root = node("div", "inm inm-ways", bar, scroll, rest, grid.status);
  const { on, leave } = enter(el, root);
  for (const input of inputs) on(input, "input", () => grid.show());
  on(grid.body, "focusin", (event) => grid.onFocus(event));
  on(grid.body, "keydown", (event) => grid.onKey(event));
  grid.show();
  return leave;
}

export default { render };
