"""What a row is worth: checks by models and people, and what follows from them.

checking.py    a model judges a run that is there; what it is asked and what its answers say is `steps`' to know
sheets.py      people's sheets, read, and kept as checks of their own
findings.py    all checks of a run together, in numbers, and what a usable row cost
only.py        rows by an expression over their columns and a check's judgements; settings.py: its options
sample.py      which rows are looked at: by keyed hash, spread over kinds of task and the length of the run
intervals.py   shares with intervals from counts: Wilson's, and people's corrected by a judge; kappa
estimate.py    from people's and a judge's verdicts to shares of the run, what the judge is worth, and usable rows
"""
