// Elements of the page. Every text is set as text content, never parsed.

// `attributes` is a class, or an object of attributes. One that is "", false, null or undefined is
// left out.
export function node(name, attributes, ...children) {
  const element = document.createElement(name);
  const given = typeof attributes === "string" ? { class: attributes } : (attributes ?? {});
  for (const [key, value] of Object.entries(given)) {
    if (value === "" || value === false || value == null) continue;
    element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// The colours of a sign, as a style.
export function shades({ colour, light, dark }) {
  return `--inm-on-light:${light || colour};--inm-on-dark:${dark || colour}`;
}

// The glyph of a sign; what it stands for is told in words beside it.
export function mark(sign) {
  const about = { style: shades(sign), title: sign.label, "aria-hidden": "true" };
  return node("span", { class: "inm-sign", ...about }, sign.glyph);
}

// A long name in a program may go on to the next line between its parts.
export function breakable(name) {
  return name
    .split(/(?<=[_.])(?=[^_.])|(?=\[)|(?<=[a-z])(?=[A-Z])/)
    .flatMap((part, at) => (at ? [node("wbr"), part] : [part]));
}

// Words between two backticks become <code>; a backtick without a partner stays a backtick.
export function prose(words) {
  return words.split(/`([^`]+)`/).map((part, i) => (i % 2 ? node("code", "", part) : part));
}
