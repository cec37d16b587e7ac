"""The held-out families: nothing that the embedded model was trained on, nor any seed task, comes near them."""

from __future__ import annotations

from selfinstruct.draws import Draws
from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.tiny import grammar
from selfinstruct.tiny.families import families
from selfinstruct.tiny.heldout import held_out_families, held_out_tasks

TASKS = list(held_out_tasks(20))


def test_each_family_gives_different_tasks_and_always_the_same() -> None:
    assert len(TASKS) == 20 * len(held_out_families()) >= 200
    assert len({(task.instruction, task.input) for task in TASKS}) == len(TASKS)
    assert list(held_out_tasks(20)) == TASKS
    assert all(task.output for task in TASKS)
    assert {family.is_classification for family in held_out_families()} == {True, False}


def test_labels_are_balanced() -> None:
    for family in (family for family in held_out_families() if family.is_classification):
        outputs = [task.output for task in TASKS if task.family == family.name]
        assert 0.25 < outputs.count(outputs[0]) / len(outputs) < 0.75


def test_no_family_is_one_of_the_grammar() -> None:
    assert not {family.name for family in held_out_families()} & {family.name for family in families()}
    assert [task.instruction for task in TASKS if grammar.recognise(task.instruction)] == []


def test_no_seed_and_no_task_of_the_grammar_is_near() -> None:
    """Near as a run has it: a ROUGE-L above 0.7. The grammar is sampled forty times for each way it has to ask."""
    draws = Draws("near")
    asks = [ask.fill({}, draws) for family in families() for ask in family.asks for _ in range(40)]
    index = make_index(NoveltySettings(index="prefix"))  # misses nothing
    index.insert(0, [*asks, *(seed.instruction for seed in load_seeds(SEED_TASKS))])
    instructions = sorted({task.instruction for task in TASKS})
    near = {
        text: found for text, found in zip(instructions, index.nearest(len(index), instructions), strict=True) if found
    }
    assert {text for text, found in near.items() if found.rouge_l > 0.7} == set()


def test_the_words_of_a_template_are_not_the_grammar_s() -> None:
    """Beyond the slots: no held-out way to ask is one of the grammar's with other words in its slots."""
    fixed = [tokenise(ask.text, "rouge") for family in families() for ask in family.asks]
    for family in held_out_families():
        for ask in family.asks:
            assert max(rouge_l(tokenise(ask.text, "rouge"), other) for other in fixed) <= 0.7, ask.text
