// What every view needs; it stands before the view's own module in one text.

function node(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const count = (number) => number.toLocaleString("en-US");

function shapeOf(row) {
  return row.shape === null ? "no shape yet" : row.shape.join(" × ") || "scalar";
}

function tensorOf(row) {
  return `${shapeOf(row)}, ${row.dtype}${row.kind === "parameter" && !row.grad ? ", frozen" : ""}`;
}

// Arrows and letters belong to a view while it has the focus, not to the notebook's shortcuts.
function keepKey(event) {
  if (!(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey)) event.stopPropagation();
}
