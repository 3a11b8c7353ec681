// A slider over a figure. Python draws the figure for each position.

import { node } from "./dom.js";
import { enter, hear } from "./life.js";

const PAUSE = 150; // ms between the last move of the slider and the question to Python

function figureOf({ source, alt, width, error }) {
  if (error) return node("strong", "", error);
  return node("img", { src: source, alt, width });
}

function render({ model, el }) {
  const values = model.get("values");
  const slider = node("input", { type: "range", min: 0, max: values.length - 1 });
  const value = node("output", "inm-redraw-value");
  const status = node("span", { class: "inm-soft", role: "status" });
  const label = node("label", "inm-redraw-label", model.get("label"), slider);
  const bar = node("div", "inm-bar", label, value, status);
  const figure = { tabindex: 0, role: "group", "aria-label": "figure" };
  const place = node("div", { class: "inm-redraw-figure", ...figure });
  let moving = 0;

  function stand() {
    slider.setAttribute("aria-valuetext", values[slider.value]);
    value.textContent = values[slider.value];
  }
  function follow() {
    slider.value = model.get("at");
    stand();
  }
  function move() {
    stand();
    clearTimeout(moving);
    moving = setTimeout(() => {
      model.set("at", Number(slider.value));
      model.save_changes();
    }, PAUSE);
  }
  const show = () => place.replaceChildren(figureOf(model.get("picture")));
  const wait = () => {
    status.textContent = model.get("busy") ? "running …" : "";
  };

  const { on, leave } = enter(el, node("div", "inm inm-redraw", bar, place));
  on(slider, "input", move);
  const heard = { "change:at": follow, "change:picture": show, "change:busy": wait };
  const silence = hear(model, heard);
  for (const act of Object.values(heard)) act();
  return () => {
    clearTimeout(moving);
    silence();
    leave();
  };
}

export default { render };
