"""What texts are about, as vectors of small whole numbers: how near two of them are, and in which cell each lies.

vectors.py     vectors of int8, and exact arithmetic on them
table.py       texts as vectors by a table, the same on every machine
encoders.py    the shipped table, or any other encoder by its folder
cells.py       the cell of a vector, of 1,024 frozen ones
make_cells.py  how cells.npy was made

Needs the extra `semantic`. The shipped table alone may have a say in what enters a run; other encoders measure,
select, and write files aside.
"""
