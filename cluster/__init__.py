"""The algorithm's protocols on a Ray cluster: replicas in place of an engine, shards in place of an index.

    connect.py    to a cluster, or to a local one of our own
    closed.py     what keeps others away from a local one
    placement.py  what a replica asks for, and where it may run
    replica.py    an actor that holds the model and keeps its engine stepping
    packing.py    all GPUs of a replica on one node
    roster.py     decides for a pool of replicas: who gets which requests, who hangs, who is ended; calls nobody
    blame.py      which request killed a replica
    seats.py      what a roster knows of each replica, and its display
    news.py       what a roster tells the user
    events.py     what a roster is told, and what it orders
    replicas.py   the pool: carries a roster's orders out on Ray
    shards.py     actors that hold the novelty index by document, and the index made of them
    completer.py  a model for a while, on Ray or in this process
    indexing.py   an index for a while, likewise
    generating.py a run, likewise
    driver.py     puts a run on replicas and shards together and drives it
    watch/        what is told how a run goes: progress, spending, metrics
    datasets.py   tables as a Ray dataset
    train.py      finetuning on Ray Train
    doctor.py     checks before a run

Imports run one way: jobs -> cluster -> selfinstruct.
"""
