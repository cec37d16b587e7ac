"""The algorithm's protocols on a Ray cluster: replicas in place of an engine, shards in place of an index.

    connect.py    to a cluster, or to a local one of our own
    replicas.py   actors that hold the model, and the pool that keeps them busy
    shards.py     actors that hold the novelty index by document, and the index made of them
    driver.py     puts a run together and drives it

Imports run one way: jobs -> cluster -> selfinstruct.
"""
