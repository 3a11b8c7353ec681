// One quiz question. Choosing, feedback and the whys happen here, with no trip to the kernel. A
// card with the trait `chosen` has no answer, no button and no whys: it hands over what is chosen,
// and Python makes of it what it likes.

import { node, prose } from "./dom.js";
import { enter, hear } from "./life.js";

const letter = (index) => String.fromCharCode(65 + index);

// Radio names are private to their form, so two cards on a page stay apart.
function rowOf(option, index, chosen) {
  const radio = node("input", { type: "radio", name: "option", value: index, checked: chosen });
  const mark = node("span", "inm-quiz-mark");
  const words = node("span", "inm-quiz-text", ...prose(option.text));
  const initial = node("b", "inm-quiz-letter", letter(index));
  return { row: node("label", "inm-quiz-option", radio, initial, words, mark), radio, mark };
}

// The question, its code and its options, of which one can be chosen.
function questionOf(model) {
  const chosen = model.get("chosen");
  const rows = model.get("options").map((option, i) => rowOf(option, i, i === chosen));
  const prompt = node("legend", "inm-quiz-prompt", ...prose(model.get("prompt")));
  const code = model.get("code") ? node("pre", "inm-quiz-code", model.get("code")) : "";
  const about = { class: "inm-quiz-options", role: "radiogroup" };
  const group = node("fieldset", about, prompt, code, ...rows.map(({ row }) => row));
  return { rows, group, choice: () => rows.findIndex(({ radio }) => radio.checked) };
}

// A question that is asked and handed on: Python hears what is chosen.
function renderAsked({ model, el }) {
  const { rows, group, choice } = questionOf(model);
  const kicker = node("div", "inm-quiz-kicker", model.get("kicker"));
  const form = node("form", "inm inm-quiz inm-quiz-small", kicker, group);
  const { on, leave } = enter(el, form);
  on(form, "submit", (event) => event.preventDefault());
  on(form, "change", () => {
    model.set("chosen", choice());
    model.save_changes();
  });
  // The same card may be on the page twice.
  const mirror = () => {
    for (const [i, { radio }] of rows.entries()) radio.checked = i === model.get("chosen");
  };
  const silence = hear(model, { "change:chosen": mirror });
  return () => {
    silence();
    leave();
  };
}

// What a card with an answer has below its options: two buttons and what is said of a choice.
class Verdict {
  misses = 0;
  solved = false;
  feedback = node("div", {
    class: "inm-quiz-feedback inm-prose",
    role: "status",
    "aria-live": "polite",
  });
  check = node("button", { type: "submit", class: "inm-button inm-quiz-check" }, "Check");
  show = node("button", { type: "button", class: "inm-button", hidden: true }, "Show the answer");

  constructor(model, rows) {
    const [options, answer] = ["options", "answer"].map((name) => model.get(name));
    Object.assign(this, { model, rows, options, answer });
  }

  // A card that was solved before, in a browser that remembers it.
  restore() {
    const solved = this.model.get("solved");
    if (!solved) return;
    this.rows[this.answer].radio.checked = true;
    this.solve(solved);
    this.sayWhy(solved);
  }

  sayWhy(solved) {
    const words = solved === "right" ? "✓ Right" : `The answer is ${letter(this.answer)}`;
    this.say(solved, words, this.answer);
  }

  say(state, verdict, index) {
    const why = index === undefined ? [] : prose(this.options[index].why);
    this.feedback.dataset.state = state;
    this.feedback.replaceChildren(node("strong", "inm-quiz-verdict", verdict), ...why);
  }

  label(index, state, words) {
    this.rows[index].row.dataset.state = state;
    this.rows[index].mark.textContent = words;
  }

  onCheck(chosen) {
    if (chosen < 0) {
      this.say("empty", "Choose an option first.");
    } else if (chosen === this.answer) {
      this.solve("right");
      this.sayWhy("right");
    } else {
      this.misses += 1;
      this.label(chosen, "wrong", "✗ not this one");
      this.show.hidden = this.solved || this.misses < 2;
      this.say("wrong", `✗ Not quite (${letter(chosen)})`, chosen);
    }
  }

  onShow() {
    const { radio } = this.rows[this.answer];
    radio.checked = true;
    radio.focus(); // the button is about to go, and focus must not go with it
    this.solve("shown");
    this.sayWhy("shown");
  }

  // `how` is "right" or "shown".
  solve(how) {
    this.label(this.answer, "right", "✓ right");
    this.show.hidden = true;
    if (this.solved) return;
    this.solved = true;
    this.model.set("solved", how); // it is not sent to Python
    this.options.forEach((option, index) => {
      const title = `Why ${index === this.answer ? "" : "not "}${letter(index)}?`;
      const why = node("div", "inm-prose", ...prose(option.why));
      const fold = node("details", "inm-quiz-why", node("summary", "", title), why);
      this.rows[index].row.after(fold);
    });
  }
}

function renderChecked({ model, el }) {
  const { rows, group, choice } = questionOf(model);
  const verdict = new Verdict(model, rows);
  const kicker = node("div", "inm-quiz-kicker", "Predict");
  const actions = node("div", "inm-quiz-actions", verdict.check, verdict.show);
  const form = node("form", "inm inm-quiz", kicker, group, actions, verdict.feedback);
  const { on, leave } = enter(el, form);
  on(form, "submit", (event) => {
    event.preventDefault();
    verdict.onCheck(choice());
  });
  on(verdict.show, "click", () => verdict.onShow());
  verdict.restore();
  return leave;
}

function render(context) {
  return context.model.get("chosen") === undefined ? renderChecked(context) : renderAsked(context);
}

export default { render };
