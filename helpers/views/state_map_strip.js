// The strip over the map: each part of the model is as wide as its bytes, in the colours of its
// kinds. A part that is divided is a bar over its own parts.

import { node, shades } from "./dom.js";

const NARROW = 44; // px, in which there is no room for a name
const LEVEL = 24; // px, of a bar over the parts of a part
const LEAST = 44; // px, of a piece that the lowest level has
const WORDS = "Each part is as wide as its bytes. Point at one to see its name.";

let strips = 0; // for ids of pieces within this page

export class Strip {
  pieces = []; // those that can be selected
  parts = []; // the element of each
  lit = -1; // the place of the one that is selected, or that the selected row stands in

  constructor(signs, pick) {
    strips += 1;
    Object.assign(this, { signs, pick, prefix: `inm-strip-${strips}` });
    const about = { role: "listbox", "aria-label": "Bytes of the parts of the model" };
    const level = { "aria-orientation": "horizontal", tabindex: 0 };
    const style = `--inm-level:${LEVEL}px`;
    this.list = node("div", { class: "inm-strip-list", style, ...about, ...level });
    this.told = node("div", "inm-strip-told inm-soft", WORDS);
    this.element = node("div", "inm-strip", this.list, this.told);
  }

  read(strip) {
    const depth = Math.max(0, ...strip.map(({ level }) => level));
    this.list.style.height = `${depth * LEVEL + LEAST}px`;
    this.pieces = strip.filter(({ kind }) => kind);
    this.parts = this.pieces.map((piece, place) => this.partOf(piece, place));
    const rests = strip.filter(({ kind }) => !kind).map((rest) => this.restOf(rest));
    this.list.replaceChildren(...this.parts, ...rests);
    this.element.hidden = this.pieces.length === 0;
  }

  partOf(piece, place) {
    const { path, kind, memory, divided, fills = [] } = piece;
    const about = {
      id: `${this.prefix}-${place}`,
      role: "option",
      "data-place": place,
      "aria-label": `${path}, ${this.signs[kind].label}, ${memory}`,
    };
    const colours = fills.map(([held, width]) => {
      const style = `width:${width}%;${shades(this.signs[held])}`;
      const { hollow } = this.signs[held];
      const fill = { class: "inm-strip-fill", "data-kind": held, "data-hollow": hollow, style };
      return node("span", fill);
    });
    return this.boxOf(piece, divided ? "inm-strip-divided" : "", about, colours);
  }

  restOf(rest) {
    return this.boxOf(rest, "inm-strip-rest", { "aria-hidden": "true", title: rest.memory }, []);
  }

  boxOf({ name, level, left, width }, kind, about, colours) {
    const style = `left:${left}%;width:${width}%;top:${level * LEVEL}px`;
    const label = node("span", "inm-strip-name", name);
    return node("div", { class: `inm-strip-piece ${kind}`, style, ...about }, ...colours, label);
  }

  measure() {
    for (const part of this.list.children) {
      part.classList.toggle("inm-strip-narrow", part.clientWidth < NARROW);
    }
  }

  // Shows where the row that is selected stands.
  light(row) {
    this.lit = row ? this.placeOf(row) : -1;
    for (const [place, part] of this.parts.entries()) {
      part.setAttribute("aria-selected", String(place === this.lit));
    }
    const part = this.parts[this.lit];
    if (part) this.list.setAttribute("aria-activedescendant", part.id);
    else this.list.removeAttribute("aria-activedescendant");
    this.tell(this.lit);
  }

  // Its own piece, that of another name of the tensor, or the narrowest that it is in.
  placeOf({ id, names = [] }) {
    const own = this.pieces.findIndex((piece) => piece.id === id || names.includes(piece.path));
    if (own >= 0) return own;
    return this.pieces.findLastIndex((piece) => piece.id && id.startsWith(`${piece.id}.`));
  }

  tell(place) {
    const piece = this.pieces[place];
    this.told.textContent = piece ? `${piece.path}: ${piece.memory}` : WORDS;
  }

  onPoint({ target }) {
    const place = target.closest("[data-place]")?.dataset.place;
    this.tell(place === undefined ? this.lit : Number(place));
  }

  onClick({ target }) {
    const place = target.closest("[data-place]")?.dataset.place;
    if (place !== undefined) this.pick(this.pieces[place].id);
  }

  onKey(event) {
    const { lit, pieces } = this;
    const { level = 0, divided } = pieces[lit] ?? {};
    const places = {
      ArrowRight: lit + 1,
      ArrowLeft: lit - 1,
      ArrowDown: divided ? lit + 1 : lit,
      ArrowUp: pieces.slice(0, Math.max(lit, 0)).findLastIndex((piece) => piece.level < level),
      Home: 0,
      End: pieces.length - 1,
    };
    if (!(event.key in places)) return;
    event.preventDefault();
    const piece = pieces[places[event.key]];
    if (piece) this.pick(piece.id);
  }
}
