// The local names and the containers on the right of the player.

import { breakable, mark, node } from "./dom.js";
import { FLIGHT, isStill } from "./motion.js";
import { andMore } from "./words.js";

const TRAY = "in hand";
const ROOM = 24; // px before and after what is scrolled to

function nameOf([name, words]) {
  const head = node("th", { scope: "row" }, node("code", "", name));
  return node("tr", "", head, node("td", "", words));
}

export class State {
  drawn = ""; // what the containers and the tray show
  locals = node("table", "inm-player-locals");
  boxes = node("div");

  // `name` tells it from that of the other film, if there are two.
  constructor(film, signs, name) {
    Object.assign(this, { film, signs, name });
    const label = `Local names and containers${name && ` of the ${name} trace`}`;
    const side = name && node("div", "inm-player-side", `${film.run + 1} · ${name}`);
    const names = node("div", "inm-player-names", side, this.locals);
    const own = { class: "inm-player-state", tabindex: 0, role: "group", "aria-label": label };
    this.element = node("div", own, names, this.boxes);
  }

  // Shows the step at `position`.
  show(position) {
    const { state, values } = this.film.stepAt(position);
    const locals = this.film.values[values] ?? [];
    const text = this.film.textAt(position);
    const spoken = locals.filter(([name]) => text.match(/\w+/g)?.includes(name));
    // Where there are two, there is room for what the line speaks of.
    this.locals.replaceChildren(...(this.name ? spoken : locals).map(nameOf));
    this.draw(position, state);
    const lit = spoken.map(([, words]) => words); // a container stands there by its name
    for (const box of this.boxes.children) {
      const isLit = lit.includes(box.dataset.box);
      if (isLit && !box.hasAttribute("data-lit")) this.seek(box);
      box.toggleAttribute("data-lit", isLit);
    }
  }

  // Scrolls to an element of the boxes that is not seen whole.
  seek(one) {
    const { element } = this;
    const top = one.offsetTop - element.scrollTop;
    const below = top + one.offsetHeight - element.clientHeight;
    if (top < 0) element.scrollTop += top - ROOM;
    else if (below > 0) element.scrollTop += Math.min(top, below + ROOM);
  }

  draw(position, state) {
    const changes = this.film.changesAt(position);
    const hand = this.film.inHandAt(position);
    const isLost = hand.some(({ lost }) => lost <= position);
    const drawn = JSON.stringify([state, changes, hand, isLost]);
    if (this.drawn === drawn) return;
    this.drawn = drawn;
    const boxes = this.film.states[state].map((held, box) => {
      const mine = changes.filter((change) => change.box === box);
      return this.boxOf(this.film.containers[box], held, mine);
    });
    const tray = this.trayOf(hand, position);
    const flights = [tray, ...boxes].flatMap(({ came }) => came);
    const [first, second, ...others] = boxes.map(({ element }) => element);
    this.boxes.replaceChildren(first, second, tray.element, ...others);
    const changed = this.boxes.querySelector(`[data-change]:not([data-change="held"])`);
    if (changed) this.seek(changed);
    for (const { item, origin } of flights) this.fly(item, origin);
  }

  // What has left its container and is in none: an assignment has it in hand.
  trayOf(hand, position) {
    const came = [];
    const items = hand.map(({ entry, from, lost }) => {
      const isLost = lost <= position;
      const item = this.itemOf(entry, isLost ? "lost" : "held", isLost ? "the name is lost" : "");
      const left = this.film.changesAt(from).find((change) => change.entry === entry);
      if (from === position) came.push({ item, origin: this.film.containers[left.box] });
      return item;
    });
    const list = items.length ? node("ul", "", ...items) : node("span", "inm-soft", "nothing");
    const about = { class: "inm-player-tray", "data-box": TRAY };
    return { element: node("div", about, node("div", "inm-player-head", TRAY), list), came };
  }

  // One container with its `changes`, and of what came in the items and where they came from.
  boxOf(name, { there, held, more }, changes) {
    const staying = changes.filter(({ verb }) => verb !== "left");
    const leaving = changes.filter(({ verb }) => verb === "left");
    const came = [];
    const items = held.map((entry) => {
      const own = this.film.entries[entry].name;
      const change = staying.find((one) => this.film.entries[one.entry].name === own);
      const words = change?.verb === "came" ? "came in" : change?.verb;
      const item = this.itemOf(entry, change?.verb, words);
      if (change?.verb === "came") came.push({ item, origin: this.originOf(change, own) });
      return item;
    });
    items.push(...leaving.map(({ entry }) => this.itemOf(entry, "left", "left")));
    if (more) items.push(node("li", "inm-soft", andMore(more)));
    const none = node("span", "inm-soft", there ? "empty" : "not there");
    const list = items.length ? node("ul", "", ...items) : none;
    const about = { class: "inm-player-box", "data-box": name };
    const head = node("div", "inm-player-head", ...breakable(name));
    return { element: node("div", about, head, list), came };
  }

  itemOf(entry, change, words) {
    const { name, kind, words: about } = this.film.entries[entry];
    const sign = this.signs[kind];
    const label = node("span", "inm-soft", about || sign.label);
    const said = words ? node("b", "inm-player-change", words) : "";
    const parts = [mark(sign), node("code", "", name), " ", label, said];
    return node("li", { "data-change": change }, ...parts);
  }

  originOf({ at, origin }, name) {
    const wasInHand = this.film.inHandAt(at - 1).some((one) => one.name === name);
    return wasInHand ? TRAY : origin;
  }

  // A name that comes in moves from where it was last, or from the local names.
  fly(item, origin) {
    const left = this.boxes.querySelector(`[data-box="${origin || "none"}"]`);
    const from = left ?? this.locals.lastElementChild;
    if (!from || isStill()) return;
    const [a, b] = [from, item].map((element) => element.getBoundingClientRect());
    const start = `translate(${a.left - b.left}px, ${a.top - b.top}px)`;
    const frames = [{ transform: start }, { transform: "none" }];
    item.animate(frames, { duration: FLIGHT, easing: "ease-out" });
  }
}
