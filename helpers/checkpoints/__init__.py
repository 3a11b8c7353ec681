"""How will this state_dict fit this model?

Hands out `compare_checkpoint` and its records: a rehearsal of the load on a stand-in, what it
finds, and advice that was tried. It imports `helpers.state` and nothing of the screen.
"""
