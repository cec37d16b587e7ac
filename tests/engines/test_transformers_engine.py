"""The transformers engine against transformers itself, on small models with random weights made on the spot."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from selfinstruct.draws import seed_of
from selfinstruct.engines import EngineSettings, TransformersOptions, identify, open_engine, sampling
from selfinstruct.engines.drafts import Ending
from selfinstruct.engines.encoding import PromptEncoder
from selfinstruct.engines.generation import ON_CPU
from selfinstruct.engines.transformers import TransformersEngine
from selfinstruct.errors import InputError
from selfinstruct.prompts import TWO_STEPS, Prompt, PromptSet, Sampling
from selfinstruct.records import Completion, Finish, Kind, Request
from tests.tools.random_models import CONTEXT, make_model, make_tokenizer

GREEDY = Sampling(0.0, 0.0, 0.0, 0.0, 12, ())
SUFFIXES = ["a", "Task: name a river.\n", "Write about the sea and the cat on a mat in Vienna", "1. où\n2.", "the the"]
CHAT = (
    "{{ bos_token }}{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content | trim }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
MODELS = ("llama", "qwen2", "gemma2", "gpt2", "gpt_neox", "bloom")

Make = Callable[[str], str]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other cost such small models far more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Gives the folder of a model by the name of its architecture; `llama-chat` has a chat template."""
    made: dict[str, str] = {}

    def folder_of(name: str) -> str:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            tokenizer = make_tokenizer()
            if name.endswith("-chat"):
                tokenizer.chat_template = CHAT
            tokenizer.save_pretrained(folder)
            make_model(name.removesuffix("-chat")).save_pretrained(folder)
            made[name] = str(folder)
        return made[name]

    return folder_of


def prompt_set(
    sampling: Sampling = GREEDY, *, prefix: str = "Task: do it.\n", tail: str = "", chat: bool = False
) -> PromptSet:
    """The kinds of the paper's two steps, all alike but for their prefixes."""
    prompts = {kind: Prompt(f"{kind} {prefix}", "{instruction}", tail, sampling) for kind in TWO_STEPS}
    return PromptSet("test", chat, prompts, "")


def opened(model: str, prompts: PromptSet, **options: Any) -> TransformersEngine:
    engine = open_engine(EngineSettings(model=model, transformers=TransformersOptions(**options)), prompts)
    assert isinstance(engine, TransformersEngine)
    return engine


def request(at: int, suffix: str, kind: Kind = Kind.CLASSIFY) -> Request:
    return Request(f"r{at}", kind, suffix, seed_of("test", at))


def complete(engine: TransformersEngine, requests: Sequence[Request]) -> dict[str, Completion]:
    engine.add(requests)
    completions: list[Completion] = []
    while len(completions) < len(requests):
        completions += engine.step()
    assert engine.step() == []
    found = {completion.request_id: completion for completion in completions}
    assert len(found) == len(requests)
    return found


LONG = "the cat on the mat, the river and the sea " * 5  # long enough to be shared
REQUESTS = [request(at, suffix) for at, suffix in enumerate(SUFFIXES)]


# what is computed


@pytest.mark.parametrize("name", ["llama", "gpt2"])  # one shares the prefix, the other copies it
def test_tokens_that_a_prefix_saved_are_counted(make: Make, name: str) -> None:
    prompts = prompt_set(prefix=LONG)
    tokenizer = AutoTokenizer.from_pretrained(make(name))
    prefix = len(tokenizer.encode(prompts[Kind.CLASSIFY].prefix))
    for completion in complete(opened(make(name), prompts), REQUESTS).values():
        assert prefix - 1 <= completion.cached_tokens <= prefix < completion.prompt_tokens


@pytest.mark.parametrize("name", MODELS)
def test_greedy_equals_generate_without_padding(make: Make, name: str) -> None:
    prompts = prompt_set()
    found = complete(opened(make(name), prompts), REQUESTS)
    tokenizer, model = AutoTokenizer.from_pretrained(make(name)), AutoModelForCausalLM.from_pretrained(make(name))
    for one in REQUESTS:
        prefix = prompts[Kind.CLASSIFY].prefix
        ids = tokenizer.encode(prefix) + tokenizer.encode(one.suffix, add_special_tokens=False)
        output = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=GREEDY.max_tokens)
        tokens = output[0, len(ids) :].tolist()
        completion = found[one.id]
        assert completion.text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert (completion.prompt_tokens, completion.completion_tokens) == (len(ids), len(tokens))
        assert completion.finish is (Finish.STOP if tokens[-1] == 1 else Finish.LENGTH)


SAMPLED = Sampling(1.0, 0.9, 0.3, 0.5, 8, ("\n", "e"))


@pytest.fixture(scope="module")
def alone(make: Make) -> tuple[TransformersEngine, dict[str, Completion]]:
    """An engine, and 24 requests of two kinds, each completed on its own."""
    engine = opened(make("llama"), prompt_set(SAMPLED, prefix=LONG))
    requests = [request(at, SUFFIXES[at % 5], (Kind.PROPOSE, Kind.INPUT_FIRST)[at % 2]) for at in range(24)]
    return engine, {one.id: complete(engine, [one])[one.id] for one in requests}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(24)), number=st.integers(1, 24), budget=st.sampled_from([1, 250, 500, 2000]))
def test_completion_depends_on_its_request_alone(
    alone: tuple[TransformersEngine, dict[str, Completion]], order: list[int], number: int, budget: int
) -> None:
    engine, expected = alone
    engine._tokens_per_batch = budget
    requests = [request(at, SUFFIXES[at % 5], (Kind.PROPOSE, Kind.INPUT_FIRST)[at % 2]) for at in order[:number]]
    found = complete(engine, requests)
    assert found == {one.id: expected[one.id] for one in requests}


def test_seeds_differ(alone: tuple[TransformersEngine, dict[str, Completion]]) -> None:
    same_prompt = [f"r{at}" for at in range(0, 24, 10)]
    assert len({alone[1][name].text for name in same_prompt}) > 1


def test_greedy_with_penalties_equals_a_loop_by_hand(make: Make) -> None:
    settings = replace(GREEDY, max_tokens=30, presence_penalty=4.0, frequency_penalty=1.5)
    engine = opened(make("llama"), prompt_set(settings))
    found = complete(engine, REQUESTS)
    tokenizer, model = AutoTokenizer.from_pretrained(make("llama")), AutoModelForCausalLM.from_pretrained(make("llama"))
    for one in REQUESTS:
        prompt, tokens = engine._encoder.encode(one).ids, list[int]()
        while len(tokens) < settings.max_tokens and 1 not in tokens:
            with torch.inference_mode():
                logits = model(torch.tensor([prompt + tokens])).logits[0, -1].tolist()
            for token in set(tokens):
                logits[token] -= 4.0 + 1.5 * tokens.count(token)
            tokens.append(logits.index(max(logits)))
        assert found[one.id].text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert found[one.id].completion_tokens == len(tokens)


# sampling


def by_hand(logits: Sequence[float], generated: Sequence[int], s: Sampling) -> dict[int, float]:
    """The probabilities of the nucleus, not renormalised."""
    lowered = [
        value - (s.presence_penalty if at in generated else 0) - s.frequency_penalty * generated.count(at)
        for at, value in enumerate(logits)
    ]
    weights = [math.exp(value / s.temperature) for value in lowered]
    chances = sorted(((weight / sum(weights), at) for at, weight in enumerate(weights)), reverse=True)
    kept: dict[int, float] = {}
    for chance, at in chances:
        if sum(kept.values()) >= s.top_p:
            break
        kept[at] = chance
    return kept


@pytest.mark.parametrize("top_p", [0.3, 0.7, 0.99, 1.0])
def test_draws_follow_the_nucleus(top_p: float) -> None:
    s = Sampling(0.8, top_p, 0.4, 1.1, 1, ())
    logits = [2.0, 1.5, 1.4, 0.3, -1.0, 0.9]
    generated = [0, 0, 2]
    kept = by_hand(logits, generated, s)
    rows = 20_000
    tokens = sampling.draw(
        torch.tensor([logits]).expand(rows, -1), torch.tensor([generated]).expand(rows, -1), torch.arange(rows), s
    )
    share = tokens.bincount(minlength=6) / rows
    for at in range(6):
        assert share[at].item() == pytest.approx(kept.get(at, 0.0) / sum(kept.values()), abs=0.015)


def test_greedy_penalties_by_hand() -> None:
    logits = torch.tensor([[3.0, 2.5, 1.0], [3.0, 2.5, 1.0]])
    generated = torch.tensor([[0, 0], [1, 2]])
    lowered = sampling.penalise(logits, generated, replace(GREEDY, presence_penalty=1.5, frequency_penalty=0.25))
    assert lowered.tolist() == [[1.0, 2.5, 1.0], [3.0, 0.75, -0.75]]


def test_rows_that_began_at_different_times_are_penalised_and_drawn_alike() -> None:
    s = Sampling(0.9, 0.95, 0.3, 0.7, 1, ())
    logits = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    late = torch.tensor([[sampling.NOTHING, sampling.NOTHING, 7, 7], [1, 2, 3, 3]])
    seeds = torch.tensor([11, 12])
    together = sampling.penalise(logits, late, s)
    assert torch.equal(together[:1], sampling.penalise(logits[:1], late[:1, 2:], s))
    assert torch.equal(together[1:], sampling.penalise(logits[1:], late[1:], s))
    both = sampling.draw(logits, late, seeds, s).tolist()
    alone = [sampling.draw(logits[:1], late[:1, 2:], seeds[:1], s), sampling.draw(logits[1:], late[1:], seeds[1:], s)]
    assert both == [token.item() for token in alone]


@pytest.mark.parametrize("top_p", [0.2, 0.9, 0.999])
def test_a_large_nucleus_is_found_whole(top_p: float) -> None:
    logits = torch.randn(3, 2000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[0.1], [1.0], [9.0]])
    values, tokens = sampling.nucleus(logits, top_p)
    for row in range(3):
        kept = set(tokens[row][values[row] > -math.inf].tolist())
        chances, order = logits[row].double().softmax(-1).sort(descending=True)
        expected = int((chances.cumsum(-1) - chances < top_p).sum())
        assert abs(len(kept) - expected) <= 1  # float32 sums on our side
        assert kept <= set(order[: len(kept)].tolist())


def test_equals_at_the_edge_of_the_nucleus_all_stay() -> None:
    values, tokens = sampling.nucleus(torch.zeros(1, 500), 0.5)
    assert values.tolist() == [[0.0] * 500]
    assert sorted(tokens[0].tolist()) == list(range(500))


def test_noise_is_that_of_splitmix64() -> None:
    seed, step, token, wrap = 2**62 + 17, 3, 151_000, (1 << 64) - 1

    def mix(word: int) -> int:
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & wrap
        word = (word ^ word >> 27) * 0x94D049BB133111EB & wrap
        return word ^ word >> 31

    bits = mix(mix(mix(seed) + step & wrap) + (token + 1) * 0x9E3779B97F4A7C15 & wrap) >> 11
    expected = -math.log(-math.log((bits + 0.5) / 2**53))
    assert sampling.gumbel(torch.tensor([seed]), step, torch.tensor([[token]])).item() == pytest.approx(expected)


# endings


def test_stop_strings_cut_the_text_at_the_earliest(make: Make) -> None:
    free = complete(opened(make("llama"), prompt_set()), REQUESTS)
    tokenizer = AutoTokenizer.from_pretrained(make("llama"))
    text = max((completion.text for completion in free.values()), key=len)
    stop = (text[6:9], text[4:6], "never there")  # across tokens, the second one earlier
    for one in REQUESTS:
        completion = free[one.id]
        stopped = complete(opened(make("llama"), prompt_set(replace(GREEDY, stop=stop))), [one])[one.id]
        places = [completion.text.find(string) for string in stop if string in completion.text]
        assert stopped.text == (completion.text[: min(places)] if places else completion.text)
        assert stopped.completion_tokens <= completion.completion_tokens
        assert (stopped.finish is Finish.STOP) >= bool(places)
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def make_byte_fallback_tokenizer() -> PreTrainedTokenizerFast:
    """As Llama 2 has it: a blank at the front is dropped, and one broken byte breaks the whole run of bytes."""
    pieces = [
        "<|begin|>",
        "<|endoftext|>",
        "<unk>",
        "<|start|>",
        "<|end|>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
    ]
    vocabulary = {piece: at for at, piece in enumerate([*pieces, "▁", *"ab16"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    replaced, run = decoders.Replace("▁", " "), decoders.ByteFallback()
    tokenizer.decoder = decoders.Sequence([replaced, run, decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(["<|end|>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", unk_token="<unk>")


TOKENIZER, FALLBACK = make_tokenizer(), make_byte_fallback_tokenizer()


@pytest.mark.parametrize("tokenizer", [TOKENIZER, FALLBACK], ids=["byte-level", "byte-fallback"])
@settings(max_examples=150, deadline=None)
@given(
    text=st.text("ab\n16 é😀", max_size=30),
    stop=st.lists(st.text("a\n 16é😀", min_size=1, max_size=4), max_size=3),
    rolls=st.randoms(use_true_random=False),
)
@example(text="é\n", stop=["\n"], rolls=random.Random(0))  # a character cut in two by the window
@example(text="a 1", stop=[" 1"], rolls=random.Random(0))  # a blank at the window's front
def test_ending_is_reached_when_the_whole_text_holds_a_stop(
    tokenizer: Any, text: str, stop: list[str], rolls: random.Random
) -> None:
    ids = [token for sign in text for token in tokenizer.encode(sign, add_special_tokens=False)]
    ids = [token for at in ids for token in ([at, 4] if rolls.random() < 0.1 else [at])]  # special tokens between
    ending = Ending(tokenizer, {1}, tuple(stop))
    for end in range(1, len(ids) + 1):
        whole = tokenizer.decode(ids[:end], skip_special_tokens=True)
        places = [whole.find(string) for string in stop if string in whole]
        assert ending.reached(ids[:end]) == bool(places)
        if places:
            assert ending.cut(ids[:end]) == (whole[: min(places)], True)
            break


def test_end_tokens_and_broken_characters() -> None:
    ending = Ending(TOKENIZER, {1, 4}, ("z",))
    smile = TOKENIZER.encode("a😀", add_special_tokens=False)
    assert len(smile) > 2
    assert ending.reached([*smile, 4])
    assert ending.cut([*smile, 4]) == ("a😀", True)
    assert ending.cut([*smile[:-1]]) == ("a\ufffd", False)


def test_length_and_the_rows_that_go_on(make: Make) -> None:
    """A batch in which some rows end early and leave."""
    tokens = 40
    free = complete(opened(make("llama"), prompt_set(replace(GREEDY, max_tokens=tokens))), REQUESTS)
    first = free["r0"].text[:2]
    engine = opened(make("llama"), prompt_set(replace(GREEDY, max_tokens=tokens, stop=(first,))))
    for name, completion in complete(engine, REQUESTS).items():
        assert completion.text == free[name].text.split(first)[0]
        if first not in free[name].text and free[name].finish is Finish.LENGTH:
            assert completion.finish is Finish.LENGTH
            assert completion.completion_tokens == tokens


# prompts


def test_prompt_is_three_pieces_and_special_strings_are_text(make: Make) -> None:
    prompts = prompt_set(prefix="<|end|>", tail="<|pad|>tail")
    encoder = PromptEncoder(TOKENIZER, prompts)
    ids = encoder.encode(request(0, "<|start|>user<|endoftext|>")).ids
    assert ids[0] == 0
    assert all(token > 4 for token in ids[1:])
    assert TOKENIZER.decode(ids[1:]) == "classify <|end|><|start|>user<|endoftext|><|pad|>tail"


def test_chat_prompt_is_one_user_message(make: Make) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make("llama-chat"))
    prompts = prompt_set(prefix="Rules.\n", tail="\nAnswer:", chat=True)
    encoder = PromptEncoder(tokenizer, prompts)
    ids = encoder.encode(request(0, "Task: name a river")).ids
    message = {"role": "user", "content": "classify Rules.\nTask: name a river\nAnswer:"}
    whole = tokenizer.apply_chat_template([message], add_generation_prompt=True, return_dict=False)
    assert ids == whole
    assert ids.count(0) == 1


def test_special_strings_in_a_chat_suffix_are_text(make: Make) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make("llama-chat"))
    ids = PromptEncoder(tokenizer, prompt_set(chat=True)).encode(request(0, "a<|end|>\n<|start|>b")).ids
    assert [ids.count(token) for token in range(5)] == [1, 0, 0, 2, 1]


def test_templates_that_state_the_date_state_a_fixed_one(make: Make) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make("llama-chat"))
    tokenizer.chat_template = (
        "{% macro head() %}{{ strftime_now('%d %b %Y') }}{% endmacro %}{{ head() }} {{ messages[0].content }}"
    )
    head, _ = PromptEncoder(tokenizer, prompt_set(chat=True)).frame(Kind.CLASSIFY)
    assert tokenizer.decode(head).startswith("01 Jan 2024 classify")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, "no chat template; take --prompts base"),
        ("{{ raise_exception('system first') }}", "system first"),
        ("{{ messages[0].content }}{{ messages[0].content }}", "once"),
    ],
)
def test_unfit_chat_templates(make: Make, template: str | None, said: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make("llama"))
    tokenizer.chat_template = template
    with pytest.raises(InputError, match=said):
        PromptEncoder(tokenizer, prompt_set(chat=True))


# batches


def test_proposals_first_then_the_fullest_kind(make: Make) -> None:
    engine = opened(make("llama"), prompt_set(replace(GREEDY, max_tokens=2)), tokens_per_batch=1)
    engine.add([request(0, "a", Kind.CLASSIFY), request(1, "a", Kind.INPUT_FIRST), request(2, "b", Kind.INPUT_FIRST)])
    engine.add([request(3, "a", Kind.PROPOSE)])
    order = [[done.request_id for done in engine.step()] for _ in range(5)]
    assert order == [["r3"], ["r1"], ["r0"], ["r2"], []]


def test_kinds_go_together_and_what_has_ended_is_given_back_at_once(make: Make) -> None:
    engine = opened(make("llama"), prompt_set(replace(GREEDY, max_tokens=30)))
    alone = {one.id: complete(engine, [one])[one.id] for one in REQUESTS}
    engine.add([replace(one, kind=TWO_STEPS[at % 4]) for at, one in enumerate(REQUESTS)])
    lengths = [completion.completion_tokens for _ in REQUESTS for completion in engine.step()]
    assert len(lengths) == len(alone)
    assert lengths == sorted(lengths)


def test_a_batch_is_the_oldest_and_those_near_it_in_length(make: Make) -> None:
    engine = opened(make("llama"), prompt_set(replace(GREEDY, max_tokens=2)))
    short, long = "a", "Z" * 40
    lengths = [long, short, short, long, short]
    encoded = [engine._encoder.encode(request(at, text)) for at, text in enumerate(lengths)]
    engine._tokens_per_batch = 2 * (len(encoded[0].ids) + 2) + 1
    engine.add([one.request for one in encoded])
    assert [sorted(done.request_id for done in engine.step()) for _ in range(2)] == [["r0", "r3"], ["r1", "r2", "r4"]]


@pytest.mark.parametrize(
    ("name", "kept"), [("llama", 2 * 2 * 2 * 8 * 4), ("gpt2", 2 * 2 * 4 * 8 * 4), ("gpt_oss", 256)]
)
def test_what_is_under_way_is_bounded_by_memory_unless_tokens_are_given(make: Make, name: str, kept: int) -> None:
    """A token's keys and values: layers * both * heads of them * size * bytes of float32."""
    folder = make(name)
    assert opened(folder, prompt_set())._tokens_per_batch == ON_CPU // kept
    assert opened(folder, prompt_set(), tokens_per_batch=77)._tokens_per_batch == 77


def test_a_prompt_that_is_too_long_fails_alone(make: Make) -> None:
    engine = opened(make("llama"), prompt_set())
    expected = complete(engine, REQUESTS)
    found = complete(engine, [*REQUESTS[:2], request(9, "Z" * 200), *REQUESTS[2:]])
    failed = found.pop("r9")
    assert found == expected
    assert (failed.finish, failed.text, failed.completion_tokens) == (Finish.FAILED, "", 0)
    assert failed.error is not None
    assert failed.error.startswith(f"prompt of {failed.prompt_tokens} tokens leaves no room for 12 more")


@pytest.mark.parametrize("name", ["llama", "bloom"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_request_to_which_the_model_gives_no_number_fails_alone(make: Make, name: str, temperature: float) -> None:
    """As when half precision overflows. Whoever comes to its place in memory afterwards is none the worse."""
    engine = opened(make(name), prompt_set(replace(GREEDY, temperature=temperature)))
    expected = complete(engine, REQUESTS)
    model = engine._generator._model
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())  # not that of the inputs any more
    (token,) = set(make_tokenizer().encode("Z", add_special_tokens=False))
    model.get_input_embeddings().weight.data[token] = torch.nan
    poison = request(9, "the sea and the sea " * 3 + "Z and the sea")
    found = complete(engine, [*REQUESTS[:2], poison, *REQUESTS[2:]])
    failed = found.pop("r9")
    assert found == expected
    assert (failed.finish, failed.text) == (Finish.FAILED, "")
    assert failed.error is not None
    assert "NaN" in failed.error
    assert "--transformers.dtype" in failed.error
    assert complete(engine, REQUESTS) == expected


def test_a_request_without_words_of_its_own_fails_alone(make: Make) -> None:
    engine = opened(make("llama"), prompt_set(prefix=LONG))
    assert engine._generator._decoder.shared(Kind.CLASSIFY) > 64
    expected = complete(engine, REQUESTS)
    found = complete(engine, [request(9, ""), *REQUESTS])
    failed = found.pop("r9")
    assert found == expected
    assert (failed.finish, failed.error) == (Finish.FAILED, "prompt has no token of its own")
    served = complete(opened(make("bloom"), prompt_set(prefix=LONG)), [request(9, "")])
    assert served["r9"].finish is not Finish.FAILED


def test_a_prompt_that_just_fits_is_served(make: Make) -> None:
    engine = opened(make("llama"), prompt_set())
    spare = CONTEXT - 12 - sum(map(len, engine._encoder.frame(Kind.CLASSIFY)))
    fits, over = complete(engine, [request(0, "Z" * spare), request(1, "Z" * (spare + 1))]).values()
    assert {fits.finish, over.finish} > {Finish.FAILED}
    assert {fits.prompt_tokens, over.prompt_tokens} == {CONTEXT - 12, CONTEXT - 11}


@pytest.mark.parametrize("name", ["llama", "bloom"])
@pytest.mark.parametrize("work", ["join", "step"])
def test_memory_exhausted_halves_the_batch_for_good(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str, work: str
) -> None:
    engine = opened(make(name), prompt_set())
    expected = complete(engine, REQUESTS)
    decoder = engine._generator._decoder
    sizes: list[int] = []
    whole = getattr(decoder, work)

    def small(*arguments: Any) -> Any:
        sizes.append(len(engine._generator.under_way))
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError
        return whole(*arguments)

    monkeypatch.setattr(decoder, work, small)
    assert complete(engine, REQUESTS) == expected
    assert sizes[0] == 5
    assert max(sizes[1:]) <= 3
    assert complete(engine, REQUESTS) == expected
    assert max(sizes[1:]) <= 3


def test_a_request_that_exhausts_memory_by_itself_fails_alone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = opened(make("llama"), prompt_set())
    expected = complete(engine, REQUESTS)
    decoder = engine._generator._decoder
    whole = decoder.join

    def small(drafts: Sequence[Any]) -> list[Any]:
        if any(draft.encoded.request.id == "r2" for draft in drafts):
            raise torch.OutOfMemoryError
        joined: list[Any] = whole(drafts)
        return joined

    monkeypatch.setattr(decoder, "join", small)
    found = complete(engine, REQUESTS)
    failed = found.pop("r2")
    assert found.items() < expected.items()
    assert failed.finish is Finish.FAILED
    assert failed.error is not None
    assert "memory" in failed.error


def test_memory_that_holds_no_single_request_is_the_engines_failure(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(make("llama"), prompt_set())

    def full(drafts: Sequence[Any]) -> list[Any]:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(engine._generator._decoder, "join", full)
    engine.add(REQUESTS[:1])
    with pytest.raises(torch.OutOfMemoryError, match="does not hold the model and one request"):
        engine.step()


# models


def refusal(model: str, prompts: PromptSet | None = None, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        opened(model, prompts or prompt_set(), **options)
    return str(caught.value)


def test_unreachable_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    no_name = "is no folder, nor a hub repository's name; give a folder"
    for name, told in (
        ("no-such-owner-here/no-such-model", "is no folder, and no hub repository of that name"),
        (str(tmp_path / "nothing"), no_name),
        ("two words", no_name),
    ):
        said = refusal(name)
        assert f"--model: {name!r} {told}" in said
        assert "\n" not in said
        with pytest.raises(InputError, match=told):
            identify(EngineSettings(model=name))


@pytest.mark.parametrize(
    ("missing", "said"),
    [("config.json", "has no config.json"), ("tokenizer*", "has no tokenizer"), ("*.safetensors", "safetensors")],
)
def test_incomplete_folders(make: Make, tmp_path: Path, missing: str, said: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(make("llama"), folder)
    for path in folder.glob(missing):
        path.unlink()
    assert said in refusal(str(folder))


def test_pickled_weights_are_refused(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(make("llama"), folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    assert "can run code and are not read" in refusal(str(folder))


def test_damaged_and_partial_weights(make: Make, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(make("llama"), folder)
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "lack weights (model.layers.1.mlp.up_proj.weight" in refusal(str(folder))
    (folder / "model.safetensors").write_bytes(b"\0" * 64)
    assert "cannot be loaded" in refusal(str(folder))


def test_wrong_options(make: Make) -> None:
    assert "--transformers.dtype: 'int3' is unknown" in refusal(make("llama"), dtype="int3")
    assert "--transformers.device: 'nonsense'" in refusal(make("llama"), device="nonsense")
    if not torch.cuda.is_available():
        assert "--transformers.device: 'cuda:7'" in refusal(make("llama"), device="cuda:7")


def test_dtype_as_asked(make: Make) -> None:
    assert opened(make("llama"), prompt_set())._generator._model.dtype is torch.float32
    engine = opened(make("llama"), prompt_set(), dtype="bfloat16")
    assert engine._generator._model.dtype is torch.bfloat16
    assert complete(engine, REQUESTS).keys() == {one.id for one in REQUESTS}


def test_a_context_that_holds_no_prompt_is_said_at_once(make: Make) -> None:
    said = refusal(make("llama"), prompt_set(replace(GREEDY, max_tokens=CONTEXT)))
    assert said.count("\n") == len(TWO_STEPS) - 1
    assert f"its context of {CONTEXT} tokens cannot hold the propose prompt" in said


def test_identity_is_content_and_not_the_place(make: Make, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(make("llama"), copy)
    before = identify(EngineSettings(model=make("llama")))
    assert identify(EngineSettings(model=str(copy))) == before
    assert before.keys() == {"engine", "weights", "dtype"}
    (copy / "README.md").write_text("words")
    assert identify(EngineSettings(model=str(copy))) == before
    bfloat16 = TransformersOptions(dtype="bfloat16")
    assert identify(EngineSettings(model=str(copy), transformers=bfloat16)) == {**before, "dtype": "bfloat16"}
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(data)
    assert identify(EngineSettings(model=str(copy))) != before


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"])
def test_identity_covers_configuration_and_tokenizer(make: Make, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(make("llama"), copy)
    content = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps({**content, "more": 1}))
    assert identify(EngineSettings(model=str(copy))) != identify(EngineSettings(model=make("llama")))


def test_identify_of_a_hub_name_is_its_commit(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "c0ffee" * 6 + "abcd"
    repository = tmp_path / "models--owner--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    shutil.copytree(make("llama"), repository / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = identify(EngineSettings(model="owner/name"))
    assert found == {"engine": "transformers", "model": "owner/name", "weights": commit, "dtype": "auto"}
    assert complete(opened("owner/name", prompt_set()), REQUESTS)


def test_identify_imports_no_torch(make: Make) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from selfinstruct.engines import EngineSettings, identify\n"
        "identify(EngineSettings(model=sys.argv[1])); print(sorted({'torch', 'transformers'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, make("llama")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_loading_and_completing_is_silent(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    complete(opened(make("llama"), prompt_set()), REQUESTS)
    assert capfd.readouterr() == ("", "")
