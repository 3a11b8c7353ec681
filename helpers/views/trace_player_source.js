// The source on the left of the player. The source of a function is built once, and a step changes
// marks in it: in a gutter for each film, and in notes beside the lines.

import { node } from "./dom.js";

const REACH = 14; // px from the code to the bracket around it
const MARGIN = 40; // px between the line that runs and the edge of what is in sight

// A line that is too long goes on below its own beginning.
function codeOf(runs) {
  const spaces = runs[1]?.match(/^ */)[0] ?? "";
  const style = `--inm-indent:calc(4ch + ${spaces.length} * var(--inm-space))`;
  const code = node("code", { class: "inm-player-code", style });
  code.append(node("span", "inm-player-indent", spaces));
  for (let k = 0; k + 1 < runs.length; k += 2) {
    const text = k ? runs[k + 1] : runs[1].slice(spaces.length);
    code.append(node("span", runs[k] && `inm-tok-${runs[k]}`, text));
  }
  return code;
}

function listingOf({ name, first, tokens, statements }, films) {
  const rows = tokens.map((runs, i) => {
    const gutters = films.map(() => node("span", "inm-player-gutter"));
    const number = node("code", "inm-player-number", String(first + i));
    const notes = films.map(() => node("span", "inm-player-note"));
    const row = node("div", "inm-player-line", ...gutters, number, codeOf(runs), ...notes);
    return { row, gutters, notes, line: first + i, statement: statements[i] };
  });
  const about = { "aria-label": name, role: "group" };
  return { first, rows, element: node("div", about, ...rows.map(({ row }) => row)) };
}

function setSigns(one, signs) {
  const all = signs.join(" ");
  if (one.signs === all) return;
  one.signs = all;
  one.gutters.forEach((gutter, k) => (gutter.dataset.sign = signs[k]));
  const known = signs.filter((sign) => sign);
  const isNow = signs.includes("now");
  one.row.toggleAttribute("data-now", isNow);
  one.row.toggleAttribute("data-never", known.length && known.every((sign) => sign === "never"));
  if (isNow) one.row.setAttribute("aria-current", "step");
  else one.row.removeAttribute("aria-current");
}

// What the films have noted at a line, said once where all say the same.
function setNotes({ notes }, noted) {
  const isSame = noted.every((note) => note && note.words === noted[0]?.words);
  for (const [k, element] of notes.entries()) {
    const note = isSame && k ? undefined : noted[k];
    const told = note?.words ?? "";
    const words = told && !isSame && noted.length > 1 ? `${k + 1} ${told}` : told;
    if (element.textContent === words) continue;
    element.textContent = words;
    element.dataset.kind = note?.kind === "test" ? told : (note?.kind ?? "");
  }
}

// Where a bracket stands, in px, that goes from `note`, the outcome of a test, around `rows`.
function around(note, rows, width) {
  const right = ({ offsetLeft, offsetWidth }) => offsetLeft + offsetWidth;
  const left = right(note);
  const widest = Math.max(
    left,
    ...rows.map(({ row }) => right(row.querySelector(".inm-player-code"))),
  );
  const top = note.offsetTop + note.offsetHeight / 2;
  const end = rows.at(-1).row;
  const size = { width: Math.min(widest + REACH, width) - left, left };
  return { ...size, top, height: end.offsetTop + end.offsetHeight - top };
}

export class Source {
  listings = []; // of each place, once it was shown
  bracket = node("div", { class: "inm-player-bracket", "aria-hidden": "true" });

  constructor(films) {
    this.films = films;
    const about = { role: "group", "aria-label": "Source" };
    this.element = node("div", { class: "inm-player-source", tabindex: 0, ...about });
  }

  // Shows the line that the film `lead` is at, with what each film knows of its function. Of each
  // film `places` has the position, and `moved` whether this step brought it there. Gives back what
  // each has noted at that line.
  show(places, moved, lead) {
    this.shown = [places, moved, lead];
    const { listing: place, line } = this.films[lead].stepAt(places[lead]);
    const listing = (this.listings[place] ??= listingOf(
      this.films[lead].listings[place],
      this.films,
    ));
    const { first, rows, element } = listing;
    if (this.element.firstChild !== element) this.element.replaceChildren(element, this.bracket);
    const known = this.films.map((film, k) => film.knownAt(places[k], place));
    const noted = known.map(({ told }) => new Map(told.map((note) => [note.line, note])));
    const now = this.films.map((film, k) => film.stepAt(places[k]));
    const signOf = (k, one) => {
      const isHere = now[k].listing === place && now[k].line === one.line;
      if (isHere) return moved[k] ? "now" : "waits";
      return known[k].fate(one.statement);
    };
    for (const one of rows) {
      setSigns(
        one,
        now.map((_, k) => signOf(k, one)),
      );
      setNotes(
        one,
        noted.map((notes) => notes.get(one.line)),
      );
    }
    this.drawBracket(listing, known[lead]);
    this.keepInSight(rows[line - first].row);
    return noted.map((notes) => notes.get(line));
  }

  showAgain() {
    this.show(...this.shown);
  }

  // From the test that was decided last to what it guards.
  drawBracket({ first, rows }, { test, block }) {
    this.bracket.hidden = !block;
    if (!block) return;
    const guarded = rows.slice(block.first - first, block.last - first + 1);
    const last = rows[test.line - first].notes.findLast((note) => note.textContent);
    const place = around(last, guarded, this.element.clientWidth - 4);
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
