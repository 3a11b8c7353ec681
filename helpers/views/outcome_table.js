// Tables of attempts, one for each route. A cell opens its film under its table: one sentence, and
// the lines that ran. Python is asked for it, since nothing here knows what torch does.

import { mark, node } from "./dom.js";
import { enter, hear } from "./life.js";
import { Roving } from "./roving.js";
import { playerOf } from "./trace_player_whole.js";

const NONE = -1;

function headingOf(words, scope) {
  const role = scope === "col" ? "columnheader" : "rowheader";
  return node("th", { role, scope }, words);
}

// What stands in a cell: the sign of a kind of state with its words, or the words on an error.
function wordsOf({ kind, words }, signs) {
  const [first, ...others] = words;
  const sign = kind && mark(signs[kind]);
  const below = others.map((line) => node("span", "inm-attempts-below", line));
  return [...(sign ? [sign] : []), first, ...below];
}

function attemptOf(cell, about, signs) {
  if (!cell) return node("td", { role: "gridcell" });
  const button = node(
    "button",
    {
      type: "button",
      class: "inm-attempts-cell",
      tabindex: -1,
      "aria-pressed": "false",
      "aria-label": `${about}: ${cell.words.join(", ")}`,
      "data-at": cell.at,
      "data-look": cell.look,
    },
    node("span", "", ...wordsOf(cell, signs)),
  );
  return node("td", { role: "gridcell" }, button);
}

// The table of one route, and the place under it for a film.
class Table {
  body = node("tbody", { role: "rowgroup" });
  said = node("div", { class: "inm-attempts-said inm-prose", role: "status" });
  closing = node("button", { type: "button", class: "inm-button", hidden: true }, "Close");
  film = node("div", "inm-attempts-film");
  player = null;

  constructor({ route, caption, homes, rows }, signs) {
    const heads = ["value", ...homes].map((words) => headingOf(words, "col"));
    const head = node("thead", { role: "rowgroup" }, node("tr", { role: "row" }, ...heads));
    for (const { values, cells } of rows) {
      const drawn = cells.map((cell, at) => attemptOf(cell, `${values}, ${homes[at]}`, signs));
      this.body.append(node("tr", { role: "row" }, headingOf(values, "row"), ...drawn));
    }
    const [by, when] = caption;
    const label = caption.join(route);
    const about = { class: "inm-attempts-table", role: "grid", "aria-label": label };
    const scroll = node("div", "inm-scroll", node("table", about, head, this.body));
    const above = node("div", "inm-attempts-head", by, node("code", "", route), when);
    const bar = node("div", "inm-attempts-bar", this.said, this.closing);
    this.under = node("div", "", bar, this.film);
    this.element = node("div", "inm-attempts-route", above, scroll, this.under);
    this.roving = new Roving(this.body);
    this.roving.stand(0, 0);
  }

  buttonAt(at) {
    return this.body.querySelector(`[data-at="${at}"]`);
  }

  press(at) {
    for (const one of this.body.querySelectorAll("button")) {
      one.setAttribute("aria-pressed", String(Number(one.dataset.at) === at));
    }
  }

  open({ words, ...traits }, signs, on) {
    this.close();
    this.player = playerOf({ ...traits, signs });
    this.said.textContent = words;
    this.closing.hidden = false;
    this.film.append(this.player.root);
    this.player.begin(on);
  }

  close() {
    this.player?.end();
    this.player = null;
    this.said.textContent = "";
    this.closing.hidden = true;
    this.film.replaceChildren();
  }
}

class Outcomes {
  constructor(model) {
    this.model = model;
    this.signs = model.get("signs");
    this.tables = model.get("tables").map((one) => new Table(one, this.signs));
    const ask = "Press a cell to see the lines of torch that ran.";
    const elements = this.tables.map(({ element }) => element);
    this.root = node(
      "div",
      "inm inm-attempts",
      node("div", "inm-prose inm-soft", ask),
      ...elements,
    );
  }

  choose(at) {
    this.model.set("chosen", at);
    this.model.save_changes();
  }

  // Closes the film, and the focus is where it was opened from.
  leaveFilm() {
    const at = this.model.get("chosen");
    if (at === NONE) return;
    this.choose(NONE);
    this.root.querySelector(`[data-at="${at}"]`)?.focus();
  }

  press() {
    const at = this.model.get("chosen");
    for (const table of this.tables) {
      table.press(at);
      if (!table.buttonAt(at)) table.close();
    }
  }

  // The answer of Python, unless the reader is at another cell already.
  open(on) {
    const opened = this.model.get("opened");
    const table = this.tables.find((one) => one.buttonAt(opened.at));
    if (!table || opened.at !== this.model.get("chosen")) return;
    table.open(opened, this.signs, on);
    // The film comes into sight, as far as the cell that opened it stays there.
    table.under.scrollIntoView({ block: "nearest" });
    table.buttonAt(opened.at).scrollIntoView({ block: "nearest" });
  }

  listen(on) {
    for (const { roving, closing, body } of this.tables) {
      roving.listen(on);
      on(closing, "click", () => this.leaveFilm());
      on(body, "click", ({ target }) => {
        const button = target.closest("button");
        if (!button) return;
        const isOpen = button.getAttribute("aria-pressed") === "true";
        this.choose(isOpen ? NONE : Number(button.dataset.at));
      });
    }
    on(this.root, "keydown", (event) => {
      if (event.key === "Escape") this.leaveFilm();
    });
  }

  close() {
    for (const table of this.tables) table.close();
  }
}

function render({ model, el }) {
  const outcomes = new Outcomes(model);
  const { on, leave } = enter(el, outcomes.root);
  outcomes.listen(on);
  const silence = hear(model, {
    "change:chosen": () => outcomes.press(),
    "change:opened": () => outcomes.open(on),
  });
  outcomes.press();
  outcomes.open(on);
  return () => {
    silence();
    outcomes.close();
    leave();
  };
}

export default { render };
