// The film as it came from Python, tables whose rows refer to each other by place, read by name. It
// says what is known at each step: which statements have run, and which a test has passed over.

import { recordsOf } from "./records.js";

export class Film {
  changes = new Map(); // position -> the changes made there
  carried = []; // what an assignment took out of a container: {entry, name, from, until, lost}
  visits = []; // of each call of a function: {reached: statement -> its first step, last, notes}

  // `run` is its place among the films that are shown.
  constructor(film, run) {
    const { stacks, values, containers, more, remarks, river } = film;
    const read = (name, rows = film[name]) => recordsOf(rows, film.fields, name);
    Object.assign(this, { run, stacks, values, containers, more, remarks, turns: river.turns });
    this.steps = read("steps");
    this.last = this.steps.length - 1;
    this.listings = read("listings");
    for (const one of this.listings) one.tokens = one.tokens.map((line) => line.split("\t"));
    this.entries = read("entries");
    this.states = film.states.map((state) => read("boxes", state));
    this.ways = read("ways", river.ways);
    this.courses = read("courses", river.courses);
    for (const change of read("changes")) {
      this.changes.set(change.at, [...this.changesAt(change.at), change]);
    }
    for (const [at, step] of this.steps.entries()) this.reach(step, at);
    for (const note of read("notes")) this.visits[note.visit].notes.push(note);
    for (const changes of this.changes.values()) changes.forEach((change) => this.carry(change));
  }

  reach({ listing, line, visit }, at) {
    const call = (this.visits[visit] ??= { reached: new Map(), notes: [] });
    call.last = at;
    const { first, statements } = this.listings[listing];
    const statement = statements[line - first];
    if (!call.reached.has(statement)) call.reached.set(statement, at);
  }

  // An assignment takes a name out of one container, and puts it into another some lines later. If
  // it raises in between the name is lost.
  carry({ at, verb, entry }) {
    const { name } = this.entries[entry];
    const open = this.carried.find((one) => one.name === name && one.until > at);
    if (verb === "came" && open) open.until = at;
    if (verb !== "left" || open) return;
    const { listing, visit } = this.steps[at];
    if (!this.listings[listing].name.endsWith("__setattr__")) return;
    const raised = this.visits[visit].notes.find((note) => note.kind === "error");
    this.carried.push({ entry, name, from: at, until: Infinity, lost: raised?.at ?? Infinity });
  }

  inHandAt(position) {
    return this.carried.filter(({ from, until }) => from <= position && position < until);
  }

  // The step at `position`; where there is none, as before the first one, a step of nothing.
  stepAt(position) {
    return this.steps[position] ?? { listing: -1, line: 0, stack: -1, state: 0, values: -1 };
  }

  // The text of the line that runs at `position`.
  textAt(position) {
    const { listing, line } = this.stepAt(position);
    if (listing < 0) return "";
    const { first, tokens } = this.listings[listing];
    return tokens[line - first]
      .filter((_, i) => i % 2)
      .join("")
      .trim();
  }

  // The assignment that is under way at `position`, or was last: its number, and the marks that are
  // known of it by then.
  courseAt(position) {
    const turn = this.turns.findLast(([at]) => at <= position);
    const number = (turn ?? this.turns[0])[1];
    const { name, marks } = this.courses[number];
    return { number, name, begun: !!turn, marks: marks.filter(({ at }) => at <= position) };
  }

  // The last call by `position` of the function that is listed at `place`.
  visitAt(position, place) {
    let at = position;
    while (at >= 0 && this.steps[at].listing !== place) at -= 1;
    return at < 0 ? null : this.visits[this.steps[at].visit];
  }

  // What is known at `position` of the last call of the function at `place`, and nothing of what
  // comes: its notes in the order in which they were made, and whether each statement "ran", is
  // passed over ("never"), or neither. Nothing is known of a function that was not called.
  knownAt(position, place) {
    const visit = this.visitAt(position, place);
    if (!visit) return { told: [], fate: () => "" };
    const { reached, last, notes } = visit;
    const { statements, first, blocks } = this.listings[place];
    const told = notes.filter(({ at }) => at <= position).sort((a, b) => a.at - b.at);
    const tests = told.filter(({ kind }) => kind === "test");
    const outcomes = new Map(tests.map(({ line, words }) => [statements[line - first], words]));
    const since = (start, end) =>
      [...reached].some(([line, at]) => line > end && at > start && at <= position);
    const passed = blocks.map((block) => {
      // A loop that nothing goes through has no outcome: what stands after it has run.
      const skipped = since(reached.get(block.head), block.last) ? "False" : "";
      const outcome = outcomes.get(block.head) ?? skipped;
      if (outcome === "True") return [block.other, block.end];
      return outcome === "False" ? [block.first, block.last] : [0, 0];
    });
    const fate = (statement) => {
      if (!statement) return "";
      if (reached.get(statement) <= position) return reached.get(statement) < position ? "ran" : "";
      const over = position >= last;
      return over || passed.some(([a, b]) => a <= statement && statement <= b) ? "never" : "";
    };
    const test = tests.at(-1);
    const head = test && statements[test.line - first];
    return { told, fate, test, block: blocks.find((block) => block.head === head) };
  }

  changesAt(position) {
    return this.changes.get(position) ?? [];
  }
}
