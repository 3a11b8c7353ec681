"""How will this state_dict fit this model?

Hands out `compare_checkpoint` and its records: a rehearsal of the load on a stand-in, what it
finds, and advice that was tried. It knows nothing of the screen.

Imports: `state`.
"""
