"""Families of tasks that the embedded model has never seen, to evaluate on: neither its grammar nor any seed task has
them. They use the grammar's words, so that what is measured is the task and not the vocabulary.

Never train on them. The outputs are as modest as the grammar's: copies, rearrangements, labels by a cue, fixed
sentences with slots. A free text has its one reference, so of those only the slots can be hoped for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfinstruct.draws import Draws
from selfinstruct.tiny.grammar import Family, Template, sample_from


@dataclass(frozen=True, slots=True)
class HeldOutTask:
    """One instance of one task, with the answer that is right."""

    family: str
    instruction: str
    input: str
    output: str


def _family(name: str, asks: Sequence[str], *cases: tuple[str, str], labels: bool = False) -> Family:
    made = tuple((Template(given), Template(output)) for given, output in cases)
    return Family(name, labels, tuple(map(Template, asks)), made, has_input=bool(cases[0][0]))


HELD_OUT: Sequence[Family] = (
    # rearranging and picking out
    _family(
        "first_item",
        ["Copy only what stands at the beginning of the list from {doc}.", "Which entry opens the list of {helper}?"],
        ("List: {object}, {object2}, {object3}", "{object}"),
        ("List: {fruit}, {fruit2}, {fruit3}, {fruit4}", "{fruit}"),
    ),
    _family(
        "numbered_list",
        ["Number the items that {name} noted, one on each line.", "Give every item of the row from {doc} its number."],
        ("Items: {object}, {object2}, {object3}", "1. {object}\n2. {object2}\n3. {object3}"),
        ("Items: {fruit}, {fruit2}", "1. {fruit}\n2. {fruit2}"),
    ),
    _family(
        "swap_people",
        ["Let both people of the sentence change places, {keep}.", "Exchange the two names in the line from {doc}."],
        ("Sentence: {name} wrote to {name2}.", "{name2} wrote to {name}."),
        ("Sentence: {name} met {name2} in {place}.", "{name2} met {name} in {place}."),
    ),
    _family(
        "owner",
        [
            "Who does the thing belong to? Look it up in {note}.",
            "Name the owner that the question about {doc} is after.",
        ],
        (
            "Text: The {object} belongs to {name} and the {object2} to {name2}.\nQuestion: Whose {object} is it?",
            "{name}",
        ),
        (
            "Text: The {object} belongs to {name} and the {object2} to {name2}.\nQuestion: Whose {object2} is it?",
            "{name2}",
        ),
    ),
    _family(
        "departure",
        [
            "Where does the journey in {doc} begin? Give the town.",
            "From which town does the traveller of {writer} set out?",
        ],
        ("Text: {name} took the train from {place} to {place2}.", "{place}"),
        ("Text: On {weekday} {name} sailed from {place} to {place2}.", "{place}"),
    ),
    _family(
        "without_weekday",
        [
            "Take the weekday out of the sentence and leave the rest, {keep}.",
            "Which words stay if {doc} must fit any day? Drop the weekday.",
        ],
        ("Sentence: {who} {act.2} on {weekday}.", "{who} {act.2}."),
        ("Sentence: {who} will {act} on {weekday}.", "{who} will {act}."),
    ),
    # labels
    _family(
        "person_or_thing",
        ["Does {writer} speak of a person or of a thing?", "Say for {doc} whether it is about a person or a thing."],
        ("Sentence: {who} is very old.", "person"),
        ("Sentence: The {object} is very old.", "thing"),
        ("Sentence: Nobody has seen {who} this week.", "person"),
        ("Sentence: Nobody needs the {object} this week.", "thing"),
        labels=True,
    ),
    _family(
        "workday",
        [
            "Is the day in {doc} a workday or the weekend?",
            "Tell {helper} if it happens on a workday or at the weekend.",
        ],
        ("Day: Tuesday", "workday"),
        ("Day: Sunday", "weekend"),
        ("Text: {name} comes on Thursday.", "workday"),
        ("Text: {name} comes on Saturday.", "weekend"),
        labels=True,
    ),
    _family(
        "thanks_or_apology",
        [
            "Does {writer} give thanks or apologise? Answer thanks or apology.",
            "Thanks or apology: which one is {note}?",
        ],
        ("Message: Thank you very much for {kindness}.", "thanks"),
        ("Message: I am so sorry for {mishap}.", "apology"),
        ("Message: I will never forget {kindness}!", "thanks"),
        ("Message: Please forgive me for {mishap}.", "apology"),
        labels=True,
    ),
    # free texts
    _family(
        "good_luck",
        ["Wish {person} good luck with {exam}.", "{Exam} is coming up for {person}. Cheer them on in two sentences."],
        ("", "Good luck with {exam}! I am sure that you will do very well."),
    ),
    _family(
        "get_well",
        [
            "Word a get-well card for {person}, who had to miss {occasion}.",
            "{Name} is ill and misses {occasion}. Send a line.",
        ],
        ("", "Get well soon! We are sorry that you had to miss {occasion}."),
    ),
    _family(
        "lost_notice",
        [
            "Somebody left {goods} near {venue}. Write what the search poster says.",
            "Ask on a poster for the return of {goods}.",
        ],
        ("", "Lost: {goods}. If you find it, please call me. Thank you!"),
    ),
)


def held_out_tasks(each: int) -> Iterator[HeldOutTask]:
    """`each` different tasks of every family, always the same ones."""
    for family in HELD_OUT:
        draws, found = Draws("held out", family.name), dict[tuple[str, str], HeldOutTask]()
        while len(found) < each:
            task = sample_from(family, draws)
            instance = task.instances[0]
            made = HeldOutTask(family.name, task.instruction, instance.input, instance.output)
            found.setdefault((made.instruction, made.input), made)
        yield from found.values()
