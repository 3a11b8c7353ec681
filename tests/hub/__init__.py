"""A class on one server, tried: a real JupyterHub on 127.0.0.1, learners in browsers, learners
without one, memory measured. `python -m tests.hub` runs it; see `__main__`.
"""
