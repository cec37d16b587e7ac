"""Runs from what exists already: imported sets and runs, merged runs, stored answers read again."""
