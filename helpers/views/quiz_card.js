// One quiz question. Choosing, feedback and the whys happen here, with no trip to the kernel. A card with the trait
// `chosen` has no answer, no button and no whys: it hands over what is chosen, and Python makes of it what it likes.
// Every text from the question is set as text content, never parsed.

// Words between two backticks become <code>; a backtick without a partner stays a backtick.
function prose(words) {
  return words.split(/`([^`]+)`/).map((part, i) => (i % 2 ? node("code", "", part) : part));
}

function render({ model, el }) {
  const options = model.get("options");
  const answer = model.get("answer");
  const asks = model.get("chosen") !== undefined;
  const letter = (index) => String.fromCharCode(65 + index);
  let misses = 0;
  let solved = false;

  // Radio names are private to their form, so two cards on a page stay apart.
  const rows = options.map((option, index) => {
    const chosen = index === model.get("chosen");
    const radio = node("input", { type: "radio", name: "option", value: index, checked: chosen });
    const mark = node("span", "inm-quiz-mark");
    const words = node("span", "inm-quiz-text", ...prose(option.text));
    const row = node("label", "inm-quiz-option", radio, node("b", "inm-quiz-letter", letter(index)), words, mark);
    return { row, radio, mark };
  });
  const prompt = node("legend", "inm-quiz-prompt", ...prose(model.get("prompt")));
  const group = node("fieldset", { class: "inm-quiz-options", role: "radiogroup" }, prompt);
  if (model.get("code")) group.append(node("pre", "inm-quiz-code", model.get("code")));
  group.append(...rows.map(({ row }) => row));

  const check = node("button", { type: "submit", class: "inm-button inm-quiz-check" }, "Check");
  const show = node("button", { type: "button", class: "inm-button", hidden: true }, "Show the answer");
  const feedback = node("div", { class: "inm-quiz-feedback", role: "status", "aria-live": "polite" });
  const actions = node("div", "inm-quiz-actions", check, show);
  const kicker = node("div", "inm-quiz-kicker", asks ? model.get("kicker") : "Predict");
  const form = node("form", `inm inm-quiz${asks ? " inm-quiz-small" : ""}`, kicker, group);
  if (!asks) form.append(actions, feedback);

  function say(state, verdict, ...words) {
    feedback.dataset.state = state;
    feedback.replaceChildren(node("strong", "inm-quiz-verdict", verdict), ...words);
  }

  function label(index, state, words) {
    rows[index].row.dataset.state = state;
    rows[index].mark.textContent = words;
  }

  function solve() {
    label(answer, "right", "✓ right");
    show.hidden = true;
    if (solved) return;
    solved = true;
    options.forEach((option, index) => {
      const title = index === answer ? `Why ${letter(index)}?` : `Why not ${letter(index)}?`;
      const why = node("div", "", ...prose(option.why));
      rows[index].row.after(node("details", "inm-quiz-why", node("summary", "", title), why));
    });
  }

  function onChange() {
    model.set("chosen", rows.findIndex(({ radio }) => radio.checked));
    model.save_changes();
  }

  // The same card may be on the page twice.
  function mirror() {
    rows.forEach(({ radio }, index) => { radio.checked = index === model.get("chosen"); });
  }

  function onCheck(event) {
    event.preventDefault();
    if (asks) return;
    const chosen = rows.findIndex(({ radio }) => radio.checked);
    if (chosen < 0) {
      say("empty", "Choose an option first.");
    } else if (chosen === answer) {
      solve();
      say("right", "✓ Right", ...prose(options[chosen].why));
    } else {
      misses += 1;
      label(chosen, "wrong", "✗ not this one");
      show.hidden = solved || misses < 2;
      say("wrong", `✗ Not quite (${letter(chosen)})`, ...prose(options[chosen].why));
    }
  }

  function onShow() {
    rows[answer].radio.checked = true;
    rows[answer].radio.focus(); // the button is about to go, and focus must not go with it
    solve();
    say("shown", `The answer is ${letter(answer)}`, ...prose(options[answer].why));
  }

  const { on, leave } = enter(el, form);
  on(form, "submit", onCheck);
  if (asks) {
    on(form, "change", onChange);
    model.on("change:chosen", mirror);
  }
  on(show, "click", onShow);
  return () => {
    model.off("change:chosen", mirror);
    leave();
  };
}

export default { render };
