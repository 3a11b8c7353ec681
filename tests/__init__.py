"""The tests of the course, and the commands that are run by hand."""

import os

# Before torch is imported, here and in every process that is started from here: a thread of OpenMP
# that waits for another is to sleep. Left alone it spins, and where the processes of tests, their
# kernels and a browser share a few cores, it keeps the core that the other thread needs. Without
# this the whole run takes almost twice as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
