"""The version of this project, for what is written by it."""

__version__ = "0.2.0"
