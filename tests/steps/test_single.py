"""Strategies that ask for one instruction, and how their answers are read."""

from __future__ import annotations

from collections import Counter

import pytest

from selfinstruct.errors import InputError
from selfinstruct.pool import Pool
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Candidate, Finish, Kind, Origin, Proposal, Reason
from selfinstruct.run.settings import StepSettings
from selfinstruct.run.verdicts import Criteria, left_out, screened, survivors
from selfinstruct.steps.readers import reader_of
from selfinstruct.steps.readers.single import message, task
from selfinstruct.steps.strategies.mix import Mix
from selfinstruct.steps.strategies.planned import PoolView
from selfinstruct.steps.strategies.single import Evolve, Query
from selfinstruct.steps.strategies.slots import Slots

CHAT = load_prompts("chat", strategies=[Kind.QUERY, Kind.EVOLVE])


def pool_of(*texts: str) -> Pool:
    pool = Pool()
    pool.extend([Candidate("seed/a", 0, None, None, Origin.SEED, "Name a seed.", True, None, None, None)])
    pool.extend(
        [
            Candidate(f"000001/{at:05d}/00", 1, None, 0, Origin.MODEL, text, True, None, None, None)
            for at, text in enumerate(texts)
        ]
    )
    return pool


# ---- the answers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hi, what is a lease?\n\n1. short\n2. long", "Hi, what is a lease?\n\n1. short\n2. long"),
        ("  Why?<|im_end|>\n<|im_start|>assistant\nBecause.", "Why?"),
        (" \n", None),
    ],
)
def test_a_message_is_taken_as_it_was_written(text: str, found: str | None) -> None:
    assert message(text, False) == ([(found, None)] if found else [])
    assert message(text, True) == ([(found, Reason.CUT_BY_LENGTH)] if found else [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Name two rivers and say why.", "Name two rivers and say why."),
        ("**Task:** Name two rivers.", "Name two rivers."),
        ('"Name two rivers."', "Name two rivers."),
        ("<think>Hm.</think>\nNew task: Name two rivers.", "Name two rivers."),
        ('{"task": "Name two rivers."}', "Name two rivers."),
        ('```json\n{"task": "Name two rivers."}\n```', "Name two rivers."),
        ("<think>Hm.", None),
        ("", None),
    ],
)
def test_a_task_is_taken_without_what_announces_it(text: str, found: str | None) -> None:
    assert task(text, False) == ([(found, None)] if found else [])


def test_a_marker_of_the_forms_is_no_part_of_a_task() -> None:
    assert task("Name two rivers.\nOutput: the Rhine", False)[0][1] is Reason.LEAKED_MARKER


# ---- the requests


def test_a_query_has_no_text_and_its_own_seed() -> None:
    view = PoolView(pool_of(), 1)
    one, two = (Query(5).plan(f"000001/{at:05d}", view) for at in range(2))
    assert (one.request.kind, one.request.suffix, one.strategy, one.demonstrations) == (Kind.QUERY, "", "query", ())
    assert one.request.seed != two.request.seed


def test_evolve_shows_one_of_the_pool_and_one_operation() -> None:
    pool, strategy = pool_of("Sing a song.", "Draw up a will."), Evolve(5, CHAT, Slots())
    plans = [strategy.plan(f"000003/{at:05d}", PoolView(pool, 3)) for at in range(200)]
    assert {plan.demonstrations for plan in plans} == {(1,), (2,)}
    drawn = Counter(plan.sources[1] for plan in plans)
    assert set(drawn) == {f"operation:{name}" for name in CHAT[Kind.EVOLVE].operations}
    assert all(count > 30 for count in drawn.values())
    for plan in plans:
        assert pool.texts[plan.demonstrations[0]] in plan.request.suffix
        assert plan.sources[0] == f"parent:{pool.id(plan.demonstrations[0])}"
    assert strategy.plan("000001/00000", PoolView(pool, 1)).demonstrations == (0,)  # a seed while there is nothing else


def test_a_strategy_gets_its_share_and_an_id_has_one_strategy() -> None:
    mix = Mix(3, {"query": 0.25, "evolve": 0.75}, {"query": Query(3), "evolve": Evolve(3, CHAT, Slots())})
    ids = [f"{number:06d}/{at:05d}" for number in range(20) for at in range(100)]
    names = [plan.strategy for plan in mix.plan(ids, PoolView(pool_of(), 1))]
    assert names == [mix.name_of(id) for id in ids]
    assert abs(names.count("query") / len(ids) - 0.25) < 0.03


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("tiny", Kind.QUERY, "'tiny' has no query.toml"),
        ("tiny", Kind.EVOLVE, "'tiny' has no evolve.toml"),
        ("base", Kind.QUERY, "'base' has no query.toml"),
    ],
)
def test_a_set_that_lacks_a_strategys_prompt_is_one_line(name: str, kind: Kind, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_prompts(name, strategies=[kind])


def test_a_sets_own_digest_leaves_strategies_out() -> None:
    assert load_prompts("chat").digest == CHAT.digest
    assert CHAT.digests.keys() == {"query", "evolve"}


# ---- the verdicts

PARENT = "Explain to a new colleague how the coffee machine in the kitchen is cleaned every evening."


def proposal(strategy: str, text: str, shown: str = "000001/00000/00") -> Proposal:
    demonstrations = (shown,) if strategy == "evolve" else ()
    return Proposal("000003/00000", 3, strategy, demonstrations, text, Finish.STOP, 1, 1, None)


def judged(*proposals: Proposal) -> tuple[list[Candidate], list[int | None]]:
    settings, pool = StepSettings(), pool_of(PARENT)
    criteria = Criteria.of(settings, CHAT.texts)
    candidates = screened(proposals, reader_of(CHAT, settings.reading), criteria, pool.texts_of)
    without = left_out(candidates, proposals, pool.ordinals_by_id)
    assert len(without) in (0, len(survivors(candidates)))
    return candidates, list(without)


def test_a_rewritten_instruction_is_compared_without_its_parent() -> None:
    child = f"{PARENT[:-1]}, and name three mistakes that are often made."
    (candidate,), without = judged(proposal("evolve", child))
    assert (candidate.reason, without) == (None, [1])


@pytest.mark.parametrize(
    "child", [PARENT, PARENT.replace("every evening", "in the evening"), PARENT[:-1] + ", please."]
)
def test_one_that_says_what_its_parent_says_is_similar(child: str) -> None:
    (candidate,), _ = judged(proposal("evolve", child))
    assert (candidate.reason, candidate.nearest_id) == (Reason.SIMILAR, "000001/00000/00")
    assert candidate.rouge_l is not None
    assert candidate.rouge_l > 0.9


def test_of_other_strategies_nothing_is_left_out() -> None:
    (candidate,), without = judged(proposal("query", PARENT))
    assert (candidate.reason, without) == (None, [])
