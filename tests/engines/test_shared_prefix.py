"""Sharing a prefix and going together with others change nothing: small random models of many architectures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.engines import kernels, lanes
from selfinstruct.engines.attention import Layer, Prefix, Rows, Segment, Store, Unsupported
from selfinstruct.engines.encoding import EncodedRequest
from selfinstruct.engines.expanded import ExpandedDecoder
from selfinstruct.engines.lanes import Decoder, SharedDecoder, parts
from selfinstruct.records import Kind
from tests.tools.decoding import GREEDY, PREFIXES, SAMPLED, TOKENS, make_requests, run
from tests.tools.random_models import CONFIGS, OTHERS, SHARED, make_model

TIED = 1e-5


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_same_but_for_ties(model: Any, one: EncodedRequest, found: list[int], wanted: list[int]) -> None:
    """Equal up to the first place where the two tokens' logits are equal but for rounding."""
    at = next((at for at, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        assert len(found) == len(wanted)
        return
    with torch.inference_mode():
        logits = model(torch.tensor([one.ids + wanted[:at]])).logits[0, -1]
    assert abs(logits[found[at]] - logits[wanted[at]]) < TIED, f"{one.request.id}: {found} is not {wanted}"


@pytest.mark.parametrize("decoder", [SharedDecoder, ExpandedDecoder])
@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_tokens_are_those_of_generate(name: str, decoder: Any) -> None:
    if name in OTHERS and decoder is SharedDecoder:
        with pytest.raises(Unsupported):
            SharedDecoder(make_model(name), GREEDY, PREFIXES)
        return
    plain, model = make_model(name), make_model(name)
    requests = make_requests(14, seed=len(name))
    found = run(decoder(model, GREEDY, PREFIXES), requests, random.Random(1))
    for one in requests:
        output = plain.generate(torch.tensor([one.ids]), do_sample=False, max_new_tokens=TOKENS)
        assert_same_but_for_ties(plain, one, found[one.request.id], output[0, len(one.ids) :].tolist())


@pytest.mark.parametrize("name", ["llama", "gemma3", "phi", "bloom"])
def test_draws_depend_on_the_request_alone(name: str) -> None:
    """Many random batches, each against every request on its own."""
    model = make_model(name)
    decoder: Decoder = (SharedDecoder if name in SHARED else ExpandedDecoder)(model, SAMPLED, PREFIXES)
    requests = make_requests(16, seed=7)
    alone = {}
    for one in requests:
        alone |= run(decoder, [one], random.Random(0))
    assert len({tuple(tokens) for tokens in alone.values()}) > 12
    for seed in range(6):
        assert run(decoder, random.Random(seed).sample(requests, 12), random.Random(seed)).items() <= alone.items()


def test_a_prefix_goes_through_the_model_once() -> None:
    model = make_model("llama")
    decoder = SharedDecoder(model, GREEDY, PREFIXES)
    fed = []
    model.register_forward_pre_hook(lambda *call: fed.append(call[2]["input_ids"].numel()), with_kwargs=True)
    requests = make_requests(20, seed=3, kinds=[Kind.CLASSIFY])
    run(decoder, requests, random.Random(3))
    assert fed.count(len(PREFIXES[Kind.CLASSIFY])) == 1
    decoder.clear()
    before = sum(fed)
    run(decoder, requests, random.Random(3))
    assert sum(fed) - before == before - len(PREFIXES[Kind.CLASSIFY])


def test_half_precision_shares_a_prefix_too() -> None:
    model = make_model("qwen3").to(torch.bfloat16)
    found = run(SharedDecoder(model, SAMPLED, PREFIXES), make_requests(10, seed=5), random.Random(5))
    assert all(0 < len(tokens) <= TOKENS for tokens in found.values())


def test_a_model_that_is_refused_stays_as_it_was() -> None:
    model = make_model("gpt_oss")
    before = model.config._attn_implementation
    with pytest.raises(Unsupported, match="sinks"):
        SharedDecoder(model, GREEDY, PREFIXES)
    assert model.config._attn_implementation == before


# kernels


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 40), st.integers(1, 70), st.data())
def test_the_kernel_gives_the_definition(rows: int, heads: int, queries: int, columns: int, data: Any) -> None:
    draws = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    query, key, value = (torch.randn(rows, heads, n, 16, generator=draws) for n in (queries, columns, columns))
    lengths = torch.tensor(data.draw(st.lists(st.integers(1, columns), min_size=rows, max_size=rows)))
    mask = torch.zeros(rows, 1, 1, columns)
    mask.masked_fill_(torch.arange(columns) >= lengths[:, None, None, None], kernels.hidden(torch.float32))
    kernel = kernels.choose_kernel(torch.device("cpu"), torch.float32, 16)
    assert kernel is not kernels.by_definition
    out, total = kernel(query, key, value, mask, False, 0.3)
    scores = (query @ key.mT * 0.3 + mask).double()
    torch.testing.assert_close(total.double(), scores.logsumexp(-1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(out.double(), scores.softmax(-1) @ value.double(), atol=1e-4, rtol=1e-4)


def test_kernels_that_fail_or_err_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: Any) -> Any:
        raise NotImplementedError

    def lying(*arguments: Any) -> Any:
        out, total = kernels.by_definition(*arguments)
        return out, total + 0.1

    def fails_on_masks(query: Any, key: Any, value: Any, mask: Any, *others: Any) -> Any:
        if mask is not None:
            raise RuntimeError("no kernel takes a mask here")
        return kernels.by_definition(query, key, value, mask, *others)

    sound = kernels.CANDIDATES["cpu"][0]
    for candidates, chosen in (
        ((missing, lying, fails_on_masks, sound), sound),
        ((missing, lying), kernels.by_definition),
        (kernels.CANDIDATES["cuda"], kernels.by_definition),  # on a CPU
    ):
        monkeypatch.setitem(kernels.CANDIDATES, "cpu", candidates)
        assert kernels.choose_kernel(torch.device("cpu"), torch.float32, 16) is chosen
    assert kernels.choose_kernel(torch.device("cpu"), torch.float32, 20) is kernels.by_definition


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_alone_is_no_reason_to_pass_a_kernel_over(dtype: torch.dtype, size: int) -> None:
    assert kernels.choose_kernel(torch.device("cpu"), dtype, size) is kernels.CANDIDATES["cpu"][0]


def over_seen_columns(
    query: Any, key: Any, value: Any, last: Any, window: int, scale: float, further: int = 0, bounded: bool = True
) -> Any:
    """A step kernel, row by row; it may be made to see `further` than it should, or beyond its window."""
    found = []
    for row, end in enumerate((last + 1 + further).tolist()):
        seen = slice(max(0, end - window) if window and bounded else 0, end)
        parts = query[row : row + 1], key[row : row + 1, :, seen], value[row : row + 1, :, seen]
        found.append(kernels.by_definition(*parts, None, False, scale))
    return tuple(torch.cat(each) for each in zip(*found, strict=True))


def test_a_step_kernel_must_see_what_it_should_and_no_more() -> None:
    device = torch.device("cpu")
    for dtype in (torch.float32, torch.bfloat16):
        assert kernels.step_agrees(over_seen_columns, device, dtype, 32)
        for wrong in ({"further": -1}, {"further": 1}, {"bounded": False}):
            assert not kernels.step_agrees(partial(over_seen_columns, **wrong), device, dtype, 32)


@pytest.mark.parametrize("name", ["llama", "mistral", "mistral-far", "gemma3"])
def test_a_step_kernel_changes_no_token(name: str) -> None:
    requests = make_requests(12, seed=11)
    wanted = run(SharedDecoder(make_model(name), GREEDY, PREFIXES), requests, random.Random(11))
    decoder = SharedDecoder(make_model(name), GREEDY, PREFIXES)
    for sizes, chosen in decoder._kernels.items():
        decoder._kernels[sizes] = replace(chosen, step=over_seen_columns)
    assert run(decoder, requests, random.Random(11)) == wanted


@pytest.mark.parametrize("window", [0, 3, 9, 30])
@pytest.mark.parametrize("group", [1, 3])
def test_merged_attention_is_attention_over_both(group: int, window: int) -> None:
    """A step over prefix and own columns against one softmax over all of them."""
    draws = torch.Generator().manual_seed(window)
    length, heads, size, lengths = 20, 2, 8, [0, 4, 11]
    store, prefix_store = Store(), Store()
    store.reserve(3, 20)
    prefix_store.reserve(1, length)
    random_keys = [torch.randn(1, heads, length, size, generator=draws) for _ in range(2)]
    for whole, new in zip(prefix_store.layer(0, *random_keys), random_keys, strict=True):
        whole[:, :, :length] = new
    own = [torch.randn(3, heads, 12, size, generator=draws) for _ in range(2)]
    for whole, new in zip(store.layer(0, *own), own, strict=True):
        whole[:3, :, :12] = new
    query = torch.randn(1, heads * group, 3, size, generator=draws)
    new_key, new_value = torch.randn(2, 1, heads, 3, size, generator=draws)
    segment = Segment(store, Prefix(length, prefix_store), torch.arange(3), torch.tensor(lengths), 0, 11)
    found = Rows([segment], {}).attend(Layer(0, 0.5, window, None), query, new_key, new_value)
    for row, seen in enumerate(lengths):
        keys, values = (
            torch.cat([shared[0], mine[row, :, :seen], new[0, :, row : row + 1]], dim=1)[:, -window if window else 0 :]
            for shared, mine, new in zip(random_keys, own, (new_key, new_value), strict=True)
        )
        keys, values = (one.repeat_interleave(group, dim=0) for one in (keys, values))
        wanted = (query[0, :, row : row + 1] @ keys.mT * 0.5).softmax(-1) @ values
        torch.testing.assert_close(found[row], wanted[:, 0])


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(1, 50_000))
def test_parts_cover_all_rows_and_each_division_saves_enough(lengths: list[int], spared: int) -> None:
    lengths.sort()
    found = parts(lengths, spared)
    assert [row for part in found for row in range(len(lengths))[part]] == list(range(len(lengths)))
    whole = len(lengths) * lengths[-1] ** 2
    padded = sum((part.stop - part.start) * lengths[part][-1] ** 2 for part in found)
    assert whole - padded >= spared * (len(found) - 1)


def test_parts_change_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = SharedDecoder(make_model("mistral"), SAMPLED, PREFIXES)
    requests = make_requests(40, seed=9, kinds=[Kind.CLASSIFY, Kind.PROPOSE])
    monkeypatch.setitem(lanes.SPARED, "cpu", 10**9)
    whole = run(decoder, requests, random.Random(0))
    monkeypatch.setitem(lanes.SPARED, "cpu", 1)
    for seed in range(3):
        assert run(decoder, requests, random.Random(seed)) == whole


def test_a_store_keeps_what_it_holds_when_it_grows() -> None:
    store = Store()
    store.reserve(1, 5)
    key, value = torch.randn(2, 1, 2, 5, 4)
    for whole, new in zip(store.layer(3, key, value), (key, value), strict=True):
        whole[:1, :, :5] = new
    store.reserve(9, 50)
    store.move(torch.tensor([0]), torch.tensor([8]), 5)
    for whole, new in zip(store.layer(3, key, value), (key, value), strict=True):
        assert whole.shape[0] >= 9
        assert whole.shape[2] >= 50
        for row in (0, 8):
            assert torch.equal(whole[row, :, :5], new[0])
        assert not whole[1:8].any()
