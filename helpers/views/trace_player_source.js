// The source on the left of the player. The source of a function is built once, and a step changes
// marks in it.

import { node } from "./dom.js";

const MARGIN = 40; // px between the line that runs and the edge of what is in sight

// A line that is too long goes on below its own beginning.
function codeOf(runs) {
  const indent = `${4 + (runs[1]?.search(/\S|$/) ?? 0)}ch`;
  const style = `padding-left:${indent};text-indent:-${indent}`;
  const code = node("code", { class: "inm-player-code", style });
  for (let k = 0; k < runs.length; k += 2) {
    code.append(node("span", runs[k] && `inm-tok-${runs[k]}`, runs[k + 1]));
  }
  return code;
}

function listingOf({ name, first, lines, statements }) {
  const rows = lines.map((runs, i) => {
    const number = node("code", "inm-player-number", String(first + i));
    const code = codeOf(runs);
    const note = node("span", "inm-player-note");
    const row = node("div", "inm-player-line", number, code, note);
    const text = code.textContent.trim();
    return { row, note, line: first + i, statement: statements[i], text };
  });
  const about = { "aria-label": name, role: "group" };
  return { first, rows, element: node("div", about, ...rows.map(({ row }) => row)) };
}

// What becomes of a line in this call: it runs now, it ran, it is yet to run, or it never will.
function signOf({ line, statement }, now, reached, position) {
  if (line === now) return "now";
  if (!statement) return "";
  const first = reached.get(statement);
  if (first === undefined) return "never";
  return first < position ? "ran" : "";
}

function setSign(one, sign) {
  if (one.sign === sign) return;
  one.sign = sign;
  one.row.dataset.sign = sign;
  if (sign === "now") one.row.setAttribute("aria-current", "step");
  else one.row.removeAttribute("aria-current");
}

function setNote({ note }, { words, kind } = { words: "", kind: "" }) {
  if (note.textContent === words) return;
  note.textContent = words;
  note.dataset.kind = kind;
}

export class Source {
  listings = []; // of each place, once it was shown

  constructor(film) {
    this.film = film;
    const about = { role: "region", "aria-label": "Source" };
    this.element = node("div", { class: "inm-player-source", tabindex: 0, ...about });
  }

  // Shows the step at `position`; gives back the text of its line and the note beside it.
  show(position) {
    const { place, line, visit } = this.film.steps[position];
    const { first, rows, element } = (this.listings[place] ??= listingOf(
      this.film.listings[place],
    ));
    if (this.element.firstChild !== element) this.element.replaceChildren(element);
    const { reached, notes } = this.film.visits[visit];
    const told = notes.filter(({ at }) => at <= position);
    const noted = new Map(told.map((note) => [note.line, note]));
    for (const one of rows) {
      setSign(one, signOf(one, line, reached, position));
      setNote(one, noted.get(one.line));
    }
    const { row, text } = rows[line - first];
    this.keepInSight(row);
    return { text, note: noted.get(line) };
  }

  keepInSight(row) {
    const top = row.offsetTop - this.element.scrollTop;
    const height = this.element.clientHeight;
    const below = top + row.offsetHeight > height - MARGIN;
    if (top < MARGIN || below) this.element.scrollTop += top - height / 3;
  }
}
