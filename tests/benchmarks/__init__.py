"""Benchmarks, run by hand: `python -m tests.benchmarks.state` and its neighbours. Each prints a
table.
"""
