"""A run as one HTML page for people who would rather look than read.

gather.py      one pass over a run's files: counts, lengths, and the rows that are drawn by lot (lots.py)
overlap.py     exact ROUGE-L of drawn instructions to the seeds and to the whole pool
verbs.py       main verb and direct object of an instruction
figures.py     all numbers of a report as values, with histograms.py
charts.py      numbers to the geometry of small drawings
common.py      what two texts have in common, for marking
page.py        figures to HTML: escaped text, a strict content-security policy, no network (templates/)
making.py      all of it, from a run's files to its page
"""
