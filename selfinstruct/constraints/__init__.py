"""Constraints on answers that code can check: so many words, these words, a list, JSON, letters, first and last words.

A share of a run's instructions gets one or two of them before they are labelled (`drawing`); what breaks them is
dropped, and the constraint goes with the row, so that it may serve as a verifiable reward. What each kind demands is
told in `docs/constraints.md`.
"""

from selfinstruct.constraints.checking import Constraint, holds, read

__all__ = ["Constraint", "holds", "read"]
