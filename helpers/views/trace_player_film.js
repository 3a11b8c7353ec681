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
const asListing = ([name, first, lines, statements]) => ({ name, first, lines, statements });

export class Film {
  changes = new Map(); // position -> the changes made there
  visits = []; // of each call of a function: {reached: statement -> its first step, notes}

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
  }

  reach({ place, line, visit }, at) {
    const { reached } = (this.visits[visit] ??= { reached: new Map(), notes: [] });
    const { first, statements } = this.listings[place];
    const statement = statements[line - first];
    if (!reached.has(statement)) reached.set(statement, at);
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
