// How a view comes onto the page and leaves it.

// Arrows and letters belong to a view while it has the focus, not to the notebook's shortcuts.
function ownKey(event) {
  const runsTheCell = event.shiftKey && event.key === "Enter";
  return !(event.ctrlKey || event.metaKey || event.altKey || runsTheCell);
}

// Puts a view on the page. `on` adds a listener. `leave`, which a render returns, ends all of them
// and takes the view away.
export function enter(el, root) {
  const listening = new AbortController();
  const { signal } = listening;
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal });
  const leave = () => {
    listening.abort();
    root.remove();
  };
  on(root, "keydown", (event) => ownKey(event) && event.stopPropagation());
  // Jupyter Notebook hears a key before the view does, and looks from the element with the focus
  // upwards for this attribute, which says "not yours".
  const tell = (event) => {
    for (let at = event.target; root.contains(at); at = at.parentElement) {
      at.toggleAttribute("data-lm-suppress-shortcuts", ownKey(event));
    }
  };
  window.addEventListener("keydown", tell, { capture: true, signal });
  el.append(root);
  return { on, leave };
}

// Listens to what Python says, by name of the event. What comes back ends it.
export function hear(model, handlers) {
  for (const [events, handler] of Object.entries(handlers)) model.on(events, handler);
  return () => {
    for (const [events, handler] of Object.entries(handlers)) model.off(events, handler);
  };
}
