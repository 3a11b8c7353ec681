// All of a player: of one trace, or of two under the same controls. The whole film is there, so
// nothing asks the kernel.

import { node } from "./dom.js";
import { Bar } from "./trace_player_bar.js";
import { Film } from "./trace_player_film.js";
import { River } from "./trace_player_river.js";
import { Source } from "./trace_player_source.js";
import { State } from "./trace_player_state.js";
import { counted } from "./words.js";

const NAMES = ["first", "second"];

function legendOf(films) {
  const more = Math.max(...films.map((film) => film.more));
  const two = films.length > 1;
  const words = [
    `▶ runs now · ✓ has run · – passed over by a test${two ? " · ▷ waits" : ""}`,
    "Tick on the slider: a change.",
    "Containers: as the line itself leaves them.",
    ...(more ? [`${counted(more, "more step is not shown", "more steps are not shown")}.`] : []),
    ...new Set(films.flatMap(({ remarks }) => remarks.map((one) => `${one}.`))),
  ];
  const parts = words.map((one) => node("div", "inm-prose", one));
  return node("div", "inm-player-legend inm-soft", ...parts);
}

class Player {
  path = node("div", { class: "inm-player-path", role: "group", "aria-label": "Calls under way" });
  course = node("div", "inm-player-course inm-soft");
  status = node("div", {
    class: "inm-player-status",
    role: "status",
    "aria-live": "polite",
  });

  // `moments`: of each step the positions in all films.
  constructor({ films, moments, signs, start, words }) {
    Object.assign(this, { films, moments });
    const two = films.length > 1;
    this.source = new Source(films);
    this.river = new River(films);
    this.states = films.map((film, k) => new State(film, signs, two ? NAMES[k] : ""));
    const show = (position, said) => this.show(position, said);
    const { status } = this;
    this.bar = new Bar({ last: moments.length - 1, changes: this.changes(), show, status, start });
    const states = this.states.map(({ element }) => element);
    const river = this.river.isThere ? [this.river.element] : [];
    const about = { class: "inm-player-body", "data-river": river.length > 0 };
    const body = node("div", about, ...river, this.source.element, ...states);
    const head = two ? [node("div", "inm-player-words inm-prose", words)] : [];
    const where = node("div", "inm-player-where", two ? "" : this.path, this.course);
    const parts = [...head, this.bar.element, where, body, status, legendOf(films)];
    this.root = node("div", { class: "inm inm-player", "data-runs": films.length }, ...parts);
  }

  // Which of the films a moment has moved.
  movedAt(moment) {
    const before = this.moments[moment - 1];
    return this.moments[moment].map((place, k) => place !== (before?.[k] ?? -1));
  }

  changes() {
    const found = this.moments.map((places, moment) => {
      const moved = this.movedAt(moment);
      const changed = places.map((place, k) => moved[k] && this.films[k].changesAt(place).length);
      return [moment, [...places.keys()].filter((k) => changed[k])];
    });
    return new Map(found.filter(([, runs]) => runs.length));
  }

  show(moment, words) {
    const [places, moved] = [this.moments[moment], this.movedAt(moment)];
    const lead = Math.max(0, moved.indexOf(true));
    const film = this.films[lead];
    const notes = this.source.show(places, moved, lead);
    this.states.forEach((state, k) => state.show(places[k]));
    this.course.textContent = this.river.show(places);
    const { stack, line } = film.stepAt(places[lead]);
    const calls = film.stacks[stack];
    const path = calls.flatMap((name, i) => [i ? " › " : "", node("code", "", name)]);
    this.path.replaceChildren(...path);
    const said = this.said(places, moved, notes);
    const parts = [said, words].filter((one) => one).join("; ");
    const where = `${calls.at(-1)}, line ${line}: `;
    const code = node("code", "", film.textAt(places[lead]));
    this.status.replaceChildren(this.who(moved), where, code, parts ? ` → ${parts}` : "");
  }

  // Of two films those that this step is of.
  who(moved) {
    if (moved.length === 1) return "";
    if (moved.every((one) => one)) return "Both: ";
    return moved[0] ? "First: " : "Second: ";
  }

  // What came of the line, in each film that it ran in: how its test went or what it raised, and
  // what it changed.
  said(places, moved, notes) {
    const told = this.films.map((film, k) => {
      const parts = moved[k] ? film.changesAt(places[k]).map((change) => change.words) : [];
      const note = moved[k] && notes[k];
      if (note) parts.unshift(`${note.kind === "test" ? "is" : "raises"} ${note.words}`);
      return parts.join("; ");
    });
    const distinct = new Set(told.filter((_, k) => moved[k]));
    if (distinct.size < 2) return [...distinct].join("");
    return told.map((words, k) => `${words || "nothing"} in the ${NAMES[k]}`).join(", ");
  }
}

function filmsOf({ film, other }) {
  const found = [film, ...(other ? [{ ...film, ...other }] : [])];
  return found.map((one, run) => new Film(one, run));
}

// The player of what Python sends. Its `root` is put onto the page, then it begins: `on` adds a
// listener. Where no line ran it says so.
export function playerOf(traits) {
  const films = filmsOf(traits);
  const { signs, start, words = "", nothing } = traits;
  const moments = traits.moments ?? films[0].steps.map((_, at) => [at]);
  if (!moments.length) {
    const root = node("div", "inm inm-player", words, " ", nothing);
    return { root, begin() {}, end() {} };
  }
  const { bar, root, source } = new Player({ films, moments, signs, start, words });
  const resized = new ResizeObserver(() => source.showAgain()); // its lines wrap anew
  return {
    root,
    begin(on) {
      bar.listen(on, root);
      bar.go(bar.position);
      resized.observe(source.element);
    },
    end() {
      bar.stop();
      resized.disconnect();
    },
  };
}
