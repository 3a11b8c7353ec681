// Wires from names to what they reach. They are drawn over the gap between the two columns, and
// move when a name comes to reach something else.

import { node, shades } from "./dom.js";
import { between, run } from "./motion.js";
import { drawn } from "./svg.js";

const shape = (from, to) => `M 0 ${from} C 45 ${from}, 55 ${to}, 100 ${to}`;

export class Wires {
  wires = new Map(); // row of a name -> {path, from, to}: heights in the picture
  moving = false;
  stop = () => {}; // leaves a movement where it is

  constructor() {
    this.picture = drawn("svg", { preserveAspectRatio: "none" });
    this.element = node("div", { class: "inm-memory-wires", "aria-hidden": "true" }, this.picture);
  }

  // Draws a wire for each of `ends`: {row, kind, sign, from, to}, from one element of the page to
  // another. With `moving`, those that were there before move.
  show(ends, moving) {
    const { top, height } = this.element.getBoundingClientRect();
    if (!height) return; // not on the page yet
    const moves = moving || this.moving; // one that is under way goes on
    this.stop();
    this.picture.setAttribute("viewBox", `0 0 100 ${height}`);
    const middle = (element) => {
      const box = element.getBoundingClientRect();
      return box.top + box.height / 2 - top;
    };
    const before = this.wires;
    this.wires = new Map();
    for (const { row, kind, sign, from, to } of ends) {
      const start = before.get(row)?.now;
      const about = { class: "inm-memory-wire", "data-kind": kind, "data-row": row };
      const path = drawn("path", { ...about, style: shades(sign) });
      const wire = { path, from: middle(from), to: middle(to) };
      wire.start = moves && start !== undefined ? start : wire.to;
      this.wires.set(row, wire);
    }
    this.picture.replaceChildren(...[...this.wires.values()].map(({ path }) => path));
    this.move();
  }

  move() {
    const wires = [...this.wires.values()];
    const draw = (share) => {
      this.moving = share < 1;
      for (const wire of wires) {
        wire.now = between(wire.start, wire.to, share);
        wire.path.setAttribute("d", shape(wire.from, wire.now));
      }
    };
    if (wires.some(({ start, to }) => start !== to)) this.stop = run(draw);
    else draw(1);
  }
}
