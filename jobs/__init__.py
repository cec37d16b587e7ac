"""What people run: one thin module per command, `python -m jobs.generate` or `selfinstruct generate` alike.

A module holds its settings as a dataclass and `main(argv) -> exit code`. Heavy imports come after parsing.
"""
