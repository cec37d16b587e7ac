"""Self-Instruct (Wang et al. 2022, arXiv 2212.10560): the algorithm, values in and values out.

Read `rounds.py` first. Nothing in this package knows of Ray; `cluster/` implements the protocols of
`protocols.py` on a cluster and `jobs/` holds what people run.
"""

from selfinstruct.version import __version__ as __version__
