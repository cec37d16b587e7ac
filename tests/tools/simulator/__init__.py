"""A third scheduler of the run, beside the plain loop and Ray: one process, no clock, everything fails on purpose.

The real `Run`, `drive`, `RunStore`, `LocalBlobs` and `ObjectBlobs` work on a disk (`disk.py`) or a bucket
(`bucket.py`) in memory, with replicas and an index (`parts.py`) that die, repeat and reorder. `world.py` decides, from
one seed, whose turn it is and when a process is killed or the power is lost; `checker.py` looks at what is left. A
schedule that fails is repeated by `python -m tests.tools.simulator --kind KIND --seed N`.
"""
