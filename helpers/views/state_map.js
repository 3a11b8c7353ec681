// The map of a module's state. Folding, filtering and selecting happen here; the kernel is asked for the children of a
// large model when they are opened, for a filter over one, and for a preview. Only the rows in sight are in the page.
// Every text that comes from the model is set as text content, never parsed.

const SIGN = "inm-map-sign";
let maps = 0; // for ids of rows within this page

const parentOf = (id) => (id === "" ? null : id.includes(".") ? id.slice(0, id.lastIndexOf(".")) : "");
const depthOf = (id) => (id === "" ? 0 : id.split(".").length);

function bytes(number) {
  if (number < 1024) return `${count(number)} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let size = number / 1024;
  let unit = 0;
  for (; size >= 1000 && unit < 3; unit += 1) size /= 1024;
  return `${count(Number(size.toPrecision(3)))} ${units[unit]} (${count(number)} bytes)`;
}

function noteOf(row) {
  if (row.empty) return "None";
  if (row.again) return `${row.type}, inside itself: not entered`;
  if (row.dtype) return tensorOf(row);
  return row.kind === "module" ? row.type : row.value ?? row.type;
}

function render({ model, el }) {
  const { signs, sees } = JSON.parse(model.get("words"));
  const prefix = `inm-map-${(maps += 1)}`;
  let rows = new Map(); // id -> row, with children (ids) where it was opened before
  let open = new Set();
  let selected = "";
  let filter = null; // {text, matches: Set of ids, items, more}, or null
  let items = []; // what the tree shows, from top to bottom: {id, depth} or {id, depth, more} for "… and N more"
  let onMore = null; // the place of the "… and N more" line, while the keyboard stands on it
  let rowHeight = 0;

  // --- the page -------------------------------------------------------------------------------------------------
  const sums = node("dl", "inm-map-totals");
  const input = node("input", { class: "inm-field inm-map-filter", type: "search", placeholder: "Filter by name ( / )",
    spellcheck: "false", autocomplete: "off", "aria-label": "Filter by name" }); // prettier-ignore
  const refresh = node("button", { class: "inm-button", type: "button", title: "Read the model again" }, "Refresh");
  const status = node("div", { class: "inm-map-status", role: "status" });
  const spacer = node("div", { class: "inm-map-spacer", role: "presentation" });
  const tree = node("div", { class: "inm-map-tree", tabindex: 0, role: "tree", "aria-label": "State of the model" }, spacer);
  const details = node("div", { class: "inm-map-details", tabindex: 0, role: "region",
    "aria-label": "Details of what is selected" }); // prettier-ignore
  const legend = node("div", "inm-map-legend");
  for (const sign of Object.values(signs)) legend.append(node("span", "", mark(sign, SIGN), sign.label));
  const bar = node("div", "inm-map-bar", input, refresh, status);
  const root = node("div", "inm inm-map", sums, bar, node("div", "inm-map-body", tree, details), legend);

  // --- facts ----------------------------------------------------------------------------------------------------
  const isModule = (row) => row.kind === "module" && !row.empty && !row.again;
  const rowOf = (id) => rows.get(id) ?? filter?.rows.get(id);

  function readRows() {
    const openPaths = new Set([...open].map((id) => rows.get(id)?.path));
    const first = rows.size === 0;
    rows = new Map(model.get("rows").map((row) => [row.id, { ...row }]));
    if (!rows.size) return; // between two readings
    open = new Set();
    for (const row of rows.values()) if (row.children && openPaths.has(row.path)) open.add(row.id);
    if (first) openAtFirst();
    if (!rows.has(selected)) selected = "";
    status.textContent = "";
    const { parameters, trainable, buffers, nbytes, lazy, modules } = model.get("totals");
    const facts = [["parameter elements", count(parameters)], ["of them trainable", count(trainable)],
      ["buffer elements", count(buffers)], ["in parameters and buffers", bytes(nbytes)],
      [modules === 1 ? "module" : "modules", count(modules)]]; // prettier-ignore
    if (lazy) facts.push(["lazy, no size yet", count(lazy)]);
    sums.replaceChildren(...facts.map(([name, value]) => node("div", "", node("dt", "", name), node("dd", "", value))));
    show();
  }

  // Level by level, as long as everything stays in sight.
  function openAtFirst() {
    let shown = 1;
    const waiting = [rows.get("")];
    for (const row of waiting) {
      if (!row.children || (shown + row.children.length > 20 && row.id !== "")) continue;
      shown += row.children.length;
      open.add(row.id);
      waiting.push(...row.children.map((id) => rows.get(id)));
    }
  }

  function* walk(id, depth, all) {
    yield { id, depth };
    const row = rows.get(id);
    if (!row.children || !(all || open.has(id))) return;
    for (const child of row.children) yield* walk(child, depth + 1, all);
    if (row.more) yield { id, depth: depth + 1, more: row.more };
  }

  const ask = (request) => model.send(request);

  function onMessage(reply) {
    status.textContent = reply.error ?? status.textContent;
    if (reply.error) return;
    const row = rowOf(reply.id);
    if (reply.type === "children" && row && (row.children?.length ?? 0) === reply.start) {
      for (const child of reply.rows) rows.set(child.id, child);
      row.children = [...(row.children ?? []), ...reply.rows.map((child) => child.id)];
      row.more = reply.more;
      if (reply.start > 0 && reply.rows.length) selected = reply.rows[0].id; // the reader goes on where the page ended
      show();
    } else if (reply.type === "filter" && filter?.text === reply.text) {
      const found = new Map(reply.rows.map((one) => [one.id, rows.get(one.id) ?? one]));
      setMatches(found, new Set(reply.matches), reply.more);
    } else if (reply.type === "about" && row) {
      Object.assign(row, reply.names ? { names: reply.names } : { totals: reply.totals });
      if (reply.id === selected) showDetails();
    } else if (reply.type === "preview" && row) {
      row.preview = reply.text;
      if (reply.id === selected) showDetails();
    }
  }

  // --- filter ---------------------------------------------------------------------------------------------------
  let typing = 0;
  function onFilter() {
    const text = input.value.trim().toLowerCase();
    clearTimeout(typing);
    if (!text) {
      filter = null;
      status.textContent = "";
      reveal(selected);
      show();
      return;
    }
    filter = { text, rows: new Map(), matches: new Set(), more: 0, waiting: true };
    if (!model.get("whole")) {
      status.textContent = "Searching the whole model …";
      typing = setTimeout(() => ask({ type: "filter", text }), 120);
      return;
    }
    const found = new Map();
    const matches = new Set();
    for (const { id, more } of walk("", 0, true)) {
      if (more || !rows.get(id).path.toLowerCase().includes(text)) continue;
      matches.add(id);
      for (let above = id; above !== null && !found.has(above); above = parentOf(above)) found.set(above, rows.get(above));
    }
    setMatches(found, matches, 0);
  }

  function clearFilter() {
    input.value = "";
    onFilter();
  }

  function setMatches(found, matches, more) {
    Object.assign(filter, { rows: found, matches, more, waiting: false });
    const all = matches.size + more;
    status.textContent = all === 0 ? "Nothing has this in its name" : all === 1 ? "1 match" : `${count(all)} matches`;
    if (more) status.textContent += `, the first ${count(matches.size)} shown`;
    if (matches.size && !matches.has(selected)) selected = [...found.keys()].sort(byPlace).find((id) => matches.has(id));
    show();
  }

  function byPlace(a, b) {
    const [left, right] = [a, b].map((id) => (id === "" ? [] : id.split(".").map(Number)));
    for (let i = 0; i < Math.min(left.length, right.length); i += 1) if (left[i] !== right[i]) return left[i] - right[i];
    return left.length - right.length;
  }

  // --- the tree -------------------------------------------------------------------------------------------------
  function show() {
    if (filter) {
      if (filter.waiting) return; // what was found before stays until the answer is here
      items = [...filter.rows.keys()].sort(byPlace).map((id) => ({ id, depth: depthOf(id) }));
    } else {
      items = [...walk("", 0, false)];
    }
    tree.hidden = items.length === 0;
    measure();
    spacer.style.height = `${items.length * rowHeight}px`;
    scrollTo(selected);
    draw();
    showDetails();
  }

  function measure() {
    if (rowHeight) return;
    const probe = node("div", "inm-map-row", "x");
    spacer.append(probe);
    rowHeight = probe.offsetHeight; // 0 until the view is on the page
    probe.remove();
  }

  function draw(event) {
    if (!rowHeight) return;
    const first = Math.max(0, Math.floor(tree.scrollTop / rowHeight) - 4);
    const last = Math.min(items.length, first + Math.ceil(tree.clientHeight / rowHeight) + 8);
    // What stays in sight while it scrolls stays the element that it is: else a press under way would lose its click.
    const kept = new Map();
    for (const row of [...spacer.children]) {
      const place = Number(row.dataset.place);
      if (event?.type === "scroll" && place >= first && place < last) kept.set(place, row);
      else row.remove();
    }
    let next = spacer.firstChild;
    for (let place = first; place < last; place += 1) {
      if (kept.has(place)) next = kept.get(place).nextSibling;
      else spacer.insertBefore(rowElement(items[place], place), next);
    }
    const active = items.findIndex((item) => item.id === selected && !item.more);
    if (active >= first && active < last) tree.setAttribute("aria-activedescendant", `${prefix}-${active}`);
    else tree.removeAttribute("aria-activedescendant");
  }

  function rowElement(item, place) {
    const row = rowOf(item.id);
    const line = { id: `${prefix}-${place}`, "data-place": place, role: "treeitem", "aria-level": item.depth + 1,
      style: `top:${place * rowHeight}px;padding-left:${0.4 + item.depth * 1.25}em` }; // prettier-ignore
    if (item.more) {
      return node("div", { ...line, class: "inm-map-row inm-map-more" }, `… and ${count(item.more)} more: show the next`);
    }
    const isOpen = filter ? filter.rows.has(items[place + 1]?.id) && items[place + 1].depth > item.depth : open.has(item.id);
    const fold = node("span", { class: "inm-map-fold", "aria-hidden": "true" }, isModule(row) ? (isOpen ? "▾" : "▸") : "");
    const name = node("span", { class: "inm-map-name", title: row.path || row.name }, row.name);
    const around = filter && !filter.matches.has(item.id) ? " inm-map-around" : "";
    Object.assign(line, { class: `inm-map-row${around}`, "aria-label": `${row.name}, ${signs[row.kind].label}, ${noteOf(row)}`,
      "aria-selected": String(item.id === selected), "aria-expanded": isModule(row) && String(isOpen) }); // prettier-ignore
    return node("div", line, fold, mark(signs[row.kind], SIGN), name, node("span", "inm-map-note", noteOf(row)));
  }

  function scrollTo(id) {
    const place = items.findIndex((item) => item.id === id && !item.more);
    if (place < 0) return;
    const top = place * rowHeight;
    if (top < tree.scrollTop) tree.scrollTop = top;
    else if (top + rowHeight > tree.scrollTop + tree.clientHeight) tree.scrollTop = top + rowHeight - tree.clientHeight;
  }

  function select(id) {
    onMore = null;
    selected = id;
    scrollTo(id);
    draw();
    showDetails();
  }

  function reveal(id) {
    for (let above = parentOf(id); above !== null; above = parentOf(above)) {
      if (!rows.get(above)?.children) selected = ""; // found by a filter inside a part that was never opened
      else open.add(above);
    }
  }

  function setOpen(id, wanted) {
    const row = rowOf(id);
    if (!isModule(row) || filter) return;
    if (wanted) open.add(id);
    else open.delete(id);
    if (!wanted && selected.startsWith(id === "" ? "" : `${id}.`)) selected = id;
    if (wanted && !row.children) ask({ type: "children", id, path: row.path, start: 0 });
    else show();
  }

  function more(id) {
    onMore = null;
    const row = rows.get(id);
    ask({ type: "children", id, path: row.path, start: row.children.length });
  }

  function onClick(event) {
    let place = Number(event.target.closest(".inm-map-row")?.dataset.place ?? -1);
    // Rows drawn anew between press and release leave the click to the tree: then its height tells the row.
    if (place < 0) place = Math.floor((event.clientY - spacer.getBoundingClientRect().top) / rowHeight);
    const item = items[place];
    if (!item) return;
    if (item.more) return void more(item.id);
    const fold = spacer.querySelector(`[data-place="${place}"] .inm-map-fold`)?.getBoundingClientRect();
    const onFold = fold && event.clientX >= fold.left && event.clientX <= fold.right;
    select(item.id);
    if (onFold || event.detail === 2) setOpen(item.id, !open.has(item.id));
  }

  // --- keyboard -------------------------------------------------------------------------------------------------
  function onTreeKey(event) {
    const place = onMore ?? items.findIndex((item) => item.id === selected && !item.more);
    const page = Math.max(1, Math.floor(tree.clientHeight / rowHeight) - 1);
    const moves = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -items.length, End: items.length };
    const row = rowOf(selected);
    if (event.key in moves) {
      const next = Math.min(items.length - 1, Math.max(0, place + moves[event.key]));
      if (items[next].more) standOnMore(next);
      else select(items[next].id);
    } else if (onMore !== null && (event.key === "Enter" || event.key === " ")) {
      more(items[onMore].id);
    } else if (event.key === "ArrowRight") {
      if (isModule(row) && !open.has(selected) && !filter) setOpen(selected, true);
      else if (items[place + 1]?.depth > items[place].depth) select(items[place + 1].id);
    } else if (event.key === "ArrowLeft") {
      if (onMore !== null) select(items[onMore].id);
      else if (open.has(selected) && !filter) setOpen(selected, false);
      else if (selected !== "") select(parentOf(selected));
    } else if (event.key === "Enter" || event.key === " ") {
      setOpen(selected, !open.has(selected));
    } else if (event.key === "/") {
      input.focus();
      input.select();
    } else if (event.key === "Escape" && input.value) {
      clearFilter();
    } else {
      return;
    }
    event.preventDefault();
  }

  function standOnMore(place) {
    onMore = place;
    tree.scrollTop = Math.max(tree.scrollTop, (place + 1) * rowHeight - tree.clientHeight);
    draw();
    const line = spacer.querySelector(`[data-place="${place}"]`);
    line.setAttribute("aria-selected", "true");
    tree.setAttribute("aria-activedescendant", line.id);
  }

  function onInputKey(event) {
    if (!["Escape", "ArrowDown", "Enter"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Escape") clearFilter();
    tree.focus();
  }

  // --- details --------------------------------------------------------------------------------------------------
  function showDetails() {
    const row = rowOf(selected);
    if (!row) return;
    const name = row.path ? node("code", "", row.path) : "The model itself";
    const kind = row.empty ? `${signs[row.kind].label}, empty` : row.id === "" ? "module" : signs[row.kind].label;
    const head = node("div", "inm-map-head", mark(signs[row.kind], SIGN), name);
    details.replaceChildren(head, node("div", "inm-map-kind", kind), factList(row));
    if (row.dtype) details.append(namesOf(row));
    const lines = sees[row.empty ? "empty" : row.kind];
    const gradient = row.dtype && row.grad !== null ? [sees[String(row.grad)]] : [];
    const seen = [...lines, ...gradient].map(([yes, words]) => {
      const sign = node("span", { class: "inm-map-mark", "aria-hidden": "true" }, yes ? "✓" : "–");
      return node("li", yes ? "" : "inm-map-no", sign, words);
    });
    details.append(node("h4", "", "Who sees it"), node("ul", "inm-map-sees", ...seen));
    if (row.dtype) details.append(previewOf(row));
  }

  function factList(row) {
    const facts = [["type", row.type]];
    if (row.dtype) {
      facts.push(["shape", shapeOf(row)], ["dtype", row.dtype], ["device", row.device]);
      if (row.numel !== null) facts.push(["elements", count(row.numel)]);
      if (row.nbytes !== null) facts.push(["memory", bytes(row.nbytes)]);
      facts.push(["requires_grad", row.grad ? "True" : "False"]);
    } else if (row.value !== undefined) {
      facts.push(["value", row.value]);
    } else if (row.kind === "module" && !row.empty) {
      if (row.id === "") row.totals = model.get("totals");
      else if (!row.totals) about(row);
      if (row.totals) facts.push(...Object.entries({
        "parameter elements": count(row.totals.parameters), "of them trainable": count(row.totals.trainable),
        "buffer elements": count(row.totals.buffers), memory: bytes(row.totals.nbytes) })); // prettier-ignore
    }
    return node("dl", "inm-map-facts", ...facts.flatMap(([name, value]) => [node("dt", "", name), node("dd", "", value)]));
  }

  function about(row) {
    if (row.asked) return;
    row.asked = true;
    ask({ type: "about", id: row.id, path: row.path });
  }

  function namesOf(row) {
    if (!row.names) about(row);
    if (!row.names?.length) return "";
    const names = row.names.map((name) => node("li", "", node("code", "", name)));
    return node("div", "inm-map-names", node("h4", "", "One tensor, several names"), node("ul", "", ...names));
  }

  function previewOf(row) {
    if (row.preview !== undefined) return node("pre", "inm-map-preview", row.preview);
    const button = node("button", { class: "inm-button", type: "button" }, "Show the first numbers");
    button.addEventListener("click", () => {
      details.focus(); // the button goes when the numbers come
      ask({ type: "preview", id: row.id, path: row.path });
    });
    return button;
  }

  // --- life -----------------------------------------------------------------------------------------------------
  const { on, leave } = enter(el, root);
  on(tree, "scroll", draw);
  on(tree, "click", onClick);
  on(tree, "keydown", onTreeKey);
  on(input, "input", onFilter);
  on(input, "keydown", onInputKey);
  on(refresh, "click", () => ask({ type: "refresh" }));
  model.on("msg:custom", onMessage);
  model.on("change:rows", readRows);
  // Row heights follow the font size, which is known once the view is on the page and changes with the theme.
  const resized = new ResizeObserver(() => {
    rowHeight = 0;
    show();
  });
  readRows();
  resized.observe(tree);
  return () => {
    resized.disconnect();
    model.off("msg:custom", onMessage);
    model.off("change:rows", readRows);
    leave();
  };
}

export default { render };
