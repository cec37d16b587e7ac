"""A run: its rounds as a machine without I/O (`rounds`, the file to read first), and the loop that drives it."""
