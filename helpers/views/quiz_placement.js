// Questions that are not checked one by one: what is missed or open among them says where to begin.
// All happens here, with no trip to the kernel.

import { node, prose } from "./dom.js";
import { enter, hear } from "./life.js";
import { questionOf } from "./quiz_question.js";
import { counted } from "./words.js";

const paragraph = (words) => node("p", "inm-prose", ...prose(words));

function listOf(head, questions) {
  if (!questions.length) return [];
  const lines = questions.map(({ about }) => node("li", "", ...prose(about)));
  return [paragraph(head), node("ul", "inm-prose", ...lines)];
}

// The first question that is not answered rightly names the lesson.
function adviceOf({ questions, all_right: allRight }, chosen) {
  const left = questions.filter(({ answer }, i) => chosen[i] !== answer);
  if (!left.length) return allRight.map(paragraph);
  const isOpen = (question) => {
    const choice = chosen[questions.indexOf(question)];
    return choice < 0 || choice === question.unknown;
  };
  const open = left.filter(isOpen);
  const count = counted(open.length, "question is", "questions are");
  return [
    node("strong", "", "Begin with ", ...prose(left[0].lesson), "."),
    ...listOf(
      "Worth another look:",
      left.filter((one) => !isOpen(one)),
    ),
    ...listOf(`${count} open or not known:`, open),
  ];
}

function cardOf(question, number, count, chosen) {
  const { rows, group, choice } = questionOf({ ...question, chosen });
  const kicker = node("div", "inm-quiz-kicker", `Question ${number} of ${count}`);
  const form = node("form", "inm inm-quiz inm-quiz-small", kicker, group);
  return { form, choice, rows };
}

export function renderPlacement({ model, el }) {
  const placement = model.get("placement");
  const { questions } = placement;
  const chosen = () => model.get("chosen") ?? questions.map(() => -1);
  const cards = questions.map((question, i) => {
    return cardOf(question, i + 1, questions.length, chosen()[i]);
  });
  const ask = node(
    "button",
    { type: "button", class: "inm-button inm-quiz-check" },
    "Where do I begin?",
  );
  const advice = node("div", { class: "inm-quiz-advice", role: "status" });
  const end = node("div", "inm inm-quiz inm-quiz-small", ask, advice);
  const root = node("div", "inm-quiz-placement", ...cards.map(({ form }) => form), end);

  const { on, leave } = enter(el, root);
  on(root, "submit", (event) => event.preventDefault());
  on(root, "change", () =>
    model.set(
      "chosen",
      cards.map(({ choice }) => choice()),
    ),
  );
  on(ask, "click", () => model.set("asked", true));
  // The same questions may be on the page twice; and advice must not outlive its answers.
  const follow = () => {
    for (const [i, { rows }] of cards.entries()) {
      for (const [k, { radio }] of rows.entries()) radio.checked = k === chosen()[i];
    }
    advice.replaceChildren(...(model.get("asked") ? adviceOf(placement, chosen()) : []));
  };
  const silence = hear(model, { "change:chosen change:asked": follow });
  follow();
  return () => {
    silence();
    leave();
  };
}
