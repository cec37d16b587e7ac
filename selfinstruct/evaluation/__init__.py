"""Measuring a model: questions with references, its answers, scores, and ratings by people or by another model."""
