"""What a row is worth: checks by models and people, and what follows from them.

rubric.py      what a check asks: its questions and its prompt, from a TOML file
judging.py     what an answer says to each question
checking.py    the stage: accepted instances in, a file of judgements a round out
sheets.py      people's sheets, read; people.py: as a check of its own
figures.py     a check in numbers; findings.py: all checks of a run together
only.py        rows by an expression over their columns and a check's judgements
sample.py      which rows are looked at: by keyed hash, spread over kinds of task and the length of the run
intervals.py   shares with intervals from counts: Wilson's, and people's corrected by a judge; kappa
estimate.py    from people's and a judge's verdicts to shares of the run, what the judge is worth, and usable rows
"""
