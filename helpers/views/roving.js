// The focus in a grid of buttons: Tab comes to one of them, arrows go on from there.

export class Roving {
  standing = [0, 0]; // row and column of the button that Tab comes to, as they are seen

  // `body`: the tbody that holds them.
  constructor(body) {
    this.body = body;
  }

  at(row, column) {
    return this.body.rows[row]?.querySelectorAll("button")[column];
  }

  stand(row, column) {
    this.at(...this.standing)?.setAttribute("tabindex", -1);
    this.standing = [row, column];
    this.at(row, column)?.setAttribute("tabindex", 0);
  }

  // `on` adds a listener.
  listen(on) {
    on(this.body, "focusin", (event) => this.onFocus(event));
    on(this.body, "keydown", (event) => this.onKey(event));
  }

  onFocus({ target }) {
    const row = target.closest("tr");
    const column = [...row.querySelectorAll("button")].indexOf(target);
    if (column >= 0) this.stand(row.sectionRowIndex, column);
  }

  onKey(event) {
    const [row, column] = this.standing;
    const { rows } = this.body;
    const end = rows[row].querySelectorAll("button").length - 1;
    const moves = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [event.ctrlKey ? 0 : row, 0],
      End: [event.ctrlKey ? rows.length - 1 : row, end],
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.at(...moves[event.key])?.focus();
  }
}
