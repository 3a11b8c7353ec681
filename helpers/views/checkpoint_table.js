// How a checkpoint fits a model. All stages came with the view: to apply an advice, to filter and
// to fold asks for nothing.

import { Wires } from "./checkpoint_wires.js";
import { node } from "./dom.js";
import { enter } from "./life.js";
import { counted } from "./words.js";

// An advice, with a button where something came of it. Of several the code is folded, so that the
// lines stay in sight.
function stepOf({ words, code, enough, stage }, place, all) {
  const about = { class: "inm-button", type: "button", "data-stage": stage };
  const button = stage ? node("button", about) : "";
  const lines = node("pre", "inm-fit-code", node("code", "", code));
  const isOpen = all.length === 1;
  const fold = node("details", { open: isOpen }, node("summary", "", "code"), lines);
  const number = all.length > 1 ? `${place + 1}. ` : "";
  const told = [number + words, enough].filter(Boolean);
  const said = told.map((one) => node("div", "inm-prose", one));
  return node("div", "inm-fit-step", button, node("div", "", said[0], fold, ...said.slice(1)));
}

class Table {
  said = node("div", { class: "inm-fit-title", role: "status" });
  notes = node("div");
  found = node("div", { role: "status" });
  filter = node("input", {
    class: "inm-field",
    type: "text",
    spellcheck: "false",
    autocomplete: "off",
  });

  constructor(fit, signs) {
    this.fit = fit;
    this.wires = new Wires(fit, signs);
    const steps = fit.advice.map(stepOf);
    const about = { role: "group", "aria-label": "How the keys fit" };
    const scroll = node("div", { class: "inm-scroll", tabindex: 0, ...about }, this.wires.element);
    const label = node("label", "inm-switch", "filter", this.filter);
    const bar = node("div", "inm-bar", label, this.found);
    const parts = [this.said, ...steps, this.notes, bar, scroll];
    this.root = node("div", "inm inm-fit", ...parts);
    this.buttons = [...this.root.querySelectorAll("[data-stage]")];
  }

  // The stages that stand behind the one that is shown, itself first.
  under(at = this.wires.at) {
    const found = [];
    for (let one = at; one > 0; one = this.fit.stages[one].base) found.push(one);
    return found;
  }

  go(at) {
    this.wires.show(at);
    const on = this.under();
    const { advice, said, notes } = this.fit;
    const numbers = advice.flatMap(({ stage }, i) => (on.includes(stage) && stage ? [i + 1] : []));
    const isSupposed = advice.some(({ stage, asks }) => stage === at && asks);
    const which = advice.length > 1 ? ` ${numbers.join(", ")}` : "";
    const lead = at ? `${isSupposed ? "Supposed" : "Applied"}${which}: ` : "";
    this.said.textContent = lead + said[at];
    this.notes.replaceChildren(...notes[at].map((one) => node("div", "inm-soft inm-prose", one)));
    for (const button of this.buttons) {
      const stage = Number(button.dataset.stage);
      const place = advice.findIndex((one) => one.stage === stage);
      const act = advice[place].asks ? "Suppose so" : "Apply";
      button.textContent = on.includes(stage) ? "Take back" : act;
      if (which) {
        button.setAttribute("aria-label", `${button.textContent}: advice ${place + 1}`);
      }
    }
  }

  press(button) {
    const stage = Number(button.dataset.stage);
    this.go(this.under().includes(stage) ? this.fit.stages[stage].base : stage);
  }

  find() {
    this.wires.wanted = this.filter.value.trim().toLowerCase();
    this.wires.show(this.wires.at);
    const { more } = this.fit;
    const rest = more
      ? `${counted(more, "more key is not listed", "more keys are not listed")}.`
      : "";
    const rows = `${counted(this.wires.rows.length, "row")} found. `;
    this.found.textContent = (this.wires.wanted ? rows : "") + rest;
  }

  onClick(event) {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.fold) this.wires.open(button.dataset.fold);
    else this.press(button);
  }

  onKey(event) {
    if (event.key !== "Escape" || !this.filter.value) return;
    this.filter.value = "";
    this.find();
  }
}

function render({ model, el }) {
  const table = new Table(model.get("fit"), model.get("signs"));
  const { on, leave } = enter(el, table.root);
  on(table.filter, "input", () => table.find());
  on(table.root, "click", (event) => table.onClick(event));
  on(table.root, "keydown", (event) => table.onKey(event));
  table.go(0);
  table.find();
  const resized = new ResizeObserver(() => table.wires.resize());
  resized.observe(table.wires.body);
  return () => {
    table.wires.stop();
    resized.disconnect();
    leave();
  };
}

export default { render };
