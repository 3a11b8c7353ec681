// The film as it came from Python, tables whose rows refer to each other by place, read by name.

import { recordsOf } from "./records.js";

export class MemoryFilm {
  constructor({ names, sources, letters, views, blocks, frames, fields }) {
    Object.assign(this, { names, sources, letters });
    const told = recordsOf(views, fields, "views");
    const held = recordsOf(blocks, fields, "blocks");
    // Of a frame, what each name and each letter has; undefined for what is not there.
    this.frames = frames.map((frame) => ({
      ...frame,
      names: frame.names.map((place) => told[place]),
      blocks: frame.blocks.map((place) => held[place]),
    }));
    this.last = frames.length - 1;
  }

  // Has the name at `row` been there in the frame at `position` or before?
  came(row, position) {
    return this.frames.slice(0, position + 1).some((frame) => frame.names[row]);
  }

  // What the name at `row` was when it was there last: its sign stays when it has gone.
  known(row) {
    return this.frames.findLast((frame) => frame.names[row]).names[row];
  }
}
