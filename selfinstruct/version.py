"""The version of this project, for what is written by it."""

__version__ = "0.1.0"
