"""Which lines of torch run when I write `model.x = …`?

Hands out `trace` and `parting` with their records, the story that a player tells of a trace, and
the attempts of the playground. It knows nothing of the screen.

`source` is torch's file, `recorder` takes the lines of it that run, `watch` what they do to the
containers of a module, `following` decides of which; `trace` makes steps of it all, and says how
each test went. `story` tells it in words and tables, `listing` has the source in tokens, `river`
the questions as a flowchart. `parting` says where two traces part, and `alongside` steps through
both. `trials` has the values, homes and routes of the playground.

Imports: `state`.
"""
