// Mounts the views of a page that no kernel is behind. It follows anywidget's contract of front-end
// modules: a module has `initialize({ model })`, run once, and `render({ model, el })`. What Python
// would have answered came with the page; what did not is told in words. Nothing here asks a
// network, and no text of a model becomes markup.

const MEMORY = "inside-nn-module"; // the one thing that is stored: what the reader has answered

// --- what came with the page ---------------------------------------------------------------------

const read = (element) => JSON.parse(element.textContent);

// Puts back what the page carries once: {"$": n} stands for the n-th of the shared values.
function unpacked({ value, shared }) {
  const whole = [];
  const restore = (one) => {
    if (Array.isArray(one)) return one.map(restore);
    if (one === null || typeof one !== "object") return one;
    if ("$" in one) return whole[one.$];
    const own = "$$" in one ? one.$$ : one;
    return Object.fromEntries(Object.entries(own).map(([key, inner]) => [key, restore(inner)]));
  };
  for (const one of shared) whole.push(restore(one));
  return restore(value);
}

// A message as text, whatever the order of its fields.
const inOrder = (message) => JSON.stringify(message, Object.keys(message).sort());

const modules = new Map(); // key of a kind of view -> the promise of its module

function load(key) {
  if (!modules.has(key)) {
    const source = document.querySelector(`script[data-inm-module="${key}"]`);
    const address = URL.createObjectURL(new Blob([read(source)], { type: "text/javascript" }));
    const loaded = import(address).then(({ default: found }) =>
      typeof found === "function" ? found() : found,
    );
    modules.set(
      key,
      loaded.finally(() => URL.revokeObjectURL(address)),
    );
  }
  return modules.get(key);
}

// --- what the reader has answered ----------------------------------------------------------------

// A browser may refuse to store anything; then nothing is remembered.
const memory = {
  read() {
    try {
      return JSON.parse(localStorage.getItem(MEMORY)) ?? {};
    } catch {
      return {};
    }
  },
  keep(key, value) {
    try {
      localStorage.setItem(MEMORY, JSON.stringify({ ...this.read(), [key]: value }));
    } catch {
      return;
    }
  },
  forget(keys) {
    const kept = Object.entries(this.read()).filter(([key]) => !keys.includes(key));
    try {
      if (kept.length) localStorage.setItem(MEMORY, JSON.stringify(Object.fromEntries(kept)));
      else localStorage.removeItem(MEMORY);
    } catch {
      return;
    }
  },
};

// --- a model without a kernel --------------------------------------------------------------------

class Model {
  #state;
  #listeners = new Map();
  #changed = new Set();
  #part;
  #onChange;

  // `part` is what Python says of a view; `onChange` hears the names that were set and saved.
  constructor(part, onChange) {
    this.#part = part;
    this.#state = { ...part.state };
    this.#onChange = onChange;
  }

  get(name) {
    return this.#state[name];
  }

  set(name, value) {
    const given = typeof name === "object" ? name : { [name]: value };
    for (const [key, one] of Object.entries(given)) {
      if (this.#state[key] === one) continue;
      this.#state[key] = one;
      this.#changed.add(key);
      this.tell(`change:${key}`, this, one);
    }
    this.tell("change", this);
  }

  save_changes() {
    const names = [...this.#changed];
    this.#changed.clear();
    if (names.length) this.#onChange(names);
  }

  on(events, listener) {
    for (const name of events.split(" ")) {
      this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    }
  }

  off(events, listener) {
    for (const name of events?.split(" ") ?? [...this.#listeners.keys()]) {
      const kept = (this.#listeners.get(name) ?? []).filter((one) => listener && one !== listener);
      this.#listeners.set(name, kept);
    }
  }

  tell(name, ...about) {
    for (const listener of this.#listeners.get(name) ?? []) listener(...about);
  }

  // The answer comes later, as it does from a kernel.
  send(message) {
    const { answers = [], needs } = this.#part;
    const asked = inOrder(message);
    const known = answers.find(([question]) => inOrder(question) === asked);
    const reply = known ? known[1] : { error: needs };
    setTimeout(() => this.tell("msg:custom", { ...message, ...reply }, []));
  }
}

// --- a view on the page --------------------------------------------------------------------------

// One module on the page, in the place that the page has for it.
class Mounted {
  leave = null;

  // `heard` has what is done after a change that was saved, and after one that is remembered.
  constructor(place, part, heard) {
    Object.assign(this, { place, part, heard });
  }

  async load() {
    this.module = await load(this.place.dataset.inmView);
  }

  // `state` takes the place of what the page came with.
  async render(state = {}) {
    this.remove();
    const part = { ...this.part, state: { ...this.part.state, ...state, ...this.remembered() } };
    const model = new Model(part, (names) => this.heard.saved(this, names));
    const el = document.createElement("div");
    const ended = new AbortController();
    const { signal } = ended;
    this.model = model;
    for (const name of this.part.memory?.names ?? []) {
      model.on(`change:${name}`, () => this.remember());
    }
    this.leave = () => {
      ended.abort();
      el.remove();
    };
    this.place.append(el);
    const undo = [
      await this.module.initialize?.({ model, signal }),
      await this.module.render?.({ model, el, signal }),
    ];
    if (signal.aborted) undo.forEach((one) => one?.());
    else signal.addEventListener("abort", () => undo.forEach((one) => one?.()));
  }

  remove() {
    this.leave?.();
    this.leave = null;
  }

  remembered() {
    const { key } = this.part.memory ?? {};
    return (key && memory.read()[key]) || {};
  }

  remember() {
    const { key, names } = this.part.memory;
    memory.keep(key, Object.fromEntries(names.map((name) => [name, this.model.get(name)])));
    this.heard.remembered();
  }
}

// All that stands in the place of one output: the still face, and what is mounted over it.
class Alive {
  constructor(element) {
    this.element = element;
    const parts = unpacked(read(element.querySelector(":scope > script")));
    const places = [...element.querySelectorAll("[data-inm-view]")];
    const heard = {
      saved: (view, names) => this.onSaved(view, names),
      remembered: () => this.offerToForget(),
    };
    this.views = places.map((place) => {
      return new Mounted(place, parts[Number(place.dataset.inmAt)], heard);
    });
  }

  async mount() {
    try {
      await Promise.all(this.views.map((view) => view.load()));
      this.element.classList.add("inm-is-alive");
      await Promise.all(this.views.map((view) => view.render()));
      if (this.keys().some((key) => key in memory.read())) this.offerToForget();
    } catch (error) {
      this.element.classList.remove("inm-is-alive"); // the still face is better than half a view
      console.error(error);
    }
  }

  // What Python would have made of a choice: traits of this view change, other views begin anew.
  onSaved(view, changed) {
    const { names, outcomes } = view.part.choices ?? { names: [] };
    if (!changed.some((name) => names.includes(name))) return;
    const asked = JSON.stringify(names.map((name) => view.model.get(name)));
    const found = outcomes.find(([values]) => JSON.stringify(values) === asked);
    if (!found) return;
    this.views.forEach((one, place) => {
      const changes = found[1][place];
      if (one === view) one.model.set(changes ?? {});
      else if (changes) one.render(changes);
    });
  }

  keys() {
    return this.views.map(({ part }) => part.memory?.key).filter(Boolean);
  }

  offerToForget() {
    if (this.element.querySelector(".inm-remembered")) return;
    const words = document.createElement("p");
    const button = document.createElement("button");
    words.className = "inm-remembered";
    button.type = "button";
    button.textContent = "Forget my answers";
    button.addEventListener("click", forget);
    words.append("This browser remembers it. ", button);
    this.element.append(words);
  }

  forget() {
    const line = this.element.querySelector(".inm-remembered");
    if (!line) return;
    const hadFocus = line.contains(document.activeElement);
    line.remove();
    this.views.forEach((view) => view.render());
    if (!hadFocus) return;
    this.element.tabIndex = -1; // the button is gone, and focus must not go with it
    this.element.focus();
  }
}

// --- the page ------------------------------------------------------------------------------------

const onPage = [];

// One click forgets every answer on this page.
function forget() {
  memory.forget(onPage.flatMap((one) => one.keys()));
  onPage.forEach((one) => one.forget());
}

// The colours of the views follow the reader's setting, as those of the page do.
function follow(dark) {
  document.body.dataset.jpThemeLight = String(!dark.matches);
}

// nbconvert makes every cell and every output a stop of the Tab key. Their lines are broken to fit,
// so there is nothing to scroll in them: the key leads from one thing to use to the next.
function passCells() {
  const cells = ".jp-Cell-inputWrapper[tabindex], .jp-OutputArea-output[tabindex]";
  for (const cell of document.querySelectorAll(cells)) cell.removeAttribute("tabindex");
}

// A still table is scrolled with the keyboard, too, while it is wider than its place.
function reachWideTables() {
  for (const box of document.querySelectorAll(".jp-RenderedHTMLCommon :is(table, div)")) {
    if (getComputedStyle(box).overflowX !== "auto" || box.closest(".inm")) continue;
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

// A view is mounted a screen before it comes in sight, and the others while the browser is idle: so
// nothing moves under the eye. Until those of the first screen are there, the page waits; the line
// of script in its head ends that after a second.
function begin() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", follow);
  follow(dark);
  passCells();
  addEventListener("resize", reachWideTables);
  const waiting = new Set(document.querySelectorAll(".inm-live"));
  const mount = (element) => {
    if (!waiting.delete(element)) return undefined;
    const alive = new Alive(element);
    onPage.push(alive);
    return alive.mount();
  };
  const rest = async () => {
    document.documentElement.classList.remove("inm-waits");
    for (const element of waiting) {
      await new Promise((go) => (window.requestIdleCallback ?? setTimeout)(go));
      await mount(element);
    }
    reachWideTables();
  };
  let isFirst = true;
  const near = new IntersectionObserver(
    (entries) => {
      const mounted = entries.filter((one) => one.isIntersecting).map((one) => mount(one.target));
      if (isFirst) Promise.all(mounted).then(rest);
      isFirst = false;
    },
    { rootMargin: "100% 0px" },
  );
  if (!waiting.size) rest();
  for (const element of waiting) near.observe(element);
}

begin();
