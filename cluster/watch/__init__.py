"""Watching a run: progress, spending, metrics and what the replicas are doing. Nothing here decides anything."""
