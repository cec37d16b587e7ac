"""Requests of random tokens, and a decoder that they join and leave at random."""

from __future__ import annotations

import random
from collections.abc import Sequence

from selfinstruct.engines.drafts import Draft, Ending
from selfinstruct.engines.encoding import EncodedRequest
from selfinstruct.engines.lanes import SHARED_FROM, Decoder
from selfinstruct.prompts import TWO_STEPS, Sampling
from selfinstruct.records import Kind, Request
from tests.tools.random_models import make_tokenizer

TOKENIZER = make_tokenizer()
TOKENS = 12
GREEDY = {kind: Sampling(0.0, 0.0, 0.0, 0.0, TOKENS, ()) for kind in TWO_STEPS}
SAMPLED = {kind: Sampling(1.0, 0.9, 0.4, 0.7, TOKENS, ()) for kind in TWO_STEPS}
ROLLS = random.Random(0)
PREFIXES = {
    Kind.PROPOSE: [5, 6, 7],  # too short to be shared
    Kind.CLASSIFY: [ROLLS.randrange(3, len(TOKENIZER)) for _ in range(SHARED_FROM)],
    Kind.INPUT_FIRST: [ROLLS.randrange(3, len(TOKENIZER)) for _ in range(SHARED_FROM + 11)],
    Kind.OUTPUT_FIRST: [],
}


def make_requests(count: int, seed: int, kinds: Sequence[Kind] = TWO_STEPS) -> list[EncodedRequest]:
    rolls = random.Random(seed)
    made = []
    for at in range(count):
        kind = rolls.choice(kinds)
        suffix = [rolls.randrange(3, len(TOKENIZER)) for _ in range(rolls.choice((1, 2, 5, 13, 24)))]
        made.append(EncodedRequest(Request(f"r{at}", kind, "", seed * 1000 + at), [*PREFIXES[kind], *suffix], TOKENS))
    return made


def run(decoder: Decoder, requests: Sequence[EncodedRequest], rolls: random.Random) -> dict[str, list[int]]:
    """Requests join at random times, in random groups of one kind; gives the tokens of each."""
    ending = Ending(TOKENIZER, {1}, ())
    waiting = rolls.sample(requests, len(requests))
    found: dict[str, list[int]] = {}

    def leave(ended: Sequence[Draft]) -> None:
        for draft in ended:
            assert draft.encoded.request.id not in found
            found[draft.encoded.request.id] = draft.tokens

    while len(found) < len(requests):
        kind = waiting[0].request.kind if waiting else Kind.PROPOSE
        if waiting and decoder.takes(kind) and rolls.random() < 0.5:
            group = [one for one in waiting if one.request.kind is kind][: rolls.randint(1, 6)]
            waiting = [one for one in waiting if one not in group]
            leave(decoder.join([Draft(one, ending) for one in group]))
        leave(decoder.step())
    assert decoder.step() == []
    return found
