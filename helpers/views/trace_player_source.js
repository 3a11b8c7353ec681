// The source on the left of the player. The source of a function is built once, and a step changes
// marks in it.

import { node } from "./dom.js";

const REACH = 14; // px from the code to the bracket around it
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
  note.dataset.kind = kind === "test" ? words : kind;
}

// Where a bracket stands, in px, that goes from the outcome of a test around the block of `rows`.
function around(test, rows, width) {
  const right = ({ offsetLeft, offsetWidth }) => offsetLeft + offsetWidth;
  const left = right(test.note);
  const widest = Math.max(
    left,
    ...rows.map(({ row }) => right(row.querySelector(".inm-player-code"))),
  );
  const top = test.note.offsetTop + test.note.offsetHeight / 2;
  const end = rows.at(-1).row;
  const size = { width: Math.min(widest + REACH, width) - left, left };
  return { ...size, top, height: end.offsetTop + end.offsetHeight - top };
}

export class Source {
  listings = []; // of each place, once it was shown
  bracket = node("div", { class: "inm-player-bracket", "aria-hidden": "true" });

  constructor(film) {
    this.film = film;
    const about = { role: "group", "aria-label": "Source" };
    this.element = node("div", { class: "inm-player-source", tabindex: 0, ...about });
  }

  // Shows the step at `position`; gives back the text of its line and the note beside it.
  show(position) {
    const { place, line } = this.film.steps[position];
    const listing = (this.listings[place] ??= listingOf(this.film.listings[place]));
    const { first, rows, element } = listing;
    if (this.element.firstChild !== element) this.element.replaceChildren(element, this.bracket);
    const { told, fate, test, block } = this.film.knownAt(position);
    const noted = new Map(told.map((note) => [note.line, note]));
    for (const one of rows) {
      setSign(one, one.line === line ? "now" : fate(one.statement));
      setNote(one, noted.get(one.line));
    }
    this.drawBracket(listing, test, block);
    const { row, text } = rows[line - first];
    this.keepInSight(row);
    return { text, note: noted.get(line) };
  }

  // From the test that was decided last to what it guards.
  drawBracket({ first, rows }, test, block) {
    this.bracket.hidden = !block;
    if (!block) return;
    const guarded = rows.slice(block.first - first, block.last - first + 1);
    const place = around(rows[test.line - first], guarded, this.element.clientWidth - 4);
    for (const [side, px] of Object.entries(place)) this.bracket.style[side] = `${px}px`;
    this.bracket.dataset.outcome = test.words;
  }

  keepInSight(row) {
    const top = row.offsetTop - this.element.scrollTop;
    const height = this.element.clientHeight;
    const below = top + row.offsetHeight > height - MARGIN;
    if (top < MARGIN || below) this.element.scrollTop += top - height / 3;
  }
}
