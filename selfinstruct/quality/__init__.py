"""What a row is worth: checks by models and people, and what follows from them.

sample.py      which rows are looked at: by keyed hash, spread over kinds of task and the length of the run
intervals.py   shares with intervals from counts: Wilson's, and people's corrected by a judge; kappa
estimate.py    from people's and a judge's verdicts to shares of the run, what the judge is worth, and usable rows
"""
