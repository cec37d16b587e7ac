"""What a GPU has of its own: recorded steps, and a kernel. All but the recordings' sizes need one."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.engines import kernels
from selfinstruct.engines.graphs import MOST, recorded_size
from selfinstruct.engines.lanes import SharedDecoder
from tests.tools.decoding import GREEDY, PREFIXES, SAMPLED, make_requests, run
from tests.tools.random_models import SHARED, make_model

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@given(st.integers(1, MOST))
def test_a_recording_is_hardly_larger_than_what_it_serves(tokens: int) -> None:
    size = recorded_size(tokens)
    assert tokens <= size < tokens + max(8, tokens / 4)
    assert size <= MOST
    assert recorded_size(size) == size


def test_recordings_are_few() -> None:
    assert len({recorded_size(tokens) for tokens in range(1, MOST + 1)}) < 30


@needs_gpu
@pytest.mark.parametrize("name", SHARED)
def test_recorded_steps_give_the_tokens_of_those_that_are_not(name: str) -> None:
    requests = make_requests(30, seed=len(name))
    recorded = SharedDecoder(make_model(name).cuda(), GREEDY, PREFIXES)
    plain = SharedDecoder(make_model(name).cuda(), GREEDY, PREFIXES)
    plain._graphs = None
    found = [run(decoder, requests, random.Random(seed)) for seed in (1, 2) for decoder in (recorded, plain)]
    assert all(one == found[0] for one in found)
    assert recorded._graphs is not None
    assert plain._graphs is None


@needs_gpu
def test_recorded_draws_depend_on_the_request_alone() -> None:
    decoder = SharedDecoder(make_model("llama").cuda(), SAMPLED, PREFIXES)
    requests = make_requests(40, seed=7)
    found = [run(decoder, requests, random.Random(seed)) for seed in range(5)]
    assert all(one == found[0] for one in found)


@needs_gpu
def test_a_model_that_waits_for_the_gpu_goes_on_unrecorded() -> None:
    requests = make_requests(20, seed=3)
    wanted = run(SharedDecoder(make_model("llama").cuda(), GREEDY, PREFIXES), requests, random.Random(3))
    model = make_model("llama").cuda()
    model.register_forward_pre_hook(lambda *call: call[2]["input_ids"].max().item() and None, with_kwargs=True)
    decoder = SharedDecoder(model, GREEDY, PREFIXES)
    assert decoder._graphs is None
    assert run(decoder, requests, random.Random(3)) == wanted


@needs_gpu
@pytest.mark.parametrize("size", [8, 16, 64, 80, 128, 256])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_a_step_takes_the_kernel_that_reads_no_more_than_there_is(dtype: torch.dtype, size: int) -> None:
    assert kernels.choose_step_kernel(torch.device("cuda"), dtype, size) is not None


@needs_gpu
@pytest.mark.parametrize("group", [1, 3, 8, 17])
def test_the_step_kernel_gives_the_definition(group: int) -> None:
    from selfinstruct.engines.step_kernel import over_own_columns

    rolls = random.Random(group)
    for _ in range(20):
        rows, heads, columns, size = rolls.randint(1, 9), rolls.randint(1, 4), rolls.randint(1, 400), 64
        query = torch.randn(rows, heads, group, size, device="cuda")
        key, value = torch.randn(2, rows + 2, heads, columns + 3, size, device="cuda")
        last = torch.randint(columns, (rows,), device="cuda")
        window = rolls.choice([0, 1, 30])
        back = last[:, None] - torch.arange(columns + 3, device="cuda")
        seen = (back >= 0) & (back < (window or columns))
        out, total = over_own_columns(query, key, value, last, window, 0.2)
        scores = (query.double() @ key[:rows].double().mT * 0.2).masked_fill(~seen[:, None, None], -torch.inf)
        torch.testing.assert_close(total.double(), scores.logsumexp(-1), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(out.double(), scores.softmax(-1) @ value[:rows].double(), atol=1e-4, rtol=1e-4)
