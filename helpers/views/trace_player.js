// The lines of a trace, or of two, one step after the other.

import { enter } from "./life.js";
import { playerOf } from "./trace_player_whole.js";

const TRAITS = ["film", "other", "moments", "signs", "start", "words", "nothing"];

function render({ model, el }) {
  const player = playerOf(Object.fromEntries(TRAITS.map((name) => [name, model.get(name)])));
  const { on, leave } = enter(el, player.root);
  player.begin(on);
  return () => {
    player.end();
    leave();
  };
}

export default { render };
