"""The template engine: right answers in the dialects, dirt for every filter, and no dependence on batches."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.draws import Draws, seed_of
from selfinstruct.engines import EngineSettings, TemplateOptions, identify, open_engine
from selfinstruct.engines.template import GRAMMAR
from selfinstruct.errors import InputError
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.prompts import TWO_STEPS, load_prompts
from selfinstruct.records import Completion, Finish, Kind, Reason, Request
from selfinstruct.steps.instantiate import InstanceSettings, filter_instances
from selfinstruct.steps.screen import Screen, ScreenSettings
from selfinstruct.tiny import grammar
from tests.tools.reading import CHAT, TOLERANT_BASE, instances, proposals

PROMPTS = load_prompts("tiny")
READER = TOLERANT_BASE
RULES = {Reason.ECHOES_INSTRUCTION, Reason.FROM_PROMPT, Reason.REPEATS_ITSELF, Reason.ASKS_NOTHING}
TASKS = [grammar.sample(draws) for draws in [Draws("tests")] for _ in range(600)]


def make_request(kind: Kind, number: int) -> Request:
    task = TASKS[number % len(TASKS)]
    prompt = PROMPTS[kind]
    if kind is Kind.PROPOSE:
        suffix = prompt.fill_demonstrations([task.instruction for task in TASKS[:8]])
    else:
        suffix = prompt.fill(instruction=task.instruction)
    return Request(f"{kind}/{number}", kind, suffix, seed_of(kind, number))


def complete(requests: list[Request], options: TemplateOptions | None = None) -> list[Completion]:
    engine = open_engine(EngineSettings("template", template=options or TemplateOptions()), PROMPTS)
    engine.add(requests)
    completions: list[Completion] = []
    while done := engine.step():
        completions += done
    return completions


@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations(range(24)),
    batch=st.integers(1, 30),
    pieces=st.lists(st.integers(1, 7), min_size=24, max_size=24),
)
def test_completions_depend_on_the_request_alone(order: list[int], batch: int, pieces: list[int]) -> None:
    options = TemplateOptions(failure_rate=0.1, cut_rate=0.2)
    requests = [make_request(kind, number) for number in range(6) for kind in TWO_STEPS]
    expected = {done.request_id: done for done in complete(requests, options)}
    engine = open_engine(EngineSettings("template", template=replace(options, batch=batch)), PROMPTS)
    shuffled = [requests[at] for at in order]
    got: list[Completion] = []
    for piece in pieces:
        engine.add(shuffled[:piece])
        del shuffled[:piece]
        got += engine.step()
    while done := engine.step():
        got += done
    assert len(got) == len(requests)
    assert {done.request_id: done for done in got} == expected


def test_an_idle_engine_has_nothing() -> None:
    assert complete([]) == []


def test_other_seeds_give_other_proposals() -> None:
    texts = {done.text for done in complete([make_request(Kind.PROPOSE, number) for number in range(50)])}
    assert len(texts) > 45


def test_proposals_continue_the_list() -> None:
    (done,) = complete([make_request(Kind.PROPOSE, 2)])
    assert done.finish is Finish.STOP
    assert done.text.startswith(" ")
    assert len(proposals(READER, done.text)) == 8
    assert "\n16. " in done.text
    assert "\n17" not in done.text


def test_a_chat_prompt_gets_a_whole_list() -> None:
    chat = load_prompts("chat")
    suffix = chat[Kind.PROPOSE].fill_demonstrations([task.instruction for task in TASKS[:8]])
    engine = open_engine(EngineSettings("template"), chat)
    engine.add([Request("chat", Kind.PROPOSE, suffix, 5)])
    (done,) = engine.step()
    assert done.text.startswith("9. ")
    assert len(proposals(CHAT, done.text)) == 8


def test_classification_is_recognised() -> None:
    answers = complete([make_request(Kind.CLASSIFY, number) for number in range(len(TASKS))])
    assert [bool(READER.classification(done.text)) for done in answers] == [task.is_classification for task in TASKS]


def test_instances_belong_to_the_instruction() -> None:
    (done,) = complete([Request("x", Kind.INPUT_FIRST, "Task: How do I cook leek soup for a first date?\n", 3)])
    (instance,) = instances(READER, Kind.INPUT_FIRST, done.text)
    assert instance.input == ""
    assert instance.output.startswith("You need leeks")


def test_unknown_instructions_are_answered_too() -> None:
    requests = [
        Request(f"{kind}/{n}", kind, PROMPTS[kind].fill(instruction="Prove {Fermat}."), n)
        for kind in (Kind.CLASSIFY, Kind.INPUT_FIRST, Kind.OUTPUT_FIRST)
        for n in range(40)
    ]
    answers = complete(requests)
    assert {bool(READER.classification(done.text)) for done in answers[:40]} == {True, False}
    parsed = [instances(READER, request.kind, done.text) for request, done in zip(requests, answers, strict=True)]
    assert sum(map(bool, parsed[40:])) > 70


def test_every_reason_occurs() -> None:
    screen = Screen(ScreenSettings())
    seen: Counter[Reason] = Counter()
    options = TemplateOptions(failure_rate=0.03, cut_rate=0.03)
    requests = [make_request(kind, number) for number in range(400) for kind in TWO_STEPS]
    kinds = {request.id: request.kind for request in requests}
    for done in complete(requests, options):
        kind = kinds[done.request_id]
        if done.finish is Finish.FAILED:
            seen[Reason.FAILED] += 1
        elif kind is Kind.PROPOSE:
            texts = proposals(READER, done.text)
            seen[Reason.NOTHING_PARSED] += not texts
            seen[Reason.CUT_BY_LENGTH] += done.finish is Finish.LENGTH
            seen.update(reason for reason in map(screen, texts) if reason is not None)
            tokens = [tokenise(text, "rouge") for text in texts]
            seen[Reason.SIMILAR] += any(rouge_l(a, b) > 0.7 for a, b in pairwise(tokens))
        elif kind is not Kind.CLASSIFY:
            found = READER.instances(kind, done.text, done.finish is Finish.LENGTH)
            verdicts = filter_instances(found, InstanceSettings(), 1, done.request_id)
            seen.update(reason for _, reason in verdicts if reason is not None)
    # these need evaluation sets, a run that is parsed again, what models do to the form of an answer, poor models,
    # vectors, constraints and documents
    asked_for = {
        Reason.CONTAMINATED,
        Reason.NOT_ASKED,
        Reason.NOT_SELECTED,
        Reason.LEAKED_MARKER,
        Reason.REPETITION,
        Reason.PARAPHRASE,
        Reason.BREAKS_CONSTRAINT,
        Reason.COPIED,
        *RULES,
    }
    assert {reason for reason in Reason if not seen[reason]} == asked_for


def test_rates_are_kept() -> None:
    requests = [make_request(kind, number) for number in range(500) for kind in TWO_STEPS]
    finishes = Counter(done.finish for done in complete(requests, TemplateOptions(failure_rate=0.2, cut_rate=0.3)))
    assert finishes[Finish.FAILED] == pytest.approx(400, rel=0.2)
    assert finishes[Finish.LENGTH] == pytest.approx(600, rel=0.2)
    failed = complete(requests[:3], TemplateOptions(failure_rate=1.0))
    assert all(done.error and done.text == "" and done.completion_tokens == 0 for done in failed)


def test_options_out_of_range_are_all_named() -> None:
    options = TemplateOptions(latency=-1.0, batch=0, failure_rate=0.8, cut_rate=0.4)
    with pytest.raises(InputError) as caught:
        open_engine(EngineSettings("template", template=options), PROMPTS)
    assert caught.value.problems == (
        "--template.latency: is -1.0, must be at least 0",
        "--template.batch: is 0, must be at least 1",
        "--template.cut_rate: is 0.4, must be at most 1 together with --template.failure_rate",
    )


def test_only_what_alters_the_data_is_part_of_the_identity() -> None:
    plain = EngineSettings("template")
    slow = EngineSettings("template", template=TemplateOptions(latency=1.0, batch=3))
    failing = EngineSettings("template", template=TemplateOptions(failure_rate=0.1))
    assert identify(plain) == identify(slow)
    assert identify(plain) != identify(failing)


def test_answers_are_those_of_their_version() -> None:
    """Runs are carried on by other versions of this code: whoever changes an answer changes `GRAMMAR`, too."""
    digest = hashlib.sha256()
    requests = [make_request(kind, number) for number in range(400) for kind in TWO_STEPS]
    for options in (TemplateOptions(failure_rate=0.03, cut_rate=0.03), TemplateOptions(words=2000)):
        for done in complete(requests, options):
            digest.update(json.dumps([done.request_id, done.text, done.finish]).encode())
    assert (GRAMMAR[:16], digest.hexdigest()[:16]) == ("8c1e75449371e6d4", "6b63443f14d3fe4c")


def test_a_batch_takes_as_long_as_its_longest_completion() -> None:
    options = TemplateOptions(latency=0.02, token_latency=0.001, batch=2)
    engine = open_engine(EngineSettings("template", template=options), PROMPTS)
    engine.add([Request(f"r{number}", Kind.PROPOSE, "9.", number) for number in range(3)])
    for size in (2, 1, 0):
        begun = time.monotonic()
        completions = engine.step()
        seconds = time.monotonic() - begun
        assert len(completions) == size
        assert seconds >= 0.02 * bool(size) + 0.001 * max((done.completion_tokens for done in completions), default=0)


def test_torch_is_not_imported() -> None:
    code = "import sys, selfinstruct.engines.template as t; t.families(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
