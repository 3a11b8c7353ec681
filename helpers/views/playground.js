// Three menus and one sentence. What is chosen runs in Python: nothing here knows what torch does.

function render({ model, el }) {
  const words = node("p", { class: "inm-outcome", role: "status" });
  const menus = Object.fromEntries(["value", "home", "route"].map((name) => [name, node("select", { class: "inm-field", "aria-label": name })]));
  const labels = Object.entries(menus).map(([name, menu]) => node("label", "", name, menu));
  const root = node("div", "inm inm-playground", ...labels, words);
  const { on, leave } = enter(el, root);

  function offer() {
    for (const [name, menu] of Object.entries(menus)) {
      const choices = model.get("choices")[name];
      menu.replaceChildren(...choices.map((choice) => node("option", "", choice)));
      menu.disabled = choices.length === 0;
    }
    say();
  }

  function say() {
    for (const [name, menu] of Object.entries(menus)) if (!menu.disabled) menu.value = model.get(name);
    words.textContent = model.get("words");
  }

  for (const [name, menu] of Object.entries(menus)) {
    on(menu, "change", () => { model.set(name, menu.value); model.save_changes(); }); // prettier-ignore
  }
  model.on("change:choices", offer);
  model.on("change:words change:value change:home change:route", say);
  offer();
  return () => {
    model.off("change:choices", offer);
    model.off("change:words change:value change:home change:route", say);
    leave();
  };
}

export default { render };
