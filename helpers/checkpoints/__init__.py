"""How will this state_dict fit this model?

Hands out `compare_checkpoint` and its records: a rehearsal of the load on a stand-in, what it
finds, and advice that was tried. It knows nothing of the screen.

`compare` is the call; `instead` says what came in place of a state_dict. `stand_in` holds of a
model what decides a load, shapes of lazy layers too. It is made of a `twin` of each module, which
notes what becomes of each key, with tensors that `outlines` makes without numbers; `originals`
knows which of them stand for the same. `rehearsal` loads into it, `verdict` says what cannot be
foretold, `telling` makes a `comparison`. `optimizer` does all this for the state of an optimizer.

`advice` has the order in which advice is sought. `naming`, `lacking`, `shaping`, `surplus`, `fused`
and `reparametrized` find it and have its words, `case` has the code that is shown, and tries it.
`names` says which keys belong together, and which one change of their names is clear enough to be
advised; `numbers`, whether the numbers in two names count the same layers; `makers`, which method
of a class makes what a model has or lacks.

Imports: `state`.
"""
