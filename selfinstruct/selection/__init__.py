"""Which instructions, or documents, are worth what comes next: labelling, exporting, tuning.

candidates.py  what there is to choose from, of a run or of a file
ways.py        the ways that ask nobody: by draw, by k-centre, by a check
groups.py      groups of instructions that are unlike each other, for a model to name the best of each
naming.py      what a model is asked, what it names, and how far the place in a list decides
figures.py     how a choice covers what there was
files.py       a choice as a file
"""
