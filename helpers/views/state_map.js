// The map of a module's state. Folding, filtering and selecting happen here; the kernel is asked
// for the children of a large model when they are opened, for a filter over one, and for a preview.

import { mark, node } from "./dom.js";
import { enter, hear } from "./life.js";
import { Details } from "./state_map_details.js";
import { IN_SIGHT, isModule, parentOf, Rows } from "./state_map_rows.js";
import { Strip } from "./state_map_strip.js";
import { Tree } from "./state_map_tree.js";
import { count, counted } from "./words.js";

const MOST_ASKED = 8;
const PAUSE = 120; // ms between the last letter of a filter and the question to Python

function legendOf(signs) {
  const parts = Object.values(signs).map((sign) => node("span", "", mark(sign), sign.label));
  return node("div", "inm-map-legend", ...parts);
}

function countOf({ matches, more }) {
  const all = matches.size + more;
  if (all === 0) return "Nothing has this in its name";
  const words = counted(all, "match", "matches");
  return more ? `${words}, the first ${count(matches.size)} shown` : words;
}

class StateMap {
  rows = new Rows();
  seeking = MOST_ASKED; // questions that are left in search of the first tensor
  wanted = undefined; // the id of a row that is not here yet and will be selected
  typing = 0;
  sums = node("dl", "inm-map-totals");
  status = node("div", { class: "inm-map-status", role: "status" });
  refresh = node(
    "button",
    { class: "inm-button", type: "button", title: "Read the model again" },
    "Refresh",
  );
  input = node("input", {
    class: "inm-field inm-map-filter",
    type: "search",
    placeholder: "Filter by name ( / )",
    spellcheck: "false",
    autocomplete: "off",
    "aria-label": "Filter by name",
  });

  constructor(model) {
    this.model = model;
    const words = JSON.parse(model.get("words"));
    this.details = new Details(words, (request) => model.send(request));
    this.strip = new Strip(words.signs, (id) => this.goTo(id));
    this.tree = new Tree(this.rows, words.signs, {
      select: (id) => this.select(id),
      open: (id, wanted) => this.setOpen(id, wanted),
      more: (id) => this.askFor(id),
      plain: (id, place) => this.togglePlain(id, place),
      filter: () => this.startFilter(),
      clear: () => this.clearFilter(),
    });
    const bar = node("div", "inm-bar", this.input, this.refresh, this.status);
    const body = node("div", "inm-map-body", this.tree.element, this.details.element);
    const parts = [this.sums, this.strip.element, bar, body, legendOf(words.signs)];
    this.root = node(
      "div",
      { class: "inm inm-map", style: `--inm-in-sight:${IN_SIGHT}` },
      ...parts,
    );
  }

  read() {
    const rows = this.model.get("rows");
    if (!rows.length) return; // between two readings
    this.rows.read(rows);
    if (!this.rows.byId.has(this.tree.selected)) this.tree.selected = "";
    const totals = this.model.get("totals");
    this.rows.get("").totals = totals;
    const sums = totals.told.map(([words, number]) =>
      node("div", "", node("dt", "", words), node("dd", "", number)),
    );
    this.sums.replaceChildren(...sums);
    this.strip.read(this.model.get("strip"));
    this.wanted = undefined;
    this.status.textContent = "";
    this.show();
    this.seek();
  }

  // The reader sees state at first sight: what is around the first tensor is opened.
  seek() {
    if (!this.seeking) return;
    const { id, ask } = this.rows.firstTensor();
    if (ask === undefined) this.seeking = 0;
    else this.seeking -= 1;
    if (ask !== undefined) this.askFor(ask);
    if (id === undefined) return;
    this.rows.reveal(id);
    this.tree.selected = id;
    this.show();
  }

  togglePlain(id, place) {
    const { unfolded } = this.rows;
    if (!unfolded.delete(id)) unfolded.add(id);
    else if (parentOf(this.tree.selected) === id) this.tree.selected = id;
    this.show();
    this.tree.standOnMore(place);
  }

  show() {
    this.tree.show();
    this.showDetails();
  }

  showDetails() {
    const row = this.rows.get(this.tree.selected);
    this.details.show(row);
    this.strip.light(row);
  }

  // Selects a row that may be out of sight, or not here yet: then what is missing is asked for.
  goTo(id) {
    this.seeking = 0;
    this.wanted = id;
    if (this.rows.filter) this.clearFilter();
    this.arrive();
  }

  arrive() {
    if (this.wanted === undefined) return;
    const missing = this.rows.missingFor(this.wanted);
    if (missing !== undefined) {
      this.askFor(missing);
      return;
    }
    const id = this.wanted;
    this.wanted = undefined;
    this.rows.reveal(id);
    this.tree.selected = id;
    this.tree.onMore = null;
    this.show();
  }

  select(id) {
    this.tree.select(id);
    this.showDetails();
  }

  setOpen(id, wanted) {
    const row = this.rows.get(id);
    if (!isModule(row) || this.rows.filter) return;
    if (wanted) this.rows.open.add(id);
    else this.rows.open.delete(id);
    const inside = this.tree.selected.startsWith(id === "" ? "" : `${id}.`);
    if (!wanted && inside) this.tree.selected = id;
    if (wanted && !row.children) this.askFor(id);
    else this.show();
  }

  // Asks for the next children of a module.
  askFor(id) {
    this.tree.onMore = null;
    const { path, children = [] } = this.rows.get(id);
    this.model.send({ type: "children", id, path, start: children.length });
  }

  onMessage(reply) {
    if (reply.error) {
      this.wanted = undefined;
      this.status.textContent = reply.error;
    } else if (reply.type === "children") {
      this.onChildren(reply);
    } else if (reply.type === "filter" && this.rows.filter?.text === reply.text) {
      this.rows.found(reply);
      this.showFound();
    } else {
      this.onFacts(reply);
    }
  }

  onChildren(reply) {
    if (!this.rows.add(reply)) return;
    // The reader goes on where the page ended.
    if (reply.start > 0 && reply.rows.length) this.tree.selected = reply.rows[0].id;
    this.show();
    this.seek();
    this.arrive();
  }

  onFacts({ type, id, names, seen, totals, text }) {
    const row = this.rows.get(id);
    if (!row) return;
    if (type === "about") Object.assign(row, names ? { names, seen } : { totals });
    if (type === "preview") row.preview = text;
    if (id === this.tree.selected) this.showDetails();
  }

  startFilter() {
    this.input.focus();
    this.input.select();
  }

  onFilter() {
    const text = this.input.value.trim().toLowerCase();
    clearTimeout(this.typing);
    if (!text) {
      this.endFilter();
      return;
    }
    this.rows.startFilter(text);
    if (this.model.get("whole")) {
      this.rows.search();
      this.showFound();
      return;
    }
    this.status.textContent = "Searching the whole model …";
    this.typing = setTimeout(() => this.model.send({ type: "filter", text }), PAUSE);
  }

  clearFilter() {
    this.input.value = "";
    this.onFilter();
  }

  endFilter() {
    this.rows.filter = null;
    this.status.textContent = "";
    if (!this.rows.reveal(this.tree.selected)) this.tree.selected = "";
    this.show();
  }

  showFound() {
    const { filter } = this.rows;
    this.status.textContent = countOf(filter);
    const lost = filter.matches.size && !filter.matches.has(this.tree.selected);
    if (lost) this.tree.selected = this.rows.firstMatch();
    this.show();
  }

  onInputKey(event) {
    if (!["Escape", "ArrowDown", "Enter"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Escape") this.clearFilter();
    this.tree.element.focus();
  }
}

function render({ model, el }) {
  const map = new StateMap(model);
  const { tree, input, strip } = map;
  const { on, leave } = enter(el, map.root);
  on(tree.element, "scroll", (event) => tree.draw(event));
  on(tree.element, "click", (event) => tree.onClick(event));
  on(tree.element, "keydown", (event) => tree.onKey(event));
  on(strip.list, "click", (event) => strip.onClick(event));
  on(strip.list, "keydown", (event) => strip.onKey(event));
  on(strip.list, "pointerover", (event) => strip.onPoint(event));
  on(strip.list, "pointerleave", () => strip.tell(strip.lit));
  on(input, "input", () => map.onFilter());
  on(input, "keydown", (event) => map.onInputKey(event));
  on(map.refresh, "click", () => model.send({ type: "refresh" }));
  const silence = hear(model, {
    "msg:custom": (reply) => map.onMessage(reply),
    "change:rows": () => map.read(),
  });
  const resized = new ResizeObserver(() => {
    tree.rowHeight = 0;
    map.show();
    strip.measure();
  });
  map.read();
  resized.observe(tree.element);
  return () => {
    resized.disconnect();
    silence();
    leave();
  };
}

export default { render };
