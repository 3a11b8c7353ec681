"""What does this module hold, in which container, who sees it, and what is wrong with it?

Hands out `snapshot`, `visibility` and `audit` with their records, and what the views need of a
module: its totals, the index of its map, the ways to list its parameters. It knows torch and
nothing of the screen.

Imports: no other room.
"""
