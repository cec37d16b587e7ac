"""The algorithm's protocols on a Ray cluster: replicas in place of an engine, shards in place of an index.

    connect.py    to a cluster, or to a local one of our own
    placement.py  what a replica asks for, and where it may run
    replica.py    an actor that holds the model and keeps its engine stepping
    replicas.py   the pool that keeps replicas busy, whatever becomes of them
    suspects.py   which request killed a replica
    shards.py     actors that hold the novelty index by document, and the index made of them
    driver.py     puts a run together and drives it

Imports run one way: jobs -> cluster -> selfinstruct.
"""
