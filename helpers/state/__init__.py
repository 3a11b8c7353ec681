"""What does this module hold, in which container, who sees it, and what is wrong with it?

Hands out `snapshot`, `visibility` and `audit` with their records, and what the views need of a
module: its totals, the index of its map, the ways to list its parameters. It knows torch and
nothing of the screen.

`walk` reads a module and decides of which of the six kinds each slot is. `snapshot` lists them,
`totals` sums them up; `tree` has the rows of the map and `portions` its strip; `ways` asks the
three ways to list parameters. `visibility` finds by experiment who sees a tensor, and `own_rules`
what a class or a hook decides in torch's place.

`audit` calls the rules: those in `audit_modules`, `audit_plain` and `audit_registered` ask
`holders`, who holds what in a model, those in `audit_optimizers` also `optimizers`. `class_rules`
says what a class brings along, `graphs` what a tensor was computed from, `places` where something
stands; `code_lines` has the lines that are advised, `findings` the records.

`memory` says which bytes a tensor has, `memory_blocks` which blocks and parts there are, and
`memory_film` takes a frame of them after the other; `reach` finds the names that lead to a tensor.

`objects` reads a stranger's object without running its code, and has the words for tensors, bytes
and numbers of things. All that is private to torch stands in `torch_private`. `table` numbers rows
that are sent once.

Imports: no other room.
"""
