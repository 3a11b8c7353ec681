// The tree of the map. Only the rows in sight are in the page, each at its place from the top.

import { mark, node } from "./dom.js";
import { isModule, parentOf, signOf } from "./state_map_rows.js";
import { andMore } from "./words.js";

const arrowOf = (isOpen) => (isOpen ? "▾" : "▸");

let trees = 0; // for ids of rows within this page

export class Tree {
  items = []; // what is shown, from top to bottom
  selected = "";
  onMore = null; // the place of a line to be opened, while the keyboard stands on it
  rowHeight = 0;

  // `on` has what a reader asks for: select(id), open(id, wanted), more(id), plain(id, place),
  // filter(), clear().
  constructor(rows, signs, on) {
    trees += 1;
    Object.assign(this, { rows, signs, on, prefix: `inm-map-${trees}` });
    this.spacer = node("div", { class: "inm-map-spacer", role: "presentation" });
    const about = { role: "tree", "aria-label": "State of the model" };
    this.element = node("div", { class: "inm-map-tree", tabindex: 0, ...about }, this.spacer);
  }

  show() {
    if (this.rows.filter?.waiting) return; // what was found before stays until the answer is here
    this.items = this.rows.items();
    this.onMore = null;
    this.element.hidden = this.items.length === 0;
    this.measure();
    if (this.items.length) this.spacer.style.height = `${this.items.length * this.rowHeight}px`;
    this.scrollTo(this.placeOfSelected());
    this.draw();
  }

  // Row heights follow the font size, which changes with the theme; 0 until the view is in sight.
  measure() {
    if (this.rowHeight) return;
    const probe = node("div", "inm-map-row", "x");
    this.spacer.append(probe);
    this.rowHeight = probe.offsetHeight;
    probe.remove();
  }

  placeOfSelected() {
    return this.items.findIndex((item) => item.id === this.selected && !item.act);
  }

  placeOfKeyboard() {
    return this.onMore ?? this.placeOfSelected();
  }

  draw(event) {
    if (!this.rowHeight) return;
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - 4);
    const seen = Math.ceil(clientHeight / this.rowHeight) + 8;
    const last = Math.min(this.items.length, first + seen);
    const kept = this.sweep(event?.type === "scroll", first, last);
    const here = this.placeOfKeyboard();
    let next = this.spacer.firstChild;
    for (let place = first; place < last; place += 1) {
      if (kept.has(place)) next = kept.get(place).nextSibling;
      else this.spacer.insertBefore(this.rowAt(place, here), next);
    }
    this.activate(here >= first && here < last ? `${this.prefix}-${here}` : null);
  }

  // Takes away the rows that are drawn anew. What stays in sight while it scrolls stays the element
  // that it is: else a press under way would lose its click.
  sweep(scrolls, first, last) {
    const kept = new Map();
    for (const row of [...this.spacer.children]) {
      const place = Number(row.dataset.place);
      if (scrolls && place >= first && place < last) kept.set(place, row);
      else row.remove();
    }
    return kept;
  }

  activate(id) {
    if (id === null) this.element.removeAttribute("aria-activedescendant");
    else this.element.setAttribute("aria-activedescendant", id);
  }

  rowAt(place, here) {
    const { id, depth, act, n } = this.items[place];
    const line = {
      id: `${this.prefix}-${place}`,
      "data-place": place,
      role: "treeitem",
      "aria-level": depth + 1,
      "aria-selected": String(place === here),
      style: `top:${place * this.rowHeight}px;padding-left:${0.4 + depth * 1.25}em`,
    };
    if (act) {
      const isOpen = act === "plain" && this.rows.unfolded.has(id);
      const words = act === "more" ? `${andMore(n)}: show the next` : `+${n} plain`;
      const about = {
        "aria-label": words,
        "aria-expanded": act === "plain" && String(isOpen),
      };
      const fold = node("span", "inm-map-fold", act === "plain" ? arrowOf(isOpen) : "");
      return node("div", { ...line, ...about, class: "inm-map-row inm-map-more" }, fold, words);
    }
    const row = this.rows.get(id);
    const sign = signOf(row, this.signs);
    const isOpen = this.rows.isOpen(id, this.items[place + 1]);
    const around = this.rows.filter && !this.rows.filter.matches.has(id);
    const about = {
      class: `inm-map-row${around ? " inm-map-around" : ""}`,
      "data-kind": row.kind,
      "aria-label": `${row.name}, ${sign.label}, ${row.note}`,
      "aria-expanded": isModule(row) && String(isOpen),
    };
    return node("div", { ...line, ...about }, ...this.partsOf(row, sign, isOpen));
  }

  partsOf(row, sign, isOpen) {
    const fold = { class: "inm-map-fold", "aria-hidden": "true" };
    return [
      node("span", fold, isModule(row) ? arrowOf(isOpen) : ""),
      mark(sign),
      node("span", { class: "inm-map-name", title: row.path || row.name }, row.name),
      node("span", "inm-map-note", row.note),
    ];
  }

  scrollTo(place) {
    if (place < 0) return;
    const { element, rowHeight } = this;
    const top = place * rowHeight;
    const bottom = top + rowHeight - element.clientHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop) element.scrollTop = bottom;
  }

  select(id) {
    this.onMore = null;
    this.selected = id;
    this.scrollTo(this.placeOfSelected());
    this.draw();
  }

  standOnMore(place) {
    this.onMore = place;
    this.scrollTo(place);
    this.draw();
  }

  onClick(event) {
    const place = this.placeOfClick(event);
    const item = this.items[place];
    if (!item) return;
    if (item.act) {
      this.on[item.act](item.id, place);
      return;
    }
    const fold = this.spacer.querySelector(`[data-place="${place}"] .inm-map-fold`);
    const box = fold?.getBoundingClientRect();
    const onFold = box && event.clientX >= box.left && event.clientX <= box.right;
    this.on.select(item.id);
    if (onFold || event.detail === 2) this.on.open(item.id, !this.rows.open.has(item.id));
  }

  // Rows drawn anew between press and release leave the click to the tree: then its height tells.
  placeOfClick(event) {
    const row = event.target.closest(".inm-map-row");
    if (row) return Number(row.dataset.place);
    const top = this.spacer.getBoundingClientRect().top;
    return Math.floor((event.clientY - top) / this.rowHeight);
  }

  onKey(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 1);
    const { length } = this.items;
    const acts = {
      ArrowUp: () => this.move(-1),
      ArrowDown: () => this.move(1),
      PageUp: () => this.move(-page),
      PageDown: () => this.move(page),
      Home: () => this.move(-length),
      End: () => this.move(length),
      ArrowRight: () => this.goIn(),
      ArrowLeft: () => this.goOut(),
      Enter: () => this.enter(),
      " ": () => this.enter(),
      "/": () => this.on.filter(),
    };
    if (this.rows.filter) acts.Escape = () => this.on.clear();
    if (!(event.key in acts)) return;
    acts[event.key]();
    event.preventDefault();
  }

  move(by) {
    const from = this.placeOfKeyboard();
    const to = Math.min(this.items.length - 1, Math.max(0, from + by));
    if (this.items[to].act) this.standOnMore(to);
    else this.on.select(this.items[to].id);
  }

  enter() {
    const line = this.items[this.onMore];
    if (line) this.on[line.act](line.id, this.onMore);
    else this.on.open(this.selected, !this.rows.open.has(this.selected));
  }

  goIn() {
    const place = this.placeOfKeyboard();
    const next = this.items[place + 1];
    const closed = isModule(this.rows.get(this.selected)) && !this.rows.open.has(this.selected);
    if (closed && !this.rows.filter) this.on.open(this.selected, true);
    else if (next?.depth > this.items[place].depth) this.on.select(next.id);
  }

  goOut() {
    const isOpen = this.rows.open.has(this.selected) && !this.rows.filter;
    if (this.onMore !== null) this.on.select(this.items[this.onMore].id);
    else if (isOpen) this.on.open(this.selected, false);
    else if (this.selected !== "") this.on.select(parentOf(this.selected));
  }
}
