"""Texts near and far from one another, and the paper's loop over them."""

from __future__ import annotations

import random

from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import Neighbour
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

SEEDS = [task.instruction for task in load_seeds(SEED_TASKS)]
SEED_WORDS = sorted({word for text in SEEDS for word in text.split()})
WORDS = [f"w{i}" for i in range(40)]


def reworded_seeds(count: int, seed: int = 0) -> list[str]:
    """Seed instructions, each with words dropped, doubled, swapped and replaced: many pairs near the threshold."""
    draw = random.Random(seed)
    texts = []
    while len(texts) < count:
        text = draw.choice(SEEDS).split()
        for _ in range(draw.randint(0, len(text) // 2)):
            at = draw.randrange(len(text))
            text[at : at + 1] = draw.choice([[], [text[at]] * 2, [draw.choice(SEED_WORDS)], [text[at - 1]]])
            if not text:
                text = [draw.choice(SEED_WORDS)]
        texts.append(" ".join(text))
    return texts


def zipf_texts(count: int, draw: random.Random) -> list[str]:
    """Texts of 0 to 90 words, short ones more often, of common and rare words, half of them close to another."""
    texts: list[str] = []
    while len(texts) < count:
        if texts and draw.random() < 0.5:
            words = draw.choice(texts).split()
            for _ in range(draw.randrange(len(words) // 3 + 2)):
                at = draw.randrange(len(words) + 1)
                words[at : at + draw.randrange(3)] = draw.choice([[], ["w0"], ["w0", "w0"], [f"n{draw.random()}"]])
        else:
            length = draw.choice([0, 1, 2, 3, 5, 8, 12, 20, 30, 90])
            words = [WORDS[int(40 * draw.random() ** draw.choice([1, 3]))] for _ in range(length)]
        texts.append(" ".join(words))
    return texts


def one_by_one(texts: list[str]) -> list[tuple[bool, Neighbour | None]]:
    """The paper's loop: each text against everything accepted before, by `rouge_score`'s own arithmetic."""
    pool: list[list[str]] = []
    verdicts = []
    for text in texts:
        tokens = tokenise(text, "rouge")
        scored = [Neighbour(ordinal, rouge_l(tokens, other)) for ordinal, other in enumerate(pool)]
        nearest = max(scored, key=lambda near: (near.rouge_l, -near.ordinal), default=None)
        new = nearest is None or nearest.rouge_l <= 0.7
        if new:
            pool.append(tokens)
        verdicts.append((new, nearest))
    return verdicts
