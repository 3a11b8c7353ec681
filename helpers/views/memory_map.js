// Names on the left, blocks of memory on the right, wires between them; stepped through frame by
// frame. All frames came with the view, so nothing asks the kernel.

import { breakable, mark, node } from "./dom.js";
import { enter, hear } from "./life.js";
import { MemoryFilm } from "./memory_map_film.js";
import { Wires } from "./memory_map_wires.js";
import { actionOf, stepButtons } from "./scrub.js";
import { count } from "./words.js";

function numberOf(number, isChanged) {
  return isChanged ? node("b", "inm-memory-changed", number) : node("span", "", number);
}

// Where in its block a part lies.
function barOf([start, end]) {
  const inside = node("span");
  inside.style.setProperty("--inm-start", `${start * 100}%`);
  inside.style.setProperty("--inm-width", `${(end - start) * 100}%`);
  return node("span", { class: "inm-memory-bar", "aria-hidden": "true" }, inside);
}

function partOf({ numbers, changed, touched, more, why, words, bar }) {
  const parts = numbers.map((number, at) => numberOf(number, changed.includes(at)));
  if (more && parts.length) parts.push(numberOf("…", touched && !changed.length));
  const line = node("div", "inm-memory-numbers", ...parts, node("span", "inm-soft", why));
  const place = words ? node("div", "inm-soft", words) : "";
  return node("li", { "data-touched": touched }, line, bar.length ? barOf(bar) : "", place);
}

function blockOf(letter, block) {
  if (!block) return node("li", { class: "inm-memory-block", "data-state": "none" }, letter);
  const { size, state, words, parts } = block;
  const label = node("b", "inm-memory-letter", letter);
  const said = node("span", "inm-soft", words ? `${size}, ${words}` : size);
  const head = node("div", "inm-memory-head", label, said);
  const held = parts.length ? [node("ul", "", ...parts.map(partOf))] : [];
  return node("li", { class: "inm-memory-block", "data-state": state }, head, ...held);
}

class MemoryMap {
  position = 0;
  names = node("ul", { class: "inm-memory-names", "aria-label": "Names" });
  blocks = node("ul", { class: "inm-memory-blocks", "aria-label": "Blocks of memory" });
  status = node("div", { class: "inm-memory-status", role: "status" });
  more = node("div", "inm-memory-more inm-soft");
  counter = node("span", "inm-scrub-count");
  slider = node("input", { type: "range", min: 0, "aria-label": "Frame" });
  wires = new Wires();
  actions = {
    first: () => this.go(0),
    back: () => this.go(this.position - 1),
    forward: () => this.go(this.position + 1),
    last: () => this.go(this.film.last),
  };

  constructor(film, signs) {
    this.signs = signs;
    this.body = node("div", "inm-memory-body", this.names, this.wires.element, this.blocks);
    const parts = [this.controls(), this.status, this.body, this.more];
    this.root = node("div", "inm inm-memory", ...parts);
    this.take(film);
  }

  controls() {
    this.bar = node(
      "div",
      { class: "inm-scrub", role: "group", "aria-label": "Frames" },
      ...stepButtons("frame"),
      this.slider,
      this.counter,
    );
    return this.bar;
  }

  // A film that has come, or has grown.
  take(film) {
    this.film = new MemoryFilm(film);
    this.slider.max = this.film.last;
    this.bar.hidden = !this.film.last;
  }

  // Shows the frame at `to`, or the nearest there is.
  go(to) {
    this.position = Math.max(0, Math.min(this.film.last, to));
    const { words, said, names, blocks, more } = this.film.frames[this.position];
    this.names.replaceChildren(...names.map((view, row) => this.nameOf(view, row)));
    this.blocks.replaceChildren(
      ...this.film.letters.map((letter, at) => blockOf(letter, blocks[at])),
    );
    const place = [this.position + 1, this.film.last + 1].map(count);
    this.slider.value = this.position;
    this.slider.setAttribute("aria-valuetext", `frame ${place[0]} of ${place[1]}, ${words}`);
    this.counter.textContent = place.join(" / ");
    this.more.replaceChildren(...more.map((line) => node("div", "", line)));
    this.status.replaceChildren(node("b", "", node("bdi", "", words)), `: ${said}.`);
    this.draw(true);
  }

  nameOf(view, row) {
    const { names, sources } = this.film;
    const gone = view ? "" : "gone";
    const state = gone && !this.film.came(row, this.position) ? "none" : gone;
    const { kind, tensor, block, why } = view ?? this.film.known(row);
    const first = row > 0 && sources[row - 1] !== sources[row];
    const facts = node("span", "inm-soft", gone || why || tensor);
    const label = node("code", "", ...breakable(names[row]));
    const words = node("span", "inm-memory-name", mark(this.signs[kind]), label);
    const end = node("b", "inm-memory-end", view && block ? block : "–");
    const states = { "data-state": state, "data-first": first };
    return node("li", states, node("span", "inm-memory-words", words, facts), end);
  }

  draw(moving) {
    const { names } = this.film.frames[this.position];
    const ends = names.flatMap((view, row) => {
      if (!view?.block) return [];
      const block = this.blocks.children[this.film.letters.indexOf(view.block)];
      const to = block.querySelectorAll("ul > li")[view.part];
      const from = this.names.children[row].lastElementChild;
      return [{ row, kind: view.kind, sign: this.signs[view.kind], from, to }];
    });
    this.wires.show(ends, moving);
  }

  onKey(event) {
    const act = this.actions[actionOf(event, this.slider)];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

function render({ model, el }) {
  const map = new MemoryMap(model.get("film"), model.get("signs"));
  const { on, leave } = enter(el, map.root);
  for (const one of map.bar.querySelectorAll("button")) {
    on(one, "click", () => map.actions[one.dataset.action]());
  }
  on(map.slider, "input", () => map.go(Number(map.slider.value)));
  on(map.root, "keydown", (event) => map.onKey(event));
  const grown = () => {
    map.take(model.get("film"));
    map.go(map.film.last);
  };
  const unhear = hear(model, { "change:film": grown });
  const resized = new ResizeObserver(() => map.draw(false));
  map.go(map.film.last);
  resized.observe(map.body);
  return () => {
    map.wires.stop();
    resized.disconnect();
    unhear();
    leave();
  };
}

export default { render };
