// The questions of an assignment as a river: from left to right as long as the answer is False, and
// down where it is True. The way taken is lit as far as it is known; the rest is dashed. Nothing
// ever moves, so that two assignments differ at a glance.

import { breakable, node } from "./dom.js";

const NARROWEST = 12; // letters in a line of a column

const set = (element, name, value) => {
  if ((element.dataset[name] ?? "") !== value) element.dataset[name] = value;
};

function headOf({ words, condition }) {
  const about = { class: "inm-river-head", role: "columnheader", title: condition };
  return node("div", about, words || "else");
}

function cellOf(way) {
  const pill = node("span", "inm-player-note");
  const act = node("code", "inm-river-act", ...breakable(way.act));
  const error = node("span", "inm-river-error");
  const about = { class: "inm-river-way", role: "cell", "data-last": !way.words };
  return { way, pill, act, error, element: node("div", about, pill, act, error) };
}

function fate(isLit, isNever) {
  if (isLit) return "lit";
  return isNever ? "never" : "";
}

// How far each way is known: its `outcome`, whether its `act` and its `error` are "lit", "never" to
// be, or neither.
function known(ways, marks) {
  let isPassed = false; // an answer before this one was True
  let isHere = true; // each answer before this one was False
  return ways.map((way, i) => {
    const own = marks.filter((mark) => mark.way === i);
    const find = (kind, words) =>
      own.find((one) => one.kind === kind && (!words || one.words === words));
    const outcome = find("asked")?.words ?? "";
    const [acted, error] = [find("act"), find("error")];
    const over = isPassed || outcome === "False";
    const found = {
      outcome,
      down: outcome === "True" || (isHere && !way.words && i > 0),
      act: fate(acted, over || error || find("check", "True")),
      error: fate(error, over || acted || find("check", "False")),
      raised: error?.words ?? way.error,
      passed: isPassed,
    };
    isPassed ||= outcome === "True";
    isHere &&= outcome === "False";
    return found;
  });
}

export class River {
  // A lane for each of the films that assigns something.
  constructor(films) {
    this.films = films.filter(({ ways }) => ways.length);
    const ways = this.films[0]?.ways ?? [];
    this.lanes = this.films.map((film) => {
      const label = films.length > 1 ? String(films.indexOf(film) + 1) : "";
      const role = label ? "rowheader" : "cell"; // a header has words
      const source = node("div", { class: "inm-river-source", role }, label);
      return { film, source, cells: ways.map(cellOf), shown: "" };
    });
    const empty = node("div", { class: "inm-river-head", role: "cell" });
    const rows = this.lanes.map(({ source, cells }) => [
      source,
      ...cells.map((one) => one.element),
    ]);
    const lines = [[empty, ...ways.map(headOf)], ...rows].map((parts) =>
      node("div", { class: "inm-river-row", role: "row" }, ...parts),
    );
    const about = { class: "inm-river", role: "table", "aria-label": "What __setattr__ asks" };
    const columns = ways.map(({ words }) => Math.max(NARROWEST, words.length / 2));
    const shares = columns.map((letters) => `minmax(0, ${letters}fr)`).join(" ");
    const style = `--inm-ways:${shares};--inm-count:${ways.length}`;
    this.element = node("div", { ...about, style }, ...lines);
  }

  get isThere() {
    return this.lanes.length > 0;
  }

  // Shows what is known when each film is at its place; gives back what the lanes are of, in words.
  show(places) {
    const told = this.lanes.map((lane) => {
      const course = lane.film.courseAt(places[lane.film.run]);
      const shown = JSON.stringify([course.number, course.begun, course.marks.length]);
      if (lane.shown !== shown) this.draw(lane, course);
      lane.shown = shown;
      const of = lane.film.courses.length;
      return of > 1 ? `assignment ${course.number + 1} of ${of}: ${course.name}` : "";
    });
    return told.filter((one) => one).join("; ");
  }

  draw({ film, source, cells }, { begun, marks }) {
    source.toggleAttribute("data-on", begun);
    for (const [i, state] of known(film.ways, marks).entries()) {
      const { element, pill, act, error } = cells[i];
      element.toggleAttribute("data-on", state.outcome === "False");
      element.toggleAttribute("data-down", state.down);
      element.toggleAttribute("data-passed", state.passed);
      pill.textContent = state.outcome;
      set(pill, "kind", state.outcome);
      set(act, "state", state.act);
      set(error, "state", state.error);
      error.replaceChildren(...breakable(state.raised && `⚠ ${state.raised}`));
    }
  }
}
