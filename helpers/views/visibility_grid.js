// A grid of tensors and calls: the reader marks who sees what, and then asks for the truth. It came
// with the view, and is on the page only after that. An answer is true, false, or words for what is
// neither: that is no miss, whatever was marked.

import { breakable, mark, node, shades } from "./dom.js";
import { enter } from "./life.js";
import { between, run } from "./motion.js";
import { Roving } from "./roving.js";
import { andMore, count, counted } from "./words.js";

// Tensors down and calls across, or the other way round where it is turned.
function laidOut({ tensors, calls, answers, turned }) {
  const [down, across] = [tensors, calls].map((heads) => heads.map((_, at) => at));
  if (!turned) return { rows: down, columns: across, answers };
  return {
    rows: across,
    columns: down,
    answers: across.map((call) => down.map((at) => answers[at][call])),
  };
}

// Their places, those with the most answers "yes" first.
function sorted(places, yes) {
  return [...places].sort((one, other) => yes(other) - yes(one));
}

// Puts the children into this order. One that already stands where it should is left alone, since
// the browser draws anew what is moved.
function arrange(parent, children) {
  let at = parent.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
}

// How a cell is told; what is seen is filled.
function truthOf(answer) {
  if (typeof answer === "string") return { told: "open", sign: "?", words: answer };
  return answer ? { told: "yes", sign: "", words: "yes" } : { told: "no", sign: "–", words: "no" };
}

class Grid {
  isTold = false;
  body = node("tbody", { role: "rowgroup" });
  roving = new Roving(this.body);
  head = node("thead", { role: "rowgroup" });
  status = node("div", { class: "inm-status inm-prose", role: "status" });
  button = node("button", { type: "button", class: "inm-button" });
  stop = () => {};

  constructor(grid, signs) {
    Object.assign(this, { grid, signs, ...laidOut(grid) });
    this.marked = this.answers.map((line) => line.map(() => false));
    const label = "Who sees what: calls and tensors";
    this.table = node("table", { role: "grid", "aria-label": label }, this.head, this.body);
    const ask = "Who sees which tensor? Mark each cell where you expect a yes. Then reveal.";
    const first = node("div", "inm-grid-ask inm-prose", ask);
    const scroll = node("div", "inm-scroll", this.table);
    const rest = node("div", "inm-soft", andMore(grid.more, "tensor"));
    const bar = node("div", "inm-bar", this.button);
    this.root = node("div", "inm inm-grid", first, scroll, rest, bar, this.status);
    this.make();
  }

  slotAt(row, column) {
    return this.grid.tensors[this.grid.turned ? column : row];
  }

  callOf(row, column) {
    return this.grid.calls[this.grid.turned ? row : column];
  }

  // The heads of rows and columns: a call, or a tensor with the sign of its kind.
  headOf(isCall, place) {
    if (isCall) return [this.grid.calls[place]];
    const [name, kind] = this.grid.tensors[place];
    const label = node("span", "inm-grid-kind inm-soft", this.signs[kind].label);
    return [mark(this.signs[kind]), node("code", "", ...breakable(name)), " ", label];
  }

  // The words of a cell, which is told by them alone to who does not see it.
  saidOf(row, column) {
    return `${this.slotAt(row, column)[0]}, ${this.callOf(row, column)}`;
  }

  cell(row, column) {
    const style = shades(this.signs[this.slotAt(row, column)[1]]);
    const button = node("button", { type: "button", class: "inm-grid-cell", tabindex: -1, style });
    Object.assign(button.dataset, { row, column });
    return node("td", { role: "gridcell" }, button);
  }

  line(row) {
    const head = node(
      "th",
      { role: "rowheader", scope: "row" },
      ...this.headOf(this.grid.turned, row),
    );
    const line = node("tr", { role: "row" }, head);
    line.dataset.row = row;
    return line;
  }

  // What a reader has marked, without the truth.
  ask(button, row, column) {
    delete button.dataset.told;
    button.removeAttribute("title");
    button.removeAttribute("data-miss");
    button.removeAttribute("aria-disabled");
    button.setAttribute("aria-label", this.saidOf(row, column));
    button.setAttribute("aria-pressed", String(this.marked[row][column]));
    button.textContent = "";
  }

  tell(button, row, column) {
    const [answer, guess] = [this.answers[row][column], this.marked[row][column]];
    const { told, sign, words } = truthOf(answer);
    const missed = told !== "open" && answer !== guess;
    const miss = missed ? `, missed: you said ${guess ? "yes" : "no"}` : "";
    button.setAttribute("aria-label", `${this.saidOf(row, column)}: ${words}${miss}`);
    button.setAttribute("aria-disabled", "true");
    button.dataset.told = told;
    if (told === "open") button.title = words;
    button.toggleAttribute("data-miss", missed);
    button.textContent = sign;
  }

  // The order in which rows and columns stand.
  order() {
    if (!this.isTold) return { rows: this.rows, columns: this.columns };
    const sum = (values) => values.filter((value) => value === true).length;
    return {
      rows: sorted(this.rows, (row) => sum(this.answers[row])),
      columns: sorted(this.columns, (column) => sum(this.answers.map((line) => line[column]))),
    };
  }

  // Its rows and cells are made once; after that they are told, and put into another order.
  make() {
    const column = { role: "columnheader", scope: "col" };
    this.corner = node("th", column, this.grid.turned ? "call" : "tensor");
    this.heads = this.columns.map((at) =>
      node("th", column, ...this.headOf(!this.grid.turned, at)),
    );
    this.lines = this.rows.map((row) => this.line(row));
    this.cells = this.rows.map((row) => this.columns.map((place) => this.cell(row, place)));
    this.head.append(node("tr", { role: "row" }));
  }

  show() {
    const { rows, columns } = this.order();
    const state = this.isTold ? "tell" : "ask";
    this.cells.forEach((cells, row) =>
      cells.forEach((cell, column) => this[state](cell.firstChild, row, column)),
    );
    const ordered = (all) => columns.map((place) => all[place]);
    arrange(this.head.firstChild, [this.corner, ...ordered(this.heads)]);
    this.lines.forEach((line, row) => {
      arrange(line, [line.firstChild, ...ordered(this.cells[row])]);
    });
    arrange(
      this.body,
      rows.map((row) => this.lines[row]),
    );
    this.button.textContent = this.isTold ? "Start again" : "Reveal";
    this.root.toggleAttribute("data-told", this.isTold);
    this.roving.stand(0, 0);
    this.say();
  }

  say() {
    const all = this.answers.flatMap((line, row) =>
      line.map((answer, column) => [answer, this.marked[row][column]]),
    );
    if (!this.isTold) {
      const marked = all.filter(([, guess]) => guess).length;
      this.status.textContent = `${count(marked)} of ${count(all.length)} marked.`;
      return;
    }
    const pairs = all.filter(([answer]) => typeof answer === "boolean");
    const open = this.openWords(all);
    const unseen = pairs.filter(([yes, guess]) => yes && !guess).length;
    const wrong = pairs.filter(([yes, guess]) => !yes && guess).length;
    const right = `${count(pairs.length - unseen - wrong)} of ${count(pairs.length)} right`;
    const parts = [
      unseen && `${count(unseen)} yes that you did not mark`,
      wrong && `${count(wrong)} no that you marked`,
    ].filter(Boolean);
    const missed = counted(unseen + wrong, "miss", "misses");
    const misses = parts.length ? `${missed}, ringed: ${parts.join(", ")}.` : "No miss.";
    this.status.textContent = `${right}. ${misses}${open}`;
  }

  // What is said of the cells that are neither yes nor no, each reason once.
  openWords(pairs) {
    const reasons = pairs.map(([answer]) => answer).filter((answer) => typeof answer === "string");
    if (!reasons.length) return "";
    const cells = counted(reasons.length, "cell is", "cells are");
    return ` ${cells} neither: ${[...new Set(reasons)].join(", ")}.`;
  }

  press(button) {
    if (this.isTold) return;
    const { row, column } = button.dataset;
    this.marked[row][column] = !this.marked[row][column];
    button.setAttribute("aria-pressed", String(this.marked[row][column]));
    this.say();
  }

  // Shows the truth, and the rows move to their places; or begins anew.
  turn() {
    this.stop();
    const tops = () => new Map(this.lines.map((line) => [line.dataset.row, line.offsetTop]));
    const before = tops();
    if (this.isTold) this.marked.forEach((line) => line.fill(false));
    this.isTold = !this.isTold;
    this.show();
    const after = tops();
    this.stop = run((share) => {
      for (const line of this.lines) {
        const to = after.get(line.dataset.row);
        const gap = between(before.get(line.dataset.row), to, share) - to;
        line.style.transform = share === 1 ? "" : `translateY(${gap}px)`;
      }
    });
  }
}

function render({ model, el }) {
  const grid = new Grid(model.get("grid"), model.get("signs"));
  const { on, leave } = enter(el, grid.root);
  on(grid.body, "click", (event) => {
    const button = event.target.closest("button");
    if (button) grid.press(button);
  });
  grid.roving.listen(on);
  on(grid.button, "click", () => grid.turn());
  grid.show();
  return () => {
    grid.stop();
    leave();
  };
}

export default { render };
