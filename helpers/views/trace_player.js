// The lines of a trace, one step after the other. The whole film came with the view, so nothing
// asks the kernel.

import { node } from "./dom.js";
import { enter } from "./life.js";
import { actionOf, button } from "./scrub.js";
import { Film } from "./trace_player_film.js";
import { Source } from "./trace_player_source.js";
import { State } from "./trace_player_state.js";
import { count } from "./words.js";

const PACE = 550; // ms for a step that is played; a step that changes something stays longer

// A word that a narrow page leaves out.
const word = (words) => node("span", "inm-player-word", words);

function legendOf({ more, remarks }) {
  const words = [
    "▶ runs now · ✓ has run · – passed over by a test",
    "Containers: as the line leaves them; what it calls comes with its own lines.",
    ...(more ? [`${count(more)} more steps are not shown.`] : []),
    ...remarks.map((one) => `${one}.`),
  ];
  const parts = words.map((one) => node("div", "inm-prose", one));
  return node("div", "inm-player-legend inm-soft", ...parts);
}

class Player {
  timer = null;
  playing = button("play", "", "Play");
  counter = node("span", "inm-player-count inm-scrub-count");
  path = node("div", { class: "inm-player-path", role: "group", "aria-label": "Calls under way" });
  status = node("div", {
    class: "inm-player-status inm-prose",
    role: "status",
    "aria-live": "polite",
  });
  actions = {
    first: () => this.go(0),
    back: () => this.go(this.position - 1),
    play: () => this.play(),
    forward: () => this.go(this.position + 1),
    last: () => this.go(this.film.last),
    previous: () => this.jump(-1),
    next: () => this.jump(1),
  };

  constructor(film, signs, start) {
    Object.assign(this, { film, position: start });
    this.source = new Source(film);
    this.state = new State(film, signs);
    const range = { type: "range", min: 0, max: film.last, "aria-label": "Step" };
    this.slider = node("input", range);
    const body = node("div", "inm-player-body", this.source.element, this.state.element);
    const parts = [this.controls(), this.path, body, this.status, legendOf(film)];
    this.root = node("div", "inm inm-player", ...parts);
  }

  controls() {
    this.bar = node(
      "div",
      { class: "inm-player-bar inm-scrub", role: "group", "aria-label": "Steps" },
      button("first", "First step", "|◀"),
      button("back", "Back", "◀"),
      this.playing,
      button("forward", "Forward", "▶"),
      button("last", "Last step", "▶|"),
      this.slider,
      this.counter,
      button("previous", "Previous change", "◁", word(" Previous change")),
      button("next", "Next change", word("Next change "), "▷"),
    );
    return this.bar;
  }

  // Shows the step at `to`, or the nearest there is; `words` are added to what is said of it.
  go(to, words = "") {
    const { film } = this;
    this.position = Math.max(0, Math.min(film.last, to));
    const { text, note } = this.source.show(this.position);
    this.state.show(this.position, text);
    const { stack, line } = film.steps[this.position];
    const calls = film.stacks[stack];
    const path = calls.flatMap((name, i) => [i ? " › " : "", node("code", "", name)]);
    this.path.replaceChildren(...path);
    const place = [this.position + 1, film.last + 1];
    this.slider.value = this.position;
    this.slider.setAttribute("aria-valuetext", `step ${place[0]} of ${place[1]}`);
    this.counter.textContent = place.map(count).join(" / ");
    const said = this.said(note, words);
    const where = `${calls.at(-1)}, line ${line}: `;
    this.status.replaceChildren(where, node("code", "", text), said ? ` → ${said}` : "");
  }

  // What came of the line: how its test went or what it raised, and what it changed.
  said(note, words) {
    const parts = this.film.changesAt(this.position).map((change) => change.words);
    if (note) parts.unshift(`${note.kind === "test" ? "is" : "raises"} ${note.words}`);
    if (words) parts.push(words);
    return parts.join("; ");
  }

  jump(way) {
    const to = this.film.changeFrom(this.position, way);
    if (to !== null) this.go(to);
    else this.go(this.position, way > 0 ? "no later change" : "no earlier change");
  }

  play() {
    if (this.timer !== null) {
      this.stop();
      return;
    }
    if (this.position === this.film.last) this.go(0);
    this.status.setAttribute("aria-live", "off"); // read out step by step it would never end
    this.playing.textContent = "Pause";
    this.wait();
  }

  wait() {
    const pace = this.film.changesAt(this.position).length ? 3 * PACE : PACE;
    this.timer = setTimeout(() => {
      this.go(this.position + 1);
      if (this.position === this.film.last) this.stop();
      else this.wait();
    }, pace);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.status.setAttribute("aria-live", "polite");
    this.playing.textContent = "Play";
  }

  act(action) {
    if (action !== "play") this.stop();
    this.actions[action]();
  }

  slide() {
    this.stop();
    this.go(Number(this.slider.value));
  }

  onKey(event) {
    const action = actionOf(event, this.slider);
    if (!action) return;
    event.preventDefault();
    this.act(action);
  }
}

function render({ model, el }) {
  const film = new Film(model.get("film"));
  if (film.last < 0) {
    return enter(el, node("div", "inm inm-player", model.get("nothing"))).leave;
  }
  const player = new Player(film, model.get("signs"), model.get("start"));
  const { on, leave } = enter(el, player.root);
  for (const one of player.bar.querySelectorAll("button")) {
    on(one, "click", () => player.act(one.dataset.action));
  }
  on(player.slider, "input", () => player.slide());
  on(player.root, "keydown", (event) => player.onKey(event));
  // Its lines wrap anew.
  const resized = new ResizeObserver(() => player.source.show(player.position));
  player.go(player.position);
  resized.observe(player.source.element);
  return () => {
    player.stop();
    resized.disconnect();
    leave();
  };
}

export default { render };
