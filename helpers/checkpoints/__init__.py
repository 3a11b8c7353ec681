"""How will this state_dict fit this model?

Hands out `compare_checkpoint` and its records: a rehearsal of the load on a stand-in, what it
finds, and advice that was tried. It knows nothing of the screen.

`compare` is the call. `stand_in` holds of a model what decides a load, shapes of lazy layers too;
`rehearsal` loads into it, `verdict` says what cannot be foretold, `telling` makes a `comparison`.
`advice` has the order in which advice is sought, `naming`, `lacking`, `shaping`, `surplus` and
`reparametrized` find it and have its words, `case` tries it. `names` says which keys belong
together, and which one change of their names is clear enough to be advised.

Imports: `state`.
"""
