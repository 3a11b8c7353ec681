// One quiz question. Choosing, feedback and the whys happen here, with no trip to the kernel. With
// the trait `placement` there are many, and no answer is given.

import { node, prose } from "./dom.js";
import { enter } from "./life.js";
import { renderPlacement } from "./quiz_placement.js";
import { letter, questionOf } from "./quiz_question.js";

// What a card has below its options: two buttons and what is said of a choice.
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
  const [prompt, code] = ["prompt", "code"].map((name) => model.get(name));
  const options = model.get("options").map(({ text }) => text);
  const { rows, group, choice } = questionOf({ prompt, code, options });
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
  return context.model.get("placement") ? renderPlacement(context) : renderChecked(context);
}

export default { render };
