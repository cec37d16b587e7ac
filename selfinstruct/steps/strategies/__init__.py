"""Strategies of proposing: what a propose request shows, and where that came from.

A strategy plans a request as a pure function of the run's seed, the request's id and what the pool held at a given
size. Its name stands in each row that it planned. Several share a run (`mix`):

settings.py  the mix, and the settings of each strategy
planned.py   what they have in common
listed.py    paper, the default, and spread: demonstrations
cells.py     the pool by cells, of which spread draws
single.py    query and evolve: one instruction a request
document.py  document: an instruction for a text of the user's
slots.py     values that any of them puts into its prompt
mix.py       which one plans which request
"""
