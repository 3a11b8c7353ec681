"""Did I get it right, and where do I begin?

Hands out `check`, `quiz` and `Placement`. One file a lesson holds its exercises, one its
questions. It is the top room: no other imports it.

Imports: `state`, `tracing`, `checkpoints`, `views`, `plots`.
"""
