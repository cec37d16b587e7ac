"""A run's files: Parquet rounds in a folder or an object store, committed once; checked and repaired."""
