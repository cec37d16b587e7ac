"""The main verb of an instruction and its direct object (paper, section 3.2 and figure 3), without a parser.

Words are tagged by TextBlob's built-in lexicon (the tagger of `pattern`, which needs no corpora) and reduced to their
base forms by lemminflect; a few rules for commands and questions find the verb. spaCy's dependency parser is used
instead if it is asked for and one of its models is installed. Either way only the first sentence counts, as in the
paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from selfinstruct.errors import InputError

Tagged = tuple[str, str]
"""A word and its Penn Treebank tag."""


@dataclass(frozen=True, slots=True)
class VerbObject:
    """Base forms in lower case; None where none was found. There is no object without a verb."""

    verb: str | None
    noun: str | None


Finder = Callable[[str], VerbObject]


def open_tagger(tagger: str, spacy_model: str) -> tuple[Finder, str]:
    """What finds verb and object of a text (`textblob` or `spacy`), and the method in words.

    Raises:
        InputError: the tagger or its model is not installed.
    """
    if tagger == "spacy":
        return _open_spacy(spacy_model)
    try:
        import lemminflect  # noqa: F401
        from textblob.en import tag
    except ImportError as error:
        raise InputError(f"report: {error.name} is not installed; pip install 'selfinstruct[report]'") from error
    method = "tags from TextBlob's built-in lexicon, base forms by lemminflect, rules for commands and questions"
    return lambda text: find(tag(text[:MOST_CHARACTERS])), method


MOST_CHARACTERS = 1000
"""Characters of a text that are tagged; the first sentence lies within them."""

# ---- rules over tagged words

_ENDS = {".", "!", "?", ":"}
_PRELUDE = {"please", "kindly", "now", "then", "also", "first", "just", "and", '"', "“", "”", "'", "(", "*", "-"}
_NO_VERB = ("DT", "IN", "PRP", "WP", "WDT", "WRB", "MD", "EX", "CC", "CD", "TO", "VBG", "VBN", "VBD", "VBZ")
_ASKS_FOR = {"need", "want", "like", "have", "ask", "suppose", "require", "task", "goal", "job", "try", "help"}
_BEFORE_NOUN = ("DT", "CD", "JJ", "PRP", "POS", "RB", "VBG", "VBN", "PDT", "RP", "WDT")
_BRACKETS = {'"', "“", "”", "‘", "’", "'", "(", "[", ","}


def find(tagged: Sequence[Tagged]) -> VerbObject:
    """Main verb and direct object of a tagged text.

    A command begins with its verb, or has it behind an opening phrase ("Given a list, sort ..."). Otherwise the verb
    behind "can you", "you should" or "you need to" counts, otherwise the first finite one.
    """
    sentence = list(_first_sentence(tagged))
    for position in (*_openings(sentence), *_asked_for(sentence), *_finite(sentence)):
        verb = _lemma(sentence[position][0], "VERB")
        return VerbObject(verb, None if verb == "be" else _object(sentence[position + 1 :]))
    return VerbObject(None, None)


def _first_sentence(tagged: Sequence[Tagged]) -> Iterator[Tagged]:
    seen = False
    for word, tag in tagged:
        if word in _ENDS and seen:
            return
        seen = seen or word[:1].isalpha()
        yield word, tag


def _openings(sentence: Sequence[Tagged]) -> Iterator[int]:
    """Where a command's verb stands: at the beginning, or behind the comma of an opening phrase."""
    first = _skip_prelude(sentence, 0)
    if _is_command(sentence, first):
        yield first
    if first < len(sentence) and sentence[first][1] in ("VBN", "VBG", "IN", "TO", "WRB", "RB"):
        for at, (word, _) in enumerate(sentence):
            if word == "," and _is_command(sentence, _skip_prelude(sentence, at + 1)):
                yield _skip_prelude(sentence, at + 1)


def _skip_prelude(sentence: Sequence[Tagged], at: int) -> int:
    while at < len(sentence) and (sentence[at][0].lower() in _PRELUDE or _is_manner(sentence[at])):
        at += 1
    return at


def _is_manner(token: Tagged) -> bool:
    return token[1] == "RB" and token[0].lower().endswith("ly")


def _is_command(sentence: Sequence[Tagged], at: int) -> bool:
    """Whether this word can be a verb in its base form that opens a command."""
    if at >= len(sentence) or sentence[at][1].startswith(_NO_VERB):
        return False
    word = sentence[at][0].lower()
    if not word.isalpha() or word not in _verb_lemmas(word) or word in ("be", "do", "have"):
        return False
    following = sentence[at + 1] if at + 1 < len(sentence) else ("", "")
    sure = sentence[at][1] in ("VB", "VBP")  # a word known as a noun needs more: "Reply to", "Plan a", not "Plan is"
    return sure or following[1].startswith(("DT", "IN", "TO", "PRP", "CD", "JJ", "WRB", "WP", "PDT", "NN", "RP", "RB"))


def _asked_for(sentence: Sequence[Tagged]) -> Iterator[int]:
    """The verb behind a modal ("can you give", "you should output") or behind "you need to", "your task is to"."""
    words = [word.lower() for word, _ in sentence]
    for at, (_, tag) in enumerate(sentence):
        if tag == "MD":
            yield from _base_form(sentence, at + 1, ("PRP", "RB"))
        elif words[at] in ("do", "does", "did"):  # "do you answer"; "does this word mean"
            yield from _base_form(sentence, at + 1, ("PRP", "RB"))
            yield from _base_form(sentence, at + 1, ("PRP", "RB", "DT", "JJ", "NN"))
        elif tag == "TO" and any(_lemma(word, "VERB") in _ASKS_FOR for word in words[max(0, at - 3) : at]):
            yield from _base_form(sentence, at + 1, ("RB",))


def _base_form(sentence: Sequence[Tagged], at: int, between: tuple[str, ...]) -> Iterator[int]:
    while at < len(sentence) and sentence[at][1].startswith(between):
        at += 1
    if at < len(sentence) and (word := sentence[at][0].lower()) in _verb_lemmas(word):
        yield at


def _finite(sentence: Sequence[Tagged]) -> Iterator[int]:
    return (
        at
        for at, (word, tag) in enumerate(sentence)
        if tag in ("VB", "VBP", "VBZ", "VBD") and word.isalpha() and _verb_lemmas(word.lower())
    )


def _object(after: Sequence[Tagged]) -> str | None:
    """The head of the noun phrase that follows at once; of "me a list of words" that is "list"."""
    head = None
    inside = False  # behind an article or an adjective even a word known as a verb is a noun: "a cover letter"
    for word, tag in after:
        if word in _BRACKETS and (head is None or word != ","):
            continue
        inside = inside or tag.startswith(("DT", "JJ", "PRP$"))
        if word[:1].isalpha() and (tag.startswith("NN") or (inside and tag in ("VB", "VBP", "VBZ"))):
            head = word
        elif tag == "POS":
            head = None  # "the country's flag"
        elif head is not None or not (tag.startswith(_BEFORE_NOUN) or word.lower() in ("and", "or")):
            break
    return head and _lemma(head, "NOUN")


@lru_cache(maxsize=50_000)
def _verb_lemmas(word: str) -> tuple[str, ...]:
    from lemminflect import getAllLemmas

    return tuple(getAllLemmas(word, upos="VERB").get("VERB", ()))


@lru_cache(maxsize=50_000)
def _lemma(word: str, kind: str) -> str:
    from lemminflect import getLemma

    lemmas = getLemma(word.lower(), kind)
    return str(lemmas[0]) if lemmas else word.lower()


# ---- spaCy


def _open_spacy(model: str) -> tuple[Finder, str]:
    try:
        import spacy
    except ImportError as error:
        raise InputError("--tagger: spaCy is not installed; pip install spacy, then one of its models") from error
    try:
        parser: Any = spacy.load(model, exclude=["ner"])
    except OSError as error:
        raise InputError(f"--spacy_model: {model!r} is not installed; python -m spacy download {model}") from error
    if not parser.has_pipe("parser"):
        raise InputError(f"--spacy_model: {model!r} has no dependency parser; take en_core_web_sm, for example")
    method = f"spaCy {spacy.__version__}, dependency parser of {model}"
    return lambda text: in_tree(parser(text[:MOST_CHARACTERS])), method


def in_tree(document: Any) -> VerbObject:
    """Verb and object of a spaCy document: the root of its first sentence, and the root's direct object."""
    root = next((sentence.root for sentence in document.sents), None)
    if root is None or root.pos_ not in ("VERB", "AUX"):
        return VerbObject(None, None)
    objects = (child.lemma_.lower() for child in root.children if child.dep_ in ("dobj", "obj"))
    return VerbObject(root.lemma_.lower(), next(objects, None))
