// What the map knows: the rows that came from Python, which of them are open, what a filter found.
// It knows nothing of the page. An id is a path of positions, such as "0.2"; "" is the model.

export const IN_SIGHT = 15; // rows that are seen without scrolling

export const isModule = (row) => row.kind === "module" && !row.empty && !row.again;

const isPlain = (row) => row.kind === "plain value";

const depthOf = (id) => (id === "" ? 0 : id.split(".").length);

export function parentOf(id) {
  return id === "" ? null : id.slice(0, Math.max(0, id.lastIndexOf(".")));
}

// The sign of its kind. The model itself has another label.
export const signOf = ({ kind, label }, signs) => (label ? { ...signs[kind], label } : signs[kind]);

function byPlace(a, b) {
  const [left, right] = [a, b].map((id) => (id === "" ? [] : id.split(".").map(Number)));
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    if (left[i] !== right[i]) return left[i] - right[i];
  }
  return left.length - right.length;
}

export class Rows {
  byId = new Map(); // id -> row, with children (ids) where it was opened before
  open = new Set();
  unfolded = new Set(); // ids of modules whose plain values are seen
  filter = null; // {text, rows: Map, matches: Set of ids, more, waiting}, or null

  get(id) {
    return this.byId.get(id) ?? this.filter?.rows.get(id);
  }

  // Takes what Python read. What was open is open again, by its path.
  read(list) {
    const first = this.byId.size === 0;
    const paths = new Set([...this.open].map((id) => this.byId.get(id)?.path));
    this.byId = new Map(list.map((row) => [row.id, { ...row }]));
    const again = list.filter((row) => row.children && paths.has(row.path));
    this.open = new Set(again.map((row) => row.id));
    if (first) this.openAtFirst();
  }

  // Level by level, as long as everything stays in sight.
  openAtFirst() {
    let shown = 1;
    const waiting = [this.byId.get("")];
    for (const row of waiting) {
      if (!row.children) continue;
      const children = row.children.map((id) => this.byId.get(id));
      const others = children.filter((child) => !isPlain(child));
      const lines = others.length + (others.length < children.length);
      if (shown + lines > IN_SIGHT && row.id !== "") continue;
      shown += lines;
      this.open.add(row.id);
      waiting.push(...others);
    }
  }

  // Adds children that Python sent. False if they are no longer what comes next.
  add({ id, start, rows, more }) {
    const row = this.get(id);
    if (!row || (row.children?.length ?? 0) !== start) return false;
    for (const child of rows) this.byId.set(child.id, child);
    row.children = [...(row.children ?? []), ...rows.map((child) => child.id)];
    row.more = more;
    return true;
  }

  *walk(id, depth, all) {
    yield { id, depth };
    const row = this.byId.get(id);
    if (!row.children || !(all || this.open.has(id))) return;
    const plain = row.children.filter((child) => isPlain(this.byId.get(child)));
    const seen = all || this.unfolded.has(id) ? [] : plain;
    for (const child of row.children) {
      if (child === plain[0] && !all) yield { id, depth: depth + 1, act: "plain", n: plain.length };
      if (!seen.includes(child)) yield* this.walk(child, depth + 1, all);
    }
    if (row.more) yield { id, depth: depth + 1, act: "more", n: row.more };
  }

  // The first tensor from the top, {id}; {ask} for the module to be read before that is known.
  firstTensor() {
    for (const { id, act } of this.walk("", 0, true)) {
      const row = this.byId.get(id);
      if (row.dtype) return { id };
      if (!act && isModule(row) && !row.children) return { ask: id };
    }
    return {};
  }

  // What is seen from top to bottom: {id, depth}, or a line to be opened, {id, depth, act, n}: with
  // "plain" the n plain values of a module, with "more" n that were not read yet.
  items() {
    if (!this.filter) return [...this.walk("", 0, false)];
    const found = [...this.filter.rows.keys()].sort(byPlace);
    return found.map((id) => ({ id, depth: depthOf(id) }));
  }

  isOpen(id, next) {
    return this.filter ? next !== undefined && parentOf(next.id) === id : this.open.has(id);
  }

  // Opens what is around `id`. False if that was never here: only a filter found it.
  reveal(id) {
    let known = true;
    if (this.byId.has(id) && isPlain(this.byId.get(id))) this.unfolded.add(parentOf(id));
    for (let above = parentOf(id); above !== null; above = parentOf(above)) {
      if (this.byId.get(above)?.children) this.open.add(above);
      else known = false;
    }
    return known;
  }

  // The module whose next children are to be read before the row `id` is here; undefined if it is.
  missingFor(id) {
    if (this.byId.has(id)) return undefined;
    let above = parentOf(id);
    while (!this.byId.has(above)) above = parentOf(above);
    return above;
  }

  // Starts a filter. Until what it finds is here, everything stays as it is.
  startFilter(text) {
    this.filter = { text, rows: new Map(), matches: new Set(), more: 0, waiting: true };
  }

  // Searches a model that is here as a whole.
  search() {
    const found = new Map();
    const matches = new Set();
    for (const { id, act } of this.walk("", 0, true)) {
      if (act || !this.byId.get(id).path.toLowerCase().includes(this.filter.text)) continue;
      matches.add(id);
      for (let above = id; above !== null; above = parentOf(above)) {
        found.set(above, this.byId.get(above));
      }
    }
    this.endFilter(found, matches, 0);
  }

  // Takes what Python found.
  found({ rows, matches, more }) {
    const known = rows.map((row) => [row.id, this.byId.get(row.id) ?? row]);
    this.endFilter(new Map(known), new Set(matches), more);
  }

  endFilter(rows, matches, more) {
    Object.assign(this.filter, { rows, matches, more, waiting: false });
  }

  firstMatch() {
    const { rows, matches } = this.filter;
    return [...rows.keys()].sort(byPlace).find((id) => matches.has(id));
  }
}
