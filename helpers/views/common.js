// What every view needs; it stands before the view's own module in one text.

// `attributes` is a class, or an object of attributes; one that is "", false, null or undefined is left out.
function node(name, attributes, ...children) {
  const element = document.createElement(name);
  const given = typeof attributes === "string" ? { class: attributes } : attributes ?? {};
  for (const [key, value] of Object.entries(given)) {
    if (value !== "" && value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// The glyph of a sign; what it stands for is told in words beside it.
function mark({ glyph, colour, label }, className) {
  return node("span", { class: className, style: `color:${colour}`, title: label, "aria-hidden": "true" }, glyph);
}

const count = (number) => number.toLocaleString("en-US");

function shapeOf(row) {
  return row.shape === null ? "no shape yet" : row.shape.join(" × ") || "scalar";
}

function tensorOf(row) {
  return `${shapeOf(row)}, ${row.dtype}${row.kind === "parameter" && !row.grad ? ", frozen" : ""}`;
}

// Arrows and letters belong to a view while it has the focus, not to the notebook's shortcuts.
const ownKey = (event) =>
  !(event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter"));

// Puts a view on the page. `on` adds a listener; `leave`, which a render returns, ends all of them and takes it away.
function enter(el, root) {
  const listening = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: listening.signal });
  const leave = () => {
    listening.abort();
    root.remove();
  };
  on(root, "keydown", (event) => ownKey(event) && event.stopPropagation());
  // Jupyter Notebook hears a key before the view does, and looks from the element with the focus upwards for this
  // attribute, which says "not yours".
  const tell = (event) => {
    for (let at = event.target; root.contains(at); at = at.parentElement) {
      at.toggleAttribute("data-lm-suppress-shortcuts", ownKey(event));
    }
  };
  window.addEventListener("keydown", tell, { capture: true, signal: listening.signal });
  el.append(root);
  return { on, leave };
}
