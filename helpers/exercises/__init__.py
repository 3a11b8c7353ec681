"""Did I get it right, and where do I begin?

Hands out `check`, `quiz` and `Placement`. One file a lesson holds its exercises, one in `questions`
what its quizzes ask. It is the top room: no other imports it.

`exercise` says how an exercise is written. `feedback` has `check` and `quiz` and what a learner
reads, the hints in their order; `engine` judges an answer, `facts` has what is compared, and
`stopping` ends an answer in time and puts all around it back. The answer is asked where an exercise
says: on each model of the `menagerie`, in the `life` of a module, `beside_torch` line by line, or
`elsewhere`, on a device that is not there. `placement` asks with which lesson to begin.

Imports: `state`, `tracing`, `checkpoints`, `views`, `plots`.
"""
