// The keys of the model left, those of the file right, and lines between them. What fits stands in
// one line; what could fit stands half a row lower, and moves up when an advice is applied.

import { folded, OPEN, partsOf, rowsOf } from "./checkpoint_rows.js";
import { breakable, mark, node } from "./dom.js";
import { between, run } from "./motion.js";
import { drawn } from "./svg.js";
import { count, counted } from "./words.js";

const SHOWN = 300; // rows that a filter finds
const MOVING = 150; // rows; more than these move at once

const CELL = { role: "cell" };
const KEY = { role: "cell", class: "inm-fit-cell" };
const heard = (words) => node("span", "inm-fit-heard", words);

// What a line looks like, from the height of the key on the left to that on the right.
function lineOf({ kind, folded: many }, left, right, width) {
  const isLevel = Math.abs(left - right) < 2; // but for a fraction of a pixel
  if (kind === "fits" || many) return `M0 ${left} L${width} ${isLevel ? left : right}`;
  if (kind === "apart") {
    return `M0 ${left} H${width / 2 - 12} M${width / 2 + 12} ${right} H${width}`;
  }
  if (kind === "could") {
    return `M0 ${left} C${width / 2} ${left} ${width / 2} ${right} ${width} ${right}`;
  }
  const stub = Math.min(14, width / 4);
  return right === null ? `M0 ${left} H${stub}` : `M${width - stub} ${right} H${width}`;
}

export class Wires {
  at = 0; // the stage
  wanted = "";
  opened = new Set();
  cells = new Map(); // "L" or "R" and a place -> the cell
  rows = [];
  drawnAt = [0, 0]; // width and height of the keys
  stop = () => {};

  constructor(fit, signs) {
    Object.assign(this, { fit, signs, fits: fit.fits });
    this.drawing = drawn("svg", { class: "inm-fit-lines", "aria-hidden": "true" });
    this.body = node("div", { class: "inm-fit-body", role: "rowgroup" });
    const [left, says, right] = fit.heads;
    const heads = [left, heard(says), right].map((words) =>
      node("div", { role: "columnheader" }, words),
    );
    const about = { role: "table", "aria-label": "Keys of the model and of the checkpoint" };
    const head = node("div", { class: "inm-fit-row", role: "row" }, ...heads);
    const top = node("div", { class: "inm-fit-head", role: "rowgroup" }, head);
    const whole = node("div", "inm-fit-whole", this.body, this.drawing);
    this.element = node("div", { class: "inm-fit-wires", ...about }, top, whole);
  }

  get stage() {
    return this.fit.stages[this.at];
  }

  nameOf(right) {
    return this.stage.names[right] ?? this.fit.file[right][0];
  }

  // Shows a stage. If it is another one, its parts move there.
  show(at) {
    const before = at === this.at ? null : this.heights();
    if (before) this.opened.clear();
    this.at = at;
    this.place();
    this.stop();
    if (!before || this.rows.length > MOVING) {
      this.draw();
      return;
    }
    const after = this.heights();
    this.stop = run((share) => this.move(before, after, share));
  }

  open(id) {
    if (!this.opened.delete(id)) this.opened.add(id);
    this.show(this.at);
    this.body.querySelector(`[data-fold="${id}"]`).focus();
  }

  // The rows that are seen: of what a filter finds all.
  seen() {
    const rows = rowsOf(this.stage, this.fits);
    if (!this.wanted) return folded(rows, this.opened);
    return rows.filter((row) => this.textOf(row).includes(this.wanted)).slice(0, SHOWN);
  }

  textOf({ left, right, to }) {
    const ends = [left === null ? "" : this.fit.model[left][0]];
    if (left !== null) ends.push(this.signs[this.stage.model[left]].label);
    for (const end of [right, to]) {
      if (end === null) continue;
      ends.push(this.fit.file[end][0], this.nameOf(end), this.signs[this.stage.file[end]].label);
    }
    return ends.join(" ").toLowerCase();
  }

  place() {
    this.cells.clear();
    this.shared = new Set(); // keys of the file that reach several of the model
    const seen = new Set();
    for (const end of this.stage.could) (seen.has(end) ? this.shared : seen).add(end);
    this.rows = this.seen();
    const made = this.rows.map((row, at) => {
      const { kind, left, right } = row;
      const cells = row.folded ? this.fold(row) : [this.model(left), this.say(row), this.file(row)];
      const key = row.folded ? row.id : "";
      this.cells.set(`L${key || left}`, cells[0]);
      this.cells.set(`R${key || right}`, cells[2]);
      const isLow = kind === "could" && !row.folded;
      const next = this.rows[at + 1];
      const goesOn = next?.kind === "could" && !next.folded;
      const low = isLow && (goesOn ? "low" : "last");
      return node("div", { class: "inm-fit-row", role: "row", "data-low": low }, ...cells);
    });
    this.body.replaceChildren(...made);
  }

  fold({ id, isOpen, folded: many, kind, more, left, right }) {
    const state = left === null ? this.stage.file[right] : this.stage.model[left];
    const keys = counted(many, "key");
    const says = { fits: "fit", could: "could fit" }[kind] ?? this.signs[state].label;
    const part = isOpen && many > OPEN ? `, ${OPEN} of them shown` : "";
    const words = `${more ? `${count(many)} more` : keys} ${says}${part}`;
    const about = { type: "button", class: "inm-button", "data-fold": id };
    const button = node("button", { ...about, "aria-expanded": String(isOpen) }, words);
    const both = kind !== "alone";
    const other = both ? node("span", "inm-soft", keys) : "";
    return [node("div", KEY, button), node("div", CELL), node("div", KEY, other)];
  }

  // A key, and beneath it what a load says and what stands there.
  cell(key, state, words) {
    const said =
      state === this.fits ? [] : [mark(this.signs[state]), this.signs[state].label, " · "];
    const facts = node("span", "inm-soft", ...said, words);
    return node("div", KEY, node("code", "", ...key), " ", facts);
  }

  model(left) {
    if (left === null) return node("div", CELL, heard("not in the model"));
    const [key, words] = this.fit.model[left];
    return this.cell(breakable(key), this.stage.model[left], this.stage.words[0][left] ?? words);
  }

  file({ right, to, left, kind }) {
    if (right === null) {
      const where = to === null ? "not in the checkpoint" : this.nameOf(to);
      return node("div", CELL, heard(where));
    }
    const [first, words] = this.fit.file[right];
    const isHope = kind === "could" && !this.shared.has(right);
    const hoped = isHope ? this.fit.model[left][0] : this.nameOf(right);
    const { head, gone, come, tail } = partsOf(first, hoped);
    const away = kind === "could" ? "mark" : "del";
    const key = [...breakable(head), gone && node(away, "", gone)];
    key.push(kind === "could" || !come ? "" : node("ins", "", come));
    key.push(node("wbr"), ...breakable(tail));
    return this.cell(key, this.stage.file[right], this.stage.words[1][right] ?? words);
  }

  // What stands between the two: a sign where the line is broken, and the same in words.
  say({ kind, left, right, to }) {
    const cell = (...parts) => node("div", { ...CELL, class: "inm-fit-says" }, ...parts);
    if (kind === "fits") {
      const name = this.fit.model[left][0];
      return cell(heard(this.fit.file[to][0] === name ? "fits" : `fits, as ${name}`));
    }
    if (kind === "apart") return cell(mark(this.signs[this.stage.model[left]]));
    if (kind !== "could") return cell();
    const words = heard(`could fit ${this.nameOf(to)}`);
    return right === null ? cell(words) : cell(node("span", { "aria-hidden": "true" }, "?"), words);
  }

  heights() {
    const found = new Map();
    for (const [name, cell] of this.cells) {
      found.set(name, cell.offsetTop + cell.offsetHeight / 2);
    }
    return found;
  }

  move(before, after, share) {
    const now = new Map();
    for (const [name, cell] of this.cells) {
      const from = before.get(name);
      const to = after.get(name);
      const height = from === undefined ? to : between(from, to, share);
      now.set(name, height);
      cell.style.transform = share === 1 ? "" : `translateY(${height - to}px)`;
      cell.style.opacity = from === undefined && share < 1 ? share : "";
    }
    this.draw(now);
  }

  // Draws the lines again if the keys have other places, as in a window of another width.
  resize() {
    const { offsetWidth, offsetHeight } = this.body;
    if (offsetWidth !== this.drawnAt[0] || offsetHeight !== this.drawnAt[1]) this.draw();
  }

  draw(heights = this.heights()) {
    this.drawnAt = [this.body.offsetWidth, this.body.offsetHeight];
    const gap = this.body.querySelector(".inm-fit-row > :nth-child(2)");
    if (!gap) {
      this.drawing.replaceChildren();
      return;
    }
    const width = gap.offsetWidth;
    Object.assign(this.drawing.style, { left: `${gap.offsetLeft}px`, width: `${width}px` });
    const base = this.fit.stages[this.stage.base];
    const lines = this.rows.map((row) => {
      const ends = [row.left, row.to ?? row.right].map((end, side) => {
        const name = row.folded ? row.id : end;
        return end === null ? null : (heights.get("LR"[side] + name) ?? null);
      });
      const isNew = base && row.kind === "fits" && base.wire[row.left] !== row.to;
      const name = row.folded && row.kind !== "alone" ? `${row.kind} inm-fit-bundle` : row.kind;
      const look = `inm-fit-line inm-fit-${name}${isNew ? " inm-fit-new" : ""}`;
      return drawn("path", { class: look, d: lineOf(row, ...ends, width) });
    });
    this.drawing.replaceChildren(...lines);
  }
}
