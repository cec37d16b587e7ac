"""Why rows were dropped, in words for people who have not read the code."""

from __future__ import annotations

from collections.abc import Mapping

from selfinstruct.records import PLUGIN, Reason

EXPLAINED: Mapping[str, str] = {
    Reason.FAILED: "the request failed: a server, a timeout, or a replica that it killed",
    Reason.CUT_BY_LENGTH: "the answer reached its limit of tokens, so its last part is not whole",
    Reason.REPETITION: "the answer went in circles and was ended",
    Reason.NOTHING_PARSED: "the answer held nothing in the form that was asked for",
    Reason.TOO_SHORT: "the instruction has too few words",
    Reason.TOO_LONG: "the instruction has too many words",
    Reason.BANNED_WORD: "a word for what a language model cannot see or do, such as “image”, “file” or “go to”",
    Reason.ASKS_FOR_PROGRAM: "the instruction begins with “Write a program”, as too many do",
    Reason.STARTS_WITH_PUNCTUATION: "the instruction begins with a punctuation mark",
    Reason.STARTS_NON_ASCII: "the instruction begins with a character outside ASCII",
    Reason.SIMILAR: "too many words in the same order as an earlier instruction (ROUGE-L above the threshold)",
    Reason.PARAPHRASE: "other words, and about the same as an earlier instruction (cosine above the threshold)",
    Reason.CONTAMINATED: "too near to a text of an evaluation set",
    Reason.EMPTY_OUTPUT: "there is no output",
    Reason.OUTPUT_IS_INPUT: "the output only says the input again",
    Reason.ENDS_WITH_COLON: "input or output ends with a colon: what should follow is missing",
    Reason.CONFLICTING: "the instruction has two outputs for one input, so that none of its instances can be trusted",
    Reason.DUPLICATE: "the same input and output as another instance of the instruction",
    Reason.SURPLUS: "more instances than a run keeps of an instruction; the kept ones were drawn by lot",
    Reason.LEAKED_MARKER: "a marker of the prompt’s form, such as “Output:”, stands in the text",
    Reason.ECHOES_INSTRUCTION: "the output says the instruction, or a piece of it, again",
    Reason.FROM_PROMPT: "the prompt’s own words came back as data",
    Reason.REPEATS_ITSELF: "most of the text was there before in the same text",
    Reason.ASKS_NOTHING: "a statement that asks for nothing",
    Reason.BREAKS_CONSTRAINT: "the output does not do what the end of its instruction demands",
    Reason.COPIED: "more of the output stands word for word in its document than the recipe allows",
    Reason.NOT_ASKED: "the run was made from stored answers, and there is none for this instruction",
    Reason.NOT_SELECTED: "others were chosen to be labelled",
    # of whole instructions, and of the choice that a report is about
    "every_instance_dropped": "each of its instances was dropped, for the reasons under Instances",
    "not_chosen": "the expression that chose the rows does not hold",
}


def explained(reason: str) -> str:
    """A reason in words."""
    if reason.startswith(PLUGIN):
        return "a filter of the user’s own dropped it"
    return EXPLAINED[reason]
