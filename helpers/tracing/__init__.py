"""Which lines of torch run when I write `model.x = …`?

Hands out `trace` and `parting` with their records, the story that a player tells of a trace, and
the attempts of the playground. It knows nothing of the screen.

Imports: `state`.
"""
