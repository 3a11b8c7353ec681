// Which key of the model stands beside which key of the file. A row has `left` and `right`, a place
// in the lists of keys or null, and a kind: "fits", "apart" (one key on both sides that does not
// fit), "could" (an advice joins them) or "alone".

const LARGE = 24; // rows; below it nothing is folded
const RUN = 4; // rows of what fits that are worth a fold
const HEAD = 3; // rows of anything else that stay before a fold
export const OPEN = 40; // rows that a fold shows; the filter finds the others

export function rowsOf(stage, fits) {
  const rows = [];
  const placed = new Set(stage.wire);
  stage.model.forEach((state, left) => {
    if (state < 0) return;
    const wired = stage.wire[left];
    const to = stage.could[left];
    if (wired >= 0) {
      rows.push({ kind: state === fits ? "fits" : "apart", left, right: wired, to: wired });
    } else if (to >= 0) {
      rows.push({ kind: "could", left, right: placed.has(to) ? null : to, to });
      placed.add(to);
    } else {
      rows.push({ kind: "alone", left, right: null, to: null });
    }
  });
  stage.file.forEach((state, right) => {
    if (state < 0 || placed.has(right)) return;
    rows.push({ kind: "alone", left: null, right, to: null });
  });
  return rows;
}

function runsOf(rows) {
  const runs = [];
  for (const row of rows) {
    const side = row.left === null;
    const last = runs.at(-1);
    if (last && last.kind === row.kind && last.side === side) last.rows.push(row);
    else runs.push({ kind: row.kind, side, rows: [row] });
  }
  return runs;
}

// The rows, with one in place of each long run of one kind. A row that stands for others has
// `folded`, how many they are, `id` and `isOpen`.
export function folded(rows, opened) {
  if (rows.length <= LARGE) return rows;
  return runsOf(rows).flatMap(({ kind, rows: run }) => {
    const kept = kind === "fits" ? 0 : HEAD;
    if (run.length < kept + RUN) return run;
    const rest = run.slice(kept);
    const id = `${rest[0].left}-${rest[0].right}`;
    const isOpen = opened.has(id);
    const fold = { ...rest[0], id, isOpen, folded: rest.length, more: kept > 0 };
    const shown = isOpen ? rest.slice(0, OPEN) : [];
    return [...run.slice(0, kept), fold, ...shown];
  });
}

// Two keys, compared by their parts: what both begin and end with, and what each has in between.
export function partsOf(before, now) {
  const [old, made] = [before, now].map((key) => key.split(/(?<=\.)/));
  const most = Math.min(old.length, made.length);
  let head = 0;
  while (head < most && old[head] === made[head]) head += 1;
  let tail = 0;
  while (tail < most - head && old.at(-1 - tail) === made.at(-1 - tail)) tail += 1;
  const middle = (parts) => parts.slice(head, parts.length - tail).join("");
  return {
    head: old.slice(0, head).join(""),
    gone: middle(old),
    come: middle(made),
    tail: old.slice(old.length - tail).join(""),
  };
}
