"""Why the last rounds of a run accepted nothing, and what helps: the last line of such a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import cast

from selfinstruct.records import Candidate, Finish, Proposal, Reason, Table
from selfinstruct.storage.store import RunStore


def advice(store: RunStore, rounds: Iterable[int]) -> str:
    """What to do about rounds without an accepted instruction, from what the model answered in them.

    Raises:
        CorruptError: a file of theirs is missing or unreadable.
    """
    candidates: list[Candidate] = []
    proposals: list[Proposal] = []
    for number in rounds:
        candidates += cast(Sequence[Candidate], store.read(Table.CANDIDATES, number).rows)
        proposals += cast(Sequence[Proposal], store.read(Table.PROPOSALS, number).rows)
    if proposals and not any(proposal.text.strip() for proposal in proposals):
        return _of_silence(proposals)
    ((reason, count),) = Counter(candidate.reason for candidate in candidates).most_common(1) or [(None, 0)]
    if reason is None or reason is Reason.SIMILAR:
        return "More varied seeds or a higher temperature help; --rounds.patience goes on longer"
    return (
        f"Most often the reason was {reason} ({count} of {len(candidates)}); `selfinstruct sample {store.blobs.url}"
        f" --reason {reason}` shows what was dropped"
    )


def _of_silence(proposals: Sequence[Proposal]) -> str:
    words = Counter(proposal.error for proposal in proposals if proposal.error)
    said = f", most often with {words.most_common(1)[0][0]!r}" if words else ""
    empty = f"All {len(proposals)} answers were empty{said}"
    if any(proposal.finish is Finish.LENGTH for proposal in proposals):
        return (
            f"{empty}: their tokens were used up before an answer began. More max_tokens in the prompt set help, or a"
            " model that thinks less (--chat_template_kwargs enable_thinking=false)"
        )
    return f"{empty}; `selfinstruct try` shows what the model is asked"
