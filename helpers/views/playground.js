// Three menus and one sentence. What is chosen runs in Python: nothing here knows what torch does.

import { node } from "./dom.js";
import { enter, hear } from "./life.js";

function menuOf(name) {
  return [name, node("select", { class: "inm-field", "aria-label": name })];
}

function render({ model, el }) {
  const words = node("p", { class: "inm-outcome inm-prose", role: "status" });
  const menus = new Map(["value", "home", "route"].map(menuOf));
  const labels = [...menus].map(([name, menu]) => node("label", "", name, menu));

  function offer() {
    for (const [name, menu] of menus) {
      const choices = model.get("choices")[name];
      menu.replaceChildren(...choices.map((choice) => node("option", "", choice)));
      menu.disabled = choices.length === 0;
    }
    say();
  }

  function say() {
    for (const [name, menu] of menus) if (!menu.disabled) menu.value = model.get(name);
    words.textContent = model.get("words");
  }

  function choose(name, value) {
    model.set(name, value);
    model.save_changes();
  }

  const { on, leave } = enter(el, node("div", "inm inm-playground", ...labels, words));
  for (const [name, menu] of menus) on(menu, "change", () => choose(name, menu.value));
  const silence = hear(model, {
    "change:choices": offer,
    "change:words change:value change:home change:route": say,
  });
  offer();
  return () => {
    silence();
    leave();
  };
}

export default { render };
