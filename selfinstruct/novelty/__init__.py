"""The novelty check: ROUGE-L and its exact kernel, two kinds of index that shortlist, and who is admitted."""
