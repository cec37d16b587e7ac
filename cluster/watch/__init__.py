"""Looking on: progress, spending, metrics and what replicas are at. Nothing here decides anything."""
