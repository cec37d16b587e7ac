"""Finetuning a model on what it wrote (paper, section 2.3): from a run's instances to a model folder.

    settings.py    the options that a tuned model depends on
    templates.py   an instance as prompt and completion, in one of thirteen ways
    examples.py    which instances: a run's accepted ones and the seeds, each once; and in which order
    encoding.py    token ids, and labels that hold the completion alone
    training.py    one process of the training, with TRL's SFTTrainer
    card.py        what a tuned model says about itself

`cluster/train.py` puts it on Ray Train.
"""
