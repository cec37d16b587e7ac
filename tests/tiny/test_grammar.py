"""The grammar: what it gives passes the pipeline's own filters, is mostly new, and is recognised again."""

from __future__ import annotations

from selfinstruct.draws import Draws
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import Kind
from selfinstruct.steps.instantiate import InstanceSettings, filter_instances
from selfinstruct.steps.readers.read import whole
from selfinstruct.steps.screen import Screen, ScreenSettings
from selfinstruct.tiny import dialect, grammar
from selfinstruct.tiny.families import families
from tests.tools.reading import BASE, TOLERANT_BASE, instances, proposals

READERS = (BASE, TOLERANT_BASE)
TASKS = [grammar.sample(draws) for draws in [Draws("tests")] for _ in range(2000)]


def test_every_way_to_ask_passes_the_screen() -> None:
    screen = Screen(ScreenSettings())
    draws = Draws("asks")
    asked = [ask.fill({}, draws) for family in families() for ask in family.asks for _ in range(5)]
    assert [text for text in asked if screen(text) is not None] == []
    assert max(len(text.split()) for text in asked) <= 45
    assert all(proposals(reader, f" {text}") == [text] for text in asked for reader in READERS)


def test_families_have_different_names_and_about_a_quarter_are_classification() -> None:
    found = families()
    assert len({family.name for family in found}) == len(found) >= 80
    assert 0.15 < sum(family.is_classification for family in found) / len(found) < 0.35


def test_sampling_depends_on_the_source_alone() -> None:
    again = Draws("tests")
    assert [grammar.sample(again) for _ in range(50)] == TASKS[:50]


def test_lists_hold_different_families() -> None:
    texts = grammar.sample_instructions(Draws("list"), 40)
    found = [grammar.recognise(text) for text in texts]
    assert len({family.name for known in found if known for family in known[:1]}) == 40


def test_most_samples_are_new_to_a_growing_pool() -> None:
    pool: list[list[str]] = []
    rejected = 0
    for task in TASKS:
        tokens = tokenise(task.instruction, "rouge")
        if any(rouge_l(tokens, other) > 0.7 for other in pool):
            rejected += 1
        else:
            pool.append(tokens)
        if len(pool) == 300:
            break
    assert len(pool) == 300
    assert rejected / (300 + rejected) < 0.2


def test_instructions_are_recognised() -> None:
    draws = Draws("again")
    for task in TASKS:
        known = grammar.recognise(task.instruction)
        assert known is not None
        family, chosen = known
        assert family.name == task.family
        assert any(ask.fill(dict(chosen), draws) == task.instruction for ask in family.asks)


def test_other_texts_are_not_recognised() -> None:
    for text in ("", "Explain", "Explain this to me.", f"{TASKS[0].instruction} And more.", TASKS[1].instruction[:-3]):
        assert grammar.recognise(text) is None


def test_instances_are_valid() -> None:
    for number, task in enumerate(TASKS):
        verdicts = filter_instances(whole(task.instances), InstanceSettings(), 1, str(number))
        assert [reason for _, reason in verdicts if reason is not None] == []


def test_the_parsers_read_the_dialects() -> None:
    texts = [task.instruction for task in TASKS[:8]]
    assert all(proposals(reader, dialect.numbered(texts)) == texts for reader in READERS)
    for task in TASKS:
        kind = Kind.OUTPUT_FIRST if task.is_classification else Kind.INPUT_FIRST
        write = dialect.output_first if task.is_classification else dialect.input_first
        for reader in READERS:
            assert tuple(instances(reader, kind, write(task.instances))) == task.instances
