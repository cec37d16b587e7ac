"""What a run is made from: seed tasks, files that people bring, evaluation sets to keep clear of."""
