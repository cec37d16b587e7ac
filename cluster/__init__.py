"""The algorithm's protocols on a Ray cluster: replicas in place of an engine, shards in place of an index.

    connect.py    to a cluster, or to a local one of our own
    placement.py  what a replica asks for, and where it may run
    replica.py    an actor that holds the model and keeps its engine stepping
    packing.py    all GPUs of a replica on one node
    replicas.py   the pool that keeps replicas busy, whatever becomes of them
    suspects.py   which request killed a replica
    shards.py     actors that hold the novelty index by document, and the index made of them
    answering.py  a model for a while, on Ray or in this process
    indexing.py   an index for a while, likewise
    generating.py a run, likewise
    driver.py     puts a run on replicas and shards together and drives it
    watch/        what is told how a run goes: progress, spending, metrics
    datasets.py   tables as a Ray dataset
    train.py      finetuning on Ray Train
    doctor.py     checks before a run

Imports run one way: jobs -> cluster -> selfinstruct.
"""
