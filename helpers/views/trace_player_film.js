// The film as it came from Python, tables whose rows refer to each other by place, read by name.

const asStep = ([place, line, stack, visit, held, values]) => {
  return { place, line, stack, visit, held, values };
};
const asChange = ([at, box, verb, entry, words, origin]) => ({
  at,
  box,
  verb,
  entry,
  words,
  origin,
});
const asNote = ([at, visit, line, kind, words]) => ({ at, visit, line, kind, words });
const asEntry = ([name, kind, about]) => ({ name, kind, about });
const asBox = ([there, entries, more]) => ({ there, entries, more });
const asBlock = ([head, first, last, other, end]) => ({ head, first, last, other, end });
const asListing = ([name, first, lines, statements, blocks]) => {
  return { name, first, lines, statements, blocks: blocks.map(asBlock) };
};

export class Film {
  changes = new Map(); // position -> the changes made there
  carried = []; // what an assignment took out of a container: {entry, name, from, until, lost}
  visits = []; // of each call of a function: {reached: statement -> its first step, last, notes}

  constructor(film) {
    this.steps = film.steps.map(asStep);
    this.listings = film.listings.map(asListing);
    this.entries = film.entries.map(asEntry);
    this.states = film.states.map((state) => state.map(asBox));
    const { stacks, values, containers, more, remarks = [] } = film;
    Object.assign(this, { stacks, values, containers, more, remarks });
    this.last = this.steps.length - 1;
    for (const change of film.changes.map(asChange)) {
      this.changes.set(change.at, [...this.changesAt(change.at), change]);
    }
    for (const [at, step] of this.steps.entries()) this.reach(step, at);
    for (const note of film.notes.map(asNote)) this.visits[note.visit].notes.push(note);
    for (const changes of this.changes.values()) changes.forEach((change) => this.carry(change));
  }

  reach({ place, line, visit }, at) {
    const call = (this.visits[visit] ??= { reached: new Map(), notes: [] });
    call.last = at;
    const { first, statements } = this.listings[place];
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
    const { place, visit } = this.steps[at];
    if (!this.listings[place].name.endsWith("__setattr__")) return;
    const raised = this.visits[visit].notes.find((note) => note.kind === "error");
    this.carried.push({ entry, name, from: at, until: Infinity, lost: raised?.at ?? Infinity });
  }

  inHandAt(position) {
    return this.carried.filter(({ from, until }) => from <= position && position < until);
  }

  // What is known of the call at `position`, and nothing of what comes: its notes in the order in
  // which they were made, and whether each statement "ran", is passed over ("never"), or neither.
  knownAt(position) {
    const { place, visit } = this.steps[position];
    const { reached, last, notes } = this.visits[visit];
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

  // The next position with a change, one way (1) or the other (-1); null where there is none.
  changeFrom(position, way) {
    let to = position + way;
    while (to >= 0 && to <= this.last && !this.changes.has(to)) to += way;
    return this.changes.has(to) ? to : null;
  }
}
