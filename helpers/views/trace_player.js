// The lines of a trace, one step after the other. The whole film came with the view, so nothing asks the kernel. The
// source of a function is built once, and a step changes marks in it. Every text is set as text content, never parsed.

const KEYS = { ArrowLeft: "back", ArrowUp: "back", ArrowRight: "forward", ArrowDown: "forward", Home: "first",
  End: "last", " ": "play" }; // prettier-ignore
const PACE = 550; // ms for a step that is played; a step that changes something stays longer

function render({ model, el }) {
  const film = model.get("film");
  const signs = model.get("signs");
  const last = film.steps.length - 1;
  const sources = []; // of each listing: {element, rows}, once it was shown
  const changesAt = new Map(); // position -> the changes made there
  for (const change of film.changes) changesAt.set(change[0], [...(changesAt.get(change[0]) ?? []), change]);
  const visits = []; // of each call of a function: the statements that it reaches, each with its first step, and its notes
  film.steps.forEach(([place, line, , visit], at) => {
    const { reached } = (visits[visit] ??= { reached: new Map(), notes: [] });
    const statement = film.listings[place][3][line - film.listings[place][1]];
    if (!reached.has(statement)) reached.set(statement, at);
  });
  for (const note of film.notes) visits[note[1]].notes.push(note);
  let position = model.get("start");
  let timer = null;
  let drawn = null; // what the containers show: [state, position of the changes shown with it]

  // --- the page -------------------------------------------------------------------------------------------------
  const status = node("div", { class: "inm-player-status", role: "status", "aria-live": "polite" });
  if (last < 0) return el.append(node("div", "inm inm-player", model.get("nothing")));
  const actions = { first: () => go(0), back: () => go(position - 1), play, forward: () => go(position + 1),
    last: () => go(last), previous: () => jump(-1), next: () => jump(1) }; // prettier-ignore
  const button = (action, label, words) =>
    node("button", { type: "button", class: "inm-button", "data-action": action, title: label, "aria-label": label }, words);
  const playing = button("play", "", "Play");
  const slider = node("input", { type: "range", min: 0, max: last, "aria-label": "Step" });
  const counter = node("span", "inm-player-count");
  const bar = node("div", { class: "inm-player-bar", role: "group", "aria-label": "Steps" },
    button("first", "First step", "|◀"), button("back", "Back", "◀"), playing, button("forward", "Forward", "▶"),
    button("last", "Last step", "▶|"), slider, counter, button("previous", "", "Previous change"),
    button("next", "", "Next change")); // prettier-ignore
  const path = node("div", { class: "inm-player-path", role: "group", "aria-label": "Calls under way" });
  const source = node("div", { class: "inm-player-source", role: "region", "aria-label": "Source", tabindex: 0 });
  const locals = node("table", { class: "inm-player-locals" });
  const boxes = node("div");
  const state = node("div", { class: "inm-player-state", role: "region", tabindex: 0,
    "aria-label": "Local names and containers" }, node("div", "inm-player-names", locals), boxes); // prettier-ignore
  const legend = node("div", "inm-player-legend", "▶ runs now · ✓ has run · – this call never reaches it. ",
    "Containers: as the line leaves them; what it calls comes with its own lines. ",
    film.more ? `${count(film.more)} more steps are not shown.` : ""); // prettier-ignore
  const root = node("div", "inm inm-player", bar, path, node("div", "inm-player-body", source, state), status, legend);

  // --- the source -----------------------------------------------------------------------------------------------
  function sourceOf(place) {
    const [name, first, lines, statements] = film.listings[place];
    const rows = lines.map((runs, i) => {
      const indent = `${4 + (runs[1]?.search(/\S|$/) ?? 0)}ch`; // where a line that is too long goes on
      const code = node("code", { class: "inm-player-code", style: `padding-left:${indent};text-indent:-${indent}` });
      for (let k = 0; k < runs.length; k += 2) code.append(node("span", runs[k] && `inm-tok-${runs[k]}`, runs[k + 1]));
      const note = node("span", "inm-player-note");
      const row = node("div", "inm-player-line", node("code", "inm-player-number", String(first + i)), code, note);
      return { row, note, line: first + i, statement: statements[i], text: code.textContent.trim() };
    });
    return { element: node("div", { "aria-label": name, role: "group" }, ...rows.map(({ row }) => row)), rows };
  }

  function showSource([place, line, , visit]) {
    const { element, rows } = (sources[place] ??= sourceOf(place));
    if (source.firstChild !== element) source.replaceChildren(element);
    const notes = new Map();
    for (const [at, , noted, kind, words] of visits[visit].notes) if (at <= position) notes.set(noted, [kind, words]);
    for (const one of rows) {
      const first = visits[visit].reached.get(one.statement);
      const sign = one.line === line ? "now" : !one.statement ? "" : first === undefined ? "never" : first < position && "ran";
      if (one.sign !== sign) {
        Object.assign(one, { sign }).row.dataset.sign = sign || "";
        if (sign === "now") one.row.setAttribute("aria-current", "step");
        else one.row.removeAttribute("aria-current");
      }
      const [kind, words] = notes.get(one.line) ?? ["", ""];
      if (one.note.textContent !== words) Object.assign(one.note, { textContent: words }).dataset.kind = kind;
    }
    const { row, text } = rows[line - film.listings[place][1]];
    const [top, height] = [row.offsetTop - source.scrollTop, source.clientHeight];
    if (top < 40 || top + row.offsetHeight > height - 40) source.scrollTop += top - height / 3;
    return [text, notes.get(line)];
  }

  // --- names and containers -------------------------------------------------------------------------------------
  function itemOf(entry, sign, words) {
    const [name, kind, about] = film.entries[entry];
    const label = node("span", "inm-player-soft", about || signs[kind].label);
    const said = words ? node("b", "inm-player-change", words) : "";
    const glyph = mark(signs[kind], "inm-player-sign");
    return node("li", { "data-change": sign }, glyph, node("code", "", name), " ", label, said);
  }

  function showState([, , stack, , held, values]) {
    path.replaceChildren(...film.stacks[stack].flatMap((name, i) => [i ? " › " : "", node("code", "", name)]));
    const row = ([name, words]) => node("tr", "", node("th", { scope: "row" }, node("code", "", name)), node("td", "", words));
    locals.replaceChildren(...film.values[values].map(row));
    const changes = changesAt.get(position) ?? [];
    if (drawn?.held === held && !drawn.changes.length && !changes.length) return;
    drawn = { held, changes };
    const flying = [];
    boxes.replaceChildren(...film.states[held].map(([there, entries, more], box) => {
      const mine = changes.filter((change) => change[1] === box);
      const items = entries.map((entry) => {
        const change = mine.find((one) => one[2] !== "left" && film.entries[one[3]][0] === film.entries[entry][0]);
        const item = itemOf(entry, change?.[2], change?.[2] === "came" ? "came in" : change?.[2]);
        if (change?.[2] === "came") flying.push([item, change[5]]);
        return item;
      });
      for (const change of mine) if (change[2] === "left") items.push(itemOf(change[3], "left", "left"));
      if (more) items.push(node("li", "inm-player-soft", `… and ${count(more)} more`));
      const none = node("span", "inm-player-soft", there ? "empty" : "not there");
      const [name, list] = [film.containers[box], items.length ? node("ul", "", ...items) : none];
      return node("div", { class: "inm-player-box", "data-box": name }, node("h4", "", name), list);
    })); // prettier-ignore
    for (const [item, origin] of flying) fly(item, origin);
  }

  // A name that comes in moves from the container that it left last, or from the local names.
  function fly(item, origin) {
    const from = boxes.querySelector(`[data-box="${origin || "none"}"]`) ?? locals.lastElementChild;
    if (!from || window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const [a, b] = [from.getBoundingClientRect(), item.getBoundingClientRect()];
    item.animate([{ transform: `translate(${a.left - b.left}px, ${a.top - b.top}px)` }, { transform: "none" }],
      { duration: 500, easing: "ease-out" }); // prettier-ignore
  }

  // --- steps ----------------------------------------------------------------------------------------------------
  function go(to, words = "") {
    position = Math.max(0, Math.min(last, to));
    const step = film.steps[position];
    const [text, note] = showSource(step);
    showState(step);
    Object.assign(slider, { value: position }).setAttribute("aria-valuetext", `step ${position + 1} of ${last + 1}`);
    counter.textContent = `${count(position + 1)} / ${count(last + 1)}`;
    const said = (changesAt.get(position) ?? []).map((change) => change[4]);
    if (note) said.unshift(note[0] === "test" ? `is ${note[1]}` : `raises ${note[1]}`);
    if (words) said.push(words);
    const where = `${film.stacks[step[2]].at(-1)}, line ${step[1]}`;
    status.replaceChildren(`${where}: `, node("code", "", text), said.length ? ` → ${said.join("; ")}` : "");
  }

  function jump(way) {
    let to = position + way;
    while (to >= 0 && to <= last && !changesAt.has(to)) to += way;
    if (changesAt.has(to)) go(to);
    else go(position, way > 0 ? "no later change" : "no earlier change");
  }

  function play() {
    if (timer !== null) return stop();
    if (position === last) go(0);
    status.setAttribute("aria-live", "off"); // read out step by step it would never end
    playing.textContent = "Pause";
    wait();
  }

  function wait() {
    timer = setTimeout(() => {
      go(position + 1);
      if (position === last) stop();
      else wait();
    }, changesAt.has(position) ? 3 * PACE : PACE); // prettier-ignore
  }

  function stop() {
    clearTimeout(timer);
    timer = null;
    status.setAttribute("aria-live", "polite");
    playing.textContent = "Play";
  }

  function act(action) {
    if (action !== "play") stop();
    actions[action]();
  }

  function onKey(event) {
    const action = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey ? undefined : KEYS[event.key];
    const own = event.target.closest("button") ? event.key === " " : event.target === slider && event.key !== " ";
    if (!action || own) return;
    event.preventDefault();
    act(action);
  }

  const { on, leave } = enter(el, root);
  for (const one of bar.querySelectorAll("button")) on(one, "click", () => act(one.dataset.action));
  on(slider, "input", () => (stop(), go(Number(slider.value))));
  on(root, "keydown", onKey);
  const resized = new ResizeObserver(() => showSource(film.steps[position])); // its lines wrap anew
  go(position);
  resized.observe(source);
  return () => {
    stop();
    resized.disconnect();
    leave();
  };
}

export default { render };
