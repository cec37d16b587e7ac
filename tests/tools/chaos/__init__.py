"""Real processes, really killed. `python -m tests.tools.chaos` writes docs/chaos.md and docs/bench/chaos.json.

`single.py` kills a run in one process, at random times and at named system calls; `cluster.py` kills and stops parts
of a Ray cluster of several nodes. Only processes that were started here are killed, by their recorded ids.
"""
