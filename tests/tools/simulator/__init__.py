"""A third scheduler of the run, beside the plain loop and Ray: one process, no clock, everything fails on purpose.

The real `Run`, `drive`, `RunStore`, `LocalBlobs` and `ObjectBlobs` work on a disk (`disk.py`) or a bucket
(`bucket.py`) in memory, with an index that is lost (`parts.py`) and a pool in which the real `Roster` decides about
replicas that die, hang, repeat and reorder (`pool.py`). `world.py` decides, from one seed, whose turn it is and when a
process is killed or the power is lost; `checker.py` looks at what is left. A schedule that fails is repeated by
`python -m tests.tools.simulator --kind KIND --seed N`.
"""
