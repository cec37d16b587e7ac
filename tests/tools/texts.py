"""Texts near and far from one another, and the paper's loop over them."""

from __future__ import annotations

import random
import unicodedata

from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import Neighbour
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

SEEDS = [task.instruction for task in load_seeds(SEED_TASKS)]
SEED_WORDS = sorted({word for text in SEEDS for word in text.split()})
WORDS = [f"w{i}" for i in range(40)]

SCRIPTS = {
    "Latin": (" ", "élève straße Ærø çay naïve über sœur ração größe město żółw ỹ 5 the"),
    "Cyrillic": (" ", "ёж йод чай дом река лёд снег мост ключ поле её мой 7"),
    "Greek": (" ", "ΰλη ωραία μέρα νερό δρόμος σπίτι άλφα ήλιος ᾳδω φως οδός"),
    "Arabic": (" ", "كَتَبَ كِتَاب بَيْت نُور قَلَم دَرْس طِفْل شَمْس قَمَر ٥ لا"),
    "Hebrew": (" ", "שָׁלוֹם בַּיִת יֶלֶד סֵפֶר מַיִם אוֹר דֶּלֶת חַלּוֹן גַּן עֵץ"),
    "Devanagari": (" ", "काला कीला कोल कुल नदी नाद पानी पेन दो दूध घर घेरा २"),
    "Bengali": (" ", "নদী নাদ জল জাল বই বাই ঘর ঘোর দুধ দাদা মাছ মেছো"),
    "Tamil": (" ", "பூனை பானை நீர் நார் மலை மாலை கல் கால் பல் பால் வீடு"),
    "Thai": ("", "ก กี่ ข้ น้ำ ท า เ ง ป ร ส ย ม ดู ว ๕"),
    "Khmer": ("", "ក ខ្ មែ រ នា ទី ស ប៊ ត ផ្ ល"),
    "Burmese": ("", "ဗ မာ စာ ရေ တို့ က န် သူ ပ ည် လ"),
    "Han": ("", "请 写 一 首 诗 关 于 春 天 的 河 山 人 大 小 6"),
    "kana": ("", "あ が き ぱ っ ん コ ー ヒ ガ ﾊﾟ を の 々"),
    "Hangul": (" ", "사과 배 강 산 물 불 하늘 땅 꽃 나무 집 길 3"),
}
"""What words of a script are put together with, and some words; where they stand without blanks, some characters."""


def script_texts(script: str, count: int, draw: random.Random) -> list[str]:
    """Texts of one script, half of them close to another, in any of Unicode's forms and in either case."""
    blank, vocabulary = SCRIPTS[script]
    words = vocabulary.split()
    texts: list[list[str]] = []
    while len(texts) < count:
        if texts and draw.random() < 0.5:
            text = list(draw.choice(texts))
            for _ in range(draw.randrange(len(text) // 3 + 2)):
                at = draw.randrange(len(text) + 1)
                text[at : at + draw.randrange(3)] = draw.choices(words, k=draw.randrange(3))
        else:
            text = draw.choices(words, k=draw.choice([1, 2, 3, 5, 8, 12, 20, 40, 90]))
        texts += [text] if text else []
    forms = draw.choices(["NFC", "NFD", "NFKC", "NFKD"], k=count)
    written = (unicodedata.normalize(form, blank.join(text)) for form, text in zip(forms, texts, strict=True))
    return [text.upper() if draw.random() < 0.2 else text for text in written]


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
