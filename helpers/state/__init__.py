"""What does this module hold, in which container, who sees it, and what is wrong with it?

Hands out `snapshot`, `visibility` and `audit` with their records, and what the views need of a
module: its totals, the index of its map, the ways to list its parameters. It knows torch and
nothing of the screen.

`walk` reads a module and decides of which of the six kinds each slot is; `places` has paths,
`class_rules` what a class brings along, `visibility` who sees a tensor, `memory` which bytes two
tensors share. `tree` has the rows of the map and `portions` its strip. All that is private to torch
stands in `torch_private`.

Imports: no other room.
"""
