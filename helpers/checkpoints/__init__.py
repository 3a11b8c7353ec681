"""How will this state_dict fit this model?

Hands out `compare_checkpoint` and its records: a rehearsal of the load on a stand-in, what it
finds, and advice that was tried. It knows nothing of the screen.

`compare` is the call, `rehearsal` the load on a `stand_in`, `telling` makes a `comparison` of it.
`advice` has the order in which advice is sought, `naming`, `lacking`, `shaping`, `surplus` and
`reparametrized` find it and have its words, `case` tries it; `names` says how keys belong together.

Imports: `state`.
"""
