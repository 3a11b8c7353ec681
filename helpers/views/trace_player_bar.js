// The controls of a player: buttons, keys, a slider with a tick at each change, and the timer that
// plays.

import { node } from "./dom.js";
import { actionOf, button, stepButtons } from "./scrub.js";
import { count } from "./words.js";

const STEP_MS = 550; // ms for a step that is played; a step that changes something stays longer
const FINEST = 400; // so many places there are for ticks, however long the film is

// A word that a narrow page leaves out.
const word = (words) => node("span", "inm-player-word", words);

function ticksOf(last, changes) {
  const places = [...changes].flatMap(([at, runs]) => {
    const place = Math.round((at / Math.max(1, last)) * FINEST);
    return [...runs].map((run) => `${place} ${run}`);
  });
  const ticks = [...new Set(places)].map((one) => {
    const [place, run] = one.split(" ");
    return node("span", { "data-run": run, style: `left:${(100 * place) / FINEST}%` });
  });
  return node("span", { class: "inm-player-ticks", "aria-hidden": "true" }, ...ticks);
}

export class Bar {
  timer = null;
  playing = button("play", "", "Play");
  counter = node("span", "inm-player-count inm-scrub-count");
  actions = {
    first: () => this.go(0),
    back: () => this.go(this.position - 1),
    play: () => this.play(),
    forward: () => this.go(this.position + 1),
    last: () => this.go(this.last),
    previous: () => this.jump(-1),
    next: () => this.jump(1),
  };

  // `changes`: of each position with a change the runs that it is in. `show(position, words)` shows
  // one, with `words` added to what is said of it; `status` is where it says so.
  constructor({ last, changes, show, status, start }) {
    Object.assign(this, { last, changes, show, status, position: start });
    this.slider = node("input", { type: "range", min: 0, max: last, "aria-label": "Step" });
    const [first, back, forward, end] = stepButtons("step");
    this.element = node(
      "div",
      { class: "inm-player-bar inm-scrub", role: "group", "aria-label": "Steps" },
      first,
      back,
      this.playing,
      forward,
      end,
      node("span", "inm-player-slider", this.slider, ticksOf(last, changes)),
      this.counter,
      button("previous", "Previous change", "◁", word(" Previous change")),
      button("next", "Next change", word("Next change "), "▷"),
    );
  }

  // Shows the step at `to`, or the nearest there is.
  go(to, words = "") {
    this.position = Math.max(0, Math.min(this.last, to));
    this.show(this.position, words);
    const place = [this.position + 1, this.last + 1];
    this.slider.value = this.position;
    this.slider.setAttribute("aria-valuetext", `step ${place[0]} of ${place[1]}`);
    this.counter.textContent = place.map(count).join(" / ");
  }

  // To the next position with a change, one way (1) or the other (-1).
  jump(way) {
    let to = this.position + way;
    while (to >= 0 && to <= this.last && !this.changes.has(to)) to += way;
    if (this.changes.has(to)) this.go(to);
    else this.go(this.position, way > 0 ? "no later change" : "no earlier change");
  }

  play() {
    if (this.timer !== null) {
      this.stop();
      return;
    }
    if (this.position === this.last) this.go(0);
    this.status.setAttribute("aria-live", "off"); // read out step by step it would never end
    this.playing.textContent = "Pause";
    this.wait();
  }

  wait() {
    const pace = this.changes.has(this.position) ? 3 * STEP_MS : STEP_MS;
    this.timer = setTimeout(() => {
      this.go(this.position + 1);
      if (this.position === this.last) this.stop();
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

  onKey(event) {
    const action = actionOf(event, this.slider);
    if (!action) return;
    event.preventDefault();
    this.act(action);
  }

  // Hears the mouse and the keys that are pressed inside `root`; `on` adds a listener.
  listen(on, root) {
    for (const one of this.element.querySelectorAll("button")) {
      on(one, "click", () => this.act(one.dataset.action));
    }
    on(this.slider, "input", () => {
      this.stop();
      this.go(Number(this.slider.value));
    });
    on(root, "keydown", (event) => this.onKey(event));
  }
}
