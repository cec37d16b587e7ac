"""The embedded demonstration model, the grammar that it learned from, and the script that trains it.

The model shows the whole pipeline at work on a laptop without a download. It knows its grammar and nothing else.
"""

from __future__ import annotations

from pathlib import Path

MODEL = Path(__file__).parent / "model"
"""The folder of the checkpoint: weights, tokenizer and configuration in the form of transformers."""
