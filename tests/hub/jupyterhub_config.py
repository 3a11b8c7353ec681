"""JupyterHub for one class on one server, as `python -m tests.hub` tries it.

    jupyterhub -f tests/hub/jupyterhub_config.py

Say first who may sign in: without an authenticator of yours this file lets nobody in. Each learner
is a local process, in a folder of their own.

Start the hub as root. Then each learner has a user id of their own, which needs no account on the
server, and no cell can read another learner's files. Started by anybody else, all learners are that
user: the hub keeps their pages apart, their cells not.

JupyterHub's own local spawners ignore `mem_limit`. The one below holds each process of a learner to
it, the kernel of each open lesson by itself: what a cell asks for beyond it is a MemoryError in
that cell, from torch a RuntimeError."""

import os
import resource
import sys

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import Integer

FIRST_USER_ID = 200_000


class Learner(SimpleLocalProcessSpawner):
    """A learner's server as a local process: own folder, own user id, held to its limits."""

    cpu_seconds = Integer(
        3600, config=True, help="A kernel that has computed for so long is ended and started anew."
    )

    def make_preexec_fn(self, name):
        own_id = FIRST_USER_ID + self.user.id if os.geteuid() == 0 else None
        folder = self.home_dir
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if own_id:
            os.chown(folder, own_id, own_id)
        limits = {resource.RLIMIT_CPU: self.cpu_seconds, resource.RLIMIT_DATA: self.mem_limit}

        def preexec():
            for kind, most in limits.items():
                if most:
                    resource.setrlimit(kind, (most, most))
            if own_id:
                os.setgroups([])
                os.setgid(own_id)
                os.setuid(own_id)
            os.umask(0o077)
            os.chdir(folder)

        return preexec


c = get_config()  # noqa: F821 - JupyterHub gives it to this file
c.JupyterHub.spawner_class = Learner
c.JupyterHub.concurrent_spawn_limit = 30
c.Learner.home_dir_template = "/srv/learners/{username}"
c.Learner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Learner.mem_limit = "1G"
c.Learner.cpu_seconds = 3600
c.Learner.start_timeout = c.Learner.http_timeout = 120
# A model of a lesson is small: one thread a kernel leaves the other cores to the others.
c.Learner.environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
