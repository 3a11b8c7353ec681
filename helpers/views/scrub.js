// What moves a view through its positions: buttons, and keys.

import { node } from "./dom.js";

const KEYS = {
  ArrowLeft: "back",
  ArrowUp: "back",
  ArrowRight: "forward",
  ArrowDown: "forward",
  Home: "first",
  End: "last",
  " ": "play",
};

export function button(action, label, ...words) {
  const about = { "data-action": action, title: label, "aria-label": label };
  return node("button", { type: "button", class: "inm-button", ...about }, ...words);
}

// The four that every such view has, from the first to the last; `what` is the name of a position.
export const stepButtons = (what) => [
  button("first", `First ${what}`, "|◀"),
  button("back", "Back", "◀"),
  button("forward", "Forward", "▶"),
  button("last", `Last ${what}`, "▶|"),
];

// The name of what a key does; undefined for a key that is left to the slider, to a button, or to
// the page.
export function actionOf(event, slider) {
  const held = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
  const space = event.key === " ";
  const onButton = event.target.closest("button") && space;
  const onSlider = event.target === slider && !space;
  return held || onButton || onSlider ? undefined : KEYS[event.key];
}
